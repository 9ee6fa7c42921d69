// SPDX-License-Identifier: Apache-2.0
// What crgen takes from itself before it reads what others have written.
#include "crgen/confine.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "tests/support/cli_fixture.h"

namespace crgen::test {
namespace {

struct Attempt {
  const char* what;
  std::function<bool()> succeeds;
};

class ConfineTest : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
#ifdef CRGEN_SANITIZED
    GTEST_SKIP() << "sanitizers do what is refused";
#endif
    if (syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) < 3) {
      GTEST_SKIP() << "this kernel has no Landlock that knows truncation";
    }
    for (const char* name : {"named", "filled"}) fs::create_directory(folder_ / name);
    for (const char* name : {"named/file", "other"}) {
      std::ofstream(folder_ / name) << "text of " << name;
    }
  }

  std::string Path(const std::string& name) const { return folder_ / name; }

  bool Opens(const std::string& name, int flags) const {
    const int fd = open(Path(name).c_str(), flags, 0600);
    if (fd >= 0) close(fd);
    return fd >= 0;
  }

  /// Those of `attempts` that succeed in a process that is confined to reading `named` and filling
  /// `fill`.
  std::string Successes(const std::vector<Attempt>& attempts, const std::string& fill = "") {
    int ends[2];
    if (pipe(ends) != 0) return "pipe";
    const pid_t child = fork();
    if (child == 0) {
      Access access = {{Path("named")}, {}};
      if (!fill.empty()) access.fill.push_back(Path(fill));
      Confine(access);
      std::string done;
      for (const Attempt& attempt : attempts) {
        if (attempt.succeeds()) done += std::string(attempt.what) + "\n";
      }
      (void)!write(ends[1], done.data(), done.size());
      _exit(0);
    }
    close(ends[1]);
    std::string text(1 << 16, '\0');
    std::size_t size = 0;
    for (ssize_t got; (got = read(ends[0], text.data() + size, text.size() - size)) > 0;) {
      size += static_cast<std::size_t>(got);
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    text.resize(size);
    return WIFEXITED(status) ? text : text + "the child died of a signal";
  }
};

TEST_F(ConfineTest, ReachesNothingElse) {
  const pid_t test = getpid();
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const int connecting = socket(AF_INET, SOCK_STREAM, 0);
  const std::string other = Path("other"), fresh = Path("fresh");
  const auto call = [](long number, auto... arguments) {
    return syscall(number, arguments...) >= 0;
  };
  char byte = 0;
  const iovec span = {&byte, 1};
  const std::vector<Attempt> attempts = {
      {"read another file", [&] { return Opens("other", O_RDONLY); }},
      {"read /etc/passwd", [&] { return open("/etc/passwd", O_RDONLY) >= 0; }},
      {"list another folder", [&] { return open("/", O_RDONLY | O_DIRECTORY) >= 0; }},
      {"read its own memory", [&] { return open("/proc/self/mem", O_RDONLY) >= 0; }},
      {"write a file that it reads", [&] { return Opens("named/file", O_WRONLY); }},
      {"write and read it", [&] { return Opens("named/file", O_RDWR); }},
      {"truncate it by opening", [&] { return Opens("named/file", O_RDONLY | O_TRUNC); }},
      {"truncate it", [&] { return truncate(Path("named/file").c_str(), 0) == 0; }},
      {"make a file", [&] { return Opens("named/fresh", O_RDONLY | O_CREAT); }},
      {"make one without a name",
       [&] { return open(Path("named").c_str(), O_TMPFILE | O_RDWR, 0600) >= 0; }},
      {"make a folder", [&] { return mkdir(fresh.c_str(), 0700) == 0; }},
      {"remove a file", [&] { return unlink(Path("named/file").c_str()) == 0; }},
      {"rename a file", [&] { return rename(other.c_str(), fresh.c_str()) == 0; }},
      {"make a link", [&] { return link(other.c_str(), fresh.c_str()) == 0; }},
      {"make a symbolic link", [&] { return symlink("/etc", fresh.c_str()) == 0; }},
      {"make a FIFO", [&] { return mkfifo(fresh.c_str(), 0600) == 0; }},
      {"change a mode", [&] { return chmod(other.c_str(), 0666) == 0; }},
      {"change that of what it reads",
       [&] { return fchmod(open(Path("named/file").c_str(), O_RDONLY), 0666) == 0; }},
      {"change an owner", [&] { return chown(other.c_str(), 0, 0) == 0; }},
      {"start a program", [&] { return execl("/bin/true", "true", nullptr) == 0; }},
      {"make a process",
       [&] {
         const pid_t child = fork();
         if (child == 0) _exit(0);
         return child > 0;
       }},
      {"make one otherwise", [&] { return call(SYS_clone3, nullptr, 0) || errno != ENOSYS; }},
      {"make a socket", [&] { return socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }},
      {"make a socket of IP", [&] { return socket(AF_INET, SOCK_DGRAM, 0) >= 0; }},
      {"connect a socket that it has",
       [&] { return connect(connecting, reinterpret_cast<const sockaddr*>(&address), size) == 0; }},
      {"send a signal", [&] { return kill(test, 0) == 0; }},
      {"send one to a thread", [&] { return call(SYS_tgkill, test, test, 0); }},
      {"have signals sent", [&] { return fcntl(STDIN_FILENO, F_SETOWN, test) == 0; }},
      {"trace a process", [&] { return ptrace(PTRACE_SEIZE, test, 0, 0) == 0; }},
      {"be traced", [&] { return ptrace(PTRACE_TRACEME, 0, 0, 0) == 0; }},
      {"read memory of a process",
       [&] { return process_vm_readv(test, &span, 1, &span, 1, 0) == 1; }},
      {"write memory of a process",
       [&] { return process_vm_writev(test, &span, 1, &span, 1, 0) == 1; }},
      {"make memory executable",
       [&] {
         return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
                MAP_FAILED;
       }},
      {"make a namespace", [&] { return call(SYS_unshare, 0x10000000); }},
      {"mount", [&] { return call(SYS_mount, "none", "/mnt", "tmpfs", 0, nullptr); }},
      {"use bpf(2)", [&] { return call(SYS_bpf, 0, nullptr, 0) || errno != EPERM; }},
      {"use io_uring", [&] { return call(SYS_io_uring_setup, 1, nullptr) || errno != EPERM; }},
      {"type into a terminal", [&] { return call(SYS_ioctl, 0, 0x5412, &byte) || errno != EPERM; }},
  };
  EXPECT_EQ(Successes(attempts), "");
  EXPECT_EQ(ReadFileText(Path("named/file")), "text of named/file");
  close(listener);
  close(connecting);
}

TEST_F(ConfineTest, LeavesWhatAReaderNeeds) {
  const std::vector<Attempt> attempts = {
      {"read", [&] { return Opens("named/file", O_RDONLY | O_CLOEXEC | O_NONBLOCK); }},
      {"list", [&] { return Opens("named", O_RDONLY | O_DIRECTORY); }},
      {"see", [&] { return fs::exists(Path("other")); }},
      {"work beside itself",
       [&] {
         bool ran = false;
         std::thread([&] { ran = true; }).join();
         return ran;
       }},
      {"raise",
       [&] {
         std::signal(SIGUSR1, [](int) {});
         return raise(SIGUSR1) == 0;
       }},
      {"remember", [&] { return std::vector<char>(64 << 20, 'x').back() == 'x'; }},
  };
  EXPECT_EQ(Successes(attempts), "read\nlist\nsee\nwork beside itself\nraise\nremember\n");
}

TEST_F(ConfineTest, FillsAFolderAndNoOther) {
  const std::vector<Attempt> attempts = {
      {"make", [&] { return Opens("filled/file", O_RDWR | O_CREAT | O_EXCL); }},
      {"make a folder",
       [&] { return mkdirat(AT_FDCWD, Path("filled/folder").c_str(), 0700) == 0; }},
      {"remove", [&] { return unlinkat(AT_FDCWD, Path("filled/file").c_str(), 0) == 0; }},
      {"make in another", [&] { return Opens("named/fresh", O_RDWR | O_CREAT); }},
      {"make beside", [&] { return Opens("fresh", O_RDWR | O_CREAT); }},
      {"write beside", [&] { return Opens("other", O_WRONLY); }},
      {"remove beside", [&] { return unlinkat(AT_FDCWD, Path("other").c_str(), 0) == 0; }},
      {"remove the folder",
       [&] { return unlinkat(AT_FDCWD, Path("filled").c_str(), AT_REMOVEDIR) == 0; }},
  };
  EXPECT_EQ(Successes(attempts, "filled"), "make\nmake a folder\nremove\n");
}

TEST_F(ConfineTest, SaysWhatAnImageThatLeadsOutIs) {
  const fs::path dump = CopyOf("pipeline");
  fs::rename(dump / "inventory.img", Path("elsewhere"));
  fs::create_symlink("../elsewhere", dump / "inventory.img");
  const Ran ran = Crgen(dump.string());
  EXPECT_EQ(ran.code, 3);
  EXPECT_NE(ran.err.find("inventory.img: is a link that leads out of the dump"), std::string::npos)
      << ran.err;
}

}  // namespace
}  // namespace crgen::test

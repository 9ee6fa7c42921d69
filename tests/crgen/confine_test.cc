// SPDX-License-Identifier: Apache-2.0
// What crgen takes from itself before it reads what others have written.
#include "crgen/confine.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "preflight/fixed_arguments.h"
#include "preflight/host_facts.h"
#include "preflight/host_files.h"
#include "preflight/own_status.h"
#include "preflight/socket_files.h"
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
#ifdef CRGEN_UNCONFINED
    GTEST_SKIP() << "sanitizers, or gcov, do what is refused";
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
    return SuccessesAfter(attempts, [&](int) {
      Access access = {{Path("named")}, {}};
      if (!fill.empty()) access.fill.push_back(Path(fill));
      Confine(access);
    });
  }

  /// In a process that `confine` has confined, which is given the descriptor that it writes to.
  static std::string SuccessesAfter(const std::vector<Attempt>& attempts,
                                    const std::function<void(int)>& confine) {
    int ends[2];
    if (pipe(ends) != 0) return "pipe";
    const pid_t child = fork();
    if (child == 0) {
      confine(ends[1]);
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

  /// What no confined process may do.
  std::vector<Attempt> Forbidden(pid_t test) const;
};

template <typename... Arguments>
bool Call(long number, Arguments... arguments) {
  return syscall(number, arguments...) >= 0;
}

std::vector<Attempt> ConfineTest::Forbidden(const pid_t test) const {
  const std::string other = Path("other"), fresh = Path("fresh"), named = Path("named");
  const std::string file = Path("named/file");
  static char byte = 0;
  static const iovec span = {&byte, 1};
  return {
      {"write a file that it reads", [=, this] { return Opens("named/file", O_WRONLY); }},
      {"write and read it", [=, this] { return Opens("named/file", O_RDWR); }},
      {"truncate it by opening", [=, this] { return Opens("named/file", O_RDONLY | O_TRUNC); }},
      {"truncate it", [=] { return truncate(file.c_str(), 0) == 0; }},
      {"make a file", [=, this] { return Opens("named/fresh", O_RDONLY | O_CREAT); }},
      {"make one without a name",
       [=] { return open(named.c_str(), O_TMPFILE | O_RDWR, 0600) >= 0; }},
      {"make a folder", [=] { return mkdir(fresh.c_str(), 0700) == 0; }},
      {"remove a file", [=] { return unlink(file.c_str()) == 0; }},
      {"rename a file", [=] { return rename(other.c_str(), fresh.c_str()) == 0; }},
      {"make a link", [=] { return link(other.c_str(), fresh.c_str()) == 0; }},
      {"make a symbolic link", [=] { return symlink("/etc", fresh.c_str()) == 0; }},
      {"make a FIFO", [=] { return mkfifo(fresh.c_str(), 0600) == 0; }},
      {"change a mode", [=] { return chmod(other.c_str(), 0666) == 0; }},
      {"change that of what it reads",
       [=] { return fchmod(open(file.c_str(), O_RDONLY), 0666) == 0; }},
      {"change an owner", [=] { return chown(other.c_str(), 0, 0) == 0; }},
      {"start a program", [] { return execl("/bin/true", "true", nullptr) == 0; }},
      {"make a process",
       [] {
         const pid_t child = fork();
         if (child == 0) _exit(0);
         return child > 0;
       }},
      {"make one otherwise", [] { return Call(SYS_clone3, nullptr, 0) || errno != ENOSYS; }},
      {"make a socket", [] { return socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }},
      {"send a signal", [=] { return kill(test, 0) == 0; }},
      {"send one to a thread", [=] { return Call(SYS_tgkill, test, test, 0); }},
      {"have signals sent", [=] { return fcntl(STDIN_FILENO, F_SETOWN, test) == 0; }},
      {"trace a process", [=] { return ptrace(PTRACE_SEIZE, test, 0, 0) == 0; }},
      {"be traced", [] { return ptrace(PTRACE_TRACEME, 0, 0, 0) == 0; }},
      {"read memory of a process",
       [=] { return process_vm_readv(test, &span, 1, &span, 1, 0) == 1; }},
      {"write memory of a process",
       [=] { return process_vm_writev(test, &span, 1, &span, 1, 0) == 1; }},
      {"make memory executable",
       [] {
         return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
                MAP_FAILED;
       }},
      {"make a namespace", [] { return Call(SYS_unshare, 0x10000000); }},
      {"make one for a thread",
       [] { return Call(SYS_clone, 0x04010f00, nullptr, nullptr, nullptr, 0); }},
      {"mount", [] { return Call(SYS_mount, "none", "/mnt", "tmpfs", 0, nullptr); }},
      {"use bpf(2)", [] { return Call(SYS_bpf, 0, nullptr, 0) || errno != EPERM; }},
      {"use io_uring", [] { return Call(SYS_io_uring_setup, 1, nullptr) || errno != EPERM; }},
      {"type into a terminal", [] { return Call(SYS_ioctl, 0, 0x5412, &byte) || errno != EPERM; }},
  };
}

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
  std::vector<Attempt> attempts = Forbidden(test);
  const std::vector<Attempt> reading = {
      {"read another file", [&] { return Opens("other", O_RDONLY); }},
      {"read /etc/passwd", [&] { return open("/etc/passwd", O_RDONLY) >= 0; }},
      {"list another folder", [&] { return open("/", O_RDONLY | O_DIRECTORY) >= 0; }},
      {"read its own memory", [&] { return open("/proc/self/mem", O_RDONLY) >= 0; }},
      {"make a socket of IP", [&] { return socket(AF_INET, SOCK_DGRAM, 0) >= 0; }},
      {"connect a socket that it has",
       [&] { return connect(connecting, reinterpret_cast<const sockaddr*>(&address), size) == 0; }},
  };
  attempts.insert(attempts.end(), reading.begin(), reading.end());
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

/// What asks this host: root, without Landlock.
class AskingTest : public ConfineTest {
 protected:
  void SetUp() override {
    ConfineTest::SetUp();
    if (IsSkipped()) return;
    if (geteuid() != 0) GTEST_SKIP() << "only who has CAP_SYS_ADMIN is confined";
  }

  static std::string SuccessesOf(const std::vector<Attempt>& attempts) {
    return SuccessesAfter(attempts, ConfineToAsking);
  }
  HostFacts unconfined_;
};

TEST_F(AskingTest, ReachesNothingElse) {
  EXPECT_EQ(SuccessesOf(Forbidden(getpid())), "");
  EXPECT_EQ(ReadFileText(Path("named/file")), "text of named/file");
}

/// What succeeds in spite of that changes nothing outside of the test: arguments are wrong
/// otherwise.
TEST_F(AskingTest, ChangesNothing) {
  const pid_t test = getpid();
  const std::string file = Path("named/file"), fresh = Path("fresh");
  const int writable = open(Path("other").c_str(), O_RDWR | O_CLOEXEC);
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
  const auto page = reinterpret_cast<long>(&kFixedArguments);
  const auto opens = [&](open_how how) {
    return Call(SYS_openat2, AT_FDCWD, fresh.c_str(), &how, sizeof how);
  };
  const std::vector<Attempt> attempts = {
      // Arguments that are in memory.
      {"make a file by openat2",
       [&] {
         return opens({O_CREAT | O_WRONLY, 0600, 0});
       }},
      {"open by its own arguments",
       [&] {
         const open_how look = {O_PATH | O_CLOEXEC, 0, 0};
         return Call(SYS_openat2, AT_FDCWD, file.c_str(), &look, sizeof look) || errno != EPERM;
       }},
      {"open by arguments between others",
       [&] {
         for (long at = page; at < page + 4096; ++at) {
           if ((at - page) % 24 == 0 && at < page + 24 * 24) continue;
           if (Call(SYS_openat2, AT_FDCWD, file.c_str(), at, 24) || errno != EPERM) return true;
         }
         return false;
       }},
      {"write its arguments anew",
       [&] { return Call(SYS_mprotect, page, 4096, PROT_READ | PROT_WRITE); }},
      {"write them from below",
       [&] { return Call(SYS_mprotect, page - 4096, 8192, PROT_READ | PROT_WRITE); }},
      {"map something over them",
       [&] {
         return Call(SYS_mmap, page, 4096, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
       }},
      {"move something over them",
       [&] {
         void* mine =
             mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         return Call(SYS_mremap, mine, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, page);
       }},
      {"unmap them", [&] { return Call(SYS_munmap, page, 4096); }},
      {"begin a file system of a disk",
       [&] { return Call(SYS_fsopen, "ext4", 0) || errno != EPERM; }},
      {"give a file system a text",
       [&] {
         const long context = Call(SYS_fsopen, kFixedArguments.tmpfs, 0) ? 3 : -1;
         return Call(SYS_fsconfig, context, 1, "release_agent", "/tmp/x", 0) || errno != EPERM;
       }},
      // Files.
      {"set times", [&] { return Call(SYS_utimensat, AT_FDCWD, file.c_str(), nullptr, 0); }},
      {"set a mode by its newest call",
       [&] { return Call(452, AT_FDCWD, file.c_str(), 04777, 0) || errno != EPERM; }},
      {"set an attribute", [&] { return Call(SYS_setxattr, file.c_str(), "user.a", "b", 1, 0); }},
      {"write what is open", [&] { return write(writable, "x", 1) == 1; }},
      {"write there", [&] { return pwrite(writable, "x", 1, 0) == 1; }},
      {"cut it off", [&] { return ftruncate(writable, 0) == 0; }},
      {"allocate", [&] { return Call(SYS_fallocate, writable, 0, 0, 1); }},
      {"write it through memory",
       [&] {
         return mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writable, 0) != MAP_FAILED;
       }},
      {"copy into it", [&] { return Call(SYS_sendfile, writable, STDIN_FILENO, nullptr, 1); }},
      {"lock it", [&] { return Call(SYS_flock, writable, 2); }},
      {"open by handle to write",
       [&] { return Call(SYS_open_by_handle_at, AT_FDCWD, nullptr, O_RDWR) || errno != EPERM; }},
      {"set flags", [&] { return Call(SYS_ioctl, writable, 0x40086602, &page) || errno != EPERM; }},
      {"make a message queue",
       [] { return Call(SYS_mq_open, nullptr, O_CREAT | O_RDWR, 0600, 0) || errno != EPERM; }},
      {"close what it answers to",
       [&] { return Call(SYS_close, STDERR_FILENO) || Call(SYS_close, (1L << 32) | 2); }},
      {"put another in its place",
       [&] { return dup2(writable, STDERR_FILENO) >= 0 || dup3(writable, 2, O_CLOEXEC) >= 0; }},
      // Sockets.
      {"send", [&] { return send(ends[0], "x", 1, 0) == 1; }},
      {"connect", [&] { return Call(SYS_connect, ends[0], nullptr, 0) || errno != EPERM; }},
      {"make a pair", [&] { return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0; }},
      {"listen", [&] { return listen(socket(AF_INET, SOCK_STREAM, 0), 1) == 0; }},
      {"replace a table of iptables",
       [&] {
         const int fd = socket(AF_INET, SOCK_DGRAM, 0);
         return fd < 0 || setsockopt(fd, IPPROTO_IP, 64, &page, 8) == 0 || errno != EPERM;
       }},
      {"bind a socket of unix",
       [&] {
         sockaddr_un address = {};
         address.sun_family = AF_UNIX;
         std::strcpy(address.sun_path, fresh.c_str());
         for (long fd = 0; fd < 64; ++fd) {
           if (Call(SYS_bind, fd, &address, sizeof address)) return true;
           if (Call(SYS_bind, fd | 1L << 32, &address, sizeof address)) return true;
         }
         return false;
       }},
      // The machine, and what this process is.
      {"name the host", [] { return Call(SYS_sethostname, nullptr, 1) || errno != EPERM; }},
      {"set the clock", [] { return Call(SYS_clock_settime, 0, nullptr) || errno != EPERM; }},
      {"change a mount",
       [] { return Call(SYS_mount_setattr, -1, "/proc", 0, nullptr, 32) || errno != EPERM; }},
      {"move a mount", [] { return Call(SYS_move_mount, 0, "", 0, "", 0) || errno != EPERM; }},
      {"load a filter", [&] { return Call(SYS_seccomp, 1, 0, &page) || errno != EPERM; }},
      {"become another", [] { return Call(SYS_setuid, 1) || errno != EPERM; }},
      {"set a name", [] { return prctl(PR_SET_NAME, "x", 0, 0, 0) == 0; }},
      {"set securebits", [] { return prctl(PR_SET_SECUREBITS, 0, 0, 0, 0) == 0; }},
      {"set bounds of memory", [] { return prctl(PR_SET_MM, 1, 0, 0, 0) == 0 || errno != EPERM; }},
      {"limit another", [&] { return Call(SYS_prlimit64, test, RLIMIT_CORE, nullptr, nullptr); }},
      {"limit itself",
       [] {
         const rlimit none = {0, 0};
         return setrlimit(RLIMIT_CORE, &none) == 0;
       }},
      {"make a segment", [] { return Call(SYS_shmget, 1, 0, 01000) || errno != EPERM; }},
      {"remove one", [] { return Call(SYS_shmctl, -1, 0, nullptr) || errno != EPERM; }},
      {"make a map", [&] { return Call(SYS_bpf, 0, &page, 8) || errno != EPERM; }},
      {"keep a key", [] { return Call(SYS_add_key, nullptr, "a", "b", 1, -3) || errno != EPERM; }},
      {"have a process by number", [&] { return Call(SYS_pidfd_open, test, 0); }},
      {"enter a namespace", [] { return Call(SYS_setns, 0, 0) || errno != EPERM; }},
      {"have another root", [] { return Call(SYS_chroot, "/"); }},
      {"watch", [] { return Call(SYS_fanotify_init, 0, 0) || Call(SYS_inotify_init1, 0); }},
      {"handle faults", [] { return Call(SYS_userfaultfd, 1) || errno != EPERM; }},
  };
  EXPECT_EQ(SuccessesOf(attempts), "");
  EXPECT_EQ(ReadFileText(Path("other")), "text of other");
  EXPECT_FALSE(fs::exists(fresh));
  for (const int fd : {writable, ends[0], ends[1]}) close(fd);
}

TEST_F(AskingTest, LeavesWhatPreflightAsks) {
  const int taken = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, Path("socket").c_str());
  ASSERT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const auto nobody = fs::path(Path("nobody"));
  std::strcpy(address.sun_path, nobody.c_str());
  const int gone = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(gone, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(gone);
  fs::create_symlink("named", Path("link"));
  const auto opens = [](int fd) { return fd >= 0 && close(fd) == 0; };
  std::vector<Attempt> attempts = {
      {"open by every fixed way",
       [&] {
         for (const open_how& way : kFixedArguments.ways) {
           const int folder = open(folder_.c_str(), O_PATH | O_DIRECTORY);
           if (!Call(SYS_openat2, folder, "named", &way, sizeof way)) return false;
         }
         return true;
       }},
      {"open a trusted path", [&] { return opens(OpenTrusted(Path("named/file"), O_NOFOLLOW)); }},
      {"through a link", [&] { return opens(OpenTrusted(Path("link/file"), 0)); }},
      {"whose way it is", [&] { return !ForeignOwnerOf("/"); }},
      {"open a path", [&] { return opens(OpenPath(AT_FDCWD, Path("named"), O_DIRECTORY, 0)); }},
      {"read", [&] { return opens(Reopen(OpenPath(AT_FDCWD, Path("named/file"), 0, 0), 0)); }},
      {"a socket that somebody has",
       [&] { return LookAtName(Path("socket")) == NameState::kInUse; }},
      {"one that nobody has", [&] { return LookAtName(nobody) == NameState::kStale; }},
      {"again", [&] { return LookAtName(Path("socket")) == NameState::kInUse; }},
      {"facts",
       [&] {
         const HostFacts facts = RecordHostFacts(nullptr);
         // As they are without a filter; others come and go.
         for (const FactKind kind : {FactKind::kLimits, FactKind::kKernel, FactKind::kMachine,
                                     FactKind::kTools, FactKind::kNetwork}) {
           const auto row = static_cast<std::size_t>(kind);
           if (facts.answers[row].empty()) return false;
           if (facts.answers[row] != unconfined_.answers[row]) return false;
         }
         return true;
       }},
      {"threads",
       [&] {
         bool ran = false;
         std::thread([&] { ran = true; }).join();
         return ran;
       }},
      {"terminals", [] { return tcgetpgrp(STDIN_FILENO) >= 0 || errno != EPERM; }},
      {"abort", [] { return raise(0) == 0; }},
  };
  std::string all;
  for (const Attempt& attempt : attempts) all += std::string(attempt.what) + "\n";
  const auto ask = [&](int answers) {
    KeepOwnStatus();
    unconfined_ = RecordHostFacts(nullptr);
    ConfineToAsking(answers);
  };
  EXPECT_EQ(SuccessesAfter(attempts, ask), all);
  close(taken);
}

}  // namespace
}  // namespace crgen::test

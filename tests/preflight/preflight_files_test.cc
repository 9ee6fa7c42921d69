// SPDX-License-Identifier: Apache-2.0
// Files and images are what the plan says, once: what is judged is what is opened.
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>

#include "model/flags.h"
#include "tests/support/plan_files.h"
#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

class PreflightFilesTest : public RestorerTest {
 protected:
  /// A process that opens `file`, a REG, at `fd`.
  void OpenIn(Plan& plan, int pid, int fd, const std::string& path, Json flags = {"O_RDONLY"},
              Json more = Json::object()) {
    Json file = {{"type", "REG"}, {"id", next_id_++}, {"path", path}, {"flags", flags}};
    file.update(more);
    plan.Add("OPEN_FILE", pid, {{"fd", fd}, {"file", file}});
  }
  Plan PlanWith(const std::string& path, Json flags = {"O_RDONLY"}, Json more = Json::object()) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    OpenIn(plan, Pid(0), 0, path, flags, more);
    plan.Resume(Pid(0));
    return plan;
  }
  void ExpectRefused(const Plan& plan, const std::string& message, int status = 3) {
    const Outcome outcome = Run(plan);
    EXPECT_EQ(outcome.status, status) << outcome.errors;
    EXPECT_NE(outcome.errors.find(message), std::string::npos) << message << "\n" << outcome.errors;
    EXPECT_TRUE(Left().empty());
  }
  std::string LinkOf(int pid, int fd) const {
    char text[4096];
    const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
    const ssize_t size = readlink(path.c_str(), text, sizeof text);
    return std::string(text, size < 0 ? 0 : static_cast<std::size_t>(size));
  }
  std::string FlagsOf(int pid, int fd) const {
    std::ifstream info("/proc/" + std::to_string(pid) + "/fdinfo/" + std::to_string(fd));
    for (std::string key, value; info >> key >> value;) {
      if (key == "flags:") return value;
    }
    return "";
  }

  int next_id_ = 1;
};

/// No image says below which root a name was bound; the file that the dumped socket has left does.
TEST_F(PreflightFilesTest, NamesEachFileOfAMissingFolder) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  const std::string names[] = {"/none/a", "/none/b", "/none/below/c", "/d", "/none/a"};
  for (int fd = 0; fd < 5; ++fd) OpenIn(plan, Pid(0), fd, folder_ + names[fd]);
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 3);
  for (const std::string& name : names) {
    const std::string message = folder_ + name + ": No such file or directory";
    const std::size_t at = outcome.errors.find(message);
    ASSERT_NE(at, std::string::npos) << message << "\n" << outcome.errors;
    EXPECT_EQ(outcome.errors.find(message, at + 1), std::string::npos) << outcome.errors;
  }
}

TEST_F(PreflightFilesTest, SocketsThatWereBoundBelowAnotherRoot) {
  const std::string jail = folder_ + "/jail", name = folder_ + "/name";
  std::filesystem::create_directories(jail + folder_);
  const auto plan_with = [&](Json socket) {
    socket["name"] = name;
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 0}, {"file", UnixSocketFile(1, "SOCK_DGRAM", "unconnected", socket)}});
    plan.Add("SET_ATTR", Pid(0),
             {{"attributes", {{"fs", {{"cwd", "/"}, {"root", jail}, {"umask", 18}}}}}});
    plan.Resume(Pid(0));
    return plan;
  };
  const Plan plan = plan_with(Json::object());
  const auto leave = [](const std::string& path) {
    const int old = socket(AF_UNIX, SOCK_DGRAM, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    EXPECT_EQ(bind(old, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    close(old);
  };
  leave(jail + name);
  ExpectRefused(plan,
                "the socket file of " + name + " is not there, but " + jail + name +
                    " is: it was bound below that root, and would come back outside of it (give "
                    "the sockets of that name \"name_root\": \"" +
                    jail + "\" in the plan");
  const Outcome below = Run(plan_with({{"name_root", jail}}));
  EXPECT_EQ(below.status, 0) << below.errors;
  EXPECT_FALSE(std::filesystem::exists(name));
  EXPECT_TRUE(std::filesystem::is_socket(jail + name));
  KillEverybody();
  leave(name);  // both: one is of another socket
  const Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
}

/// What has the name of a socket stays, unless it is a socket file that nobody has any more.
TEST_F(PreflightFilesTest, SocketsDestroyNothing) {
  const std::string path = folder_ + "/name";
  const auto plan_with = [&](const std::string& name, Json more = Json::object()) {
    Json file = UnixSocketFile(1, "SOCK_STREAM", "listening", {{"name", name}, {"backlog", 1}});
    file.update(more);
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Add("OPEN_FILE", Pid(0), {{"fd", 0}, {"file", file}});
    plan.Resume(Pid(0));
    return plan;
  };
  std::ofstream(path) << "a letter";
  ExpectRefused(plan_with(path), path + " is a file: the plan has a socket of that name");
  EXPECT_EQ(std::filesystem::file_size(path), 8u);
  ExpectRefused(plan_with("name", {{"name_directory", folder_}}), path + " is a file");
  unlink(path.c_str());
  ASSERT_EQ(symlink("nowhere", path.c_str()), 0);
  ExpectRefused(plan_with(path), path + " is a symbolic link");
  unlink(path.c_str());
  ASSERT_EQ(mkdir(path.c_str(), 0755), 0);
  ExpectRefused(plan_with(path), path + " is a directory");
  rmdir(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0644), 0);
  ExpectRefused(plan_with(path), path + " is a FIFO");
  unlink(path.c_str());
  ExpectRefused(plan_with(folder_ + "/none/name"),
                "the directory of the socket " + folder_ + "/none/name: No such file");
  ExpectRefused(plan_with(path, {{"backlog", 1000000000}}), "is above net.core.somaxconn");

  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path.c_str());
  for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    const int other = socket(AF_UNIX, type, 0);
    ASSERT_EQ(bind(other, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ExpectRefused(plan_with(path),
                  path + " is the socket of somebody who runs, by process 1 (preflight_");
    close(other);
    const Outcome outcome = Run(plan_with(path));  // left by nobody
    EXPECT_EQ(outcome.status, 0) << outcome.errors;
    const int client = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    close(client);
    KillEverybody();
    unlink(path.c_str());
  }
}

/// An abstract name is looked for where it will be bound, among those of its type.
TEST_F(PreflightFilesTest, AbstractNamesThatAreTaken) {
  const std::string text = "crrestore abstract name", name = '\0' + text;
  const auto plan_with = [&](const char* type) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 0}, {"file", UnixSocketFile(1, type, "unconnected", {{"name", name}})}});
    plan.Resume(Pid(0));
    return plan;
  };
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path, sizeof address.sun_path);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  const int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(other, reinterpret_cast<sockaddr*>(&address), size), 0);
  ExpectRefused(plan_with("SOCK_DGRAM"),
                "the abstract name @" + text + " is taken, by process 1 (preflight_");
  EXPECT_EQ(Run(plan_with("SOCK_STREAM")).status, 0);
  KillEverybody();
  close(other);
  EXPECT_EQ(Run(plan_with("SOCK_DGRAM")).status, 0);
}

/// Whose peer is not of the tree: it is handed over, or refused by name.
TEST_F(PreflightFilesTest, TakesASocketFromOutside) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Add(
      "OPEN_FILE", Pid(0),
      {{"fd", 3},
       {"file", UnixSocketFile(77, "SOCK_STREAM", "connected", {{"external", "socket:[77]"}})}});
  plan.Resume(Pid(0));
  ExpectRefused(plan, "socket:[77] comes from outside, and is not handed over");
  const auto refused = [&](int family, int type, const std::string& what) {
    const int other = fcntl(socket(family, type, 0), F_DUPFD, 60);
    const Outcome outcome =
        Run(plan, "--detach --inherit-fd 'fd[" + std::to_string(other) + "]:socket:[77]'");
    close(other);
    EXPECT_EQ(outcome.status, 3) << outcome.errors;
    EXPECT_NE(outcome.errors.find(what), std::string::npos) << outcome.errors;
  };
  refused(AF_INET, SOCK_STREAM, "is of the family 2, expected AF_UNIX");
  refused(AF_UNIX, SOCK_DGRAM, "is of the type SOCK_DGRAM, expected SOCK_STREAM");
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const int handed_over = fcntl(ends[0], F_DUPFD, 50);
  struct stat status;
  fstat(handed_over, &status);
  const Outcome outcome =
      Run(plan, "--detach --inherit-fd 'fd[" + std::to_string(handed_over) + "]:socket:[77]'");
  for (const int fd : {ends[0], ends[1], handed_over}) close(fd);
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(LinkOf(Pid(0), 3), "socket:[" + std::to_string(status.st_ino) + "]");
}

/// A name that no path leads to is in nobody's way.
TEST_F(PreflightFilesTest, NamesThatNoPathLeadsToTouchNothing) {
  const std::string path = folder_ + "/name";
  std::ofstream(path) << "a letter";
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Add("OPEN_FILE", Pid(0),
           {{"fd", 0},
            {"file", UnixSocketFile(1, "SOCK_STREAM", "listening",
                                    {{"name", path}, {"unlinked_name", true}, {"backlog", 1}})}});
  plan.Add(
      "OPEN_FILE", Pid(0),
      {{"fd", 1}, {"file", UnixSocketFile(2, "SOCK_STREAM", "connected", {{"connect_to", 1}})}});
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(std::filesystem::file_size(path), 8u);
  std::stringstream sockets;
  sockets << std::ifstream("/proc/" + std::to_string(Pid(0)) + "/net/unix").rdbuf();
  EXPECT_NE(sockets.str().find(path), std::string::npos);
}

TEST_F(PreflightFilesTest, KeepsALinkThatWasOpenedItself) {
  const std::string path = folder_ + "/link";
  std::ofstream(folder_ + "/target") << "x";
  ASSERT_EQ(symlink((folder_ + "/target").c_str(), path.c_str()), 0);
  const Outcome outcome =
      Run(PlanWith(path, {"O_RDONLY", "O_PATH", "O_NOFOLLOW"}, {{"mode", 0120777}, {"pos", 0}}));
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(LinkOf(Pid(0), 0), path);
  EXPECT_EQ(FlagsOf(Pid(0), 0), "010400000");
}

TEST_F(PreflightFilesTest, KeepsTheFlagsOfWhatWasOpenedWithoutFollowingLinks) {
  const std::string path = folder_ + "/file";
  std::ofstream(path) << "hello";
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  OpenIn(plan, Pid(0), 3, path, {"O_RDWR", "O_APPEND", "O_NOFOLLOW"}, {{"pos", 2}, {"size", 5}});
  OpenIn(plan, Pid(0), 0, path, {"O_RDWR", "O_APPEND"}, {{"pos", 2}, {"size", 5}});
  OpenIn(plan, Pid(0), 1, folder_, {"O_RDONLY", "O_DIRECTORY"});
  OpenIn(plan, Pid(0), 2, "/dev/null", {"O_RDWR"}, {{"mode", 020666}});
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(FlagsOf(Pid(0), 3), "0502002");
  EXPECT_EQ(FlagsOf(Pid(0), 0), "0102002");
  EXPECT_EQ(FlagsOf(Pid(0), 1), "0300000");
  EXPECT_EQ(LinkOf(Pid(0), 1), folder_);
  EXPECT_EQ(LinkOf(Pid(0), 2), "/dev/null");
}

TEST_F(PreflightFilesTest, OpensFilesOfProcessesThatThePlanMakes) {
  const auto proc = [&](int n, const std::string& file) {
    return "/proc/" + std::to_string(Pid(n)) + file;
  };
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  OpenIn(plan, Pid(0), 0, proc(0, "/status"));
  OpenIn(plan, Pid(0), 1, proc(0, ""), {"O_RDONLY", "O_DIRECTORY"});
  plan.Fork(Pid(0), Pid(1));
  plan.Fork(Pid(0), Pid(2));
  plan.Add("CREATE_THREAD", Pid(1), {{"tid", Pid(3)}});
  plan.Add("SET_ATTR", Pid(1),
           {{"tid", Pid(3)},
            {"attributes", {{"registers", Plan::Registers(kPause)}, {"creds", "inherit"}}}});
  OpenIn(plan, Pid(0), 2, proc(1, "/stat"), {"O_RDONLY"}, {{"mode", 0100444}, {"size", 0}});
  OpenIn(plan, Pid(2), 3, proc(1, "/task/" + std::to_string(Pid(3)) + "/stat"));
  for (int i : {0, 1, 2}) plan.Resume(Pid(i));
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(LinkOf(Pid(0), 0), proc(0, "/status"));
  EXPECT_EQ(LinkOf(Pid(0), 1), proc(0, ""));
  EXPECT_EQ(LinkOf(Pid(0), 2), proc(1, "/stat"));
  EXPECT_EQ(LinkOf(Pid(2), 3), proc(1, "/task/" + std::to_string(Pid(3)) + "/stat"));
}

TEST_F(PreflightFilesTest, RefusesWhatWouldWait) {
  const std::string fifo = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  ExpectRefused(PlanWith(fifo), "fifo is a FIFO: the plan says REG");

  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Resume(Pid(0));
  ASSERT_EQ(rename(fifo.c_str(), (folder_ + "/code.img").c_str()), 0);
  ExpectRefused(plan, "./code.img is not a regular file");
  ASSERT_EQ(unlink((folder_ + "/code.img").c_str()), 0);
  ASSERT_EQ(mknod((folder_ + "/code.img").c_str(), S_IFCHR | 0600, makedev(1, 5)), 0);
  ExpectRefused(plan, "./code.img is not a regular file");
}

Json Memory(const std::string& exe) {
  Json mm = {{"exe", exe}, {"auxv", Json::array()}};
  for (const char* bound : {"start_code", "end_code", "start_data", "end_data", "start_stack",
                            "start_brk", "brk", "arg_start", "arg_end", "env_start", "env_end"}) {
    mm[bound] = Plan::Hex(kCode);
  }
  mm["end_code"] = Plan::Hex(kCode + 1);
  return mm;
}

TEST_F(PreflightFilesTest, RefusesWhatIsNoExecutable) {
  const std::string exe = folder_ + "/program";
  const auto plan = [&] {
    Plan made;
    made.Fork(0, Pid(0));
    made.MapProgram(Pid(0));
    made.Resume(Pid(0), Plan::Registers(kPause), {{"mm", Memory(exe)}});
    return made;
  };
  ExpectRefused(plan(), "the executable " + exe + ": No such file or directory");
  std::ofstream(exe) << "x";
  chmod(exe.c_str(), 0644);
  ExpectRefused(plan(), "the executable " + exe + " has no x permission");
  unlink(exe.c_str());
  ASSERT_EQ(mkfifo(exe.c_str(), 0755), 0);
  ExpectRefused(plan(), "the executable " + exe + " is not a regular file");
}

TEST_F(PreflightFilesTest, RefusesAFileThatHasLostItsBuildId) {
  const std::string path = folder_ + "/program";
  std::ofstream(path) << "no ELF file";
  ExpectRefused(PlanWith(path, {"O_RDONLY"}, {{"build_id", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}}),
                "has changed: build id is none, was 0000");
}

/// How far a file may reach is its file system's to say.
TEST_F(PreflightFilesTest, RefusesPositionsThatTheFileSystemHasNot) {
  const std::string path = folder_ + "/file";
  std::ofstream(path) << "hello";
  const auto beyond = std::int64_t{1} << 62;
  const int fd = open(path.c_str(), O_RDONLY);
  const bool taken = lseek(fd, beyond, SEEK_SET) == beyond;
  close(fd);
  if (taken) GTEST_SKIP() << "files of this file system reach that far";
  const std::string refused = std::to_string(beyond) + " of " + folder_, said = HexText(beyond);
  ExpectRefused(PlanWith(path, {"O_RDONLY"}, {{"pos", said}}), refused + "/file is none");
  const Json gone = {{"id", 1}, {"mode", 0100600}, {"uid", 0}, {"gid", 0}, {"size", 5}};
  ExpectRefused(PlanWith(folder_ + "/gone", {"O_RDWR"}, {{"pos", said}, {"unlinked", gone}}),
                refused + "/gone is none");
  Json large = gone;
  large["size"] = said;
  ExpectRefused(PlanWith(folder_ + "/gone", {"O_RDWR"}, {{"unlinked", large}}),
                refused + "/gone is none");
  const Outcome outcome = Run(PlanWith(path, {"O_RDONLY"}, {{"pos", std::int64_t{3} << 30}}));
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
}

/// What happens between the judgement and the use: the image is opened for reading after the first
/// and before the second.
TEST_F(PreflightFilesTest, RefusesAFileThatIsReplacedMeanwhile) {
  const std::string path = folder_ + "/file";
  const auto replace_while = [&](const std::function<void()>& replace) {
    std::ofstream(path) << "hello";
    Plan plan = PlanWith(path, {"O_RDONLY"}, {{"size", 5}});
    const int gate = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
    if (gate < 0) return Outcome{-2, "fanotify_init(2) is refused"};
    EXPECT_EQ(
        fanotify_mark(gate, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, (folder_ + "/code.img").c_str()),
        0);
    std::thread attacker([&] {
      fanotify_event_metadata event;
      if (read(gate, &event, sizeof event) != sizeof event) return;
      replace();
      const fanotify_response answer = {event.fd, FAN_ALLOW};
      EXPECT_EQ(write(gate, &answer, sizeof answer), static_cast<ssize_t>(sizeof answer));
      close(event.fd);
    });
    const Outcome outcome = Run(plan);
    attacker.join();
    close(gate);
    return outcome;
  };
  const std::string other = folder_ + "/other";
  Outcome outcome = replace_while([&] {
    std::ofstream(other) << "HELLO";
    rename(other.c_str(), path.c_str());
  });
  if (outcome.status == -2) GTEST_SKIP() << outcome.errors;
  EXPECT_EQ(outcome.status, 5) << outcome.errors;
  EXPECT_NE(outcome.errors.find("replaced since it was looked at"), std::string::npos)
      << outcome.errors;
  outcome = replace_while([&] { std::ofstream(path) << "longer"; });
  EXPECT_EQ(outcome.status, 5) << outcome.errors;
  EXPECT_NE(outcome.errors.find("changed: size or mode"), std::string::npos) << outcome.errors;
  outcome = replace_while([&] {
    mkfifo(other.c_str(), 0600);
    rename(other.c_str(), path.c_str());
  });
  EXPECT_EQ(outcome.status, 5) << outcome.errors;
  EXPECT_NE(outcome.errors.find("of another type"), std::string::npos) << outcome.errors;
  EXPECT_TRUE(Left().empty());
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

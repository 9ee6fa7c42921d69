// SPDX-License-Identifier: Apache-2.0
// Unix sockets whose peers are not of the tree: connected anew to the names of these.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

class OutsideSocketsTest : public RestorerTest {
 protected:
  void SetUp() override {
    RestorerTest::SetUp();
    if (IsSkipped()) return;
    name_ = folder_ + "/peer";
    listener_ = Bound(SOCK_DGRAM, name_);
  }
  static int Bound(int type, const std::string& name) {
    const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, name.c_str());
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  std::string Own() const { return folder_ + "/own"; }
  void TearDown() override {
    close(listener_);
    RestorerTest::TearDown();
  }
  /// A process that waits with such a socket as fd 4.
  PlanBuilder Plan(Json more = Json::object(), Json also_open = Json()) const {
    PlanBuilder plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    Json file = {{"type", "UNIXSK"},
                 {"id", 1},
                 {"flags", {"O_RDWR", "O_NONBLOCK"}},
                 {"socket_id", 88},
                 {"socket_type", "SOCK_DGRAM"},
                 {"state", "connected"},
                 {"external", "socket:[88]"},
                 {"peer_name", name_}};
    file.update(more);
    plan.Add("OPEN_FILE", Pid(0), {{"fd", 4}, {"file", file}});
    if (!also_open.is_null()) plan.Add("OPEN_FILE", Pid(0), {{"fd", 5}, {"file", also_open}});
    plan.Resume(Pid(0));
    return plan;
  }
  void ExpectRefused(const PlanBuilder& plan, const std::string& arguments,
                     const std::string& text) {
    const Outcome outcome = Run(plan, "--detach " + arguments);
    EXPECT_EQ(outcome.status, 3) << outcome.errors;
    EXPECT_NE(outcome.errors.find(text), std::string::npos) << outcome.errors;
    EXPECT_TRUE(Left().empty());
  }
  /// What the process sends on fd 4 arrives at the peer.
  void ExpectConnected(const std::string& own_name = "") {
    const int process = static_cast<int>(syscall(SYS_pidfd_open, Pid(0), 0));
    const int fd = static_cast<int>(syscall(SYS_pidfd_getfd, process, 4, 0));
    ASSERT_GE(fd, 0);
    EXPECT_EQ(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
    EXPECT_EQ(send(fd, "datagram", 8, 0), 8);
    char text[16];
    sockaddr_un from = {};
    socklen_t size = sizeof from;
    EXPECT_EQ(recvfrom(listener_, text, sizeof text, MSG_DONTWAIT,
                       reinterpret_cast<sockaddr*>(&from), &size),
              8);
    constexpr socklen_t kBegin = offsetof(sockaddr_un, sun_path);
    std::string sender(from.sun_path, size < kBegin ? 0 : size - kBegin);
    if (!sender.empty() && sender[0] != '\0') sender = sender.c_str();
    EXPECT_EQ(sender, own_name);
    close(fd);
    close(process);
  }

  int listener_ = -1;
  std::string name_;
};

TEST_F(OutsideSocketsTest, AreConnectedWhereTheUserSaysSo) {
  for (const char* consent : {"--ext-unix-sk", "--external 'unix[88]'"}) {
    const Outcome outcome = Run(Plan(), std::string("--detach ") + consent);
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    ExpectConnected();
    KillEverybody();
  }
}

/// CRIU, its manual, and plans have several names for one socket.
TEST_F(OutsideSocketsTest, AreHandedOverByAnyOfTheirNames) {
  for (const char* planned : {"socket:[88]", "unix[88]"}) {
    for (const char* given : {"socket:[88]", "socket[88]", "unix[88]"}) {
      const int peer = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
      sockaddr_un address = {};
      address.sun_family = AF_UNIX;
      strcpy(address.sun_path, name_.c_str());
      ASSERT_EQ(connect(peer, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
      const Outcome outcome =
          Run(Plan({{"external", planned}}),
              "--detach --inherit-fd 'fd[" + std::to_string(peer) + "]:" + given + "'");
      ASSERT_EQ(outcome.status, 0) << planned << given << outcome.errors;
      ExpectConnected();
      KillEverybody();
      close(peer);
    }
    const Outcome outcome = Run(Plan({{"external", planned}}), "--detach --external 'unix[88]'");
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    ExpectConnected();
    KillEverybody();
  }
  ExpectRefused(Plan(), "--inherit-fd 'fd[7]:unix[88]' --inherit-fd 'fd[7]:socket[88]'",
                "--inherit-fd: socket:[88] is handed over twice");
}

TEST_F(OutsideSocketsTest, AreRefusedByNameOtherwise) {
  const std::string advice =
      "socket:[88] comes from outside, and is not handed over (--inherit-fd "
      "fd[N]:socket:[88], or --ext-unix-sk, which connects it to ";
  ExpectRefused(Plan(), "", advice + name_ + ")");
  ExpectRefused(Plan(), "--external 'unix[89]'", advice);
}

TEST_F(OutsideSocketsTest, SomebodyMustBeThere) {
  ExpectRefused(Plan({{"peer_name", folder_ + "/nobody"}}), "--ext-unix-sk",
                "socket:[88]: no socket is at " + folder_ + "/nobody: No such file");
  std::ofstream(folder_ + "/file") << "x";
  ExpectRefused(Plan({{"peer_name", folder_ + "/file"}}), "--ext-unix-sk",
                "no socket is at " + folder_ + "/file: Socket operation on non-socket");
  close(listener_);
  ExpectRefused(Plan(), "--ext-unix-sk", "connect(2) to " + name_ + ": Connection refused");
}

/// One that is bound has its name again: the peer answers there.
TEST_F(OutsideSocketsTest, HaveTheirOwnNames) {
  const std::string abstract = std::string(1, '\0') + "crrestore-outside-own";
  const auto look = [&](const std::string& name, const Json& more, const std::string& file) {
    SCOPED_TRACE(name);
    Json socket = more;
    socket["name"] = name;
    const Outcome outcome = Run(Plan(socket), "--detach --ext-unix-sk");
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    ExpectConnected(name);
    if (!file.empty()) {
      struct stat facts = {};
      EXPECT_EQ(lstat(file.c_str(), &facts), 0);
      EXPECT_EQ(facts.st_mode, 0140640u);
      EXPECT_EQ(facts.st_uid, 7u);
      EXPECT_EQ(facts.st_gid, 8u);
    }
    KillEverybody();
  };
  const Json permissions = {{"permissions", {{"mode", 0140640}, {"uid", 7}, {"gid", 8}}}};
  look(abstract, {}, "");
  look(Own(), permissions, Own());
  look(Own(), permissions, Own());  // left by nobody: it makes room
  unlink(Own().c_str());
  std::filesystem::create_directory(folder_ + "/in");
  Json relative = permissions;
  relative["name_directory"] = folder_ + "/in";
  look("../own", relative, Own());
  unlink(Own().c_str());
  look(Own(), {{"unlinked_name", true}}, "");
  EXPECT_NE(access(Own().c_str(), F_OK), 0);
  std::ofstream(Own()) << "x";
  look(Own(), {{"unlinked_name", true}}, "");
  EXPECT_EQ(std::filesystem::file_size(Own()), 1u);
  unlink(Own().c_str());
}

TEST_F(OutsideSocketsTest, TakeNobodysPlace) {
  const auto refused = [&](const std::string& what) {
    for (const char* how : {"--ext-unix-sk", "--preflight --ext-unix-sk"}) {
      ExpectRefused(Plan({{"name", Own()}}), how, "its own name " + Own() + " is " + what);
    }
  };
  std::ofstream(Own()) << "x";
  refused("a file");
  EXPECT_EQ(std::filesystem::file_size(Own()), 1u);
  unlink(Own().c_str());
  ASSERT_EQ(mkdir(Own().c_str(), 0755), 0);
  refused("a directory");
  rmdir(Own().c_str());
  ASSERT_EQ(symlink("nowhere", Own().c_str()), 0);
  refused("a symbolic link");
  unlink(Own().c_str());
  const int other = Bound(SOCK_STREAM, Own());
  refused("a socket that somebody has");
  EXPECT_EQ(access(Own().c_str(), F_OK), 0);
  close(other);
  unlink(Own().c_str());
  ExpectRefused(Plan({{"name", folder_ + "/none/own"}}), "--ext-unix-sk",
                "the directory of its own name " + folder_ + "/none/own: No such file");
}

/// What keeps the restore from beginning is found before a file makes room for a name.
TEST_F(OutsideSocketsTest, RefusalsTouchNoName) {
  close(Bound(SOCK_DGRAM, Own()));  // nobody's
  const Json missing = {{"type", "REG"}, {"id", 2}, {"flags", {"O_RDONLY"}}, {"path", "/none"}};
  ExpectRefused(Plan({{"name", Own()}}, missing), "--ext-unix-sk", "/none");
  EXPECT_EQ(access(Own().c_str(), F_OK), 0);
}

TEST_F(OutsideSocketsTest, OneFindingForOneCause) {
  const auto refused = [&](const Json& more, const std::string& what, const std::string& advice) {
    for (const char* how : {"--ext-unix-sk", "--preflight --ext-unix-sk"}) {
      const Outcome outcome = Run(Plan(more), std::string("--detach ") + how);
      EXPECT_EQ(outcome.status, 3) << outcome.errors;
      EXPECT_NE(outcome.errors.find(what), std::string::npos) << outcome.errors;
      EXPECT_NE(outcome.errors.find("(" + advice + ", or hand over a descriptor: "),
                std::string::npos)
          << outcome.errors;
      EXPECT_EQ(outcome.errors.find("is not handed over"), std::string::npos) << outcome.errors;
    }
  };
  refused({{"peer_name", folder_ + "/nobody"}}, "no socket is at " + folder_ + "/nobody",
          "start who listens there");
  refused({{"peer_name", std::string(1, '\0') + "crrestore-outside-nobody"}},
          "no socket has the name @crrestore-outside-nobody", "start who listens there");
  const std::string taken = std::string(1, '\0') + "crrestore-outside-taken";
  const int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, taken.data(), taken.size());
  ASSERT_EQ(bind(other, reinterpret_cast<sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + taken.size())),
            0);
  refused({{"name", taken}}, "its own name @crrestore-outside-taken is taken, by process ",
          "end who has it");
  close(other);
  std::ofstream(Own()) << "x";
  refused({{"name", Own()}}, "its own name " + Own() + " is a file", "make the name free");
}

TEST_F(OutsideSocketsTest, FailuresLeaveNoName) {
  const Json named = {{"name", Own()}, {"socket_type", "SOCK_STREAM"}};
  ExpectRefused(Plan(named), "--ext-unix-sk", "connect(2) to " + name_);  // of another type
  EXPECT_NE(access(Own().c_str(), F_OK), 0);
  const Json missing = {{"type", "REG"}, {"id", 2}, {"flags", {"O_RDONLY"}}, {"path", "/none"}};
  ExpectRefused(Plan({{"name", Own()}}, missing), "--ext-unix-sk", "/none");
  EXPECT_NE(access(Own().c_str(), F_OK), 0);
  const Outcome outcome =
      Run(Plan({{"name", Own()}}), "--detach --ext-unix-sk --pidfile " + folder_ + "/none/file");
  EXPECT_NE(outcome.status, 0);
  EXPECT_NE(access(Own().c_str(), F_OK), 0);
  // What is the tree's own is not taken from it.
  Json listener = {{"type", "UNIXSK"},      {"id", 2},       {"flags", {"O_RDWR"}},
                   {"socket_id", 89},       {"name", Own()}, {"socket_type", "SOCK_DGRAM"},
                   {"state", "unconnected"}};
  ExpectRefused(Plan({{"name", Own()}}, listener), "--ext-unix-sk",
                "is that of a socket of the tree");
  EXPECT_NE(access(Own().c_str(), F_OK), 0);
}

/// Nor when a call of the tree's own processes fails.
TEST_F(OutsideSocketsTest, CallsThatFailLeaveNoName) {
  FailEachCall(Plan({{"name", Own()}}), "--detach --ext-unix-sk", [&](const Outcome& outcome) {
    EXPECT_EQ(access(Own().c_str(), F_OK) == 0, outcome.status == 0) << outcome.errors;
    unlink(Own().c_str());
  });
}

TEST_F(OutsideSocketsTest, PreflightLooksAndConnectsNobody) {
  const Outcome outcome = Run(Plan(), "--preflight --ext-unix-sk");
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_TRUE(Left().empty());
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

// SPDX-License-Identifier: Apache-2.0
// Unix sockets whose peers are not of the tree: connected anew to the names of these.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

class OutsideSocketsTest : public RestorerTest {
 protected:
  void SetUp() override {
    RestorerTest::SetUp();
    if (IsSkipped()) return;
    listener_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    name_ = folder_ + "/peer";
    strcpy(address.sun_path, name_.c_str());
    ASSERT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  void TearDown() override {
    close(listener_);
    RestorerTest::TearDown();
  }
  /// A process that waits with such a socket as fd 4.
  PlanBuilder Plan(Json more = Json::object()) const {
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
  void ExpectConnected() {
    const int process = static_cast<int>(syscall(SYS_pidfd_open, Pid(0), 0));
    const int fd = static_cast<int>(syscall(SYS_pidfd_getfd, process, 4, 0));
    ASSERT_GE(fd, 0);
    EXPECT_EQ(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
    EXPECT_EQ(send(fd, "datagram", 8, 0), 8);
    char text[16];
    EXPECT_EQ(recv(listener_, text, sizeof text, MSG_DONTWAIT), 8);
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

TEST_F(OutsideSocketsTest, PreflightLooksAndConnectsNobody) {
  const Outcome outcome = Run(Plan(), "--preflight --ext-unix-sk");
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_TRUE(Left().empty());
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

// SPDX-License-Identifier: Apache-2.0
// Unix sockets of the tree's own: what connections have of their listener.
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

class UnixSocketsTest : public RestorerTest {
 protected:
  static Json Socket(int id, const char* state) {
    return {{"type", "UNIXSK"},    {"id", id},       {"socket_id", id},
            {"flags", {"O_RDWR"}}, {"state", state}, {"socket_type", "SOCK_STREAM"}};
  }
  static int Take(int fd) {
    const int process = static_cast<int>(syscall(SYS_pidfd_open, Pid(0), 0));
    const int taken = static_cast<int>(syscall(SYS_pidfd_getfd, process, fd, 0));
    close(process);
    return taken;
  }
  static int Option(int fd, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    EXPECT_EQ(getsockopt(fd, SOL_SOCKET, name, &value, &size), 0);
    return value;
  }
};

/// What waits has SO_PASSCRED of its listener, also where the kernel hands it on at connect(2).
/// What was accepted has its own options, whatever its listener has by now.
TEST_F(UnixSocketsTest, ConnectionsInherit) {
  const std::string name = std::string(1, '\0') + "crrestore-listener";
  PlanBuilder plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  Json listener = Socket(1, "listening"), client = Socket(2, "connected"),
       accepted = Socket(3, "connected"), waiting = Socket(4, "connected");
  listener["name"] = accepted["name"] = name;
  listener["backlog"] = 4;
  client["connect_to"] = waiting["connect_to"] = 1;
  accepted["accept_from"] = 3;
  plan.Add("OPEN_FILE", Pid(0), {{"fd", 3}, {"file", listener}});
  plan.Add("OPEN_FILE", Pid(0),
           {{"fd", 4}, {"file", client}, {"peer", {{"fd", 5}, {"file", accepted}}}});
  plan.Add("OPEN_FILE", Pid(0), {{"fd", 6}, {"file", waiting}});
  const Json option = {{{"fd", 3}, {"options", {{"so_passcred", true}}}}};
  plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"descriptors", option}}}});
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const int end = Take(5), queue = Take(3);
  EXPECT_EQ(Option(queue, SO_PASSCRED), 1);
  EXPECT_EQ(Option(end, SO_PASSCRED), 0);
  const int next = accept(queue, nullptr, nullptr);
  ASSERT_GE(next, 0);
  EXPECT_EQ(Option(next, SO_PASSCRED), 1);
  for (const int fd : {end, queue, next}) close(fd);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

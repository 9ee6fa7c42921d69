// SPDX-License-Identifier: Apache-2.0
// Watches of plans written by hand, on descriptions that who sets them does not keep.
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cstring>

#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

class RestorerWatchesTest : public RestorerTest {
 protected:
  /// fd 3 is an INOTIFY that reports openings of `file` as watch 5.
  Plan Begin() {
    std::ofstream(File()) << "hello";
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 3},
              {"file", {{"type", "INOTIFY"}, {"id", 1}, {"flags", {"O_RDONLY", "O_NONBLOCK"}}}}});
    return plan;
  }
  Json Watches() const {
    const Json watch = {{"wd", 5}, {"mask", {"IN_OPEN"}}, {"path", File()}};
    return {{"fd", 3}, {"watches", Json::array({watch})}};
  }
  static void Set(Plan& plan, Json descriptors) {
    plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"descriptors", descriptors}}}});
  }
  std::string File() const { return folder_ + "/file"; }

  /// What the restored process has at `fd`.
  static int Shared(int fd) {
    const auto process = static_cast<int>(syscall(SYS_pidfd_open, Pid(0), 0));
    const auto shared = static_cast<int>(syscall(SYS_pidfd_getfd, process, fd, 0));
    close(process);
    return shared;
  }

  void ExpectReports(int inotify) const {
    inotify_event event = {};
    EXPECT_EQ(read(inotify, &event, sizeof event), -1) << "the restore is among the events";
    close(open(File().c_str(), O_RDONLY));
    ASSERT_EQ(read(inotify, &event, sizeof event), static_cast<ssize_t>(sizeof event));
    EXPECT_EQ(event.wd, 5);
    EXPECT_EQ(event.mask, static_cast<std::uint32_t>(IN_OPEN));
  }
};

TEST_F(RestorerWatchesTest, ByANumberThatIsClosedAgain) {
  Plan plan = Begin();
  plan.Add("DUP_FD", Pid(0), {{"old_fd", 3}, {"new_fd", 4}});
  Set(plan, Json::array({Watches()}));
  plan.Add("CLOSE_FD", Pid(0), {{"fd", 3}});
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const int inotify = Shared(4);
  ExpectReports(inotify);
  close(inotify);
}

TEST_F(RestorerWatchesTest, OfWhatIsInFlight) {
  Plan plan = Begin();
  const auto end = [](int id) {
    return Json{{"type", "UNIXSK"},     {"id", id},
                {"socket_id", id},      {"flags", {"O_RDWR"}},
                {"state", "connected"}, {"socket_type", "SOCK_SEQPACKET"}};
  };
  plan.Add("OPEN_FILE", Pid(0),
           {{"fd", 6}, {"file", end(6)}, {"peer", {{"fd", 7}, {"file", end(7)}}}});
  const Json message = {
      {"source", {{"image", "code.img"}, {"offset", 0}}}, {"bytes", 1}, {"rights", {3}}};
  Set(plan, Json::array({Json{{"fd", 6}, {"queue", Json::array({message})}}, Watches()}));
  plan.Add("CLOSE_FD", Pid(0), {{"fd", 3}});
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const int socket = Shared(7);
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ASSERT_EQ(recvmsg(socket, &header, 0), 1);
  ASSERT_NE(CMSG_FIRSTHDR(&header), nullptr);
  int inotify = -1;
  std::memcpy(&inotify, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof inotify);
  ExpectReports(inotify);
  close(inotify);
  close(socket);
}

/// What is ignored until somebody writes, of a file that a process has open for writing: the kernel
/// takes no such mark then, and says nothing.
class RestorerMarksTest : public RestorerWatchesTest {
 protected:
  Outcome RunMarked() {
    std::ofstream(File()) << "hello";
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 3},
              {"file",
               {{"type", "FANOTIFY"},
                {"id", 1},
                {"flags", {"O_RDWR"}},
                {"init_flags", Json::array()},
                {"event_flags", {"O_RDONLY"}}}}});
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 4},
              {"file", {{"type", "REG"}, {"id", 2}, {"path", File()}, {"flags", {"O_RDWR"}}}}});
    const Json mark = {{"type", "FAN_MARK_INODE"},
                       {"mask", {"FAN_CLOSE_WRITE"}},
                       {"ignored_mask", {"FAN_OPEN"}},
                       {"flags", Json::array()},
                       {"path", File()}};
    Set(plan, Json::array({Json{{"fd", 3}, {"marks", Json::array({mark})}}}));
    plan.Resume(Pid(0));
    return Run(plan);
  }
};

TEST_F(RestorerMarksTest, IgnoreThoughTheFileIsOpenForWriting) {
  const Outcome outcome = RunMarked();
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  std::ifstream file("/proc/" + std::to_string(Pid(0)) + "/fdinfo/3");
  std::stringstream info;
  info << file.rdbuf();
  EXPECT_NE(info.str().find("mask:8 ignored_mask:20 "), std::string::npos) << info.str();
}

TEST_F(RestorerMarksTest, AreRefusedWhereSomebodyOutsideWrites) {
  const int writer = open(File().c_str(), O_WRONLY | O_CREAT, 0600);
  const Outcome outcome = RunMarked();
  close(writer);
  EXPECT_EQ(outcome.status, 5);
  EXPECT_NE(outcome.errors.find("fanotify_mark of mark 0: the kernel has dropped its ignored_mask"),
            std::string::npos)
      << outcome.errors;
  EXPECT_TRUE(Left().empty());
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

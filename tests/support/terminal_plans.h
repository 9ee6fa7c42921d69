// SPDX-License-Identifier: Apache-2.0
// Plans with ptys.
#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>

#include "tests/support/restorer_support.h"

namespace crgen::test {

/// An index that nobody has now, and that nobody gets soon.
inline int FreeIndex() {
  const int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  unsigned index = 0;
  if (master < 0 || ioctl(master, TIOCGPTN, &index) != 0) return -1;
  close(master);
  return static_cast<int>(index) + 40;
}

class RestorerTerminalsTest : public RestorerTest {
 protected:
  using Plan = PlanBuilder;
  void SetUp() override {
    RestorerTest::SetUp();
    index_ = FreeIndex();
    if (index_ < 0) GTEST_SKIP() << "no /dev/ptmx";
  }

  Json End(const std::string& driver, Json more = Json::object()) {
    Json file = {{"type", "TTY"},    {"id", next_id_++}, {"tty_id", index_},
                 {"driver", driver}, {"index", index_},  {"flags", {"O_RDWR"}}};
    file.update(more);
    return file;
  }
  static Json Modes(const std::string& lflag) {
    Json modes = {{"iflag", "0x500"}, {"oflag", "0x0"}, {"cflag", "0xbf"}, {"lflag", lflag}};
    modes["cc"] = {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0};
    return modes;
  }
  static void Open(Plan& plan, int pid, int fd, const Json& file) {
    plan.Add("OPEN_FILE", pid, {{"fd", fd}, {"file", file}});
  }
  /// The root has the master at 3; its child leads a session on the slave, which is at 4.
  Plan Session(Json first = Json::object()) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.Add("SET_SID", Pid(0));
    plan.MapProgram(Pid(0));
    Open(plan, Pid(0), 3, End("ptm", first));
    plan.Fork(Pid(0), Pid(1));
    plan.Add("CLOSE_FD", Pid(1), {{"fd", 3}});
    plan.Add("SET_SID", Pid(1));
    Open(plan, Pid(1), 4, End("pts", {{"controlling", true}}));
    return plan;
  }
  static void Late(Plan& plan, int pid, const Json& entry) {
    plan.Add("SET_ATTR", pid, {{"attributes", {{"descriptors", Json::array({entry})}}}});
  }
  static void ResumeBoth(Plan& plan) {
    plan.Resume(Pid(0));
    plan.Resume(Pid(1));
  }
  void ExpectRestored(const Plan& plan, const std::string& arguments = "--detach") {
    const Outcome outcome = Run(plan, arguments);
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
  }
  /// What the restored process has at `fd`.
  static int Shared(int n, int fd) {
    const auto process = static_cast<int>(syscall(SYS_pidfd_open, Pid(n), 0));
    const auto shared = static_cast<int>(syscall(SYS_pidfd_getfd, process, fd, 0));
    close(process);
    return shared;
  }
  /// The kernel removes a pty in its own time.
  static bool IsGone(const std::string& slave) {
    for (int tries = 0; access(slave.c_str(), F_OK) == 0; ++tries) {
      if (tries == 500) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }
  static std::string ReadFrom(int fd) {
    char text[100];
    fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
    const ssize_t size = read(fd, text, sizeof text);
    return std::string(text, size < 0 ? 0 : static_cast<std::size_t>(size));
  }

  /// Input at the master (3), or the slave (4): `bytes` of an image that has no two places alike.
  static Json Input(int fd, std::size_t bytes) {
    return {{"fd", fd}, {"input", {{"image", "much.img"}, {"offset", 8}, {"bytes", bytes}}}};
  }
  std::string MakeMuch() const {
    std::string much;
    while (much.size() < 8 + 16384) much += std::to_string(much.size()) + "\n\3\x11\r";
    std::ofstream(folder_ + "/much.img", std::ios::binary) << much;
    return much.substr(8);
  }
  /// All that comes: what waits behind the buffer comes a moment later.
  static std::string ReadAll(int fd) {
    std::string all;
    for (int quiet = 0; quiet < 50;) {
      const std::string more = ReadFrom(fd);
      all += more;
      quiet = more.empty() ? quiet + 1 : 0;
      if (more.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return all;
  }

  int index_ = -1;
  int next_id_ = 1;
};

}  // namespace crgen::test

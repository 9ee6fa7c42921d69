// SPDX-License-Identifier: Apache-2.0
// Terminals of plans written by hand.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <termios.h>

#include <cstring>

#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

/// An index that nobody has now, and that nobody gets soon.
int FreeIndex() {
  const int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  unsigned index = 0;
  if (master < 0 || ioctl(master, TIOCGPTN, &index) != 0) return -1;
  close(master);
  return static_cast<int>(index) + 40;
}

class RestorerTerminalsTest : public RestorerTest {
 protected:
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

TEST_F(RestorerTerminalsTest, ASessionHasIts) {
  Plan plan = Session({{"termios", Modes("0x3b")},
                       {"winsize", {{"rows", 33}, {"columns", 77}}},
                       {"exclusive", true}});
  plan.Fork(Pid(1), Pid(2));
  plan.Add("SET_PGID", Pid(2), {{"pgid", Pid(2)}});
  Late(plan, Pid(1), {{"fd", 4}, {"foreground", Pid(2)}});
  ResumeBoth(plan);
  plan.Resume(Pid(2));
  ASSERT_NO_FATAL_FAILURE(ExpectRestored(plan));
  const int master = Shared(0, 3);
  unsigned index = 0;
  winsize size = {};
  termios modes = {};
  int exclusive = 0;
  EXPECT_EQ(ioctl(master, TIOCGPTN, &index), 0);
  EXPECT_EQ(index, static_cast<unsigned>(index_));
  EXPECT_EQ(ioctl(master, TIOCGWINSZ, &size), 0);
  EXPECT_EQ(size.ws_row, 33);
  EXPECT_EQ(size.ws_col, 77);
  EXPECT_EQ(tcgetattr(master, &modes), 0);
  EXPECT_EQ(modes.c_lflag, 0x3bu);
  EXPECT_EQ(modes.c_cc[VINTR], 3);
  EXPECT_EQ(ioctl(master, TIOCGEXCL, &exclusive), 0);
  EXPECT_EQ(exclusive, 1);
  EXPECT_EQ(tcgetsid(master), Pid(1));
  EXPECT_EQ(tcgetpgrp(master), Pid(2));
  close(master);
}

/// The last member of the group that is in the foreground has ended.
TEST_F(RestorerTerminalsTest, AForegroundThatNobodyIsIn) {
  Plan plan = Session({{"exclusive", true}});
  Late(plan, Pid(1), {{"fd", 4}, {"foreground", Pid(9)}});
  ResumeBoth(plan);
  ASSERT_NO_FATAL_FAILURE(ExpectRestored(plan));
  const int master = Shared(0, 3);
  EXPECT_EQ(tcgetsid(master), Pid(1));
  EXPECT_EQ(tcgetpgrp(master), Pid(9));
  close(master);
  EXPECT_EQ(Left(), (std::vector<int>{Pid(0), Pid(1)}));
  EXPECT_EQ(waitpid(Pid(9), nullptr, __WALL | WNOHANG), -1);
}

TEST_F(RestorerTerminalsTest, WhatNobodyHasRead) {
  std::ofstream(folder_ + "/typed.img") << "one\ntwo\nanswer";
  const auto input = [](int fd, int offset, int bytes) {
    return Json{{"fd", fd},
                {"input", {{"image", "typed.img"}, {"offset", offset}, {"bytes", bytes}}}};
  };
  Plan plan = Session({{"termios", Modes("0x8a3b")}});  // lines, echo
  Late(plan, Pid(0), input(3, 0, 8));
  Late(plan, Pid(1), input(4, 8, 6));
  ResumeBoth(plan);
  ASSERT_NO_FATAL_FAILURE(ExpectRestored(plan));
  const int master = Shared(0, 3), slave = Shared(1, 4);
  EXPECT_EQ(ReadFrom(slave), "one\n");
  EXPECT_EQ(ReadFrom(slave), "two\n");
  EXPECT_EQ(ReadFrom(slave), "");
  EXPECT_EQ(ReadFrom(master), "answer") << "and no echo";
  EXPECT_EQ(ReadFrom(master), "");
  close(master);
  close(slave);
}

/// Who reads is slower than who writes.
TEST_F(RestorerTerminalsTest, MoreThanOneBuffer) {
  const std::string much = MakeMuch();
  for (const std::size_t bytes : {9999, 16384}) {
    SCOPED_TRACE(bytes);
    Json modes = Modes("0x8a30");  // neither lines, nor echo, nor signals
    modes["iflag"] = "0x0";
    Plan plan = Session({{"termios", modes}});
    Late(plan, Pid(0), Input(3, bytes));
    Late(plan, Pid(1), Input(4, bytes));
    ResumeBoth(plan);
    ASSERT_NO_FATAL_FAILURE(ExpectRestored(plan));
    const int master = Shared(0, 3), slave = Shared(1, 4);
    EXPECT_TRUE(ReadAll(slave) == much.substr(0, bytes));
    EXPECT_TRUE(ReadAll(master) == much.substr(0, bytes));
    close(master);
    close(slave);
    KillEverybody();
    ASSERT_TRUE(IsGone("/dev/pts/" + std::to_string(index_)));
  }
}

/// What waits behind the first buffer of the slave would go through its line discipline.
TEST_F(RestorerTerminalsTest, MoreThanOneBufferThroughALineDiscipline) {
  const std::string much = MakeMuch();
  const auto run = [&](int fd, std::size_t bytes, const Json& modes) {
    Plan plan = Session({{"termios", modes}});
    Late(plan, fd == 3 ? Pid(0) : Pid(1), Input(fd, bytes));
    ResumeBoth(plan);
    return Run(plan);
  };
  Json one = Modes("0x8a30");
  one["iflag"] = "0x400";  // IXON
  for (const Json& modes : {Modes("0x8a3b"), Modes("0x8a31"), Modes("0x8a38"), one}) {
    const Outcome outcome = run(3, 4096, modes);
    EXPECT_EQ(outcome.status, 4) << outcome.errors;
    EXPECT_NE(
        outcome.errors.find("4096 unread bytes of a terminal that is not raw: more than 4095"),
        std::string::npos)
        << outcome.errors;
  }
  // The other way nothing is in between.
  const Outcome outcome = run(4, 16384, Modes("0x8a3b"));
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const int master = Shared(0, 3);
  EXPECT_TRUE(ReadAll(master) == much.substr(0, 16384));
  close(master);
}

TEST_F(RestorerTerminalsTest, LockedAndInPackets) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  Open(plan, Pid(0), 3, End("ptm", {{"packet", true}}));
  Late(plan, Pid(0), {{"fd", 3}, {"locked", true}});
  plan.Resume(Pid(0));
  ASSERT_NO_FATAL_FAILURE(ExpectRestored(plan));
  const int master = Shared(0, 3);
  int packets = 0;
  EXPECT_EQ(ioctl(master, TIOCGPKT, &packets), 0);
  EXPECT_EQ(packets, 1);
  EXPECT_EQ(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY), -1);
  EXPECT_EQ(errno, EIO);
  close(master);
}

TEST_F(RestorerTerminalsTest, WhatHasHungUp) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  Open(plan, Pid(0), 3, End("pts", {{"hung_up", true}}));
  Open(plan, Pid(0), 4, End("pts"));
  plan.Resume(Pid(0));
  ASSERT_NO_FATAL_FAILURE(ExpectRestored(plan));
  for (const int fd : {3, 4}) {
    const int slave = Shared(0, fd);
    pid_t session = 0;
    EXPECT_EQ(ioctl(slave, TIOCGSID, &session), -1);
    EXPECT_EQ(errno, EIO);
    close(slave);
  }
}

TEST_F(RestorerTerminalsTest, ByItsOwnName) {
  Plan plan = Session();
  Open(plan, Pid(1), 5,
       {{"type", "TTY"}, {"id", 77}, {"tty_id", 1006}, {"driver", "tty"}, {"flags", {"O_RDWR"}}});
  ResumeBoth(plan);
  ASSERT_NO_FATAL_FAILURE(ExpectRestored(plan));
  char text[64] = "";
  const std::string link = "/proc/" + std::to_string(Pid(1)) + "/fd/5";
  ASSERT_GT(readlink(link.c_str(), text, sizeof text - 1), 0);
  EXPECT_STREQ(text, "/dev/tty");
}

TEST_F(RestorerTerminalsTest, AnIndexThatIsTaken) {
  const int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  unsigned index = 0;
  ASSERT_EQ(ioctl(master, TIOCGPTN, &index), 0);
  index_ = static_cast<int>(index);
  Plan plan = Session();
  ResumeBoth(plan);
  const Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("pty " + std::to_string(index) + " is taken: process 1 ("),
            std::string::npos)
      << outcome.errors;
  close(master);
}

TEST_F(RestorerTerminalsTest, AMasterThatNoProcessHas) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.Add("SET_SID", Pid(0));
  plan.MapProgram(Pid(0));
  Open(plan, Pid(0), 3, End("pts", {{"controlling", true}}));
  plan.Resume(Pid(0));
  Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 4) << outcome.errors;
  EXPECT_NE(outcome.errors.find("--console-socket"), std::string::npos) << outcome.errors;

  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = folder_ + "/console";
  std::memcpy(address.sun_path, path.c_str(), path.size());
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  outcome = Run(plan, "--detach --orphan-pts-master --console-socket console");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const int channel = accept(listener, nullptr, nullptr);
  char name[100] = "";
  iovec data = {name, sizeof name - 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ASSERT_GT(recvmsg(channel, &header, 0), 0);
  EXPECT_EQ(name, "/dev/pts/" + std::to_string(index_));
  ASSERT_NE(CMSG_FIRSTHDR(&header), nullptr);
  int master = -1;
  std::memcpy(&master, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof master);
  EXPECT_EQ(tcgetsid(master), Pid(0));
  for (const int fd : {master, channel, listener}) close(fd);
}

/// It is dumped before a call that waits, and its handler of SIGWINCH only takes down that there
/// was one: it looks when the wait has ended.
TEST_F(RestorerTerminalsTest, WhoWaitsIsToldToDraw) {
  using namespace std::string_literals;
  constexpr std::uint64_t kDraw = 0x700000, kHandler = kDraw + 0x80, kReturn = kDraw + 0x90;
  const std::string wait =
      "\x0f\x05"                        // pause()
      "\x80\x3c\x25\0\0\x60\0\0"        // cmpb $0, kData
      "\x75\x07\xb8\x22\0\0\0\xeb\xed"  // jne; pause() once more
      "\xb8\x01\0\0\0\xbf\x04\0\0\0"    // write(4, kData, 1)
      "\xbe\0\0\x60\0\xba\x01\0\0\0\x0f\x05"
      "\xb8\x22\0\0\0\x0f\x05\xeb\xf7"s;  // pause(), for ever
  std::string code(4096, '\xcc');
  code.replace(0, wait.size(), wait);
  code.replace(kHandler - kDraw, 9, "\xc6\x04\x25\0\0\x60\0w\xc3"s);  // movb $'w', kData; ret
  code.replace(kReturn - kDraw, 7, "\xb8\x0f\0\0\0\x0f\x05"s);        // rt_sigreturn(2)
  std::ofstream(folder_ + "/draw.img", std::ios::binary) << code;
  Plan plan = Session();
  plan.Map(Pid(1), kData, 1, {"PROT_READ", "PROT_WRITE"});
  plan.Map(Pid(1), kDraw, 1, {"PROT_READ", "PROT_WRITE"});
  plan.Add("LOAD_PAGES", Pid(1),
           {{"start", Plan::Hex(kDraw)},
            {"pages", 1},
            {"source", {{"image", "draw.img"}, {"offset", 0}}}});
  plan.Add("PROTECT_REGION", Pid(1),
           {{"start", Plan::Hex(kDraw)},
            {"end", Plan::Hex(kDraw + 4096)},
            {"prot", {"PROT_READ", "PROT_EXEC"}}});
  Json registers = Plan::Registers(kDraw);
  registers["ax"] = "0x22";
  plan.Resume(Pid(0));
  plan.Resume(Pid(1), registers,
              {{"sigactions",
                {{{"signal", "SIGWINCH"},
                  {"handler", Plan::Hex(kHandler)},
                  {"flags", {"SA_RESTORER"}},
                  {"restorer", Plan::Hex(kReturn)},
                  {"mask", "0x0"}}}}});
  for (int round = 0; round < 10; ++round) {
    ASSERT_NO_FATAL_FAILURE(ExpectRestored(plan));
    const int master = Shared(0, 3);
    std::string drawn;
    for (int tries = 0; drawn.empty() && tries < 200; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      drawn = ReadFrom(master);
    }
    close(master);
    ASSERT_EQ(drawn, "w") << "round " << round;
    KillEverybody();
  }
}

/// Whichever call of the supervisor or of a process fails: no pty is left.
TEST_F(RestorerTerminalsTest, AFailureLeavesNoPty) {
  std::ofstream(folder_ + "/typed.img") << "typed";
  Plan plan = Session({{"termios", Modes("0x3b")},
                       {"locked_termios", Modes("0x1")},
                       {"winsize", {{"rows", 33}, {"columns", 77}}},
                       {"exclusive", true},
                       {"packet", true}});
  Late(plan, Pid(0), {{"fd", 3}, {"input", {{"image", "typed.img"}, {"offset", 0}, {"bytes", 5}}}});
  Late(plan, Pid(1), {{"fd", 4}, {"foreground", Pid(9)}});
  Late(plan, Pid(0), {{"fd", 3}, {"locked", true}});
  ResumeBoth(plan);
  const std::string slave = "/dev/pts/" + std::to_string(index_);
  const auto look = [&](const Outcome& outcome) {
    EXPECT_TRUE(outcome.status == 0 || IsGone(slave)) << outcome.errors;
  };
  EXPECT_GT(FailEachCall(plan, "--detach", look), 20);
}

/// Those below are made on the way to the first one, and not kept.
TEST_F(RestorerTerminalsTest, InAnyOrder) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  int fd = 3;
  for (const int index : {index_ + 5, index_ + 2, index_ + 7}) {
    Open(plan, Pid(0), fd++, End("ptm", {{"tty_id", index}, {"index", index}}));
  }
  plan.Resume(Pid(0));
  ASSERT_NO_FATAL_FAILURE(ExpectRestored(plan));
  for (int i = 0; i < 9; ++i) {
    const std::string slave = "/dev/pts/" + std::to_string(index_ + i);
    const bool wanted = i == 5 || i == 2 || i == 7;
    EXPECT_TRUE(wanted ? access(slave.c_str(), F_OK) == 0 : IsGone(slave)) << i;
  }
}

TEST_F(RestorerTerminalsTest, AnIndexThatThereCannotBe) {
  std::ifstream("/proc/sys/kernel/pty/max") >> index_;
  Plan plan = Session();
  ResumeBoth(plan);
  const Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("kernel.pty.max"), std::string::npos) << outcome.errors;
}

TEST_F(RestorerTerminalsTest, TheCallersIsAskedFor) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  Json file = End("current");
  file.erase("index");
  Open(plan, Pid(0), 3, file);
  plan.Resume(Pid(0));
  Outcome outcome = Run(plan, "--detach </dev/null");
  EXPECT_NE(outcome.status, 0);
  EXPECT_NE(outcome.errors.find("--shell-job"), std::string::npos) << outcome.errors;
  outcome = Run(plan, "--detach --shell-job </dev/null >/dev/null");
  EXPECT_EQ(outcome.status, 3) << outcome.errors;
  EXPECT_NE(outcome.errors.find("no standard stream is one"), std::string::npos) << outcome.errors;
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

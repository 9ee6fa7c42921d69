// SPDX-License-Identifier: Apache-2.0
// Terminals of plans written by hand.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#include <cstring>

#include "tests/support/terminal_plans.h"

namespace crgen::test {
namespace {

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

/// What waits behind the first buffer of the slave goes through its line discipline: lines stay
/// lines, and what that would change is refused.
TEST_F(RestorerTerminalsTest, MoreThanOneBufferThroughALineDiscipline) {
  const std::string much = MakeMuch();
  const auto run = [&](int fd, std::size_t bytes, const Json& modes,
                       const char* image = "much.img") {
    Plan plan = Session({{"termios", modes}});
    Json input = Input(fd, bytes);
    input["input"]["image"] = image;
    Late(plan, fd == 3 ? Pid(0) : Pid(1), input);
    ResumeBoth(plan);
    return Run(plan);
  };
  Json flow = Modes("0x8a30"), carriage = flow;
  flow["iflag"] = "0x400";      // IXON
  carriage["iflag"] = "0x100";  // ICRNL
  const std::vector<std::pair<Json, std::string>> refused = {
      {Modes("0x8a31"), "\\x03"}, {flow, "\\x11"}, {carriage, "\\x0d"}};
  for (const auto& [modes, byte] : refused) {
    const Outcome outcome = run(3, 4200, modes);
    EXPECT_EQ(outcome.status, 4) << outcome.errors;
    EXPECT_NE(outcome.errors.find("of what was typed, \"" + byte +
                                  "\", would be changed by the terminal's modes"),
              std::string::npos)
        << outcome.errors;
  }
  std::string lines;
  while (lines.size() < 8 + 12000) lines += "line " + std::to_string(lines.size()) + "\n";
  std::ofstream(folder_ + "/lines.img") << lines;
  for (const std::string flags : {"0x8a33", "0x8a31", "0x8a3b"}) {  // the last one echoes
    SCOPED_TRACE(flags);
    const Outcome outcome = run(3, 12000, Modes(flags), "lines.img");
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    const int slave = Shared(1, 4);
    const bool by_line = flags != "0x8a31";
    const std::string first = ReadFrom(slave), all = lines.substr(8, 12000);
    if (by_line) {
      EXPECT_EQ(first, all.substr(0, all.find('\n') + 1));
    }
    EXPECT_TRUE(first + ReadAll(slave) == (by_line ? all.substr(0, all.rfind('\n') + 1) : all))
        << "the last line has no end yet";
    close(slave);
    KillEverybody();
    ASSERT_TRUE(IsGone("/dev/pts/" + std::to_string(index_)));
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
  for (const auto& [name, problem] :
       {std::pair("none", "No such file or directory"), std::pair("plan.json", "no socket")}) {
    outcome = Run(plan, std::string("--preflight --console-socket ") + name);
    EXPECT_EQ(outcome.status, 3) << outcome.errors;
    EXPECT_NE(outcome.errors.find(std::string("--console-socket: ") + name + ": " + problem),
              std::string::npos)
        << outcome.errors;
  }

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

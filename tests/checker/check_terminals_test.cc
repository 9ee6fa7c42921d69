// SPDX-License-Identifier: Apache-2.0
// Terminals in the checker: every rule kept and broken.
#include <gtest/gtest.h>

#include "tests/support/check_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

std::shared_ptr<const File> TtyFile(std::uint64_t id, const Tty& tty,
                                    std::uint64_t flags = O_RDWR) {
  return std::make_shared<const File>(File{{id}, {flags}, tty});
}
Tty End(TtyDriver driver, std::uint64_t terminal = 4) {
  Tty tty;
  tty.tty_id.value = terminal;
  tty.driver = driver;
  if (IsPty(tty)) tty.index = static_cast<std::uint32_t>(terminal);
  return tty;
}
Tty Controlling(std::uint64_t terminal = 4) {
  Tty tty = End(kPtySlave, terminal);
  tty.controlling = true;
  return tty;
}
template <typename Late>
Command LateOf(Pid pid, Fd fd, Late late) {
  auto attributes = std::make_shared<Attributes>();
  attributes->descriptors.push_back({fd, std::move(late)});
  return {pid, SetAttr{{}, std::move(attributes)}};
}
Tty With(Tty tty, void (*change)(Tty&)) {
  change(tty);
  return tty;
}

const Program kRoot = {ForkOf(0, 10), SidOf(10)};

TEST(CheckTerminals, Names) {
  const auto open = [](const Tty& tty, std::uint64_t flags = O_RDWR) {
    return kRoot + Program{OpenOf(10, 3, TtyFile(1, tty, flags))};
  };
  const std::string at = "commands[2] OPEN_FILE pid 10: ";
  RunCases({
      {"a master", open(End(kPtyMaster)), ""},
      {"a slave", open(End(kPtySlave), O_RDONLY), ""},
      {"no such driver", open(End(TtyDriver{8})), at + "ENODEV: there is no driver 0x8"},
      {"a pty without index", open(With(End(kPtySlave), [](Tty& it) { it.index.reset(); })),
       at + "EINVAL: terminal 4: a pty, and nothing else, has an index"},
      {"a console without path", open(End(kConsole)),
       at +
           "EINVAL: terminal 4: a console, vt or serial line, and nothing else, has path and rdev"},
      {"a master that is not written to", open(End(kPtyMaster), O_RDONLY),
       at + "EINVAL: a master is open for reading and writing"},
      {"few control characters", open(With(End(kPtySlave), [](Tty& it) { it.termios.emplace(); })),
       at + "EINVAL: terminal 4: termios are words of 32 bits and 19 bytes in cc"},
      {"a large size",
       open(With(End(kPtySlave),
                 [](Tty& it) {
                   it.winsize = Winsize{65536, 1, 0, 0};
                 })),
       at + "EINVAL: terminal 4: a size is at most 65535"},
      {"packets of a slave", open(With(End(kPtySlave), [](Tty& it) { it.packet = true; })),
       at + "ENOTTY: only a master has packet mode"},
      {"the mode of a master", open(With(End(kPtyMaster), [](Tty& it) { it.mode = 0600; })),
       at + "EINVAL: mode, uid and gid are those of the file of a slave"},
      {"a master that has hung up", open(With(End(kPtyMaster), [](Tty& it) { it.hung_up = true; })),
       at + "EIO: terminal 4 is hung up: a slave of which nothing is set"},
      {"of outside, and not by a key", open(End(kExternalTerminal)),
       at + "EINVAL: terminal 4: what comes from outside has the driver external"},
      {"/dev/tty without a terminal", open(End(kOwnTerminal)),
       at + "ENXIO: process 10 has no terminal"},
  });
}

TEST(CheckTerminals, SeveralOpenings) {
  const Program master = kRoot + Program{OpenOf(10, 3, TtyFile(1, End(kPtyMaster)))};
  const auto then = [&](const Tty& tty) {
    return master + Program{OpenOf(10, 4, TtyFile(2, tty))};
  };
  const std::string at = "commands[3] OPEN_FILE pid 10: ";
  RunCases({
      {"the slave", then(End(kPtySlave)), ""},
      {"a second master", then(End(kPtyMaster)),
       at + "EEXIST: a master has one description: to open /dev/ptmx makes another pty"},
      {"another terminal of that index",
       then(With(End(kPtySlave, 5), [](Tty& it) { it.index = 4; })),
       at + "EEXIST: pty 4 is terminal 4"},
      {"that terminal with another index",
       then(With(End(kPtySlave), [](Tty& it) { it.index = 5; })),
       at + "EINVAL: terminal 4 was another one where it was opened first"},
      {"a size once more",
       then(With(End(kPtySlave),
                 [](Tty& it) {
                   it.winsize = Winsize{1, 1, 0, 0};
                 })),
       at + "EEXIST: terminal 4 exists already: only its first opening says what it is like"},
      {"what the other end has", then(With(End(kPtySlave), [](Tty& it) { it.exclusive = true; })),
       ""},
  });
}

TEST(CheckTerminals, Sessions) {
  const Program taken = kRoot + Program{OpenOf(10, 3, TtyFile(1, Controlling()))};
  const Program child = Program{ForkOf(10, 11)};
  RunCases({
      {"a leader without one", taken, ""},
      {"who leads none", kRoot + child + Program{OpenOf(11, 3, TtyFile(1, Controlling()))},
       "commands[3] OPEN_FILE pid 11: EPERM: process 11 leads no session"},
      {"a second one", taken + Program{OpenOf(10, 4, TtyFile(2, Controlling(5)))},
       "commands[3] OPEN_FILE pid 10: EPERM: session 10 has terminal 4"},
      {"that of another session",
       taken + child + Program{SidOf(11), OpenOf(11, 4, TtyFile(2, Controlling()))},
       "commands[5] OPEN_FILE pid 11: EPERM: terminal 4 controls session 10 already"},
      {"inherited", taken + child + Program{OpenOf(11, 4, TtyFile(2, End(kOwnTerminal, 9)))}, ""},
      {"not by those who are there already",
       kRoot + child +
           Program{OpenOf(10, 3, TtyFile(1, Controlling())),
                   OpenOf(11, 4, TtyFile(2, End(kOwnTerminal, 9)))},
       "commands[4] OPEN_FILE pid 11: ENXIO: process 11 has no terminal"},
      {"nor in a session of its own",
       taken + child + Program{SidOf(11), OpenOf(11, 4, TtyFile(2, End(kOwnTerminal, 9)))},
       "commands[5] OPEN_FILE pid 11: ENXIO: process 11 has no terminal"},
      {"who leads it ends",
       kRoot + child + Program{SidOf(11), OpenOf(11, 3, TtyFile(1, Controlling())), ExitOf(11)},
       "commands[5] EXIT pid 11: SIGHUP: terminal 4, which controls the session, hangs up"},
  });
}

TEST(CheckTerminals, LateState) {
  const Program pty = kRoot + Program{OpenOf(10, 3, TtyFile(1, End(kPtyMaster))),
                                      OpenOf(10, 4, TtyFile(2, Controlling()))};
  const Program job = pty + Program{ForkOf(10, 11), PgidOf(11, 11)};
  const auto foreground = [](Pid group) { return TtyForeground{PidReference{group}}; };
  const TtyInput input{ImageBytes{"tty-data.img", 8, 5}};
  RunCases({
      {"unread", pty + Program{LateOf(10, 3, input)}, ""},
      {"what nobody reads",
       kRoot + Program{OpenOf(10, 3, TtyFile(1, End(kPtyMaster))), LateOf(10, 3, input)},
       "commands[3] SET_ATTR pid 10: EIO: nobody has the other end of terminal 4"},
      {"nothing is unread",
       pty + Program{LateOf(10, 3, TtyInput{ImageBytes{"tty-data.img", 8, 0}})},
       "commands[4] SET_ATTR pid 10: EINVAL: input is 1 to 16384 bytes of an image"},
      {"a job in the foreground", job + Program{LateOf(11, 4, foreground(11))}, ""},
      {"nobody in the foreground", job + Program{LateOf(10, 4, foreground(12))}, ""},
      {"a group of another session",
       pty + Program{ForkOf(10, 11), SidOf(11), LateOf(10, 4, foreground(11))},
       "commands[6] SET_ATTR pid 10: EPERM: group 11 is in session 11, the terminal in 10"},
      {"by who is not controlled by it",
       pty + Program{ForkOf(10, 11), SidOf(11), LateOf(11, 4, foreground(11))},
       "commands[6] SET_ATTR pid 11: ENOTTY: terminal 4 is not the controlling terminal of process "
       "11"},
      {"a lock", pty + Program{LateOf(10, 3, TtyLock{})}, ""},
      {"a lock at the slave", pty + Program{LateOf(10, 4, TtyLock{})},
       "commands[4] SET_ATTR pid 10: ENOTTY: it is the master that locks its slave"},
  });
}

}  // namespace
}  // namespace crgen

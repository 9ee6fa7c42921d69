// SPDX-License-Identifier: Apache-2.0
#include "checker/files/tty.h"

#include <fcntl.h>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr std::uint32_t kMostIndex = (1 << 20) - 1;  // MINORMASK
constexpr std::uint64_t kMostInput = 16384;

std::string NameOf(const Tty& tty) { return "terminal " + std::to_string(tty.tty_id.value); }

std::size_t EndOf(const Tty& tty) { return IsPtyMaster(tty) ? 1 : 0; }

bool IsByPath(const Tty& tty) {
  return tty.driver == kConsole || tty.driver == kVirtualTerminal || tty.driver == kSerialLine;
}

/// Whether there is anything to know of it: not of /dev/tty, and not of what the caller hands over.
bool HasState(const Tty& tty) {
  return tty.driver != kOwnTerminal && tty.driver != kExternalTerminal;
}

bool IsTermios(const Rare<Termios>& termios) {
  if (!termios) return true;
  bool bytes = termios->cc.size() == kControlCharacters && termios->line <= 0xff;
  for (const std::uint32_t character : termios->cc) bytes = bytes && character <= 0xff;
  for (const Hex flags : {termios->iflag, termios->oflag, termios->cflag, termios->lflag}) {
    bytes = bytes && flags.value <= 0xffffffff;
  }
  return bytes;
}

bool IsWinsize(const std::optional<Winsize>& size) {
  constexpr std::uint32_t kMost = 0xffff;
  return !size || (size->rows <= kMost && size->columns <= kMost && size->xpixel <= kMost &&
                   size->ypixel <= kMost);
}

/// What the driver says about the other members.
std::optional<Refusal> RefusedName(const File& file, const Tty& tty) {
  if (tty.driver.value > kOwnTerminal.value) {
    return Refusal{"ENODEV", "there is no driver " + ValueText(tty.driver)};
  }
  if (IsPty(tty) != tty.index.has_value()) {
    return Refusal{"EINVAL", NameOf(tty) + ": a pty, and nothing else, has an index"};
  }
  if (tty.index.value_or(0) > kMostIndex) {
    return Refusal{"EINVAL", NameOf(tty) + " has the index " + std::to_string(*tty.index)};
  }
  if (IsByPath(tty) != tty.path.has_value() || IsByPath(tty) != tty.rdev.has_value()) {
    return Refusal{"EINVAL", NameOf(tty) +
                                 ": a console, vt or serial line, and nothing else, has path and "
                                 "rdev"};
  }
  if (tty.path) {
    if (auto refused = RefusedPath(*tty.path)) return refused;
  }
  if (file.external.has_value() != (tty.driver == kExternalTerminal)) {
    return Refusal{"EINVAL", NameOf(tty) + ": what comes from outside has the driver external"};
  }
  if (IsPtyMaster(tty) && (file.flags.bits & O_ACCMODE) != O_RDWR) {
    return Refusal{"EINVAL", "a master is open for reading and writing"};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> FileRules<Tty>::Check(const File& file, const Tty& tty) const {
  if (auto refused = RefusedFlags(file.flags)) return refused;
  if (file.flags.Has(O_PATH)) return Refusal{"EINVAL", "a path alone has nothing of a terminal"};
  if (auto refused = RefusedName(file, tty)) return refused;
  const std::string name = NameOf(tty);
  if (!IsTermios(tty.termios) || !IsTermios(tty.locked_termios)) {
    return Refusal{"EINVAL", name + ": termios are words of 32 bits and " +
                                 std::to_string(kControlCharacters) + " bytes in cc"};
  }
  if (!IsWinsize(tty.winsize)) return Refusal{"EINVAL", name + ": a size is at most 65535"};
  if (!HasState(tty) && (StateIn(tty) != TerminalState{} || EndIn(tty) != TerminalEnd{})) {
    return Refusal{"EINVAL", name + " is made by others: nothing of it can be set"};
  }
  if (tty.hung_up && (tty.driver != kPtySlave || tty.termios || tty.locked_termios || tty.winsize ||
                      EndIn(tty) != TerminalEnd{} || tty.controlling)) {
    return Refusal{"EIO", name + " is hung up: a slave of which nothing is set"};
  }
  if (tty.packet && !IsPtyMaster(tty)) return Refusal{"ENOTTY", "only a master has packet mode"};
  constexpr std::uint32_t kNoId = 0xffffffff;
  const bool has_file = tty.mode || tty.uid || tty.gid;
  if (has_file && tty.driver != kPtySlave) {
    return Refusal{"EINVAL", "mode, uid and gid are those of the file of a slave"};
  }
  if (tty.mode.value_or(0) > 07777 || tty.uid == kNoId || tty.gid == kNoId) {
    return Refusal{"EINVAL", name + ": no mode, or no id"};
  }
  if (tty.controlling && (!HasState(tty) || tty.driver == kCurrentTerminal || IsPtyMaster(tty))) {
    return Refusal{"EPERM", name + " can control no session of the program"};
  }
  return std::nullopt;
}

/// tiocsctty().
std::optional<Refusal> FileRules<Tty>::CheckSession(const Kernel& kernel, const Tty& tty) const {
  const Task& task = kernel.executor();
  if (tty.driver == kOwnTerminal && !task.terminal && task.sid != 0) {
    return Refusal{"ENXIO", "process " + std::to_string(task.pid) + " has no terminal"};
  }
  if (!tty.controlling) return std::nullopt;
  if (task.sid != task.pid) {
    return Refusal{"EPERM", "process " + std::to_string(task.pid) + " leads no session"};
  }
  if (task.terminal == tty.tty_id) return std::nullopt;  // it has it already
  if (task.terminal) {
    return Refusal{"EPERM", "session " + std::to_string(task.sid) + " has terminal " +
                                std::to_string(task.terminal->value)};
  }
  const auto session = sessions_.find(tty.tty_id);
  if (session == sessions_.end()) return std::nullopt;
  return Refusal{"EPERM",
                 NameOf(tty) + " controls session " + std::to_string(session->second) + " already"};
}

std::optional<Refusal> FileRules<Tty>::CheckOpening(const Kernel& kernel, const File&,
                                                    const Tty& tty, const File*) const {
  if (auto refused = CheckSession(kernel, tty)) return refused;
  const TerminalObject* known = Find(tty.tty_id);
  if (known == nullptr) {
    const auto pty = tty.index ? ptys_.find(*tty.index) : ptys_.end();
    if (pty == ptys_.end()) return std::nullopt;
    return Refusal{"EEXIST", "pty " + std::to_string(*tty.index) + " is terminal " +
                                 std::to_string(pty->second.value)};
  }
  const Tty& name = known->name;
  if ((known->driver != tty.driver && !(IsPty(name) && IsPty(tty))) || name.index != tty.index ||
      name.path != tty.path || name.rdev != tty.rdev) {
    return Refusal{"EINVAL", NameOf(tty) + " was another one where it was opened first"};
  }
  if (StateIn(tty) != TerminalState{}) {
    return Refusal{"EEXIST",
                   NameOf(tty) + " exists already: only its first opening says what it is like"};
  }
  if (known->state.hung_up && (IsPtyMaster(tty) || tty.controlling)) {
    return Refusal{"EIO", NameOf(tty) + " is hung up"};
  }
  if (!known->opened[EndOf(tty)]) return std::nullopt;
  if (IsPtyMaster(tty)) {
    return Refusal{"EEXIST", "a master has one description: to open /dev/ptmx makes another pty"};
  }
  if (EndIn(tty) == TerminalEnd{}) return std::nullopt;
  return Refusal{"EEXIST", NameOf(tty) +
                               " is open already: only the first opening of an end says "
                               "what it is like"};
}

void FileRules<Tty>::Opened(const Kernel& kernel, Description& description, const Tty& tty,
                            Description*) {
  const std::optional<TtyId> own = kernel.executor().terminal;
  if (tty.driver == kOwnTerminal && own) own_.emplace(description.file->id, *own);
  if (!HasState(tty)) return;
  const auto [known, first] = terminals_.try_emplace(tty.tty_id);
  TerminalObject& terminal = known->second;
  if (first) {
    terminal.state = StateIn(tty);
    terminal.driver = tty.driver;
    terminal.name = tty;
    terminal.command = description.command;
    if (tty.index) ptys_.emplace(*tty.index, tty.tty_id);
  }
  const std::size_t end = EndOf(tty);
  if (!terminal.opened[end]) terminal.ends[end] = EndIn(tty);
  terminal.opened[end] = true;
  if (tty.controlling) sessions_[tty.tty_id] = kernel.executor().sid;
}

void FileRules<Tty>::Compare(const std::string& where, const Tty& expected, const Tty& found,
                             Diagnostics& diag) const {
  check::Compare(where, "file.driver", expected.driver, found.driver, diag);
  check::Compare(where, "file.index", expected.index, found.index, diag);
  check::Compare(where, "file.path", expected.path, found.path, diag);
  check::Compare(where, "file.rdev", expected.rdev, found.rdev, diag);
}

std::string FileRules<Tty>::Text(const Tty& tty) const {
  const std::string driver = ValueText(tty.driver);
  return tty.index  ? driver + " " + std::to_string(*tty.index)
         : tty.path ? driver + " " + ValueText(*tty.path)
                    : driver;
}

std::optional<Refusal> LateRules<TtyInput>::Check(const Kernel& kernel,
                                                  const Description& description,
                                                  const TtyInput& late) {
  if (auto refused = RefusedForType<Tty>(description)) return refused;
  const Tty& tty = std::get<Tty>(description.file->body);
  if (!IsPty(tty)) return Refusal{"EINVAL", NameOf(tty) + " is no pty, and has no other end"};
  const TerminalObject& terminal = *kernel.files.Of<Tty>().Find(tty.tty_id);
  if (terminal.state.hung_up) return Refusal{"EIO", NameOf(tty) + " is hung up"};
  if (!terminal.opened[1 - EndOf(tty)]) {
    return Refusal{"EIO", "nobody has the other end of " + NameOf(tty)};
  }
  if (late.input.bytes == 0 || late.input.bytes > kMostInput || late.input.image.empty()) {
    return Refusal{"EINVAL", "input is 1 to " + std::to_string(kMostInput) + " bytes of an image"};
  }
  return std::nullopt;
}

/// tiocspgrp().
std::optional<Refusal> LateRules<TtyForeground>::Check(const Kernel& kernel,
                                                       const Description& description,
                                                       const TtyForeground& late) {
  if (auto refused = RefusedForType<Tty>(description)) return refused;
  const Tty& tty = std::get<Tty>(description.file->body);
  const Task& task = kernel.executor();
  const bool callers = tty.driver == kCurrentTerminal && task.sid == 0;
  const TtyId id = kernel.files.Of<Tty>().Meant(description.file->id, tty);
  if (!callers && (!task.terminal || *task.terminal != id)) {
    return Refusal{"ENOTTY", NameOf(tty) + " is not the controlling terminal of process " +
                                 std::to_string(task.pid)};
  }
  // Nobody has it: who restores makes a process of that number for the moment.
  std::string user;
  if (kernel.IsFree(late.foreground.value, &user)) return std::nullopt;
  // session_of_pgrp(): the number of a process that leads no group does as well.
  const Pid group = late.foreground.value;
  const auto use = kernel.numbers.find(group);
  TaskIndex member = kNoTask;
  if (use != kernel.numbers.end()) member = use->second.head[kGroupList];
  if (member == kNoTask) member = kernel.FindTask(group);
  if (member == kNoTask) {
    return Refusal{"ESRCH", "there is no group " + std::to_string(group)};
  }
  if (kernel.tasks[member].sid == task.sid) return std::nullopt;
  return Refusal{"EPERM", "group " + std::to_string(group) + " is in session " +
                              std::to_string(kernel.tasks[member].sid) + ", the terminal in " +
                              std::to_string(task.sid)};
}

std::optional<Refusal> LateRules<TtyLock>::Check(const Kernel&, const Description& description,
                                                 const TtyLock& late) {
  if (auto refused = RefusedForType<Tty>(description)) return refused;
  if (!late.locked) return Refusal{"EINVAL", "`locked` is true, or absent"};
  if (IsPtyMaster(std::get<Tty>(description.file->body))) return std::nullopt;
  return Refusal{"ENOTTY", "it is the master that locks its slave"};
}

}  // namespace crgen::check

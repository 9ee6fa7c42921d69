#include "restorer/caller_terminal.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "restorer/terminals.h"

namespace crgen::restorer {
namespace {

bool UsesIt(const Program& program) {
  return std::any_of(program.begin(), program.end(), [](const Command& command) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    const auto* tty = open == nullptr ? nullptr : std::get_if<Tty>(&open->file->body);
    return tty != nullptr && tty->driver == kCurrentTerminal;
  });
}

void Give(int fd, pid_t group, const termios* modes) {
  const BlockedTtou blocked;
  if (group > 0) tcsetpgrp(fd, group);
  if (modes != nullptr) tcsetattr(fd, TCSADRAIN, modes);
}

}  // namespace

CallerTerminal::CallerTerminal(const Program& program) {
  if (!UsesIt(program)) return;
  fd_ = CallersTerminal();
  if (fd_ < 0) return;
  group_ = tcgetpgrp(fd_);
  has_modes_ = tcgetattr(fd_, &modes_) == 0;
}

void CallerTerminal::TakeBack() const {
  if (fd_ >= 0) Give(fd_, group_, has_modes_ ? &modes_ : nullptr);
}

void CallerTerminal::StopAlong(pid_t root) const {
  const pid_t job = getpgid(root), own = getpgrp();
  // What stops the own group has stopped this process already.
  if (fd_ < 0 || job < 0 || job == own) return;
  termios modes = {};
  const bool has_modes = tcgetattr(fd_, &modes) == 0;
  TakeBack();
  kill(0, SIGSTOP);
  if (tcgetpgrp(fd_) == own) Give(fd_, job, has_modes ? &modes : nullptr);
  kill(-job, SIGCONT);
}

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
#include "restorer/caller_terminal.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "restorer/proc_files.h"
#include "restorer/terminals.h"

namespace crgen::restorer {
namespace {

bool UsesIt(const Program& program) {
  return std::any_of(program.begin(), program.end(), [](const Command& command) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    const auto* tty = open == nullptr ? nullptr : As<Tty>(*open->file);
    return tty != nullptr && tty->driver == kCurrentTerminal;
  });
}

void Give(int fd, pid_t group, const termios* modes) {
  const BlockedTtou blocked;
  if (group > 0) tcsetpgrp(fd, group);
  if (modes != nullptr) tcsetattr(fd, TCSADRAIN, modes);
}

bool IsIgnored(int signal) {
  struct sigaction action;
  sigset_t blocked;
  return sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN ||
         sigprocmask(SIG_BLOCK, nullptr, &blocked) != 0 || sigismember(&blocked, signal) == 1;
}

/// Whether a process is this one, or comes of it.
bool IsBelow(pid_t pid) {
  for (; pid > 1 && pid != getpid(); pid = ParentOf(pid)) {
  }
  return pid == getpid();
}

}  // namespace

CallerTerminal::CallerTerminal(const Program& program) {
  if (!UsesIt(program)) return;
  fd_ = CallersTerminal();
  if (fd_ < 0) return;
  group_ = tcgetpgrp(fd_);
  // In the background it is stopped here, as every job that wants the terminal, until it has it.
  if (group_ >= 0 && group_ != getpgrp() && !IsIgnored(SIGTTOU) && tcsetpgrp(fd_, getpgrp()) == 0) {
    group_ = getpgrp();
  }
  has_modes_ = tcgetattr(fd_, &modes_) == 0;
}

/// A shell that has put this process into the background has its terminal already.
bool CallerTerminal::OthersHaveIt() const {
  const pid_t group = tcgetpgrp(fd_);
  return group > 0 && group != getpgrp() && kill(-group, 0) == 0 && !IsBelow(group);
}

void CallerTerminal::TakeBack() const {
  if (fd_ >= 0 && !OthersHaveIt()) Give(fd_, group_, has_modes_ ? &modes_ : nullptr);
}

void CallerTerminal::StopAlong(pid_t root, int signal) const {
  const pid_t job = getpgid(root), own = getpgrp();
  // What stops the own group has stopped this process already.
  if (fd_ < 0 || job < 0 || job == own) return;
  // A shell that brings a job to the foreground which runs gives no sign of it.
  const bool wants_it = signal == SIGTTIN || signal == SIGTTOU;
  termios modes = {};
  const bool has_modes = !wants_it && tcgetattr(fd_, &modes) == 0;
  if (!wants_it || tcgetpgrp(fd_) != own) {
    TakeBack();
    kill(0, SIGSTOP);
  }
  if (tcgetpgrp(fd_) == own) Give(fd_, job, has_modes ? &modes : nullptr);
  kill(-job, SIGCONT);
}

}  // namespace crgen::restorer

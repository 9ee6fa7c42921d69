// SPDX-License-Identifier: Apache-2.0
// The terminal of who restores, while the restored job has it.
#pragma once

#include <sys/types.h>
#include <termios.h>

#include "dsl/commands.h"

namespace crgen::restorer {

/// Remembers how the caller's terminal is, if the program goes on on it.
class CallerTerminal {
 public:
  /// In the background this waits, stopped, for the foreground, as every job that wants a terminal.
  explicit CallerTerminal(const Program& program);

  bool used() const { return fd_ >= 0; }
  /// The foreground group and the modes are the caller's again, unless somebody else has it by now.
  void TakeBack() const;
  /// The job of process `root` has been stopped by `signal`: so does this process, and who waits
  /// for it, as the caller's shell wants to see. When it goes on in the foreground, the job gets
  /// the terminal back and goes on too.
  void StopAlong(pid_t root, int signal) const;

 private:
  bool OthersHaveIt() const;

  int fd_ = -1;
  pid_t group_ = -1;  ///< in the foreground; -1: it controls another session
  termios modes_ = {};
  bool has_modes_ = false;
};

}  // namespace crgen::restorer

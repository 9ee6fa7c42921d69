// SPDX-License-Identifier: Apache-2.0
// Terminals: made by the supervisor before any process exists, so that a session finds its own when
// it is made; what they are like, and what is unread in them, is set when nobody runs.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "dsl/commands.h"
#include "preflight/host_files.h"
#include "restorer/late_files.h"
#include "restorer/outside_ids.h"
#include "restorer/problem.h"
#include "restorer/tree_paths.h"

namespace crgen::restorer {

/// Which of the first three descriptors is the terminal of who restores; -1: none is one.
int CallersTerminal();

/// SIGTTOU stops who changes his controlling terminal from the background, unless it is blocked.
class BlockedTtou {
 public:
  BlockedTtou() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTTOU);
    sigprocmask(SIG_BLOCK, &set, &before_);
  }
  ~BlockedTtou() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  BlockedTtou(const BlockedTtou&) = delete;
  BlockedTtou& operator=(const BlockedTtou&) = delete;

 private:
  sigset_t before_;
};

/// The groups in the foreground, as this pid namespace has them.
struct ForegroundGroups {
  std::vector<pid_t> of_outside;  ///< of terminals whose screens are outside of the tree
  std::vector<pid_t> of_ptys;
};

class Terminals {
 public:
  /// Ptys are made in the devpts at this descriptor, which must outlive this, and not in that of
  /// /dev/pts and /dev/ptmx; other terminals are looked up by `paths`.
  void MakeIn(int devpts, TreePaths paths, OutsideIds ids) {
    ids_ = std::move(ids);
    devpts_ = devpts;
    paths_ = std::move(paths);
  }
  /// A description of a terminal, which is made if it is the first one of it. The problem, or
  /// nothing.
  std::string Open(const File& file, const Tty& tty, int* description);
  /// All are made: closes masters of slaves that are hung up, and of those that nobody wants.
  void Made();
  /// `late_files` are of the program. REQUIRES: all descriptors are in their places, and everybody
  /// is stopped.
  RestoreProblem Set(const Program& program, const LateFiles& late_files, const HostFiles& files);
  /// Sends the masters that no process has to who listens at `path`, as container engines want it.
  std::string SendOrphans(const std::string& path) const;
  ForegroundGroups Foreground() const;
  /// Descriptions are the processes' own from here on.
  void Close();

 private:
  struct Terminal {
    Tty name;         ///< of its first description
    int master = -1;  ///< of a pty
    int slave = -1;   ///< or another terminal
    bool master_held = false;
    TerminalState state;
    TerminalEnd ends[2];  ///< the slave's, the master's
  };
  std::string Make(const Tty& tty, Terminal* terminal);
  std::string MakePty(std::uint32_t index, Terminal* terminal);
  /// As open(2).
  int OpenPtmx() const;
  int OpenDevice(const Tty& tty) const;
  int OpenSlave(std::uint32_t index, int flags) const;
  const char* Set(const Terminal& terminal) const;
  static const char* SetEnd(const TerminalEnd& end, int fd);
  static const char* Feed(const Terminal& terminal, bool to_master, const TtyInput& input,
                          const HostFiles& files);
  static const char* FeedRest(const Terminal& terminal, const TtyInput& input,
                              const HostFiles& files);

  std::map<TtyId, Terminal> terminals_;
  std::map<std::uint32_t, int> spare_;  ///< masters, by index, that were in the way of higher ones
  int devpts_ = -1;
  TreePaths paths_;
  OutsideIds ids_;
};

}  // namespace crgen::restorer

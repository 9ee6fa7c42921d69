// SPDX-License-Identifier: Apache-2.0
// A restore as a whole: the process that the user has started, and the one that restores.
// This folder may include: checker, dsl, model, preflight, terminal, views.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dsl/commands.h"
#include "preflight/cgroups.h"
#include "preflight/host_files.h"
#include "preflight/namespace_options.h"
#include "restorer/problem.h"
#include "restorer/schedule.h"
#include "restorer/script.h"

namespace crgen::restorer {

struct RestoreOptions {
  bool new_pid_namespace = false;  ///< a fresh one, with its own /proc
  bool detach = false;             ///< do not wait for the root to end
  bool stop = false;               ///< leave everybody stopped
  bool time_namespace = true;      ///< obey `time`: the clocks of the tree go on
  bool tcp_close = false;          ///< connections come back closed
  bool network_locked = true;      ///< the rules of the dump are to be removed
  bool redraw = true;              ///< SIGWINCH to who is in the foreground of a terminal
  NamespaceOptions namespaces;     ///< what the caller gives for those of the plan's own
  std::map<std::string, int>
      inherited;               ///< descriptors of this process that are handed over, by key
  int names = -1;              ///< NameRecord of what has been made already; -1: none
  std::string console_socket;  ///< gets the masters that no process has; empty: none
  std::string pidfile;         ///< gets the root's pid; empty: none
  unsigned timeout = 600;      ///< seconds without any progress; 0: as long as it takes
  bool timed = false;          ///< steps say when they are done
  CgroupOptions cgroups = {};
  std::vector<std::string> action_scripts = {};  ///< commands that run at the stages of a restore
  std::string images = {};                       ///< the folder of images, for these
};

struct RestoreResult {
  RestoreProblem problem;
  pid_t root = 0;       ///< as this process's pid namespace has it
  int exit_status = 0;  ///< of the root as a shell gives it, unless detached
  /// With `timed`, of each step of the schedule; as the processes say it.
  std::vector<StepTimes> times = {};
};

/// Restores `program`, which has passed CheckProgram and Preflight and is settled; `files` are
/// those that Preflight holds, and are let go. On failure nothing of it is left: no process, no
/// file. Blocks until the root ends, unless detached.
RestoreResult Restore(const Program& program, const Schedule& schedule, std::uint64_t text_size,
                      HostFiles& files, const RestoreOptions& options);

}  // namespace crgen::restorer

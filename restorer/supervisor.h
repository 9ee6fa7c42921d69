// Runs a script: starts the root, waits until everything is built, hands over, and undoes
// everything if anything fails.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dsl/commands.h"
#include "preflight/host_files.h"

namespace crgen::restorer {

struct RestoreOptions {
  bool new_pid_namespace = false;  ///< a fresh one, with its own /proc
  bool detach = false;             ///< do not wait for the root to end
  bool stop = false;               ///< leave everybody stopped
  std::string pidfile;             ///< gets the root's pid; empty: none
};

/// Which command went wrong, and how: for messages with the place in the plan.
struct RestoreProblem {
  std::string what;           ///< empty: none
  std::int64_t command = -1;  ///< -1: not one command's
};

struct RestoreResult {
  RestoreProblem problem;
  pid_t root = 0;       ///< as this process's pid namespace has it
  int exit_status = 0;  ///< of the root as a shell gives it, unless detached
};

/// Restores `program`, which has passed CheckProgram and Preflight; `files` are those that
/// Preflight holds, and are let go. On failure nothing of it is left: no process, no file. Blocks
/// until the root ends, unless detached.
RestoreResult Restore(const Program& program, std::uint64_t text_size, HostFiles& files,
                      const RestoreOptions& options);

}  // namespace crgen::restorer

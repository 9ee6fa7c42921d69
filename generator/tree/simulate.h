// SPDX-License-Identifier: Apache-2.0
// Runs a plan under the kernel's rules: the last word on whether it is right.
#pragma once

#include <string>
#include <vector>

#include "generator/tree/analyzer.h"

namespace crgen {

/// Where and why a simulation stopped or differed.
struct SimulationError {
  std::size_t op = 0;  ///< index of the command, or the number of commands: the end state differs
  Pid pid = 0;
  std::string what;
};

/// Executes `ops` from nothing (the restorer alone) and compares the end with `snapshot`.
/// kError: a command that the kernel would refuse, or an end that is not the snapshot.
/// Numbers of threads count as taken all the time.
/// Cost: O(ops); O(log ops) for each exit and each child that it hands on where there are
/// subreapers. Rules: copy_process and alloc_pid (fork), ksys_setsid, sys_setpgid,
/// forget_original_parent.
Result SimulateTree(const TreeSnapshot& snapshot, const std::vector<TreeOp>& ops,
                    SimulationError* error);

}  // namespace crgen

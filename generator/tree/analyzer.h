// SPDX-License-Identifier: Apache-2.0
// From a process tree to the shortest command sequence that rebuilds it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "model/diagnostics.h"
#include "model/ids.h"
#include "model/tree.h"

namespace crgen {

/// One system call of one process: what the commands FORK, SET_SID, SET_PGID, EXIT, WAIT and
/// SET_ATTR child_subreaper stand for.
struct TreeOp {
  enum class Kind : std::uint8_t { kFork, kSetSid, kSetPgid, kExit, kWait, kSetSubreaper };
  Kind kind = Kind::kFork;
  bool clone_parent = false;  ///< kFork: the child becomes the caller's sibling
  Pid pid = 0;                ///< the executing process; 0 = the restorer
  Pid arg = 0;                ///< kFork/kWait: child pid; kSetPgid: pgid; kSetSubreaper: 0 or 1
  friend bool operator==(const TreeOp&, const TreeOp&) = default;
};

/// A process that the snapshot does not have, and the rule that asks for it.
struct InventedProcess {
  Pid pid = 0;
  std::string reason;
};

struct TreePlan {
  std::vector<TreeOp> ops;
  std::size_t last = 0;  ///< how many, at the end, wait until all descriptors are in their places
  std::vector<InventedProcess> invented;
};

/// The process and the rule that make a snapshot unreachable.
struct TreeRefusal {
  Pid pid = 0;
  std::string reason;
};

/// What a plan may use beside fork, setsid, setpgid, exit and wait.
struct TreeRules {
  bool subreapers = true;    ///< PR_SET_CHILD_SUBREAPER, for a moment or for good
  bool clone_parent = true;  ///< siblings that fork siblings (CLONE_PARENT)
  /// Orders in which orphans of other adopters than the reaper are tried; 0: the root alone adopts.
  unsigned attempts = 16;
};

/// Finds a sequence that ends in exactly `snapshot`: every process with its pid, parent, group,
/// session, state and subreaper flag, and no other process; those of `snapshot.gone` are there
/// until all descriptors are in their places. Takes CLONE_PARENT only where the plan gets shorter
/// by it, and processes that are subreapers for a moment only where fork, setsid, setpgid, exit and
/// wait do not suffice, that is, where others than the root hold orphans. Gives kOk and *plan
/// (which has been simulated under the kernel's rules), or kError and *refusal. The reaper is the
/// root if its pid is 1, else the restorer (pid 0). Cost: O(n log n) for n processes but for the
/// limits in docs/process-trees.md; no recursion. Rules: kernel/fork.c, kernel/exit.c, kernel/sys.c
/// (ksys_setsid, sys_setpgid), kernel/pid.c.
Result AnalyzeTree(const TreeSnapshot& snapshot, TreePlan* plan, TreeRefusal* refusal);

/// The same with a choice of system calls.
Result AnalyzeTreeWith(const TreeRules& rules, const TreeSnapshot& snapshot, TreePlan* plan,
                       TreeRefusal* refusal);

/// The tree for people: a line for each process, below its parent. Cost: linear, but for blanks, of
/// which deep trees have no more than others.
std::string DrawTree(const TreeSnapshot& snapshot);

/// The plan for people: one line for each command with the grammar rule that it applies, then the
/// invented processes, each with the reason for it, and what that is worth.
std::string DescribeDerivation(const TreeSnapshot& snapshot, const TreePlan& plan);

}  // namespace crgen

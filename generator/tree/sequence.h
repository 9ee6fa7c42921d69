// SPDX-License-Identifier: Apache-2.0
// Puts the births, moves and exits of a creation tree into an order that the kernel accepts.
#pragma once

#include "generator/tree/analyzer.h"
#include "generator/tree/births.h"
#include "generator/tree/groups.h"

namespace crgen {

/// Runs all processes of *tree side by side, depth first, each as far as it gets: entering a group
/// waits until it exists, leaving one until somebody else keeps it. Where they wait for each other,
/// a child is forked earlier than `groups` wishes, or a holder is invented (added to *tree).
/// Gives *ops. kError: no order was found; *refusal has a process that is stuck.
/// Cost: O(n) steps, each O(1), O(log n) for a process that is needed early, and O(k) for one that
/// waits for k groups that it is to visit.
/// Rules: sys_setpgid, ksys_setsid, release_task (a group lives as long as one member, dead or
/// not).
Result ScheduleTree(const TreeSnapshot& snapshot, const GroupPlan& groups, BirthTree* tree,
                    std::vector<TreeOp>* ops, TreeRefusal* refusal);

}  // namespace crgen

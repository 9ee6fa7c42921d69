// SPDX-License-Identifier: Apache-2.0
// What no process tree can look like, whatever happened before.
#pragma once

#include "generator/tree/analyzer.h"
#include "generator/tree/numbers.h"

namespace crgen {

/// Enters every number of `snapshot` into *numbers and checks what holds in any state of the
/// kernel: numbers in range and unique, leaders in their own group, a group within one session,
/// numbers of groups and sessions not at odds with the processes that have them, zombies without
/// children. kError: *refusal names the process and the rule. Cost: O(processes + threads). Rules:
/// setsid(2), setpgid(2), credentials(7), kernel/pid.c.
Result CheckTree(const TreeSnapshot& snapshot, NumberTable* numbers, TreeRefusal* refusal);

}  // namespace crgen

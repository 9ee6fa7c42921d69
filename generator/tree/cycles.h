// SPDX-License-Identifier: Apache-2.0
// Groups whose founders sit in each other's groups.
#pragma once

#include <cstdint>
#include <vector>

#include "generator/tree/births.h"

namespace crgen {

using CycleIndex = Index<struct CycleIndexTag>;  ///< in GroupCycles::members

/// Cycles of founders, each of whom ends in the group of the next one and has left its own, which
/// others are in. Nobody in a cycle can leave its group first unless somebody else holds it.
struct GroupCycles {
  std::vector<std::vector<BirthIndex>> members;
  std::vector<CycleIndex> cycle_of;  ///< by birth
};

/// Cost: O(n). Rule: a group is gone when its last member leaves (kernel/pid.c, change_pid).
GroupCycles FindGroupCycles(const BirthTree& tree);

}  // namespace crgen

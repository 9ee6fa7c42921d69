// SPDX-License-Identifier: Apache-2.0
// Groups whose founders sit in each other's groups.
#pragma once

#include <cstdint>
#include <vector>

#include "generator/tree/births.h"

namespace crgen {

/// Cycles of founders, each of whom ends in the group of the next one and has left its own, which
/// others are in. Nobody in a cycle can leave its group first unless somebody else holds it.
struct GroupCycles {
  std::vector<std::vector<std::int32_t>> members;  ///< indices in BirthTree::births
  std::vector<std::int32_t> cycle_of;              ///< by birth; -1: in none
};

/// Cost: O(n). Rule: a group is gone when its last member leaves (kernel/pid.c, change_pid).
GroupCycles FindGroupCycles(const BirthTree& tree);

}  // namespace crgen

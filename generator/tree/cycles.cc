// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/cycles.h"

#include "generator/tree/likes.h"

namespace crgen {

GroupCycles FindGroupCycles(const BirthTree& tree) {
  constexpr std::int32_t kNone = -1;
  GroupCycles cycles;
  auto n = static_cast<std::int32_t>(tree.births.size());
  cycles.cycle_of.assign(tree.births.size(), kNone);
  std::vector<std::int32_t> seen_from(tree.births.size(), kNone);
  auto next = [&](std::int32_t i) {
    const Birth& birth = tree.At(i);
    bool moved = birth.pgid != kNoSlot && FoundsGroupAndLeaves(tree, birth);
    return moved ? tree.numbers[birth.pgid].process : kNone;
  };
  for (std::int32_t start = 0; start < n; ++start) {
    std::int32_t i = start;
    while (i != kNone && seen_from[static_cast<std::size_t>(i)] == kNone) {
      seen_from[static_cast<std::size_t>(i)] = start;
      i = next(i);
    }
    if (i == kNone || seen_from[static_cast<std::size_t>(i)] != start) continue;
    auto id = static_cast<std::int32_t>(cycles.members.size());
    cycles.members.emplace_back();
    do {
      cycles.members.back().push_back(i);
      cycles.cycle_of[static_cast<std::size_t>(i)] = id;
      i = next(i);
    } while (i != cycles.members.back().front());
  }
  return cycles;
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/cycles.h"

#include "generator/tree/likes.h"

namespace crgen {

GroupCycles FindGroupCycles(const BirthTree& tree) {
  constexpr BirthIndex kNone;
  GroupCycles cycles;
  const BirthIndex n(tree.births.size());
  cycles.cycle_of.assign(tree.births.size(), {});
  std::vector<BirthIndex> seen_from(tree.births.size(), kNone);
  auto next = [&](BirthIndex i) {
    const Birth& birth = tree.At(i);
    bool moved = birth.pgid != kNoSlot && FoundsGroupAndLeaves(tree, birth);
    return moved ? tree.numbers[birth.pgid].process : kNone;
  };
  for (BirthIndex start(0); start < n; ++start) {
    BirthIndex i = start;
    while (i != kNone && seen_from[static_cast<std::size_t>(i)] == kNone) {
      seen_from[static_cast<std::size_t>(i)] = start;
      i = next(i);
    }
    if (i == kNone || seen_from[static_cast<std::size_t>(i)] != start) continue;
    const CycleIndex id(cycles.members.size());
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

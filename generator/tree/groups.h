// SPDX-License-Identifier: Apache-2.0
// In which group each process forks each child, so that groups are inherited where they can be.
#pragma once

#include <cstdint>
#include <vector>

#include "generator/tree/births.h"

namespace crgen {

using ForkIndex = Index<struct ForkIndexTag>;    ///< in GroupPlan::forks
using StageIndex = Index<struct StageIndexTag>;  ///< in GroupPlan::stages

/// A part of a process's life in one group, with the children that it forks meanwhile.
struct Stage {
  enum class Kind : std::uint8_t {
    kBirth,   ///< in whatever group it was born in
    kSetSid,  ///< after its setsid
    kVisit,   ///< in `group`, for the children's or the group's sake
    kFinal,   ///< in the group that it has in the snapshot
  };
  Kind kind = Kind::kBirth;
  Slot group = kNoSlot;     ///< the one that it enters; kBirth: is expected to be in
  ForkIndex first_fork{0};  ///< its children: GroupPlan::forks[first_fork … end_fork)
  ForkIndex end_fork{0};
  bool holds = false;  ///< its last part is to keep the group alive until the founder is replaced
};

/// stages[first_stage[i] … first_stage[i + 1]) are those of births[i]: kBirth, then visits (its own
/// group first), then kSetSid or kFinal if it has one.
struct GroupPlan {
  std::vector<StageIndex> first_stage;
  std::vector<Stage> stages;
  std::vector<BirthIndex> forks;
};

/// Chooses stages such that as few setpgid as possible are left. What it asks for is a wish: the
/// scheduler may fork a child early where wishes block each other.
/// Cost: O(n log n).
/// Rules: copy_process (group and session are inherited); sys_setpgid.
GroupPlan PlanGroups(const BirthTree& tree);

}  // namespace crgen

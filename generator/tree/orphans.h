// SPDX-License-Identifier: Apache-2.0
// Parents for orphans: the processes of a creation tree that are gone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "generator/tree/births.h"

namespace crgen {

/// Invents the dead leaders of sessions and groups, gives every orphan a parent that dies (a zombie
/// or an invented process, shared where possible) in the session that it must be born in, and hands
/// children of the reaper to such a parent where they inherit their group from it. `siblings`:
/// where a process would be invented, a child of the root in that session forks the orphan instead.
/// REQUIRES: parents, sessions and adopters of the snapshot's processes are set.
/// Errors: an orphan's session is led by one of its own descendants; no free number.
/// Cost: O(n log n).
/// Rules: the heuristics of reverse reparenting, see InventionReason().
Result PlaceOrphans(const std::vector<BirthIndex>& orphans, bool siblings, BirthTree* tree,
                    TreeRefusal* refusal);

/// The heuristic or rule behind the invented process births[i], for people.
std::string InventionReason(const BirthTree& tree, BirthIndex i);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Who descends from whom while it is still open where processes are born.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "generator/tree/births.h"
#include "generator/tree/forest.h"

namespace crgen {

/// Begins with the parents of `births`; processes move one by one. What is asked for may be
/// impossible, so a process may hang below itself: its way up is a circle then.
/// Cost of all calls: O(log n), amortized.
class Descent {
 public:
  explicit Descent(const std::vector<Birth>& births);

  void Hang(BirthIndex i, BirthIndex above);

  /// Whether `low` is `high` or hangs below it.
  bool Below(BirthIndex low, BirthIndex high);

  /// The first process on the way up from `i`, itself included, that hangs elsewhere than in the
  /// beginning; if there is none, the root of all.
  BirthIndex FirstMoved(BirthIndex i) { return forest_.NearestMarked(i); }

  /// The first process on the way up from `i` that `q` hangs below. REQUIRES: `q` hangs below
  /// FirstMoved(i).
  BirthIndex Meet(BirthIndex i, BirthIndex q);

  /// The last process before `high` on the way up from `low`. REQUIRES: `low` hangs below `high`,
  /// which is not behind FirstMoved(low).
  BirthIndex LastBefore(BirthIndex low, BirthIndex high) { return forest_.LastBefore(low, high); }

 private:
  Forest<BirthIndex> forest_;
  std::unordered_map<BirthIndex, BirthIndex> circles_;  ///< root that hangs below → its own
};

}  // namespace crgen

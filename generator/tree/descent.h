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

  void Hang(std::int32_t i, std::int32_t above);

  /// Whether `low` is `high` or hangs below it.
  bool Below(std::int32_t low, std::int32_t high);

  /// The first process on the way up from `i`, itself included, that hangs elsewhere than in the
  /// beginning; if there is none, the root of all.
  std::int32_t FirstMoved(std::int32_t i) { return forest_.NearestMarked(i); }

  /// The first process on the way up from `i` that `q` hangs below. REQUIRES: `q` hangs below
  /// FirstMoved(i).
  std::int32_t Meet(std::int32_t i, std::int32_t q);

  /// The last process before `high` on the way up from `low`. REQUIRES: `low` hangs below `high`,
  /// which is not behind FirstMoved(low).
  std::int32_t LastBefore(std::int32_t low, std::int32_t high) {
    return forest_.LastBefore(low, high);
  }

 private:
  Forest forest_;
  std::unordered_map<std::int32_t, std::int32_t> circles_;  ///< root that hangs below → its own
};

}  // namespace crgen

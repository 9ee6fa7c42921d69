// SPDX-License-Identifier: Apache-2.0
// Which groups a process had best be born in.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "generator/tree/births.h"

namespace crgen {

/// Whether others are in a group of its name that it is not in at the end.
bool FoundsGroupAndLeaves(const BirthTree& tree, const Birth& birth);

/// Whether `parent` forks `child` before its setsid, if it has one.
inline bool ForkedInBirthSession(const Birth& parent, const Birth& child) {
  return !parent.leader() || child.birth_sid != parent.pid;
}

/// A process likes a group if being born in it saves one setpgid, its own or that of somebody who
/// inherits the group through it. A group whose founder descends from it cannot be meant.
class GroupLikes {
 public:
  struct Range {
    const Slot* first;
    const Slot* last;
    const Slot* begin() const { return first; }
    const Slot* end() const { return last; }
  };

  /// REQUIRES: OrderBirths(). Cost: O(n log n); keeps the best kMaxKept groups of a process.
  explicit GroupLikes(const BirthTree& tree);

  /// The best first; group 0, which nobody can join, before all others.
  Range Liked(BirthIndex i) const;
  bool IsLiked(BirthIndex i, Slot group) const;

 private:
  static constexpr std::size_t kMaxKept = 8;

  void Find(const BirthTree& tree, BirthIndex i);
  void Like(const BirthTree& tree, BirthIndex i, Slot group);

  std::vector<Slot> liked_;
  std::vector<std::int32_t> first_;
  std::vector<std::int32_t> count_;
  std::vector<Slot> counted_;
  std::vector<std::pair<std::int32_t, Slot>> ranked_;
};

/// The groups in *groups by how often they stand there: {-count, group}, `first` before all others.
/// Sorts *groups.
void RankGroups(Slot first, std::vector<Slot>* groups,
                std::vector<std::pair<std::int32_t, Slot>>* ranked);

}  // namespace crgen

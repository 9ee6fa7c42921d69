// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/likes.h"

#include <algorithm>
#include <cstddef>

namespace crgen {

bool FoundsGroupAndLeaves(const BirthTree& tree, const Birth& birth) {
  return !birth.leader() && birth.pgid != birth.pid && tree.numbers[birth.pid].nr_members > 0;
}

void RankGroups(Slot first, std::vector<Slot>* groups,
                std::vector<std::pair<std::int32_t, Slot>>* ranked) {
  ranked->clear();
  std::sort(groups->begin(), groups->end());
  for (std::size_t i = 0, end = 0; i < groups->size(); i = end) {
    while (end < groups->size() && (*groups)[end] == (*groups)[i]) ++end;
    auto count = static_cast<std::int32_t>(end - i);
    ranked->push_back({(*groups)[i] == first ? -INT32_MAX : -count, (*groups)[i]});
  }
  std::sort(ranked->begin(), ranked->end());
}

GroupLikes::GroupLikes(const BirthTree& tree) {
  first_.assign(tree.births.size(), 0);
  count_.assign(tree.births.size(), 0);
  liked_.reserve(tree.births.size());
  for (std::size_t k = tree.order.size(); k-- > 0;) Find(tree, tree.order[k]);
}

GroupLikes::Range GroupLikes::Liked(BirthIndex i) const {
  auto index = static_cast<std::size_t>(i);
  const Slot* first = liked_.data() + first_[index];
  return {first, first + count_[index]};
}

bool GroupLikes::IsLiked(BirthIndex i, Slot group) const {
  Range liked = Liked(i);
  return std::find(liked.begin(), liked.end(), group) != liked.end();
}

/// Children come first in this pass. Those that inherit what they like from a group that their
/// parent is in at any rate do not matter to it.
void GroupLikes::Find(const BirthTree& tree, BirthIndex i) {
  const Birth& birth = tree.At(i);
  bool has_final = !birth.leader() && birth.pgid != kNoSlot;
  bool leaves_own = FoundsGroupAndLeaves(tree, birth);
  auto index = static_cast<std::size_t>(i);
  counted_.clear();
  for (auto c = tree.first_child[index]; c < tree.first_child[index + 1]; ++c) {
    BirthIndex child = tree.children[static_cast<std::size_t>(c)];
    if (!ForkedInBirthSession(birth, tree.At(child))) continue;
    if ((has_final && IsLiked(child, birth.pgid)) || (leaves_own && IsLiked(child, birth.pid))) {
      continue;
    }
    for (Slot group : Liked(child)) counted_.push_back(group);
  }
  RankGroups(tree.numbers.Find(0), &counted_, &ranked_);
  first_[index] = static_cast<std::int32_t>(liked_.size());
  if (has_final && !leaves_own) Like(tree, i, birth.pgid);
  for (const auto& [count, group] : ranked_) Like(tree, i, group);
}

void GroupLikes::Like(const BirthTree& tree, BirthIndex i, Slot group) {
  BirthIndex founder = tree.numbers[group].process;
  if (founder >= 0 && tree.Descends(founder, i)) return;
  auto& count = count_[static_cast<std::size_t>(i)];
  if (static_cast<std::size_t>(count) >= kMaxKept || IsLiked(i, group)) return;
  liked_.push_back(group);
  ++count;
}

}  // namespace crgen

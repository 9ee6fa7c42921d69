// SPDX-License-Identifier: Apache-2.0
// What is carried down the creation tree: a resource that several processes hold is acquired by
// one owner and handed on by fork(2).
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "model/ids.h"

namespace crgen {

using TreeTime = Index<struct TreeTimeTag>;  ///< of a FORK, among the operations of the tree
/// Something that is carried: its place in the list of its plan.
using ItemIndex = Index<struct ItemIndexTag>;

/// One link of the way from an owner down to the holders: `parent` must have the resource when it
/// executes the FORK `time`, by which `child` is born. Heir: an index of processes (NodeIndex), or
/// of descriptor tables (PlannedTable).
template <typename Heir>
struct InheritanceLink {
  Heir parent;
  Heir child;
  TreeTime time;
};

/// The lowest node from which all `holders` inherit (DSL.md, step 2: the owner of what they share).
/// `creators[n]` and `births[n]`: the creator of n, lower than n, and its birth. `links` gets the
/// whole way from the owner to the holders. None: there is no such node but the restorer.
/// REQUIRES: holders is not empty. Cost: O(n log n) in the number of links.
template <typename Heir>
Heir FindOwner(const std::vector<Heir>& creators, std::span<const TreeTime> births,
               std::vector<Heir> holders, std::vector<InheritanceLink<Heir>>* links);

/// What one node has to do with one item.
struct CarriedItem {
  static constexpr TreeTime kNever{std::numeric_limits<std::int32_t>::max()};
  ItemIndex item;
  TreeTime first = kNever;  ///< the first FORK that hands it on
  TreeTime last = {};       ///< the last FORK that does
  bool holder = false;      ///< the node has it at the end
};

/// The parts that `owner`, everyone on the way and the `holders` have in `item`, by node.
template <typename Heir>
std::vector<std::pair<Heir, CarriedItem>> ShareOut(ItemIndex item, Heir owner,
                                                   const std::vector<InheritanceLink<Heir>>& links,
                                                   const std::vector<Heir>& holders);

/// The items of one node, in the order in which they are needed and in which they are done with.
class CarryList {
 public:
  void Add(const CarriedItem& item) { items_.push_back(item); }
  /// To be called once, after the last Add().
  void Sort();

  /// Calls `function(item)` for each that the FORK `time` or an earlier one hands on, once.
  template <typename Function>
  void Acquire(TreeTime time, Function&& function) {
    for (; next_first_ < items_.size() && items_[next_first_].first <= time; ++next_first_) {
      function(items_[next_first_]);
    }
  }
  /// Calls `function(item)` for each that no FORK after `time` hands on but one before did, once.
  template <typename Function>
  void Release(TreeTime time, Function&& function) {
    for (; next_last_ < by_last_.size() && items_[by_last_[next_last_]].last <= time;
         ++next_last_) {
      if (items_[by_last_[next_last_]].last >= 0) function(items_[by_last_[next_last_]]);
    }
  }
  const std::vector<CarriedItem>& items() const { return items_; }

 private:
  std::vector<CarriedItem> items_;     // ascending by `first`
  std::vector<std::int32_t> by_last_;  // indices of items_
  std::size_t next_first_ = 0, next_last_ = 0;
};

}  // namespace crgen

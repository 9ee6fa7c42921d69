// SPDX-License-Identifier: Apache-2.0
#include "generator/inheritance.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "generator/creation_tree.h"
#include "generator/descriptors/opening_plan.h"

namespace crgen {

template <typename Heir>
Heir FindOwner(const std::vector<Heir>& creators, std::span<const TreeTime> births,
               std::vector<Heir> holders, std::vector<InheritanceLink<Heir>>* links) {
  // A creator has a lower index than what it creates, so replacing the highest node by its creator
  // until one is left climbs to the lowest common one.
  std::vector<Heir>& heap = holders;
  std::make_heap(heap.begin(), heap.end());
  while (heap.front() >= 0) {
    const Heir highest = heap.front();
    while (!heap.empty() && heap.front() == highest) {
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
    }
    if (heap.empty()) return highest;
    const Heir creator = creators[highest];
    links->push_back({creator, highest, births[highest]});
    heap.push_back(creator);
    std::push_heap(heap.begin(), heap.end());
  }
  return {};
}

template <typename Heir>
std::vector<std::pair<Heir, CarriedItem>> ShareOut(ItemIndex item, Heir owner,
                                                   const std::vector<InheritanceLink<Heir>>& links,
                                                   const std::vector<Heir>& holders) {
  std::vector<std::pair<Heir, CarriedItem>> parts;
  std::unordered_map<Heir, std::size_t> index;
  auto part = [&](Heir node) -> CarriedItem& {
    auto [known, added] = index.emplace(node, parts.size());
    if (added) parts.push_back({node, {item}});
    return parts[known->second].second;
  };
  part(owner);
  for (const InheritanceLink<Heir>& link : links) {
    part(link.child);
    CarriedItem& parent = part(link.parent);
    parent.first = std::min(parent.first, link.time);
    parent.last = std::max(parent.last, link.time);
  }
  for (const Heir holder : holders) part(holder).holder = true;
  return parts;
}

template NodeIndex FindOwner(const std::vector<NodeIndex>&, std::span<const TreeTime>,
                             std::vector<NodeIndex>, std::vector<InheritanceLink<NodeIndex>>*);
template PlannedTable FindOwner(const std::vector<PlannedTable>&, std::span<const TreeTime>,
                                std::vector<PlannedTable>,
                                std::vector<InheritanceLink<PlannedTable>>*);
template std::vector<std::pair<NodeIndex, CarriedItem>> ShareOut(
    ItemIndex, NodeIndex, const std::vector<InheritanceLink<NodeIndex>>&,
    const std::vector<NodeIndex>&);
template std::vector<std::pair<PlannedTable, CarriedItem>> ShareOut(
    ItemIndex, PlannedTable, const std::vector<InheritanceLink<PlannedTable>>&,
    const std::vector<PlannedTable>&);

void CarryList::Sort() {
  std::sort(items_.begin(), items_.end(), [](const CarriedItem& a, const CarriedItem& b) {
    return a.first != b.first ? a.first < b.first : a.item < b.item;
  });
  by_last_.resize(items_.size());
  std::iota(by_last_.begin(), by_last_.end(), 0);
  std::stable_sort(by_last_.begin(), by_last_.end(),
                   [&](std::int32_t a, std::int32_t b) { return items_[a].last < items_[b].last; });
}

}  // namespace crgen

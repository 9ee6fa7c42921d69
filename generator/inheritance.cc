// SPDX-License-Identifier: Apache-2.0
#include "generator/inheritance.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

namespace crgen {

std::int32_t FindOwner(std::span<const std::int32_t> creators, std::span<const std::int32_t> births,
                       std::vector<std::int32_t> holders, std::vector<InheritanceLink>* links) {
  // A creator has a lower index than what it creates, so replacing the highest node by its creator
  // until one is left climbs to the lowest common one.
  std::vector<std::int32_t>& heap = holders;
  std::make_heap(heap.begin(), heap.end());
  while (heap.front() >= 0) {
    const std::int32_t highest = heap.front();
    while (!heap.empty() && heap.front() == highest) {
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
    }
    if (heap.empty()) return highest;
    const std::int32_t creator = creators[highest];
    links->push_back({creator, highest, births[highest]});
    heap.push_back(creator);
    std::push_heap(heap.begin(), heap.end());
  }
  return -1;
}

std::vector<std::pair<std::int32_t, CarriedItem>> ShareOut(std::int32_t item, std::int32_t owner,
                                                           std::span<const InheritanceLink> links,
                                                           std::span<const std::int32_t> holders) {
  std::vector<std::pair<std::int32_t, CarriedItem>> parts;
  std::unordered_map<std::int32_t, std::size_t> index;
  auto part = [&](std::int32_t node) -> CarriedItem& {
    auto [known, added] = index.emplace(node, parts.size());
    if (added) parts.push_back({node, {item}});
    return parts[known->second].second;
  };
  part(owner);
  for (const InheritanceLink& link : links) {
    part(link.child);
    CarriedItem& parent = part(link.parent);
    parent.first = std::min(parent.first, link.time);
    parent.last = std::max(parent.last, link.time);
  }
  for (std::int32_t holder : holders) part(holder).holder = true;
  return parts;
}

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

// SPDX-License-Identifier: Apache-2.0
#include "generator/files/eventpoll.h"

#include <algorithm>
#include <vector>

namespace crgen {
namespace {

using Inner = std::unordered_map<FileIndex, std::vector<FileIndex>>;

Inner SetsInSets(const Snapshot& snapshot) {
  Inner inner;
  for (const LateEntry& entry : snapshot.late) {
    const auto* set = std::get_if<EpollTargets>(&entry.state);
    if (set == nullptr) continue;
    const auto& slots = snapshot.tables[snapshot.processes[entry.process].table].slots;
    for (const EpollTarget& target : set->targets) {
      const auto slot = std::ranges::lower_bound(slots, target.fd, {}, &Descriptor::fd);
      const bool is_set = As<Eventpoll>(*snapshot.files[slot->file]) != nullptr;
      if (is_set) inner[entry.file].push_back(slot->file);
    }
  }
  return inner;
}

/// There are no circles, and at most kEpollNests below each other.
int Height(const Inner& inner, FileIndex set, std::unordered_map<FileIndex, int>& heights) {
  const auto below = inner.find(set);
  if (below == inner.end()) return 0;
  if (const auto known = heights.find(set); known != heights.end()) return known->second;
  int height = 0;
  for (const FileIndex one : below->second) {
    height = std::max(height, Height(inner, one, heights) + 1);
  }
  return heights[set] = height;
}

}  // namespace

std::unordered_map<FileIndex, int> EpollHeights(const Snapshot& snapshot) {
  const Inner inner = SetsInSets(snapshot);
  std::unordered_map<FileIndex, int> heights;
  for (const auto& [set, below] : inner) Height(inner, set, heights);
  return heights;
}

}  // namespace crgen

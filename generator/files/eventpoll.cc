// SPDX-License-Identifier: Apache-2.0
#include "generator/files/eventpoll.h"

#include <algorithm>
#include <unordered_set>
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

bool Has(const std::vector<Descriptor>& slots, FileIndex file) {
  return std::ranges::find(slots, file, &Descriptor::file) != slots.end();
}

/// Of others who have the set: one of them may have added it.
std::vector<Fd> NumbersOfOthers(const Snapshot& snapshot, FileIndex set, FileIndex file) {
  std::vector<Fd> numbers;
  for (const DescriptorTable& table : snapshot.tables) {
    if (!Has(table.slots, set)) continue;
    for (const Descriptor& slot : table.slots) {
      if (slot.file == file) numbers.push_back(slot.fd);
    }
  }
  return numbers;
}

}  // namespace

std::vector<DupFd> OpenClosedNumbers(const Snapshot& snapshot, const LateEntry& entry,
                                     EpollTargets* set) {
  constexpr std::uint64_t kLikely = 1 << 16;
  std::vector<DupFd> opened;
  std::unordered_set<Fd> seen, taken;
  const auto& slots = snapshot.tables[snapshot.processes[entry.process].table].slots;
  const auto is_free = [&](Fd fd) {
    return !taken.contains(fd) && !std::ranges::binary_search(slots, fd, {}, &Descriptor::fd);
  };
  for (EpollTarget& target : set->targets) {
    if (seen.insert(target.fd).second) continue;
    const FileIndex file = std::ranges::lower_bound(slots, target.fd, {}, &Descriptor::fd)->file;
    std::vector<Fd> likely = NumbersOfOthers(snapshot, entry.file, file);
    if (target.data.value < kLikely) {  // many have their number as data
      likely.push_back(static_cast<Fd>(target.data.value));
    }
    Fd number = target.fd + 1;
    if (const auto good = std::ranges::find_if(likely, is_free); good != likely.end()) {
      number = *good;
    }
    while (!is_free(number)) ++number;
    taken.insert(number);
    opened.push_back({target.fd, number});
    target.fd = number;
  }
  return opened;
}

std::unordered_map<FileIndex, int> EpollHeights(const Snapshot& snapshot) {
  const Inner inner = SetsInSets(snapshot);
  std::unordered_map<FileIndex, int> heights;
  for (const auto& [set, below] : inner) Height(inner, set, heights);
  return heights;
}

}  // namespace crgen

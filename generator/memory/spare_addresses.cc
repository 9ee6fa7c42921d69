// SPDX-License-Identifier: Apache-2.0
#include "generator/memory/spare_addresses.h"

#include <algorithm>

namespace crgen {
namespace {

constexpr std::uint64_t kLowest = 0x10000;  // vm.mmap_min_addr

}  // namespace

SpareAddresses::SpareAddresses(const Snapshot& snapshot) {
  std::vector<AddressRange> used;
  for (const Process& process : snapshot.processes) {
    for (const Region& region : process.memory.regions) used.push_back(region.range);
  }
  std::sort(used.begin(), used.end());
  std::uint64_t at = kLowest;
  for (const AddressRange& range : used) {
    const std::uint64_t end = std::min(range.start, kDefaultUserEnd);
    if (end > at) gaps_.push_back({at, end});
    at = std::max(at, range.end);
  }
  if (at < kDefaultUserEnd) gaps_.push_back({at, kDefaultUserEnd});
  // The largest first: nothing that fits anywhere is refused for long.
  std::sort(gaps_.begin(), gaps_.end(), [](const AddressRange& a, const AddressRange& b) {
    return a.size() != b.size() ? a.size() > b.size() : a.start < b.start;
  });
}

Result SpareAddresses::Take(std::uint64_t size, AddressRange* range, Diagnostics& diag) {
  for (AddressRange& gap : gaps_) {
    if (gap.size() < size) continue;
    *range = {gap.start, gap.start + size};
    gap.start += size;
    return Result::kOk;
  }
  return diag.Fail("address space",
                   "no " + std::to_string(size) + " bytes are free in all processes at once");
}

}  // namespace crgen

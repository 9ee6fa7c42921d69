// SPDX-License-Identifier: Apache-2.0
// The comparison of what is set in maps of bpf(2).
#include <algorithm>

#include "views/diff_parts.h"

namespace crgen {

void SnapshotDiffer::CompareObject(const Place& place, const File&, const BpfMap& before,
                                   const File& later) {
  const auto one = a().bpf_maps.find(before.map_id);
  const auto other = b().bpf_maps.find(As<BpfMap>(later)->map_id);
  if (one == a().bpf_maps.end() || other == b().bpf_maps.end() ||
      !compared_.insert("map" + std::to_string(before.map_id.value)).second) {
    return;
  }
  BpfMapObject map = one->second, found = other->second;
  if (HaveSameEntries(map, found)) {
    map.data.reset();
    found.data.reset();
  }
  Compare(place, "map", map, found);
}

/// The entries of a map in the order of their keys; false: they are not read.
bool SnapshotDiffer::EntriesOf(const DiffSide& side, const BpfMapObject& map,
                               std::vector<std::string>* entries) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 28;
  const BpfMapData& data = *map.data;
  if (!side.dump.read_page || data.keys.bytes + data.values.bytes > kMostBytes) return false;
  std::vector<char> keys(data.keys.bytes), values(data.values.bytes);
  if (!Read(side, data.keys.image, data.keys.offset, &keys) ||
      !Read(side, data.values.image, data.values.offset, &values)) {
    return false;
  }
  for (std::size_t i = 0; i < data.count; ++i) {
    entries->emplace_back(keys.data() + i * map.key_size, map.key_size);
    entries->back().append(values.data() + i * map.value_size, map.value_size);
  }
  std::ranges::sort(*entries);
  return true;
}

/// In which order the kernel gives the entries of a hash is its own affair.
bool SnapshotDiffer::HaveSameEntries(const BpfMapObject& before, const BpfMapObject& after) {
  if (!before.data || !after.data || !(before.map_type == kBpfHash) ||
      before.key_size != after.key_size || before.value_size != after.value_size ||
      before.data->count != after.data->count) {
    return false;
  }
  std::vector<std::string> entries, others;
  return EntriesOf(before_, before, &entries) && EntriesOf(after_, after, &others) &&
         entries == others;
}

}  // namespace crgen

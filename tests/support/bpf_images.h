// SPDX-License-Identifier: Apache-2.0
// Maps of bpf(2) in dumps that tests make up.
#pragma once

#include <fcntl.h>

#include <array>
#include <cstdint>
#include <string>

#include "tests/support/image_builder.h"
#include "tests/support/inet_images.h"

namespace crgen::test {

/// A description, and its map: keys of 4 bytes, values of 8.
inline void AddBpfMap(Dump& dump, const std::array<std::uint32_t, 4>& numbers) {
  const auto& [id, map_id, type, entries] = numbers;
  constexpr std::uint32_t kBothWays = O_RDWR;
  pb::bpfmap_file_entry& map = *dump.AddOther(id, pb::FD_BPFMAP).mutable_bpf();
  map.set_id(id);
  map.set_flags(kBothWays);
  map.set_pos(0);
  FillOwner(*map.mutable_fown());
  map.set_map_type(type);
  map.set_key_size(4);
  map.set_value_size(8);
  map.set_map_id(map_id);
  map.set_max_entries(entries);
  map.set_map_flags(0);
  map.set_memlock(4096);
  map.set_frozen(false);
  map.set_map_name("");
  map.set_ifindex(0);
}

/// An entry of bpfmap-data.img.
inline void AddBpfData(Dump& dump, std::uint32_t map_id, std::uint32_t count,
                       const std::string& keys, const std::string& values) {
  pb::bpfmap_data_entry entry;
  entry.set_map_id(map_id);
  entry.set_keys_bytes(static_cast<std::uint32_t>(keys.size()));
  entry.set_values_bytes(static_cast<std::uint32_t>(values.size()));
  entry.set_count(count);
  std::string& image = dump.queues["BPFMAP_DATA"];
  AppendEntry(BytesOf(entry), &image);
  image += keys + values;
}

}  // namespace crgen::test

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "model/flags.h"
#include "model/ids.h"
#include "model/image_bytes.h"
#include "model/rare.h"
#include "model/values.h"

namespace crgen {

/// bpfmap_data_entry: the keys one after another, then the values in the same order.
struct BpfMapData {
  std::uint32_t count = 0;
  ImageBytes keys;
  ImageBytes values;
  friend bool operator==(const BpfMapData&, const BpfMapData&) = default;
};

/// What a map is, whoever has it open: BPF_MAP_CREATE, BPF_MAP_UPDATE_BATCH and BPF_MAP_FREEZE of
/// bpf(2).
struct BpfMapObject {
  BpfMapType map_type;
  std::uint32_t key_size = 0;    ///< bytes
  std::uint32_t value_size = 0;  ///< bytes
  std::uint32_t max_entries = 0;
  BpfMapFlags map_flags;           ///< those that stay with the map
  std::optional<Text> name;        ///< absent: it has none
  std::optional<BpfMapData> data;  ///< absent: nothing is set
  bool frozen = false;             ///< user space cannot change it any more
  friend bool operator==(const BpfMapObject&, const BpfMapObject&) = default;
};

/// bpfmap_file_entry: a description of a map. Its access mode is what user space may do through it.
struct BpfMap {
  static constexpr std::string_view kType = "BPFMAP";
  using Object = BpfMapObject;
  BpfMapId map_id;
  Rare<BpfMapObject> map;  ///< at its first opening, which makes it
  friend bool operator==(const BpfMap&, const BpfMap&) = default;
};

/// Numbers of BpfMapType: BPF_MAP_TYPE_ of <linux/bpf.h>.
inline constexpr BpfMapType kBpfHash = {1}, kBpfArray = {2};

/// BPF_OBJ_NAME_LEN of <linux/bpf.h> without the NUL, and bpf_obj_name_cpy() of the kernel.
inline constexpr std::size_t kMostBpfName = 15;
inline bool IsBpfName(std::string_view name) {
  return name.size() <= kMostBpfName && std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '.';
         });
}

}  // namespace crgen

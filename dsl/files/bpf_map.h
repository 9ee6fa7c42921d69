// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "dsl/image_bytes.h"
#include "model/files/bpf_map.h"

namespace crgen {

template <>
struct Describe<BpfMapData> {
  static constexpr auto kFields = std::tuple{
      Required("count", &BpfMapData::count, "of entries"),
      Required("keys", &BpfMapData::keys, "one after another, `key_size` bytes each"),
      Required("values", &BpfMapData::values, "in the same order, `value_size` bytes each")};
};

template <>
struct Describe<BpfMapObject> {
  static constexpr auto kFields =
      std::tuple{Required("map_type", &BpfMapObject::map_type, "BPF_MAP_TYPE_ name"),
                 Required("key_size", &BpfMapObject::key_size, "bytes"),
                 Required("value_size", &BpfMapObject::value_size, "bytes"),
                 Required("max_entries", &BpfMapObject::max_entries, "an array has just as many"),
                 Optional("map_flags", &BpfMapObject::map_flags,
                          "BPF_F_ names that stay with the map, whoever has it open"),
                 Optional("name", &BpfMapObject::name, "at most 15 of A-Z, a-z, 0-9, _ and ."),
                 Optional("data", &BpfMapObject::data, "what is set; of an array the rest is zero"),
                 Optional("frozen", &BpfMapObject::frozen, "BPF_MAP_FREEZE, when `data` is set")};
};

template <>
struct Describe<BpfMap> {
  static constexpr auto kFields =
      std::tuple{Required("map_id", &BpfMap::map_id, "the map; its first OPEN_FILE makes it"),
                 Optional("map", &BpfMap::map, "where it is made: what it is")};
};

}  // namespace crgen

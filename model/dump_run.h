// SPDX-License-Identifier: Apache-2.0
// Of which run of CRIU a dump is, for who knows no protobuf.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace crgen {

/// The image that says so, and how large one may be.
inline constexpr const char* kInventory = "inventory.img";
inline constexpr std::size_t kMostInventory = 1 << 20;

/// Whether `inventory`, the bytes of that image, has DumpIdentity::id `id`, which is not empty.
/// inventory_entry.dump_criu_run_id is field 13: its tag, its length, its bytes.
inline bool IsOfRun(std::string_view inventory, const std::string& id) {
  constexpr char kTag = 13 << 3 | 2;
  return inventory.find(std::string{kTag, static_cast<char>(id.size())} + id) != inventory.npos;
}

}  // namespace crgen

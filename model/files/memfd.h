// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/flags.h"
#include "model/ids.h"
#include "model/values.h"

namespace crgen {

struct MemfdObject;

/// memfd_file_entry with the memfd_inode_entry behind it; the part from `name` on stands at the
/// first opening, which creates the object.
struct Memfd {
  static constexpr std::string_view kType = "MEMFD";
  using Object = MemfdObject;
  InodeId inode_id;
  std::optional<std::uint64_t> pos;
  std::optional<Text> name;
  std::optional<std::uint64_t> size;  ///< bytes
  std::optional<Seals> seals;         ///< at a later opening: seals to add
  std::optional<MemfdHuge> huge;
  std::optional<std::uint32_t> mode;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  friend bool operator==(const Memfd&, const Memfd&) = default;
};

}  // namespace crgen

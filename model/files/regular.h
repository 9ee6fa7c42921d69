// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/files/unlinked.h"
#include "model/rare.h"
#include "model/values.h"

namespace crgen {

/// reg_file_entry: anything that open(2) reaches by a path.
struct RegularFile {
  static constexpr std::string_view kType = "REG";
  using Object = Unlinked;
  Text path;
  std::optional<std::uint64_t> pos;   ///< bytes; absent: do not seek
  std::optional<std::uint64_t> size;  ///< bytes; a restorer checks it
  std::optional<std::uint32_t> mode;  ///< st_mode; a restorer checks it
  Rare<Bytes> build_id;               ///< of an ELF file; a restorer checks it
  Rare<Unlinked> unlinked;            ///< it has no name any more, and is made anew
  Rare<Text> opened_by;               ///< a hard link that the dumper has left
  /// The mount that it is in, in whose namespace its path is looked up; absent: in that of who
  /// opens it.
  Rare<std::uint64_t> mount;
  friend bool operator==(const RegularFile&, const RegularFile&) = default;
};

}  // namespace crgen

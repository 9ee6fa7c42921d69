// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/files/timerfd.h"
#include "model/ids.h"
#include "model/image_bytes.h"
#include "model/values.h"

namespace crgen {

/// ghost_chunk_entry: what stands at `at` in the file; between are holes.
struct UnlinkedContent {
  std::uint64_t at = 0;
  ImageSpan source;
  std::uint64_t bytes = 0;
  friend bool operator==(const UnlinkedContent&, const UnlinkedContent&) = default;
};

struct FileTimes {
  TimeSpan access;
  TimeSpan modification;
  friend bool operator==(const FileTimes&, const FileTimes&) = default;
};

/// ghost_file_entry: a file that lives on without a name. What follows `link_of` stands at the
/// first opening of the file, which creates it.
struct Unlinked {
  UnlinkedId id;
  std::optional<std::uint64_t> link_of;  ///< the id by which the same file was created
  std::optional<std::uint32_t> mode;     ///< st_mode: of any type
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  std::optional<std::uint64_t> size;  ///< bytes; of a regular file
  std::optional<std::uint64_t> rdev;  ///< as stat(2) has it; of a device
  std::optional<Text> target;         ///< of a symbolic link
  std::optional<FileTimes> times;
  std::vector<UnlinkedContent> content;  ///< ascending, without overlap
  friend bool operator==(const Unlinked&, const Unlinked&) = default;
};

}  // namespace crgen

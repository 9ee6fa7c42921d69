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
  std::vector<ContentRun> content;  ///< ghost_chunk_entry: ascending, without overlap
  friend bool operator==(const Unlinked&, const Unlinked&) = default;
};

}  // namespace crgen

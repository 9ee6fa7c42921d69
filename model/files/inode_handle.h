// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "model/values.h"

namespace crgen {

/// An inode without any path: what name_to_handle_at(2) gives, and the file system that it is of.
struct InodeHandle {
  std::uint64_t device = 0;  ///< of the superblock, as the kernel numbers it: major << 20 | minor
  std::uint64_t inode = 0;
  std::int32_t type = 0;
  Bytes bytes;
  friend bool operator==(const InodeHandle&, const InodeHandle&) = default;
};

}  // namespace crgen

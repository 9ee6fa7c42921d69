// SPDX-License-Identifier: Apache-2.0
// What the access mode of a description lets be done: open(2), O_ACCMODE.
#pragma once

#include <fcntl.h>

#include "model/flags.h"

namespace crgen {

/// Mode 3 is for neither: ioctl(2) alone.
inline bool IsReadable(const OpenFlags& flags) {
  const std::uint64_t access = flags.bits & O_ACCMODE;
  return access == O_RDONLY || access == O_RDWR;
}
inline bool IsWritable(const OpenFlags& flags) {
  const std::uint64_t access = flags.bits & O_ACCMODE;
  return access == O_WRONLY || access == O_RDWR;
}

}  // namespace crgen

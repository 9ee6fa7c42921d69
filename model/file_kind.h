// SPDX-License-Identifier: Apache-2.0
// What messages call kinds of files. Goes without a C library, so that the executor can have it.
#pragma once

#include <fcntl.h>
#include <stdint.h>

namespace crgen {

/// "a directory", of a mode of stat(2).
inline const char* FileKindName(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "a file";
    case S_IFDIR:
      return "a directory";
    case S_IFLNK:
      return "a symbolic link";
    case S_IFIFO:
      return "a FIFO";
    case S_IFSOCK:
      return "a socket";
    case S_IFCHR:
      return "a character device";
    case S_IFBLK:
      return "a block device";
    default:
      return "of an unknown kind";
  }
}

}  // namespace crgen

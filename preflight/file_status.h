// SPDX-License-Identifier: Apache-2.0
// What stat(2) says of a file, as far as questions ask for it, and as one line of text.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace crgen::preflight {

struct FileStatus {
  static constexpr int kNotKnown = -1;

  int error = kNotKnown;  ///< of looking it up: an errno; 0: none
  mode_t mode = 0;
  std::uint64_t size = 0;     ///< bytes
  std::uint64_t special = 0;  ///< the device that it is
  std::uint64_t device = 0;   ///< that it is on
  std::uint64_t inode = 0;
  std::uint32_t uid = 0;

  /// "mode 0100644 size 12 special 0 device 65024 inode 7 uid 0", or "error 2".
  std::string Text() const;
  /// Of such a text; of any other it is not known.
  static FileStatus Of(const std::string& text);
};

/// "0100644".
std::string ModeText(unsigned mode);

/// Of what the descriptor `fd` is of; `error`, if there is none.
FileStatus StatusOf(int fd, int error);

}  // namespace crgen::preflight

// SPDX-License-Identifier: Apache-2.0
// What a path leads to on this machine, for whoever judges it without opening it.
#pragma once

#include <cstdint>
#include <string>

namespace crgen {

struct FileFacts {
  int error = 0;         ///< of looking it up: an errno
  std::string leads_to;  ///< without links; empty: not known
  std::uint32_t mode = 0;
  std::uint64_t size = 0;  ///< bytes
  std::string build_id;    ///< of a regular ELF file that can be read
};

/// From this process's root directory or, `root` not below 0, from the directory that it holds,
/// out of which no link leads.
FileFacts LookAtFile(int root, const std::string& path);

/// Whether the build id `here` is `dumped`, which is made up to whole words with zeros.
bool SameBuildId(const std::string& here, const std::string& dumped);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// What messages call kinds of regions.
#pragma once

#include <string>

#include "model/memory.h"

namespace crgen {

/// "private anonymous"
inline std::string RegionKindName(RegionKind kind) {
  constexpr const char* kNames[] = {"private anonymous", "private file", "shared file",
                                    "private memfd",     "shared memfd", "shared anonymous",
                                    "System V shared",   "vdso",         "vvar",
                                    "vsyscall",          "AIO ring",     "packet rings"};
  return kNames[static_cast<int>(kind)];
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// The address space of this process, and the regions in it that its kernel provides.
#pragma once

#include <cstdint>
#include <vector>

#include "model/diagnostics.h"
#include "model/ids.h"

namespace crgen {

/// A region that the kernel provides, as this machine has it: one or more pieces without a hole.
struct KernelRegion {
  std::uint64_t start = 0;
  std::vector<std::uint64_t> sizes;
  std::uint64_t size() const;
};

/// The address space of this process (/proc/self/maps).
struct OwnMaps {
  std::vector<AddressRange> ranges;
  KernelRegion vdso;
  KernelRegion vvar;  ///< with [vvar_vclock] behind it
};
Result ReadOwnMaps(OwnMaps* maps, Diagnostics& diag);

}  // namespace crgen

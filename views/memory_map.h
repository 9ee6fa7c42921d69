// SPDX-License-Identifier: Apache-2.0
// Where the bytes of an address space are: in pages images, in the files that are mapped, nowhere.
// Private to views/.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "views/view.h"

namespace crgen {

enum class PartBacking : std::uint8_t {
  kPages,    ///< in a pages image
  kZero,     ///< nobody has written there
  kFile,     ///< in the file that is mapped
  kUnknown,  ///< the kernel's own, behind the end of an object, a guard page
};

/// Addresses of one region whose bytes have one backing.
struct MemoryPart {
  AddressRange range;
  PartBacking backing = PartBacking::kUnknown;
  std::uint32_t image = 0;         ///< kPages: in Snapshot::page_images
  std::uint64_t image_offset = 0;  ///< kPages: of the first byte
  /// kPages, what of it is inside [from, to), which it overlaps.
  MemoryPart Part(std::uint64_t from, std::uint64_t to) const;
};

/// Calls `take` with the parts of `region`, a region of `process`: ascending, without gaps. Cost:
/// linear in the runs of pages that it shows.
void ForEachPart(const Snapshot& snapshot, const Process& process, const Region& region,
                 const std::function<void(const MemoryPart&)>& take);

/// Fills `out` with the first bytes of `part`, of backing kPages or kZero.
Result ReadPart(const LookedAt& dump, const MemoryPart& part, std::span<char> out,
                Diagnostics& diag);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Parallel assignment of descriptor slots.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/ids.h"

namespace crgen {

/// A descriptor number and the open file description it refers to.
struct FdSlot {
  Fd fd = 0;
  FileIndex file;
  bool cloexec = false;
  friend bool operator==(const FdSlot&, const FdSlot&) = default;
};

struct PlacementStep {
  enum class Kind : std::uint8_t {
    kDup,    ///< dup3(2) from `old_fd` to `fd`; old_fd = fd only sets the flag
    kClose,  ///< close(2) of `fd`
    kOpen,   ///< a description that is not there yet, at the free number `fd`
  };
  Kind kind;
  Fd fd;
  Fd old_fd = -1;
  bool cloexec = false;
  FileIndex file = {};  ///< kOpen
  friend bool operator==(const PlacementStep&, const PlacementStep&) = default;
};

/// The fewest steps that turn `now` into `wanted`, both ascending by fd: every slot that differs is
/// written once, every slot that is too much is closed once, and so is one that something is opened
/// at. A cycle of descriptions that have no second copy costs one more step, through a spare slot:
/// one that is closed or written to later anyway, else the lowest number that neither side uses.
/// Order: dups, closes, opens, dups of what was opened. Cost: linear but for sorting.
std::vector<PlacementStep> PlaceDescriptors(std::span<const FdSlot> now,
                                            std::span<const FdSlot> wanted);

}  // namespace crgen

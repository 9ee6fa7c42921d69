// SPDX-License-Identifier: Apache-2.0
// Addresses that no process of the dump uses.
#pragma once

#include <cstdint>
#include <vector>

#include "model/diagnostics.h"
#include "model/snapshot.h"

namespace crgen {

/// Hands out ranges that overlap no region of any process, each once.
class SpareAddresses {
 public:
  explicit SpareAddresses(const Snapshot& snapshot);

  /// `size` bytes, a positive multiple of kPageSize. Errors: no room left.
  Result Take(std::uint64_t size, AddressRange* range, Diagnostics& diag);

 private:
  std::vector<AddressRange> gaps_;  // ascending
};

}  // namespace crgen

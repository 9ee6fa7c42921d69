// SPDX-License-Identifier: Apache-2.0
// Values whose printed form differs from their type: hex words, raw bytes, paths.
#pragma once

#include <cstdint>
#include <string>

namespace crgen {

/// An address, mask or register: printed as "0x…".
struct Hex {
  std::uint64_t value = 0;
  friend bool operator==(const Hex&, const Hex&) = default;
};

/// Text from outside that need not be UTF-8 (paths, comm). A member `name` that is not UTF-8 is
/// printed as `name_base64`.
struct Text {
  std::string bytes;
  friend bool operator==(const Text&, const Text&) = default;
};

/// Raw bytes: printed as base64.
struct Bytes {
  std::string bytes;
  friend bool operator==(const Bytes&, const Bytes&) = default;
};

}  // namespace crgen

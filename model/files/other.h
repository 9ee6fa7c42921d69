// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace crgen {

/// A type that is known by name only.
struct OtherFile {
  std::string type;
  friend bool operator==(const OtherFile&, const OtherFile&) = default;
};

}  // namespace crgen

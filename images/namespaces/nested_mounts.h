// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace crgen {

struct PlacedMount {
  std::optional<std::size_t> parent;  ///< index of the one that it is mounted on
  std::uint32_t device = 0;           ///< of its file system
};

/// Which of `mounts` are below another one of their file system: they cannot be made before it.
/// REQUIRES: no mount is below itself. Cost: linear.
std::vector<bool> FindNested(const std::vector<PlacedMount>& mounts);

}  // namespace crgen

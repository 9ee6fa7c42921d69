// SPDX-License-Identifier: Apache-2.0
// user_namespaces(7): which ids there are inside, and what they are outside.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace crgen {

/// uid_gid_extent, a line of /proc/PID/uid_map.
struct IdRange {
  std::uint32_t inside = 0;   ///< the first
  std::uint32_t outside = 0;  ///< what that is in the namespace of who writes the map
  std::uint32_t count = 0;
  friend bool operator==(const IdRange&, const IdRange&) = default;
};
using IdMap = std::vector<IdRange>;

inline constexpr std::size_t kMostIdRanges = 340;  ///< UID_GID_MAP_MAX_EXTENTS

/// userns_entry. The root is born into it, and everybody else.
struct UserNamespace {
  IdMap uid_map, gid_map;
  friend bool operator==(const UserNamespace&, const UserNamespace&) = default;
};

/// Whether `id` exists inside.
inline bool IsMapped(const IdMap& map, std::uint32_t id) {
  return std::ranges::any_of(map, [&](const IdRange& range) {
    return id >= range.inside && id - range.inside < range.count;
  });
}

}  // namespace crgen

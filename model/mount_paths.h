// SPDX-License-Identifier: Apache-2.0
// Where paths lead to in a mount namespace.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/namespaces.h"

namespace crgen {

/// What the key of a mount from outside begins with that the dumper has found by itself
/// (AUTODETECTED_MOUNT, criu/include/mount.h): behind it stands where, on the host of the dump.
inline constexpr std::string_view kFoundByDumper = "auto:";

/// By the names alone: a path with symbolic links in it leads elsewhere.
class MountPaths {
 public:
  /// `mounts` begin with the root of the namespace, and must outlive this.
  explicit MountPaths(const std::vector<Mount>& mounts) : root_(&mounts.front()) {
    for (const Mount& mount : mounts) {
      if (mount.parent) children_[{*mount.parent, mount.mountpoint.bytes}] = &mount;
    }
  }

  /// The mount in which an absolute path lies when all of them are there.
  const Mount* MountOf(std::string_view path) const {
    const Mount* mount = root_;
    for (std::size_t at = 1; at < path.size();) {
      const std::size_t end = std::min(path.find('/', at), path.size());
      mount = Topmost(mount, path.substr(0, end));
      at = end + 1;
    }
    return mount;
  }

 private:
  const Mount* Topmost(const Mount* mount, std::string_view place) const {
    for (;;) {
      const auto next = children_.find({mount->id, std::string(place)});
      if (next == children_.end()) return mount;
      mount = next->second;
    }
  }

  const Mount* root_;
  std::map<std::pair<std::uint64_t, std::string>, const Mount*> children_;
};

}  // namespace crgen

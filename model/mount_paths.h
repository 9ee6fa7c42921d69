// SPDX-License-Identifier: Apache-2.0
// Where paths lead to in a mount namespace.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
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
  /// Of one of the namespaces that `mounts` are of, which must have its root, and outlive this.
  explicit MountPaths(const std::vector<Mount>& mounts,
                      std::optional<std::uint64_t> namespace_id = std::nullopt) {
    for (const Mount& mount : mounts) {
      if (mount.namespace_id != namespace_id) continue;
      if (mount.parent) {
        children_[{*mount.parent, mount.mountpoint.bytes}] = &mount;
      } else {
        root_ = &mount;
      }
    }
  }

  const Mount& root() const { return *root_; }

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

  const Mount* root_ = nullptr;
  std::map<std::pair<std::uint64_t, std::string>, const Mount*> children_;
};

/// All mount namespaces of a program; absent: that of the tree's root.
class MountNamespaces {
 public:
  /// `mounts` must outlive this.
  explicit MountNamespaces(const std::vector<Mount>& mounts) {
    for (const Mount& mount : mounts) {
      by_id_.emplace(mount.id, &mount);
      if (!mount.parent) paths_.try_emplace(mount.namespace_id, mounts, mount.namespace_id);
    }
  }

  bool Has(std::optional<std::uint64_t> id) const { return paths_.contains(id); }
  std::size_t size() const { return paths_.size(); }
  const MountPaths& Of(std::optional<std::uint64_t> id) const { return paths_.at(id); }
  /// nullptr: there is none.
  const Mount* Find(std::uint64_t mount) const {
    const auto found = by_id_.find(mount);
    return found == by_id_.end() ? nullptr : found->second;
  }

 private:
  std::map<std::optional<std::uint64_t>, MountPaths> paths_;
  std::unordered_map<std::uint64_t, const Mount*> by_id_;
};

}  // namespace crgen

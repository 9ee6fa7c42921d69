// SPDX-License-Identifier: Apache-2.0
// Where the paths of a plan lead while the tree itself cannot look them up.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/mount_paths.h"

namespace crgen::restorer {

/// From this process's root directory or, where a plan has a mount namespace of its own, below the
/// mounts that are made for it: nothing of the host's is in the way. There no link is followed:
/// what the kernel says of a file has none, and others than root may have put them.
class TreePaths {
 public:
  TreePaths() = default;
  /// `mounts`, which may be null and must outlive this, are the plan's. `held`: their descriptors,
  /// by id, as far as this process makes them, which must stay open.
  TreePaths(const std::vector<Mount>* mounts, std::map<std::uint64_t, int> held);

  bool IsOwn() const { return paths_ == nullptr; }

  /// What an absolute path leads to, on the mount in which it is to lie: that may be mounted
  /// nowhere yet. `flags`: O_NOFOLLOW, O_DIRECTORY. Gives a descriptor made with O_PATH; -1: errno,
  /// ENXIO where only the tree makes that mount.
  int Open(const std::string& path, int flags) const;

  /// The same through all mounts. REQUIRES: !IsOwn(); the tree has mounted them.
  int OpenMounted(const std::string& path, int flags) const;

  /// What this process puts before an absolute path, likewise when all is mounted; empty: nothing.
  std::string Before() const;

 private:
  const Mount* root_ = nullptr;
  std::map<std::uint64_t, int> held_;
  std::shared_ptr<const MountPaths> paths_;
};

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
// Where the paths of a plan lead while the tree itself cannot look them up.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/hidden_folder.h"
#include "model/mount_paths.h"
#include "model/rare.h"

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

  bool IsOwn() const { return mounts_ == nullptr; }

  /// The same for the paths of another mount namespace.
  TreePaths In(std::optional<std::uint64_t> id) const {
    TreePaths other = *this;
    other.in_ = id;
    return other;
  }
  /// Where a path of a file is looked up that is in `mount`, if a plan says so.
  TreePaths Of(const Rare<std::uint64_t>& mount) const {
    return IsOwn() || !mount ? *this : In(mounts_->Find(*mount)->namespace_id);
  }
  std::optional<std::uint64_t> in() const { return in_; }

  /// Whether the file system of `mount`, which the plan has, is made for the tree.
  bool IsMadeAnew(std::uint64_t mount) const;
  /// As model/hidden_folder.h has it. REQUIRES: !IsOwn().
  std::optional<std::string> HiddenIn(std::uint64_t mount, const std::string& folder) const {
    return crgen::HiddenIn(*mounts_, mount, folder);
  }

  /// What an absolute path leads to, on the mount in which it is to lie: that may be mounted
  /// nowhere yet. `flags`: O_NOFOLLOW, O_DIRECTORY. Gives a descriptor made with O_PATH; -1: errno,
  /// ENXIO where only the tree makes that mount.
  int Open(const std::string& path, int flags) const;

  /// The same, by way of the mount that made, or gave, the file system where `path` is in a bind
  /// mount: link(2) goes from no mount to another one. REQUIRES: !IsOwn().
  int OpenInBase(const std::string& path, int flags) const;

  /// The same through all mounts. REQUIRES: !IsOwn(); the tree has mounted them.
  int OpenMounted(const std::string& path, int flags) const;

  /// The tree has made that mount namespace, which is not its root's, too: what is `/` in it, which
  /// must stay open, and the inode of its file in /proc/PID/ns.
  void AddNamespace(std::uint64_t id, int root, std::uint64_t inode) { more_[id] = {root, inode}; }
  /// 0: not known.
  std::uint64_t InodeOf(std::uint64_t id) const {
    const auto known = more_.find(id);
    return known == more_.end() ? 0 : known->second.inode;
  }

  /// What this process puts before an absolute path, likewise when all is mounted; empty: nothing.
  /// Absent: of the namespace of the tree's root.
  std::string Before(std::optional<std::uint64_t> id = std::nullopt) const;

 private:
  int RootOf(std::optional<std::uint64_t> id) const;

  struct Namespace {
    int root = -1;
    std::uint64_t inode = 0;
  };
  std::map<std::uint64_t, Namespace> more_;
  const std::vector<Mount>* list_ = nullptr;
  std::shared_ptr<const std::map<std::uint64_t, int>> held_;
  std::shared_ptr<const MountNamespaces> mounts_;
  std::optional<std::uint64_t> in_;
};

}  // namespace crgen::restorer

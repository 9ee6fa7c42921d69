// SPDX-License-Identifier: Apache-2.0
// What inotify(7) and fanotify(7) watch.
#pragma once

#include <optional>
#include <string>

#include "checker/files/rules.h"
#include "model/files/inode_handle.h"
#include "model/values.h"

namespace crgen::check {

/// What a watch or mark names.
struct WatchedInode {
  template <typename Watch>
  explicit WatchedInode(const Watch& it)
      : path(it.path), handle(it.handle), unlinked(it.unlinked), mount(it.mount) {}
  const std::optional<Text>& path;
  const std::optional<InodeHandle>& handle;
  const std::optional<UnlinkedId>& unlinked;
  const Rare<std::uint64_t>& mount;
};

/// Absent: it names an inode.
std::optional<Refusal> RefusedInode(const Kernel& kernel, const WatchedInode& it);

/// The same text for two that are surely the same inode.
std::string InodeKey(const Kernel& kernel, const WatchedInode& it);

}  // namespace crgen::check

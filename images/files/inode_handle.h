// SPDX-License-Identifier: Apache-2.0
// What is watched by inotify(7) and fanotify(7): fh_entry.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "images/load/loader.h"
#include "images/load/place.h"
#include "images/proto/files.pb.h"
#include "model/files/inode_handle.h"
#include "model/ids.h"
#include "model/values.h"

namespace crgen {

/// The file without a name that is that inode.
std::optional<UnlinkedId> UnlinkedInode(Loader& loader, const InodeHandle& handle);

/// Takes over the handle of an inode and the path beside it; `at` is the place of the entry that
/// has it as `f_handle`.
void TakeHandle(const pb::fh_entry& from, std::uint64_t inode, std::uint32_t device,
                const Place& at, std::optional<Text>* path, std::optional<InodeHandle>* handle);

void CheckElsewhere(std::uint64_t mount, std::string_view field, const Place& at, Loader& loader,
                    const std::optional<Text>& path);

/// Where `mount` is in another mount namespace than the root's: what is watched is looked for
/// there, by its path. `field` is that of `mount`; REQUIRES: the path is taken.
void TakeElsewhere(std::uint64_t mount, std::string_view field, const Place& at, Loader& loader,
                   auto* watch) {
  CheckElsewhere(mount, field, at, loader, watch->path);
  if (loader.MountNamespaceOf(mount)) watch->mount = mount;
}

/// When all processes are read: what is watched is named by its id if it is a file without a name.
void NameUnlinked(Loader& loader, auto* watch) {
  if (!watch->handle) return;
  watch->unlinked = UnlinkedInode(loader, *watch->handle);
  if (!watch->unlinked) return;
  watch->path.reset();
  watch->handle.reset();
}

/// The same for a path alone.
void TakePath(const std::string& from, std::string_view field, const Place& at,
              std::optional<Text>* path);

}  // namespace crgen

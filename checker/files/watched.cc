// SPDX-License-Identifier: Apache-2.0
#include "checker/files/watched.h"

#include <fcntl.h>

#include "checker/kernel/kernel.h"

namespace crgen::check {

std::optional<Refusal> RefusedInode(const Kernel& kernel, const WatchedInode& it) {
  constexpr std::size_t kMostBytes = MAX_HANDLE_SZ;
  const auto& [path, handle, unlinked, mount] = it;
  if (mount && !path) return Refusal{"EINVAL", "a mount without a path in it"};
  if (unlinked) {
    if (path || handle) {
      return Refusal{"EINVAL", "an unlinked file is watched, and a path or handle beside it"};
    }
    if (kernel.files.Of<RegularFile>().Created(*unlinked) != nullptr) return std::nullopt;
    return Refusal{"ENOENT", "the unlinked file " + std::to_string(unlinked->value) +
                                 ", which is watched, does not exist"};
  }
  if (!path && !handle) return Refusal{"EINVAL", "neither path nor handle says what is watched"};
  if (path && (!path->bytes.starts_with('/') || path->bytes.find('\0') != std::string::npos)) {
    return Refusal{"EINVAL", "the path " + ValueText(*path) + " is not absolute, or has a NUL"};
  }
  if (handle && (handle->bytes.bytes.empty() || handle->bytes.bytes.size() > kMostBytes)) {
    return Refusal{"EINVAL", "a handle has 1 to 128 bytes"};
  }
  return mount ? kernel.RefusedMount(*mount, path->bytes) : std::nullopt;
}

std::string InodeKey(const Kernel& kernel, const WatchedInode& it) {
  const auto& [path, handle, unlinked, mount] = it;
  if (unlinked) {
    return "unlinked " + std::to_string(kernel.files.Of<RegularFile>().FileOf(*unlinked));
  }
  if (!handle) return "path " + path->bytes + (mount ? " in " + std::to_string(*mount) : "");
  return "device " + std::to_string(handle->device) + " inode " + std::to_string(handle->inode) +
         " type " + std::to_string(handle->type) + " " + handle->bytes.bytes;
}

}  // namespace crgen::check

// SPDX-License-Identifier: Apache-2.0
#include "images/files/inode_handle.h"

#include <fcntl.h>

#include <string>

#include "images/load/loader.h"

namespace crgen {

std::optional<UnlinkedId> UnlinkedInode(Loader& loader, const InodeHandle& handle) {
  return loader.UnlinkedInode(handle);
}

void TakePath(const std::string& from, std::string_view field, const Place& at,
              std::optional<Text>* path) {
  if (!from.starts_with('/') || from.find('\0') != std::string::npos) {
    return at.Error(field, "\"" + from + "\" is no absolute path");
  }
  *path = Text{from};
}

void CheckElsewhere(std::uint64_t mount, std::string_view field, const Place& at, Loader& loader,
                    const std::optional<Text>& path) {
  if (!loader.MountNamespaceOf(mount)) return;
  if (!path) {
    return at.Unsupported(
        field,
        "of a mount namespace that is not the root's, where no path leads to what "
        "is watched");
  }
  loader.path_places.push_back({mount, path->bytes, at.Where(field)});
}

void TakeHandle(const pb::fh_entry& from, std::uint64_t inode, std::uint32_t device,
                const Place& at, std::optional<Text>* path, std::optional<InodeHandle>* handle) {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  if (from.has_path()) TakePath(from.path(), ".f_handle.path", at, path);
  const auto words = static_cast<std::size_t>(from.handle_size());
  if (from.bytes() == 0 || from.bytes() > MAX_HANDLE_SZ || from.bytes() > words * kWord) {
    return at.Error(".f_handle.bytes", std::to_string(from.bytes()) + ", expected 1 to " +
                                           std::to_string(MAX_HANDLE_SZ) + ", all of them there");
  }
  InodeHandle& to = handle->emplace();
  to.device = device;
  to.inode = inode;
  to.type = static_cast<std::int32_t>(from.type());
  for (std::uint32_t i = 0; i < from.bytes(); ++i) {
    const std::uint64_t word = from.handle(static_cast<int>(i / kWord));
    to.bytes.bytes.push_back(static_cast<char>(word >> (8 * (i % kWord))));
  }
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/mount_paths.h"

namespace crgen {

/// The way from the root of `mount` to a folder that lies in it, where other mounts hide that;
/// absent: they do not, or by its name it does not lie there. REQUIRES: it is one of them.
inline std::optional<std::string> HiddenIn(const MountNamespaces& namespaces, std::uint64_t mount,
                                           std::string folder) {
  if (folder.starts_with("//")) folder.erase(0, 1);  // of a relative name that begins in "/"
  const Mount& in = *namespaces.Find(mount);
  const std::string& top = in.mountpoint.bytes;
  if (!IsCanonical(folder) || !IsBelow(folder, top)) return std::nullopt;
  if (namespaces.Of(in.namespace_id).MountOf(folder) == &in) return std::nullopt;
  return std::string(PathBelow(folder, top));
}

}  // namespace crgen

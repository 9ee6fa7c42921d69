// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "checker/kernel/kernel.h"
#include "model/files/lockable.h"

namespace crgen::check {

/// The inode of which a description has locks; nullopt: it has none of its own.
inline std::optional<std::string> LockedInode(const Kernel& kernel, const File& file) {
  if (auto inode = SpecialInode::Of(file)) return inode;
  return kernel.InodeOf(file);
}

}  // namespace crgen::check

// SPDX-License-Identifier: Apache-2.0
// What inotify(7) and fanotify(7) watch.
#pragma once

#include <optional>
#include <string>

#include "checker/files/rules.h"
#include "model/files/inode_handle.h"
#include "model/values.h"

namespace crgen::check {

/// Absent: it names an inode.
std::optional<Refusal> RefusedInode(const std::optional<Text>& path,
                                    const std::optional<InodeHandle>& handle);

/// The same text for two that are surely the same inode.
std::string InodeKey(const std::optional<Text>& path, const std::optional<InodeHandle>& handle);

}  // namespace crgen::check

// SPDX-License-Identifier: Apache-2.0
// What is watched by inotify(7) and fanotify(7): fh_entry.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "images/load/place.h"
#include "images/proto/files.pb.h"
#include "model/files/inode_handle.h"
#include "model/values.h"

namespace crgen {

/// Takes over the handle of an inode and the path beside it; `at` is the place of the entry that
/// has it as `f_handle`.
void TakeHandle(const pb::fh_entry& from, std::uint64_t inode, std::uint32_t device,
                const Place& at, std::optional<Text>* path, std::optional<InodeHandle>* handle);

/// The same for a path alone.
void TakePath(const std::string& from, std::string_view field, const Place& at,
              std::optional<Text>* path);

}  // namespace crgen

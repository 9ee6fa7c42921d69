// SPDX-License-Identifier: Apache-2.0
// Values of files that no open file description has.
#pragma once

#include <fcntl.h>

#include <cstdint>

#include "images/files/file_loader.h"
#include "images/load/place.h"
#include "images/proto/files.pb.h"
#include "model/diagnostics.h"

namespace crgen {

/// They act while a file is opened; do_dentry_open() takes them off.
inline constexpr std::uint64_t kOpeningOnly = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC;

/// Reports what is wrong with flags and owner of a converted file; `at` is the place of its
/// message.
void CheckDescription(const ConvertedFile& file, const Place& at);

/// Reports a position that no file has; all ones means that it is not to be set.
void CheckPosition(std::uint64_t pos, const Place& at);

/// Reports flags of what a call makes without any path (anon_inode_getfile(3)): one access mode,
/// and what F_SETFL can add.
void CheckAnonymousFlags(std::uint64_t flags, const Place& at, std::uint64_t access = O_RDWR);

/// Reports what is wrong with the paths, modes and ids of fs-<pid>.img; `where` is the place of
/// `fs`.
void CheckFs(const pb::fs_entry& fs, const std::string& where, Diagnostics& diag);

}  // namespace crgen

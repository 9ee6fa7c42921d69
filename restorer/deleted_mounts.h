// SPDX-License-Identifier: Apache-2.0
// Bind mounts of files and directories that no name leads to (mnt_entry.deleted).
#pragma once

#include <string>

#include "dsl/commands.h"
#include "restorer/services.h"

namespace crgen::restorer {

/// Makes what they are of, new and empty, under its name in its file system, and takes the name
/// away again; a directory where the mount is to be on one. `services->mounts` gets what is mounted
/// nowhere then. REQUIRES: it has the mounts that the caller gives and those of new file systems.
/// Whatever fails, no name is left. Empty, or what failed.
std::string HoldDeletedMounts(const Program& program, Services* services);

}  // namespace crgen::restorer

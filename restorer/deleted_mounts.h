// SPDX-License-Identifier: Apache-2.0
// Bind mounts of files and directories that no name leads to (mnt_entry.deleted).
#pragma once

#include <sys/stat.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dsl/commands.h"
#include "restorer/momentary_name.h"
#include "restorer/services.h"

namespace crgen::restorer {

/// The kernel attaches no mount of what has no name (d_set_mounted()): it goes when all is mounted.
struct MountedName {
  MountedName(Place where, std::string whole_path, const struct stat& file)
      : place(std::move(where)), path(std::move(whole_path)), momentary(place, file) {}
  Place place;
  std::string path;
  MomentaryName momentary;
};

/// Makes what they are of, new and empty, under its name in its file system; a directory where the
/// mount is to be on one. `services->mounts` gets what is mounted nowhere then, `mounted_names` the
/// names, which go at the latest with it. REQUIRES: it has the mounts that the caller gives and
/// those of new file systems. Empty, or what failed.
std::string HoldDeletedMounts(const Program& program, Services* services);

/// The tree has mounted them. Empty, or what failed.
std::string RemoveMountedNames(std::vector<std::shared_ptr<MountedName>>* names);

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
// The files of one cgroup. `root`: of its hierarchy; `folder`: its path below that.
#pragma once

#include <string>

#include "model/cgroups.h"

namespace crgen::restorer {

/// Whether it must be set before the cgroup has members or children.
bool PrecedesMembers(const std::string& property);

/// Owner and mode of a file or folder. Empty, or what failed.
std::string SetPermissions(int root, const std::string& path, const FilePermissions& perms);

/// Writes `text` at once. Empty, or what failed.
std::string WriteFile(int root, const std::string& path, const std::string& text);

/// The value and permissions of one property, in the way that its file wants. Empty, or what
/// failed.
std::string SetProperty(int root, const std::string& folder, const CgroupProperty& property);

/// A new cgroup of cpuset, which takes no members before it has processors and memory: those of
/// the one above.
std::string InheritCpuset(int root, const std::string& folder);

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
// cgroups(7): where processes are, and the directories that they are in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/files/unix_socket.h"
#include "model/values.h"

namespace crgen {

/// cg_member_entry: the place in one hierarchy.
struct CgroupPath {
  std::string controllers;  ///< as /proc/PID/cgroup has them, e.g. "cpu,cpuacct"; v2: empty
  Text path;
  std::optional<Text> prefix;  ///< the root of the cgroup namespace, at or above `path`
  friend bool operator==(const CgroupPath&, const CgroupPath&) = default;
};

/// cgroup_prop_entry: a file in a directory.
struct CgroupProperty {
  std::string name;
  Text value;  ///< of `cgroup.procs`, `cgroup.threads` and `tasks`: empty
  std::optional<FilePermissions> perms;
  friend bool operator==(const CgroupProperty&, const CgroupProperty&) = default;
};

/// cgroup_dir_entry. Of a hierarchy's root nothing but its name is kept.
struct CgroupDirectory {
  std::string controllers;
  Text path;
  std::optional<FilePermissions> perms;
  std::vector<CgroupProperty> properties;
  friend bool operator==(const CgroupDirectory&, const CgroupDirectory&) = default;
};

/// Of a snapshot's processes and threads `paths` alone; its directories are Snapshot's.
struct CgroupMembership {
  std::vector<CgroupPath> paths;  ///< ascending by `controllers`, each once
  std::vector<CgroupDirectory> directories;
  friend bool operator==(const CgroupMembership&, const CgroupMembership&) = default;
};

inline constexpr std::size_t kMostHierarchies = 64;  ///< more than any kernel has controllers

/// Whether it is absolute, short enough for a system call, and of names that are no "." or "..".
bool IsCgroupPath(std::string_view path);
/// Whether it can be the name of a file in a cgroup.
bool IsCgroupFile(std::string_view name);
/// Whether /proc/PID/cgroup could have it: "", "cpu,cpuacct", "name=systemd".
bool IsControllers(std::string_view controllers);
/// "cpu,cpuacct" as its parts; of v2 the empty name.
std::vector<std::string> ControllerNames(std::string_view controllers);
/// Whether `path` is `root`, or below it.
bool IsAtOrBelow(std::string_view path, std::string_view root);
/// For messages: "cpu,cpuacct:/a", "unified:/a".
std::string CgroupText(std::string_view controllers, std::string_view path);

/// Properties whose value is not written, or not as it is.
inline bool HoldsMembers(std::string_view property) {
  return property == "cgroup.procs" || property == "tasks" || property == "cgroup.threads";
}
/// Properties that stop all members: they come last.
inline bool IsFreezer(std::string_view property) {
  return property == "freezer.state" || property == "cgroup.freeze";
}

}  // namespace crgen

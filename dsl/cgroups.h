// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "dsl/files/unix_socket.h"
#include "model/cgroups.h"

namespace crgen {

template <>
struct Describe<CgroupPath> {
  static constexpr auto kFields = std::tuple{
      Required("controllers", &CgroupPath::controllers,
               "the hierarchy, as /proc/PID/cgroup has it: `cpu,cpuacct`, `name=systemd`; of v2 "
               "empty"),
      Required("path", &CgroupPath::path, "a directory that the program has"),
      Optional("prefix", &CgroupPath::prefix,
               "of the root: it enters a new cgroup namespace, whose root this is")};
};

template <>
struct Describe<CgroupProperty> {
  static constexpr auto kFields = std::tuple{
      Required("name", &CgroupProperty::name, "of a file in the directory"),
      Required("value", &CgroupProperty::value, "lines; of `cgroup.procs` and `tasks` empty"),
      Optional("perms", &CgroupProperty::perms, "of the file")};
};

template <>
struct Describe<CgroupDirectory> {
  static constexpr auto kFields =
      std::tuple{Required("controllers", &CgroupDirectory::controllers, "the hierarchy"),
                 Required("path", &CgroupDirectory::path, "each once in a program"),
                 Optional("perms", &CgroupDirectory::perms, "of the directory"),
                 Optional("properties", &CgroupDirectory::properties,
                          "files in it and what is written into them")};
};

template <>
struct Describe<CgroupMembership> {
  static constexpr auto kFields =
      std::tuple{Optional("paths", &CgroupMembership::paths,
                          "where it is; in hierarchies that are not named, where it was born"),
                 Optional("directories", &CgroupMembership::directories,
                          "those of the whole tree, parents first")};
};

}  // namespace crgen

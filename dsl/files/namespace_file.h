// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "model/files/namespace_file.h"

namespace crgen {

template <>
struct Describe<NamespaceFile> {
  static constexpr auto kFields = std::tuple{
      Required("namespace", &NamespaceFile::type,
               "of that kind, the one of the process that opens it, or what "
               "`namespace_id` says: /proc/self/ns"),
      Optional("namespace_id", &NamespaceFile::id,
               "the `id` of the `uts`, `ipc`, `net` or one of `further_nets` by which the "
               "tree has it, or the `namespace` of `mounts`; absent: there is none, and of several "
               "mount namespaces it is the root's")};
};

}  // namespace crgen

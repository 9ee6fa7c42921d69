// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/sched.h>

#include "restorer/files/file_restorer.h"
#include "restorer/mount_descriptors.h"

namespace crgen::restorer {

/// By the process itself, for that of the supervisor may be another one. Another one than its own
/// it enters for that, but of several mount namespaces all processes have descriptors.
template <>
struct FileRestorer<NamespaceFile> : PlainRestorer<NamespaceFile> {
  static void Compile(const NamespaceFile& body, OpenContext& context) {
    OpenOp& open = context.op.open;
    open.directory = context.service_fd;
    const auto& spaces = context.services.spaces;
    if (body.type.value == CLONE_NEWNS && spaces.size() > 1) {
      const auto held = MountNamespaceFd(context.root_fd, spaces.size(), spaces.at(body.id));
      open.path = context.arena.Text("../../self/fd/" + std::to_string(held));
      return;
    }
    const std::string name = ValueName(NamespaceTypeKind::Names(), body.type.value);
    open.path = context.arena.Text("../../self/ns/" + name);  // below the supervisor's /proc/PID/fd
  }
};

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

/// By the process itself, which enters it for that if it is another one than its own: that of the
/// supervisor may be another one.
template <>
struct FileRestorer<NamespaceFile> : PlainRestorer<NamespaceFile> {
  static void Compile(const NamespaceFile& body, OpenContext& context) {
    OpenOp& open = context.op.open;
    const std::string name = ValueName(NamespaceTypeKind::Names(), body.type.value);
    open.path = context.arena.Text("../../self/ns/" + name);  // below the supervisor's /proc/PID/fd
    open.directory = context.service_fd;
  }
};

}  // namespace crgen::restorer

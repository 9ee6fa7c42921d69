// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

/// Of a process that is gone, the supervisor makes the descriptions: a helper of its own dies.
template <>
struct FileRestorer<Pidfd> : PlainRestorer<Pidfd> {
  static std::string Prepare(const File& file, const Pidfd& pidfd, Services& services);
  static void Compile(const Pidfd& pidfd, OpenContext& context) {
    if (pidfd.dead) {
      context.op.open.created = context.services.made.at(context.file.id);
      return;
    }
    context.op.kind = OpKind::kOpenPidfd;
    context.op.open.target = pidfd.target->value;
    context.op.open.thread = pidfd.thread;
  }
};

/// Kills those that are to be gone when all descriptors of them are there.
void EndDying(Services& services);

}  // namespace crgen::restorer

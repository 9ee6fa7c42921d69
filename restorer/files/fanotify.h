// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

/// As of INOTIFY.
template <>
struct FileRestorer<Fanotify> : PlainRestorer<Fanotify> {
  static std::string Prepare(const File& file, const Fanotify& fanotify, Services& services);
  static void Compile(const Fanotify&, OpenContext& context) {
    context.op.open.created = context.services.made.at(context.file.id);
  }
};

template <>
struct LateRestorer<FanotifyMarks> {
  static void Compile(Fd, const FanotifyMarks&, const File&, LateContext&, Op& op) {
    op.kind = OpKind::kNothing;
  }
};

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

/// The supervisor makes them and keeps them until it has set what they watch, see watches.h: a
/// process may have closed its descriptor by then, or sent it away.
template <>
struct FileRestorer<Inotify> : PlainRestorer<Inotify> {
  static std::string Prepare(const File& file, const Inotify&, Services& services);
  static void Compile(const Inotify&, OpenContext& context) {
    context.op.open.created = context.services.made.at(context.file.id);
  }
};

template <>
struct LateRestorer<InotifyWatches> {
  static void Compile(Fd, const InotifyWatches&, const File&, LateContext&, Op& op) {
    op.kind = OpKind::kNothing;
  }
};

}  // namespace crgen::restorer

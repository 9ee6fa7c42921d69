#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

template <>
struct FileRestorer<Inotify> : PlainRestorer<Inotify> {
  static void Compile(const Inotify&, OpenContext& context) {
    context.op.kind = OpKind::kOpenInotify;
  }
};

/// The supervisor sets them, see watches.h.
template <>
struct LateRestorer<InotifyWatches> {
  static void Compile(Fd, const InotifyWatches&, const File&, LateContext&, Op& op) {
    op.kind = OpKind::kNothing;
  }
};

}  // namespace crgen::restorer

#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

template <>
struct FileRestorer<Fanotify> : PlainRestorer<Fanotify> {
  static void Compile(const Fanotify& fanotify, OpenContext& context) {
    context.op.kind = OpKind::kOpenFanotify;
    context.op.open.init_flags = static_cast<std::uint32_t>(fanotify.init_flags.bits);
    context.op.open.event_flags = static_cast<std::uint32_t>(fanotify.event_flags.bits);
  }
};

/// The supervisor sets them, see watches.h.
template <>
struct LateRestorer<FanotifyMarks> {
  static void Compile(Fd, const FanotifyMarks&, const File&, LateContext&, Op& op) {
    op.kind = OpKind::kNothing;
  }
};

}  // namespace crgen::restorer

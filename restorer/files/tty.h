// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

/// The supervisor makes them, see terminals.h; but /dev/tty is what it is to who opens it.
template <>
struct FileRestorer<Tty> : PlainRestorer<Tty> {
  static std::string Prepare(const File& file, const Tty& tty, Services& services) {
    if (tty.driver == kOwnTerminal) return "";
    int description = -1;
    std::string problem = services.terminals.Open(file, tty, &description);
    if (problem.empty()) services.made[file.id] = description;
    return problem;
  }
  static void Compile(const Tty& tty, OpenContext& context) {
    OpenOp& open = context.op.open;
    open.controlling = tty.controlling;
    if (tty.driver != kOwnTerminal) {
      open.created = context.services.made.at(context.file.id);
      return;
    }
    open.directory = AT_FDCWD;
    open.path = context.arena.Text("/dev/tty");
  }
};

/// The supervisor writes it, see terminals.h.
template <>
struct LateRestorer<TtyInput> {
  static void Compile(Fd, const TtyInput&, const File&, LateContext&, Op& op) {
    op.kind = OpKind::kNothing;
  }
};

/// Likewise.
template <>
struct LateRestorer<TtyLock> {
  static void Compile(Fd, const TtyLock&, const File&, LateContext&, Op& op) {
    op.kind = OpKind::kNothing;
  }
};

template <>
struct LateRestorer<TtyForeground> {
  static void Compile(Fd fd, const TtyForeground& late, const File&, LateContext&, Op& op) {
    op.kind = OpKind::kSetForeground;
    op.foreground = {fd, late.foreground.value};
  }
};

}  // namespace crgen::restorer

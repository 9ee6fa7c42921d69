// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

/// Sockets are made where they belong. A connection is only bound there, in repair mode: its peer
/// may be another process of the tree, which is not there yet, and would be found missing. The
/// supervisor connects them all at the hand-over (restorer/connections.h).
template <>
struct FileRestorer<InetSocket> : PlainRestorer<InetSocket> {
  static void Compile(const InetSocket& socket, OpenContext& context);
};

/// Whether the supervisor connects it.
bool IsConnection(const File& file);

/// The supervisor's, at the hand-over: it gets what nobody has by then.
template <>
struct LateRestorer<RepairSetting> {
  static void Compile(Fd fd, const RepairSetting&, const File& file, LateContext& context, Op& op) {
    op.kind = OpKind::kNothing;
    const auto carried = context.carried.find(&file);
    if (carried == context.carried.end()) return;
    op.kind = OpKind::kKeep;
    op.keep = {fd, context.services.keeper[0], carried->second};
  }
};

}  // namespace crgen::restorer

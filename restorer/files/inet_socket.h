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

/// The supervisor's, at the hand-over.
template <>
struct LateRestorer<RepairSetting> {
  static void Compile(Fd, const RepairSetting&, const File&, LateContext&, Op& op) {
    op.kind = OpKind::kNothing;
  }
};

}  // namespace crgen::restorer

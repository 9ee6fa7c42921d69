#pragma once

#include <sys/socket.h>

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

/// `address` as bind(2) and connect(2) take it, and its size.
socklen_t SockaddrOf(const InetSocket& socket, const InetAddress& address, sockaddr_storage* out);

/// The supervisor's, at the hand-over.
template <>
struct LateRestorer<RepairSetting> {
  static void Compile(Fd, const RepairSetting&, const File&, LateContext&, Op& op) {
    op.kind = OpKind::kNothing;
  }
};

}  // namespace crgen::restorer

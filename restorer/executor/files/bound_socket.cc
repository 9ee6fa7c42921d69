// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "restorer/executor/files/files.h"
#include "restorer/executor/socket_owner.h"

namespace crgen::restorer {
void ShutDown(const Caller& caller, long fd, int how) {
  const long result = caller.Try(__NR_shutdown, fd, how);
  if (result < 0 && result != -ENOTCONN) caller.Fail("shutdown", result);
}

void OpenBoundSocket(const Caller& caller, const OpenOp& open) {
  const BoundSocketState& socket = *open.bound_socket;
  const long fd = caller.Must("socket", __NR_socket, socket.family,
                              socket.type | (open.cloexec ? SOCK_CLOEXEC : 0), socket.protocol);
  GiveTo(caller, fd, socket.owner);
  const auto set = [&](SocketOptionsOp options) {
    options.fd = (int32_t)fd;
    SetSocketOptions(caller, options);
  };
  set(socket.options);
  if (socket.source.bytes != nullptr) {
    caller.Must("bind", __NR_bind, fd, socket.source.bytes, socket.source.size);
  }
  set(socket.bound_options);
  if (socket.backlog >= 0) caller.Must("listen", __NR_listen, fd, socket.backlog);
  if (socket.destination.bytes != nullptr) {
    caller.Must("connect", __NR_connect, fd, socket.destination.bytes, socket.destination.size);
  }
  if (socket.shut) ShutDown(caller, fd, SHUT_RDWR);
  Place(caller, fd, open);
}

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "restorer/executor/files/files.h"
#include "restorer/executor/socket_owner.h"

namespace crgen::restorer {
namespace {

void CheckSource(const Caller& caller, long fd, const SocketAddress& source) {
  sockaddr_in6 found = {};
  socklen_t size = sizeof found;
  caller.Must("getsockname", __NR_getsockname, fd, &found, &size);
  const auto* wanted = static_cast<const sockaddr_in6*>(source.bytes);
  for (uint32_t i = 0; i < sizeof found.sin6_addr; ++i) {
    if (found.sin6_addr.s6_addr[i] == wanted->sin6_addr.s6_addr[i]) continue;
    caller.Fail("connect (from another address than the plan's)", -EADDRNOTAVAIL);
  }
}

}  // namespace

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
  const SocketAddress& port = socket.port_alone;
  // Somebody else may have the port at another address.
  const bool chosen =
      port.bytes != nullptr && caller.Try(__NR_bind, fd, port.bytes, port.size) == 0;
  if (!chosen && socket.source.bytes != nullptr) {
    caller.Must("bind", __NR_bind, fd, socket.source.bytes, socket.source.size);
  }
  set(socket.bound_options);
  if (socket.backlog >= 0) caller.Must("listen", __NR_listen, fd, socket.backlog);
  if (socket.destination.bytes != nullptr) {
    caller.Must("connect", __NR_connect, fd, socket.destination.bytes, socket.destination.size);
    if (chosen) CheckSource(caller, fd, socket.source);
  }
  if (socket.shut) ShutDown(caller, fd, SHUT_RDWR);
  Place(caller, fd, open);
}

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
// Addresses of internet sockets as system calls take them.
#pragma once

#include <sys/socket.h>

#include "model/files/inet_socket.h"

namespace crgen {

/// `address` as bind(2) and connect(2) take it, and its size. A link-local one is of the socket's
/// interface, which is 0 where there is none of that name.
socklen_t SockaddrOf(const InetSocket& socket, const InetAddress& address, sockaddr_storage* out);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "preflight/socket_address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>

namespace crgen {

socklen_t SockaddrOf(const InetSocket& socket, const InetAddress& address, sockaddr_storage* out) {
  std::memset(out, 0, sizeof *out);
  const auto port = htons(static_cast<std::uint16_t>(address.port));
  if (socket.family.value == AF_INET) {
    sockaddr_in four = {};
    four.sin_family = AF_INET;
    four.sin_port = port;
    inet_pton(AF_INET, address.address.c_str(), &four.sin_addr);
    std::memcpy(out, &four, sizeof four);
    return sizeof four;
  }
  sockaddr_in6 six = {};
  six.sin6_family = AF_INET6;
  six.sin6_port = port;
  inet_pton(AF_INET6, address.address.c_str(), &six.sin6_addr);
  if (socket.interface && IN6_IS_ADDR_LINKLOCAL(&six.sin6_addr)) {
    six.sin6_scope_id = if_nametoindex(socket.interface->c_str());
  }
  std::memcpy(out, &six, sizeof six);
  return sizeof six;
}

}  // namespace crgen

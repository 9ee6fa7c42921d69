// SPDX-License-Identifier: Apache-2.0
// A TCP segment in the name of a socket's peer, which brings the socket into a state that only its
// peer can bring it into.
#pragma once

#include <cstdint>
#include <string>

#include "model/files/inet_socket.h"

namespace crgen::restorer {

struct ForgedSegment {
  const InetSocket* socket = nullptr;  ///< to whom
  bool fin = false;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledged = 0;
  std::uint16_t window = 0;  ///< scaled
};

/// Through the loopback device, whatever the peer's address is. Empty, or what failed.
std::string SendForged(const ForgedSegment& segment);

}  // namespace crgen::restorer

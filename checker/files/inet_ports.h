// SPDX-License-Identifier: Apache-2.0
// Who may have a port together with whom: bind(2), inet_csk_bind_conflict(), udp_lib_get_port(),
// ping_get_port().
#pragma once

#include <array>
#include <optional>
#include <string>

#include "model/files/inet_socket.h"

namespace crgen::check {

/// An address in the kernel's form; `::ffff:1.2.3.4` is 1.2.3.4.
struct ParsedAddress {
  bool is_four = false;
  std::array<unsigned char, 16> bytes = {};
  bool IsAny() const { return bytes == std::array<unsigned char, 16>{}; }
  friend bool operator==(const ParsedAddress&, const ParsedAddress&) = default;
};

/// Absent: it is not written as inet_ntop(3) writes addresses of the socket's family.
std::optional<ParsedAddress> ParseAddress(const InetSocket& socket, const InetAddress& address);

/// Whether the first of two sockets of one protocol and port, which is no
/// connection, cannot be bound beside the second.
bool BindsConflict(const InetSocket& socket, const InetSocket& other);

/// Equal for the same end of one TCP connection. REQUIRES: it is one.
std::string ConnectionKey(const InetSocket& socket);

}  // namespace crgen::check

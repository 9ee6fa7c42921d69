// SPDX-License-Identifier: Apache-2.0
#include "checker/files/inet_ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <string>

namespace crgen::check {
namespace {

constexpr std::size_t kMappedPrefix = 12;  // ::ffff:0:0/96

/// The one interface that the socket is bound to; empty: none.
std::string Device(const InetSocket& socket) {
  return socket.options->so_bindtodevice.value_or(socket.interface.value_or(""));
}

bool OnOneDevice(const InetSocket& a, const InetSocket& b) {
  return Device(a).empty() || Device(b).empty() || Device(a) == Device(b);
}

/// ipv6_rcv_saddr_equal(), with both wildcards.
bool AddressesMeet(const InetSocket& a, const InetSocket& b) {
  const ParsedAddress one = *ParseAddress(a, *a.source), other = *ParseAddress(b, *b.source);
  if (one.is_four && other.is_four) return one == other || one.IsAny() || other.IsAny();
  if (!one.is_four && one.IsAny()) return !(a.v6only && other.is_four);
  if (!other.is_four && other.IsAny()) return !(b.v6only && one.is_four);
  return one == other;
}

/// TCP_REPAIR is SK_FORCE_REUSE.
bool ReusesAddress(const InetSocket& socket) {
  return socket.stream || socket.options->so_reuseaddr.value_or(false);
}

/// Of ICMP, with an identifier as port: ping_get_port() looks at no address, and SO_REUSEADDR is on
/// from the beginning (INET_PROTOSW_REUSE).
bool IsPing(const InetSocket& socket) {
  return socket.protocol.value == IPPROTO_ICMP || socket.protocol.value == IPPROTO_ICMPV6;
}

}  // namespace

std::optional<ParsedAddress> ParseAddress(const InetSocket& socket, const InetAddress& address) {
  const bool six = socket.family.value == AF_INET6;
  const int family = six ? AF_INET6 : AF_INET;
  unsigned char bytes[sizeof(in6_addr)] = {};
  char text[INET6_ADDRSTRLEN];
  if (address.address.size() >= sizeof text ||
      inet_pton(family, address.address.c_str(), bytes) != 1 ||
      inet_ntop(family, bytes, text, sizeof text) == nullptr || address.address != text) {
    return std::nullopt;
  }
  ParsedAddress parsed;
  const bool mapped = six && IN6_IS_ADDR_V4MAPPED(reinterpret_cast<const in6_addr*>(bytes));
  parsed.is_four = !six || mapped;
  const auto* from = mapped ? bytes + kMappedPrefix : bytes;
  std::copy(from, from + (parsed.is_four ? sizeof(in_addr) : sizeof(in6_addr)),
            parsed.bytes.begin());
  return parsed;
}

bool BindsConflict(const InetSocket& socket, const InetSocket& other) {
  if (IsPing(socket)) {
    const auto reuses = [](const InetSocket& one) {
      return one.options->so_reuseaddr.value_or(true);
    };
    return !(reuses(socket) && reuses(other));
  }
  if (!OnOneDevice(socket, other) || !AddressesMeet(socket, other)) return false;
  const bool listens = other.state.value == TCP_LISTEN;
  if (ReusesAddress(socket) && ReusesAddress(other) && !listens) return false;
  return !(socket.options->so_reuseport.value_or(false) &&
           other.options->so_reuseport.value_or(false));
}

std::string ConnectionKey(const InetSocket& socket) {
  std::string key = Device(socket);
  for (const auto* end : {&socket.source, &socket.destination}) {
    const ParsedAddress address = *ParseAddress(socket, **end);
    key += "," + std::to_string((*end)->port) + (address.is_four ? ",4," : ",6,");
    key.append(address.bytes.begin(), address.bytes.end());
  }
  return key;
}

}  // namespace crgen::check

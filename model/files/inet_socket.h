// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/flags.h"
#include "model/image_bytes.h"
#include "model/rare.h"
#include "model/socket_options.h"
#include "model/values.h"

namespace crgen {

/// An address as inet_ntop(3) writes it, and a port.
struct InetAddress {
  std::string address;
  std::uint32_t port = 0;
  friend bool operator==(const InetAddress&, const InetAddress&) = default;
};

/// The IPv4 address that an IPv6 one is mapped from (ipv6(7)); another is as it is.
inline std::string_view UnmappedAddress(std::string_view address) {
  constexpr std::string_view kMapped = "::ffff:";
  const bool mapped = address.starts_with(kMapped) && address.find('.') != address.npos;
  return mapped ? address.substr(kMapped.size()) : address;
}

/// ip_opts_entry: ip(7), ipv6(7), raw(7).
struct IpOptions {
  std::optional<bool> freebind;
  std::optional<bool> pktinfo;
  std::optional<std::uint32_t> tos;
  std::optional<std::uint32_t> ttl;
  std::optional<bool> hdrincl;
  std::optional<bool> nodefrag;
  std::vector<Hex> icmp_filter;  ///< 32 types in each word
  friend bool operator==(const IpOptions&, const IpOptions&) = default;
};

/// tcp_opts_entry: tcp(7).
struct TcpOptions {
  std::optional<bool> cork;
  std::optional<bool> nodelay;
  std::optional<std::uint32_t> keepcnt;
  std::optional<std::uint32_t> keepidle;
  std::optional<std::uint32_t> keepintvl;
  friend bool operator==(const TcpOptions&, const TcpOptions&) = default;
};

/// struct tcp_repair_window.
struct TcpWindow {
  std::uint32_t snd_wl1 = 0;
  std::uint32_t snd_wnd = 0;
  std::uint32_t max_window = 0;
  std::uint32_t rcv_wnd = 0;
  std::uint32_t rcv_wup = 0;
  friend bool operator==(const TcpWindow&, const TcpWindow&) = default;
};

struct TcpScale {
  std::uint32_t send = 0;
  std::uint32_t receive = 0;
  friend bool operator==(const TcpScale&, const TcpScale&) = default;
};

/// tcp_stream_entry: what a connection is beside its two addresses. Sequence numbers are those
/// behind what the queues hold, a FIN included.
struct TcpStream {
  std::uint32_t in_seq = 0;
  std::uint32_t out_seq = 0;
  std::optional<ImageBytes> in;      ///< received, not read
  std::optional<ImageBytes> out;     ///< sent, not acknowledged
  std::optional<ImageBytes> unsent;  ///< written, not sent; behind `out`
  std::uint32_t mss = 0;
  std::optional<TcpScale> scale;           ///< absent: no window scaling
  bool sack = false;                       ///< selective acknowledgements
  std::optional<std::uint32_t> timestamp;  ///< absent: no timestamps
  std::optional<TcpWindow> window;         ///< absent: as the kernel starts with
  friend bool operator==(const TcpStream&, const TcpStream&) = default;
};

/// inet_sk_entry: socket(2) of AF_INET and AF_INET6.
struct InetSocket {
  static constexpr std::string_view kType = "INETSK";
  SocketFamily family;
  SocketType socket_type;
  InetProtocol protocol;
  InetState state;                       ///< TCP_ESTABLISHED of others: they are connected
  Rare<InetAddress> source;              ///< absent: not bound
  Rare<InetAddress> destination;         ///< absent: not connected
  std::optional<std::string> interface;  ///< that link-local addresses are of
  bool v6only = false;
  std::optional<std::uint32_t> backlog;  ///< listen(2)
  Seldom<SocketOptions> options;
  Seldom<IpOptions> ip;
  TcpOptions tcp;
  Rare<TcpStream> stream;   ///< of a connection
  Rare<std::uint64_t> net;  ///< the network namespace that it is in; absent: that of who opens it
  friend bool operator==(const InetSocket&, const InetSocket&) = default;
};

/// Late state of a connection: from here on it talks to its peer (tcp(7), TCP_REPAIR).
struct RepairSetting {
  RepairMode repair;
  friend bool operator==(const RepairSetting&, const RepairSetting&) = default;
};

}  // namespace crgen

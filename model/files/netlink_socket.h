// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "model/flags.h"
#include "model/rare.h"
#include "model/socket_options.h"

namespace crgen {

/// Whom a netlink socket sends to that says nobody.
struct NetlinkDestination {
  std::uint32_t port_id = 0;  ///< 0: the kernel
  std::uint32_t group = 0;    ///< 0: none
  friend bool operator==(const NetlinkDestination&, const NetlinkDestination&) = default;
};

/// netlink_sk_entry: netlink(7).
struct NetlinkSocket {
  static constexpr std::string_view kType = "NETLINKSK";
  NetlinkProtocol protocol;
  std::optional<std::uint32_t> port_id;  ///< absent: not bound
  std::vector<std::uint32_t> groups;     ///< numbers, ascending: NETLINK_ADD_MEMBERSHIP
  NetlinkState state;
  std::optional<NetlinkDestination> destination;  ///< of a connected one
  Seldom<SocketOptions> options;
  Rare<std::uint64_t> net;  ///< as InetSocket::net
  friend bool operator==(const NetlinkSocket&, const NetlinkSocket&) = default;
};

/// net/netlink/af_netlink.c: NETLINK_CONNECTED, NETLINK_UNCONNECTED.
inline constexpr NetlinkState kNetlinkUnconnected = {0}, kNetlinkConnected = {1};

}  // namespace crgen

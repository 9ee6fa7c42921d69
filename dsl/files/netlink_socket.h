// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "dsl/socket_options.h"
#include "model/files/netlink_socket.h"

namespace crgen {

template <>
struct Describe<NetlinkDestination> {
  static constexpr auto kFields =
      std::tuple{Required("port_id", &NetlinkDestination::port_id, "0: the kernel"),
                 Required("group", &NetlinkDestination::group, "0 to 32; 0: none")};
};

template <>
struct Describe<NetlinkSocket> {
  static constexpr auto kFields = std::tuple{
      Required("protocol", &NetlinkSocket::protocol, "of netlink(7)"),
      Optional("port_id", &NetlinkSocket::port_id, "bind(2); absent: not bound"),
      Optional("groups", &NetlinkSocket::groups,
               "numbers, ascending: NETLINK_ADD_MEMBERSHIP, also where it is not bound"),
      Required("state", &NetlinkSocket::state, "`connected`: it is bound too"),
      Optional("destination", &NetlinkSocket::destination, "with state `connected`: connect(2)"),
      Optional("options", &NetlinkSocket::options, "in force before it is bound"),
      Optional("net", &NetlinkSocket::net,
               "the id of the network namespace that it is in; absent: that of who opens it")};
};

}  // namespace crgen

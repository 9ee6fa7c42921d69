// SPDX-License-Identifier: Apache-2.0
// Network namespaces inside attributes.
#pragma once

#include <iterator>

#include "dsl/describe.h"
#include "dsl/image_bytes.h"
#include "model/net_namespace.h"

namespace crgen {

/// A member for each row of a table of sysctls.
template <const auto& kRows>
constexpr auto ConfFields() {
  return []<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
    return std::tuple{Optional(kRows[kIndex].name, kRows[kIndex].member, "a sysctl")...};
  }
  (std::make_index_sequence<std::size(kRows)>{});
}

template <>
struct Describe<Ipv4Conf> {
  static constexpr auto kFields = ConfFields<kIpv4Conf>();
};

template <>
struct Describe<Ipv6Conf> {
  static constexpr auto kFields = std::tuple_cat(
      ConfFields<kIpv6Conf>(), std::tuple{Optional("stable_secret", &Ipv6Conf::stable_secret,
                                                   "a sysctl: an address of IPv6")});
};

template <>
struct Describe<NetSysctls> {
  static constexpr auto kFields = std::tuple{
      Optional("ipv4_all", &NetSysctls::ipv4_all, "net.ipv4.conf.all"),
      Optional("ipv4_default", &NetSysctls::ipv4_default, "net.ipv4.conf.default"),
      Optional("ipv6_all", &NetSysctls::ipv6_all, "net.ipv6.conf.all"),
      Optional("ipv6_default", &NetSysctls::ipv6_default, "net.ipv6.conf.default"),
      Optional("max_dgram_qlen", &NetSysctls::max_dgram_qlen, "of net.unix"),
      Optional("ping_group_range", &NetSysctls::ping_group_range, "of net.ipv4: `0 2147483647`")};
};

template <>
struct Describe<MacvlanLink> {
  static constexpr auto kFields =
      std::tuple{Required("mode", &MacvlanLink::mode, "who of its siblings it speaks with"),
                 Optional("flags", &MacvlanLink::flags, "MACVLAN_FLAG_ of linux/if_link.h")};
};

template <>
struct Describe<TunLink> {
  static constexpr auto kFields = std::tuple{
      Required("flags", &TunLink::flags,
               "IFF_TUN or IFF_TAP, and more; without IFF_PERSIST it ends with its last TUNF"),
      Required("owner", &TunLink::owner, "uid; -1: anybody"),
      Required("group", &TunLink::group, "gid; -1: anybody"),
      Required("vnethdr", &TunLink::vnethdr, "bytes before each packet"),
      Required("sndbuf", &TunLink::sndbuf, "bytes")};
};

template <>
struct Describe<NetDevice> {
  static constexpr auto kFields = std::tuple{
      Required("ifindex", &NetDevice::ifindex, "its number, each once").Within({1, 0x7fffffff}),
      Required("name", &NetDevice::name, "each once"),
      Required("type", &NetDevice::type, "LOOPBACK: the one that every namespace has"),
      Required("mtu", &NetDevice::mtu, "bytes"),
      Required("flags", &NetDevice::flags, "netdevice(7), those that can be set"),
      Optional("address", &NetDevice::address, "of its hardware: `02:00:00:00:00:01`"),
      Optional("master", &NetDevice::master, "ifindex of the BRIDGE that it is a port of"),
      Optional("link", &NetDevice::link,
               "ifindex: of a VETH the other end, of a MACVLAN the device below; absent: the "
               "caller of a restore has that one"),
      Optional("link_net", &NetDevice::link_net,
               "of a VETH: the id of the network namespace that `link` is in; absent: its own"),
      Optional("macvlan", &NetDevice::macvlan, "of a MACVLAN"),
      Optional("tun", &NetDevice::tun, "of a TUN"),
      Optional("conf4", &NetDevice::conf4,
               "net.ipv4.conf; of what is absent it has the value of `ipv4_default`"),
      Optional("conf6", &NetDevice::conf6, "net.ipv6.conf, likewise")};
};

template <>
struct Describe<NetNumber> {
  static constexpr auto kFields =
      std::tuple{Required("net", &NetNumber::net, "the id of a network namespace of the tree"),
                 Required("number", &NetNumber::number, "each once")};
};

template <>
struct Describe<NetNamespace> {
  static constexpr auto kFields = std::tuple{
      Required("id", &NetNamespace::id, "of the namespace in the dump"),
      Optional("external", &NetNamespace::external,
               "the key by which the caller of a restore hands it over, with all that is in it; "
               "absent: it is made"),
      Optional("sysctls", &NetNamespace::sysctls, "of the namespace"),
      Optional("nsids", &NetNamespace::nsids,
               "ascending: by which number it knows others of the tree (RTM_NEWNSID)"),
      Optional("devices", &NetNamespace::devices,
               "ascending by ifindex; none: its loopback device alone, which is down"),
      Optional("addresses", &NetNamespace::addresses, "for `ip address restore`"),
      Optional("routes", &NetNamespace::routes, "for `ip route restore`"),
      Optional("routes6", &NetNamespace::routes6, "for `ip route restore`, of IPv6"),
      Optional("rules", &NetNamespace::rules,
               "for `ip rule restore`; absent: those that every namespace has"),
      Optional("iptables", &NetNamespace::iptables, "for iptables-restore(8) of iptables-legacy"),
      Optional("ip6tables", &NetNamespace::ip6tables, "likewise, of IPv6"),
      Optional("nftables", &NetNamespace::nftables, "for `nft -f`"),
      Optional("conntrack", &NetNamespace::conntrack,
               "messages of netlink(7) that make entries of connection tracking"),
      Optional("expectations", &NetNamespace::expectations, "likewise, its expectations")};
};

}  // namespace crgen

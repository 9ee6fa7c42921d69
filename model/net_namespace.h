// SPDX-License-Identifier: Apache-2.0
// network_namespaces(7): devices, and what the system's own programs have saved of the rest.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/flags.h"
#include "model/image_bytes.h"
#include "model/net_sysctls.h"
#include "model/values.h"

namespace crgen {

struct NetDeviceTypeKind {  // net_device_entry.type
  static constexpr std::string_view kTitle = "netDeviceType";
  static std::span<const FlagName> Names();
};
struct NetDeviceFlagKind {  // netdevice(7), those that can be set
  static constexpr std::string_view kTitle = "netDeviceFlag";
  static std::span<const FlagName> Names();
};
struct MacvlanModeKind {  // <linux/if_link.h>, MACVLAN_MODE_*
  static constexpr std::string_view kTitle = "macvlanMode";
  static std::span<const FlagName> Names();
};
struct TunFlagKind {  // <linux/if_tun.h>
  static constexpr std::string_view kTitle = "tunFlag";
  static std::span<const FlagName> Names();
};
using NetDeviceType = Named<NetDeviceTypeKind>;
using NetDeviceFlags = Flags<NetDeviceFlagKind>;
using MacvlanMode = Named<MacvlanModeKind>;
using TunFlags = Flags<TunFlagKind>;

inline constexpr NetDeviceType kLoopbackDevice = {1}, kVethDevice = {2}, kTunDevice = {3},
                               kBridgeDevice = {6}, kMacvlanDevice = {7};

/// macvlan_link_entry
struct MacvlanLink {
  MacvlanMode mode;
  std::uint32_t flags = 0;  ///< MACVLAN_FLAG_*
  friend bool operator==(const MacvlanLink&, const MacvlanLink&) = default;
};

/// tun_link_entry: a device of tun(4). Without IFF_PERSIST it ends with its last descriptor.
struct TunLink {
  TunFlags flags;
  std::int32_t owner = -1, group = -1;  ///< -1: anybody
  std::uint32_t vnethdr = 0;            ///< bytes
  std::uint32_t sndbuf = 0;             ///< bytes
  friend bool operator==(const TunLink&, const TunLink&) = default;
};

/// net_device_entry
struct NetDevice {
  std::uint32_t ifindex = 0;
  Text name;
  NetDeviceType type;
  std::uint32_t mtu = 0;
  NetDeviceFlags flags;
  std::string address;                  ///< "02:00:00:00:00:01"; empty: none, or the kernel's
  std::optional<std::uint32_t> master;  ///< ifindex of the bridge that it is a port of
  /// Of a VETH the ifindex of the other end, of a MACVLAN of the device below; absent: that one is
  /// outside of the namespace.
  std::optional<std::uint32_t> link;
  /// Of a VETH the id of the network namespace that `link` is in; absent: its own.
  std::optional<std::uint64_t> link_net;
  std::optional<MacvlanLink> macvlan;
  std::optional<TunLink> tun;
  Ipv4Conf conf4;  ///< but for LOOPBACK, what differs from net.ipv4.conf.default
  Ipv6Conf conf6;  ///< likewise; `mtu` always
  friend bool operator==(const NetDevice&, const NetDevice&) = default;

  bool NeedsOutside() const { return !link && (type == kVethDevice || type == kMacvlanDevice); }
  /// "veth[eth0]": the key of what is outside, as CRIU has it. REQUIRES: NeedsOutside().
  std::string OutsideKey() const {
    return std::string(type == kVethDevice ? "veth[" : "macvlan[") + name.bytes + "]";
  }
};

/// netns_id: by what a namespace knows another one (rtnetlink(7), RTM_NEWNSID).
struct NetNumber {
  std::uint64_t net = 0;  ///< the id of that one
  std::int32_t number = 0;
  friend bool operator==(const NetNumber&, const NetNumber&) = default;
};

/// With a key it is one that the caller of a restore has, and the rest is empty. Without devices it
/// has its loopback device alone, which is down.
struct NetNamespace {
  std::uint64_t id = 0;
  std::optional<Text> external = {};  ///< netns_entry.ext_key
  NetSysctls sysctls = {};
  std::vector<NetNumber> nsids = {};    ///< ascending by number
  std::vector<NetDevice> devices = {};  ///< ascending by ifindex
  // As ip(8), iptables-save(8) and nft(8) print them.
  std::optional<ImageBytes> addresses = {}, routes = {}, routes6 = {}, rules = {};
  std::optional<ImageBytes> iptables = {}, ip6tables = {}, nftables = {};
  // Messages of netlink(7).
  std::optional<ImageBytes> conntrack = {}, expectations = {};
  friend bool operator==(const NetNamespace&, const NetNamespace&) = default;
};

/// The members of a namespace that are images, each with the pattern of its name.
struct NetImageRow {
  std::string_view kind;    ///< of the table of images
  std::string_view member;  ///< in a program
  std::optional<ImageBytes> NetNamespace::*image;
};
inline constexpr NetImageRow kNetImages[] = {
    {"IFADDR", "addresses", &NetNamespace::addresses},
    {"ROUTE", "routes", &NetNamespace::routes},
    {"ROUTE6", "routes6", &NetNamespace::routes6},
    {"RULE", "rules", &NetNamespace::rules},
    {"IPTABLES", "iptables", &NetNamespace::iptables},
    {"IP6TABLES", "ip6tables", &NetNamespace::ip6tables},
    {"NFTABLES", "nftables", &NetNamespace::nftables},
    {"NETNF_CT", "conntrack", &NetNamespace::conntrack},
    {"NETNF_EXP", "expectations", &NetNamespace::expectations}};

// Bounds: more than any tree has.
inline constexpr std::size_t kNetDevicesAtMost = 10'000, kNetNamespacesAtMost = 10'000;
inline constexpr std::uint64_t kNetImageAtMost = std::uint64_t{64} << 20;  ///< bytes

/// dev_valid_name(): 1 to 15 bytes, no "." or "..", neither slash, colon nor white space.
bool IsDeviceName(std::string_view name);
/// "02:00:00:00:00:01" of one device, in lower case.
bool IsDeviceAddress(std::string_view address);
/// "0 2147483647", the first at most the second, or "1 0": nobody.
bool IsGroupRange(std::string_view range);

}  // namespace crgen

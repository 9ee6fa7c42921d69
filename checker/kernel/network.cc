// SPDX-License-Identifier: Apache-2.0
// network_namespaces(7), netdevice(7), rtnetlink(7), veth(4), tun(4).
#include "checker/kernel/network.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>

#include <limits>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "checker/compare/difference.h"

namespace crgen::check {
namespace {

using Refusals = std::optional<Refusal>;

constexpr std::uint32_t kLoopbackIndex = 1;
constexpr std::uint32_t kLeastMtu = ETH_MIN_MTU, kMostMtu = ETH_MAX_MTU;

Refusals Invalid(std::string fact) { return Refusal{"EINVAL", std::move(fact)}; }

bool HasSysctls(const NetSysctls& it) { return !(it == NetSysctls{}); }

Refusals CheckConf(const Ipv6Conf& conf) {
  in6_addr address;
  if (!conf.stable_secret || inet_pton(AF_INET6, conf.stable_secret->c_str(), &address) == 1) {
    return std::nullopt;
  }
  return Invalid("stable_secret is no address of IPv6");
}

Refusals CheckSysctls(const NetSysctls& it) {
  for (const Ipv6Conf* conf : {&it.ipv6_all, &it.ipv6_default}) {
    if (Refusals refusal = CheckConf(*conf)) return refusal;
  }
  if (it.max_dgram_qlen && *it.max_dgram_qlen < 0) return Invalid("max_dgram_qlen is below 0");
  if (it.ping_group_range && !IsGroupRange(*it.ping_group_range)) {
    return Invalid("ping_group_range has two numbers of groups, with a blank between them");
  }
  return std::nullopt;
}

/// The devices of one namespace.
class DeviceTable {
 public:
  explicit DeviceTable(const std::vector<NetDevice>& devices) : devices_(devices) {}

  Refusals Check() {
    if (devices_.size() > kNetDevicesAtMost) return Refusal{"ENOSPC", "more than 10000 devices"};
    for (const NetDevice& device : devices_) {
      Refusals refusal = CheckNumbers(device);
      if (!refusal) refusal = CheckParts(device);
      if (refusal) return Named(device, std::move(refusal));
      by_index_.emplace(device.ifindex, &device);
      names_.insert(device.name.bytes);
    }
    if (!devices_.empty() && !by_index_.contains(kLoopbackIndex)) {
      return Refusal{"ENODEV", "no LOOPBACK among the devices, which every namespace has"};
    }
    for (const NetDevice& device : devices_) {
      if (Refusals refusal = CheckOthers(device)) return Named(device, std::move(refusal));
    }
    return std::nullopt;
  }

 private:
  static Refusals Named(const NetDevice& device, Refusals refusal) {
    refusal->fact = "device " + std::to_string(device.ifindex) + " " + refusal->fact;
    return refusal;
  }

  Refusals CheckNumbers(const NetDevice& device) {
    if (!IsDeviceName(device.name.bytes)) {
      return Invalid("has a name that no device has: 1 to 15 bytes, neither /, : nor white space");
    }
    if (names_.contains(device.name.bytes)) return Refusal{"EEXIST", "has the name of another one"};
    if (by_index_.contains(device.ifindex)) return Refusal{"EEXIST", "is there already"};
    if (!by_index_.empty() && device.ifindex < last_) {
      return Invalid("comes behind one with a larger number");
    }
    last_ = device.ifindex;
    const bool loopback = device.type == kLoopbackDevice;
    if (loopback != (device.ifindex == kLoopbackIndex) || loopback != (device.name.bytes == "lo")) {
      return Refusal{"EEXIST", "LOOPBACK is device 1 with the name lo, and no other"};
    }
    if (device.mtu > (loopback ? std::uint32_t{0x7fffffff} : kMostMtu) ||
        (!loopback && device.mtu < kLeastMtu)) {
      return Invalid("has an MTU that is not from 68 to 65535");
    }
    return std::nullopt;
  }

  static Refusals CheckParts(const NetDevice& device) {
    if (ValueName(NetDeviceTypeKind::Names(), device.type.value).starts_with("0x")) {
      return Refusal{"EOPNOTSUPP", "has a type that no command makes"};
    }
    std::uint64_t settable = 0;
    for (const FlagName& row : NetDeviceFlagKind::Names()) settable |= row.mask;
    if ((device.flags.bits & ~settable) != 0) return Invalid("has flags that cannot be set");
    if (!device.address.empty() &&
        (device.type == kLoopbackDevice || !IsDeviceAddress(device.address))) {
      return Refusal{"EADDRNOTAVAIL", "has an address that is none of one device"};
    }
    if (device.macvlan.has_value() != (device.type == kMacvlanDevice)) {
      return Invalid("`macvlan` goes with MACVLAN, and with nothing else");
    }
    if (device.tun.has_value() != (device.type == kTunDevice)) {
      return Invalid("`tun` goes with TUN, and with nothing else");
    }
    if (device.macvlan && device.macvlan->flags > std::numeric_limits<std::uint16_t>::max()) {
      return Invalid("has `macvlan` flags of more than 16 bits");
    }
    if (device.macvlan &&
        ValueName(MacvlanModeKind::Names(), device.macvlan->mode.value).starts_with("0x")) {
      return Invalid("has a `macvlan` mode that has no name");
    }
    if (Refusals refusal = device.tun ? CheckTun(device) : std::nullopt) return refusal;
    return CheckConf(device.conf6);
  }

  static Refusals CheckTun(const NetDevice& device) {
    const std::uint64_t flags = device.tun->flags.bits;
    std::uint64_t known = 0;
    for (const FlagName& row : TunFlagKind::Names()) known |= row.mask;
    if ((flags & ~known) != 0 || ((flags & IFF_TUN) != 0) == ((flags & IFF_TAP) != 0)) {
      return Invalid("has `tun` flags without exactly one of IFF_TUN and IFF_TAP");
    }
    constexpr std::uint32_t kHeaderAtLeast = 10;  // struct virtio_net_hdr
    constexpr std::uint32_t kMostSigned = 0x7fffffff;
    if (device.tun->vnethdr < kHeaderAtLeast || device.tun->vnethdr > kMostSigned ||
        device.tun->sndbuf == 0 || device.tun->sndbuf > kMostSigned) {
      return Invalid("has a `vnethdr` below 10, or no `sndbuf`");
    }
    return std::nullopt;
  }

  const NetDevice* Find(std::uint32_t ifindex) const {
    const auto found = by_index_.find(ifindex);
    return found == by_index_.end() ? nullptr : found->second;
  }

  /// What it is made on, or a port of.
  Refusals CheckOthers(const NetDevice& device) const {
    if (device.master) {
      const NetDevice* master = Find(*device.master);
      if (master == nullptr || !(master->type == kBridgeDevice)) {
        return Refusal{"ENODEV", "has a master that is no BRIDGE of the namespace"};
      }
      if (device.type == kBridgeDevice) return Refusal{"ELOOP", "is a BRIDGE, and no port of one"};
      if (device.type == kLoopbackDevice ||
          (device.type == kTunDevice && device.tun->flags.Has(IFF_TUN))) {
        return Invalid("is no device of Ethernet, which a port of a BRIDGE is");
      }
    }
    if (device.link_net && (!(device.type == kVethDevice) || !device.link)) {
      return Invalid("has a `link_net`, which goes with the `link` of a VETH");
    }
    if (!device.link || device.link_net) return std::nullopt;
    const NetDevice* other = Find(*device.link);
    if (device.type == kVethDevice) {
      if (other != nullptr && other != &device && other->type == kVethDevice &&
          other->link == device.ifindex) {
        return std::nullopt;
      }
      return Refusal{"ENODEV", "has no other end: a VETH whose `link` is this one"};
    }
    if (!(device.type == kMacvlanDevice)) return Invalid("has a `link`, and no use for it");
    if (other == nullptr) return Refusal{"ENODEV", "has a `link` that is no device"};
    if (other->type == kLoopbackDevice || other->type == kMacvlanDevice) {
      return Invalid("is a MACVLAN on a device that takes none");
    }
    return std::nullopt;
  }

  const std::vector<NetDevice>& devices_;
  std::unordered_map<std::uint32_t, const NetDevice*> by_index_;
  std::unordered_set<std::string> names_;
  std::uint32_t last_ = 0;
};

Refusals CheckNet(const NetNamespace& net) {
  bool has_images = false, of_devices = false;
  for (const NetImageRow& row : kNetImages) {
    const std::optional<ImageBytes>& image = net.*row.image;
    if (!image) continue;
    of_devices = of_devices || !(row.image == &NetNamespace::conntrack ||
                                 row.image == &NetNamespace::expectations);
    has_images = true;
    if (image->bytes == 0 || image->bytes > kNetImageAtMost || image->offset != 0) {
      return Invalid(std::string(row.member) + " is a whole image of 1 to 67108864 bytes");
    }
  }
  if (net.external) {
    const std::string& key = net.external->bytes;
    if (key.empty() || key.find('\0') != key.npos)
      return Invalid("a key is not empty, and has no NUL");
    if (has_images || !net.devices.empty() || !net.nsids.empty() || HasSysctls(net.sysctls)) {
      return Invalid("one that comes from outside has what is in it");
    }
    return std::nullopt;
  }
  if (net.devices.empty() && of_devices) {
    return Refusal{"ENETDOWN", "addresses, routes and rules go with devices"};
  }
  if (Refusals refusal = CheckSysctls(net.sysctls)) return refusal;
  return DeviceTable(net.devices).Check();
}

}  // namespace

std::optional<Refusal> RefusedNetwork(const NetNamespace& net) {
  Refusals refusal = CheckNet(net);
  if (refusal) refusal->fact = "net: " + refusal->fact;
  return refusal;
}

}  // namespace crgen::check

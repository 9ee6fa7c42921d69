// SPDX-License-Identifier: Apache-2.0
// The rules of SET_ATTR for what is in a network namespace.
#include <linux/if_tun.h>

#include <functional>

#include "tests/support/check_support.h"

namespace crgen::test {
namespace {

NetDevice Device(std::uint32_t ifindex, const std::string& name, NetDeviceType type) {
  NetDevice device;
  device.ifindex = ifindex;
  device.name.bytes = name;
  device.type = type;
  device.mtu = 1500;
  return device;
}

/// A loopback device, a pair, one of it on a bridge, and one on the other.
NetNamespace Whole() {
  NetNamespace net = {6};
  net.devices = {Device(1, "lo", kLoopbackDevice), Device(2, "a", kVethDevice),
                 Device(3, "b", kVethDevice),      Device(4, "br", kBridgeDevice),
                 Device(5, "m", kMacvlanDevice),   Device(6, "t", kTunDevice)};
  net.devices[1].link = 3;
  net.devices[2].link = 2;
  net.devices[2].master = 4;
  net.devices[4].link = 2;
  net.devices[4].macvlan.emplace().mode.value = 4;
  net.devices[5].tun = TunLink{{IFF_TAP | IFF_PERSIST}, -1, -1, 10, 1000};
  net.addresses = ImageBytes{"ifaddr-6.img", 0, 100};
  return net;
}

struct NetCase {
  const char* rule;
  std::function<void(NetNamespace&)> change;
  std::string refusal;  ///< "": there is none
};

void RunNetCases(const std::vector<NetCase>& cases) {
  for (const NetCase& it : cases) {
    Attributes attributes;
    attributes.net = Whole();
    it.change(*attributes.net);
    RunCases({{it.rule,
               {ForkOf(0, 10), SidOf(10), AttrOf(10, attributes)},
               it.refusal.empty() ? "" : "commands[2] SET_ATTR pid 10: " + it.refusal}});
  }
}

TEST(CheckNetwork, Devices) {
  RunNetCases({
      {"all of them", [](NetNamespace&) {}, ""},
      {"none", [](NetNamespace& it) { it = {6}; }, ""},
      {"a name of two lines", [](NetNamespace& it) { it.devices[1].name.bytes = "a\nb"; },
       "EINVAL: net: device 2 has a name that no device has: 1 to 15 bytes, neither /, : nor white "
       "space"},
      {"a long name", [](NetNamespace& it) { it.devices[1].name.bytes = std::string(15, 'a'); },
       ""},
      {"a name twice", [](NetNamespace& it) { it.devices[1].name.bytes = "b"; },
       "EEXIST: net: device 3 has the name of another one"},
      {"a number twice", [](NetNamespace& it) { it.devices[2].ifindex = 2; },
       "EEXIST: net: device 2 is there already"},
      {"in another order", [](NetNamespace& it) { std::swap(it.devices[1], it.devices[2]); },
       "EINVAL: net: device 2 comes behind one with a larger number"},
      {"no loopback device", [](NetNamespace& it) { it.devices.erase(it.devices.begin()); },
       "ENODEV: net: no LOOPBACK among the devices, which every namespace has"},
      {"two of them", [](NetNamespace& it) { it.devices[3].type = kLoopbackDevice; },
       "EEXIST: net: device 4 LOOPBACK is device 1 with the name lo, and no other"},
      {"a type without a name", [](NetNamespace& it) { it.devices[3].type.value = 5; },
       "EOPNOTSUPP: net: device 4 has a type that no command makes"},
      {"the least MTU", [](NetNamespace& it) { it.devices[3].mtu = 68; }, ""},
      {"a smaller one", [](NetNamespace& it) { it.devices[3].mtu = 67; },
       "EINVAL: net: device 4 has an MTU that is not from 68 to 65535"},
      {"a flag that follows", [](NetNamespace& it) { it.devices[3].flags.bits = 0x40; },
       "EINVAL: net: device 4 has flags that cannot be set"},
      {"an address", [](NetNamespace& it) { it.devices[3].address = "02:00:00:00:00:01"; }, ""},
      {"one of a group", [](NetNamespace& it) { it.devices[3].address = "03:00:00:00:00:01"; },
       "EADDRNOTAVAIL: net: device 4 has an address that is none of one device"},
      {"of lo", [](NetNamespace& it) { it.devices[0].address = "02:00:00:00:00:01"; },
       "EADDRNOTAVAIL: net: device 1 has an address that is none of one device"},
  });
}

TEST(CheckNetwork, PartsOfDevices) {
  RunNetCases({
      {"an end outside",
       [](NetNamespace& it) {
         it.devices[1].link.reset();
         it.devices.erase(it.devices.begin() + 2);
       },
       ""},
      {"another one's end", [](NetNamespace& it) { it.devices[2].link.reset(); },
       "ENODEV: net: device 2 has no other end: a VETH whose `link` is this one"},
      {"itself", [](NetNamespace& it) { it.devices[1].link = 2; },
       "ENODEV: net: device 2 has no other end: a VETH whose `link` is this one"},
      {"a link of a bridge", [](NetNamespace& it) { it.devices[3].link = 2; },
       "EINVAL: net: device 4 has a `link`, and no use for it"},
      {"below nothing", [](NetNamespace& it) { it.devices[4].link = 9; },
       "ENODEV: net: device 5 has a `link` that is no device"},
      {"on lo", [](NetNamespace& it) { it.devices[4].link = 1; },
       "EINVAL: net: device 5 is a MACVLAN on a device that takes none"},
      {"a MACVLAN without", [](NetNamespace& it) { it.devices[4].macvlan.reset(); },
       "EINVAL: net: device 5 `macvlan` goes with MACVLAN, and with nothing else"},
      {"a mode without a name", [](NetNamespace& it) { it.devices[4].macvlan->mode.value = 16; },
       "EINVAL: net: device 5 has a `macvlan` mode that has no name"},
      {"flags", [](NetNamespace& it) { it.devices[4].macvlan->flags = 0x10000; },
       "EINVAL: net: device 5 has `macvlan` flags of more than 16 bits"},
      {"a master that is none", [](NetNamespace& it) { it.devices[2].master = 5; },
       "ENODEV: net: device 3 has a master that is no BRIDGE of the namespace"},
      {"a bridge on itself", [](NetNamespace& it) { it.devices[3].master = 4; },
       "ELOOP: net: device 4 is a BRIDGE, and no port of one"},
      {"lo on a bridge", [](NetNamespace& it) { it.devices[0].master = 4; },
       "EINVAL: net: device 1 is no device of Ethernet, which a port of a BRIDGE is"},
      {"a tap on a bridge", [](NetNamespace& it) { it.devices[5].master = 4; }, ""},
      {"a tun on a bridge",
       [](NetNamespace& it) {
         it.devices[5].tun->flags.bits = IFF_TUN | IFF_PERSIST;
         it.devices[5].master = 4;
       },
       "EINVAL: net: device 6 is no device of Ethernet, which a port of a BRIDGE is"},
      {"both", [](NetNamespace& it) { it.devices[5].tun->flags.bits |= IFF_TUN; },
       "EINVAL: net: device 6 has `tun` flags without exactly one of IFF_TUN and IFF_TAP"},
      {"not for long", [](NetNamespace& it) { it.devices[5].tun->flags.bits = IFF_TAP; }, ""},
      {"a short header", [](NetNamespace& it) { it.devices[5].tun->vnethdr = 9; },
       "EINVAL: net: device 6 has a `vnethdr` below 10, or no `sndbuf`"},
      {"no tun", [](NetNamespace& it) { it.devices[5].tun.reset(); },
       "EINVAL: net: device 6 `tun` goes with TUN, and with nothing else"},
  });
}

TEST(CheckNetwork, WhatIsBesideDevices) {
  const std::string whole = "EINVAL: net: addresses is a whole image of 1 to 67108864 bytes";
  RunNetCases({
      {"an empty image", [](NetNamespace& it) { it.addresses->bytes = 0; }, whole},
      {"a part of one", [](NetNamespace& it) { it.addresses->offset = 1; }, whole},
      {"the largest", [](NetNamespace& it) { it.addresses->bytes = 67108864; }, ""},
      {"a larger one", [](NetNamespace& it) { it.addresses->bytes = 67108865; }, whole},
      {"an image outside", [](NetNamespace& it) { it.addresses->image = "../ifaddr-6.img"; },
       "EINVAL: image \"../ifaddr-6.img\" is not a path inside the dump"},
      {"without devices", [](NetNamespace& it) { it.devices.clear(); },
       "ENETDOWN: net: addresses, routes and rules go with devices"},
      {"connections without devices",
       [](NetNamespace& it) {
         it = {6};
         it.conntrack = ImageBytes{"netns-ct-6.img", 0, 100};
       },
       ""},
      {"of outside", [](NetNamespace& it) { it.external = Text{"key"}; },
       "EINVAL: net: one that comes from outside has what is in it"},
      {"a secret", [](NetNamespace& it) { it.devices[1].conf6.stable_secret = "fe80::1"; }, ""},
      {"that is none", [](NetNamespace& it) { it.sysctls.ipv6_all.stable_secret = "fe80"; },
       "EINVAL: net: stable_secret is no address of IPv6"},
      {"a queue", [](NetNamespace& it) { it.sysctls.max_dgram_qlen = -1; },
       "EINVAL: net: max_dgram_qlen is below 0"},
      {"groups", [](NetNamespace& it) { it.sysctls.ping_group_range = "1 0"; }, ""},
      {"that are none", [](NetNamespace& it) { it.sysctls.ping_group_range = "1 x"; },
       "EINVAL: net: ping_group_range has two numbers of groups, with a blank between them"},
  });
}

}  // namespace
}  // namespace crgen::test

// SPDX-License-Identifier: Apache-2.0
// Several network namespaces of one tree: their devices, who enters them, what is opened in them.
#include <linux/netlink.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "tests/support/check_support.h"

namespace crgen::test {
namespace {

NetDevice Lo() {
  NetDevice device;
  device.ifindex = 1;
  device.name = {"lo"};
  device.type = kLoopbackDevice;
  device.mtu = 65536;
  return device;
}
/// One whose other end is device `link` of namespace `net`.
NetDevice Veth(std::uint32_t index, const std::string& name, std::uint32_t link,
               std::optional<std::uint64_t> net) {
  NetDevice device;
  device.ifindex = index;
  device.name = {name};
  device.type = kVethDevice;
  device.mtu = 1500;
  device.link = link;
  device.link_net = net;
  return device;
}
NetNamespace Net(std::uint64_t id, std::vector<NetDevice> more = {}) {
  NetNamespace net{id};
  net.devices = {Lo()};
  net.devices.insert(net.devices.end(), more.begin(), more.end());
  return net;
}
Attributes Nets(NetNamespace own, std::vector<NetNamespace> further) {
  Attributes attributes;
  attributes.net = std::move(own);
  attributes.further_nets = std::move(further);
  return attributes;
}
Attributes Entering(std::optional<std::uint64_t> net, std::optional<std::uint64_t> mnt = {}) {
  Attributes attributes;
  attributes.setns = EnteredNamespaces{mnt, net};
  return attributes;
}

const Program kRoot = {ForkOf(0, 10), SidOf(10)};
const Program kTwo = kRoot + Program{AttrOf(10, Nets(Net(6), {Net(7)}))};
const Program kEntered = kTwo + Program{ForkOf(10, 11), AttrOf(11, Entering(7))};

template <typename Body>
std::shared_ptr<const File> FileOf(std::uint64_t id, Body body, std::optional<std::uint64_t> net) {
  body.net = net;
  return std::make_shared<const File>(File{{id}, {O_RDWR}, std::move(body)});
}
std::shared_ptr<const File> Port(std::uint64_t id, std::optional<std::uint64_t> net = {}) {
  InetSocket body;
  body.family = {AF_INET};
  body.socket_type = {SOCK_STREAM};
  body.protocol = {IPPROTO_TCP};
  body.state = {TCP_LISTEN};
  body.source = InetAddress{"127.0.0.1", 4000};
  body.backlog = 5;
  return FileOf(id, std::move(body), net);
}
std::shared_ptr<const File> Name(std::uint64_t id, std::optional<std::uint64_t> net = {},
                                 std::optional<std::uint64_t> target = {}) {
  UnixSocket body;
  body.socket_id = {id};
  body.socket_type = {SOCK_DGRAM};
  body.state = target ? kConnected : kUnconnected;
  if (target) {
    body.connect_to = SocketReference{*target};
  } else {
    body.name = Text{std::string("\0name", 5)};
  }
  return FileOf(id, std::move(body), net);
}
std::shared_ptr<const File> End(std::uint64_t id, std::optional<std::uint64_t> net) {
  UnixSocket body;
  body.socket_id = {id};
  body.socket_type = {SOCK_STREAM};
  body.state = kConnected;
  return FileOf(id, std::move(body), net);
}
std::shared_ptr<const File> Number(std::uint64_t id, std::optional<std::uint64_t> net = {}) {
  NetlinkSocket body;
  body.protocol = {NETLINK_ROUTE};
  body.port_id = 77;
  return FileOf(id, std::move(body), net);
}
std::shared_ptr<const File> NamespaceOf(std::uint64_t id, std::optional<std::uint64_t> net) {
  return std::make_shared<const File>(File{{id}, {O_RDONLY}, NamespaceFile{{CLONE_NEWNET}, net}});
}

TEST(CheckNetNamespaces, Devices) {
  const auto with = [](NetNamespace own, std::vector<NetNamespace> further) {
    return kRoot + Program{AttrOf(10, Nets(std::move(own), std::move(further)))};
  };
  const std::string at = "commands[2] SET_ATTR pid 10: ";
  Attributes alone;
  alone.further_nets = {Net(7)};
  NetNamespace outside{7, Text{"key"}}, numbers = Net(6), strange = Net(6), twice = Net(6);
  numbers.nsids = {{7, 0}, {6, 3}};
  strange.nsids = {{9, 0}};
  twice.nsids = {{7, 0}, {7, 1}};
  NetDevice macvlan = Veth(2, "a", 5, 7);
  macvlan.type = kMacvlanDevice;
  macvlan.macvlan = MacvlanLink{{4}, 0};  // MACVLAN_MODE_BRIDGE
  RunCases({
      {"two", kTwo, ""},
      {"ends in two", with(Net(6, {Veth(2, "a", 5, 7)}), {Net(7, {Veth(5, "b", 2, 6)})}), ""},
      {"numbers", with(numbers, {Net(7)}), ""},
      {"without the root's", kRoot + Program{AttrOf(10, alone)},
       at + "EINVAL: further_nets go with net"},
      {"one of them twice", with(Net(6), {Net(7), Net(7)}), at + "EEXIST: net 7: is there twice"},
      {"from outside", with(Net(6), {outside}),
       at + "EINVAL: net 7: of what comes from outside there is one, `net`"},
      {"no other end", with(Net(6, {Veth(2, "a", 5, 7)}), {Net(7)}),
       at + "ENODEV: net 6: device 2 has no other end in network namespace 7: a VETH whose `link` "
            "is this one"},
      {"one that has another", with(Net(6, {Veth(2, "a", 5, 7)}), {Net(7, {Veth(5, "b", 3, 6)})}),
       at + "ENODEV: net 6: device 2 has no other end in network namespace 7: a VETH whose `link` "
            "is this one"},
      {"another type", with(Net(6, {macvlan}), {Net(7)}),
       at + "EINVAL: net: device 2 has a `link_net`, which goes with the `link` of a VETH"},
      {"a number of nobody", with(strange, {Net(7)}),
       at + "EINVAL: net 6: nsids name network namespace 9, which is none of the tree's"},
      {"two numbers of one", with(twice, {Net(7)}),
       at + "EEXIST: net 6: nsids give network namespace 7 two numbers"},
  });
}

TEST(CheckNetNamespaces, Entering) {
  Attributes directories, creds;
  directories.fs = FsAttributes{{"/b"}, {"/"}, {}};
  creds.creds.emplace();
  const Program forked = kTwo + Program{ForkOf(10, 11)};
  const std::string at = "commands[4] SET_ATTR pid 11: ", next = "commands[5] SET_ATTR pid 11: ";
  RunCases({
      {"a child", kEntered, ""},
      {"and back", kEntered + Program{AttrOf(11, Entering({}))}, ""},
      {"with directories", forked + Program{AttrOf(11, directories), AttrOf(11, Entering(7))}, ""},
      {"one that nobody has made", forked + Program{AttrOf(11, Entering(8))},
       at + "EINVAL: setns: there is no further network namespace 8"},
      {"none is made", kRoot + Program{ForkOf(10, 11), AttrOf(11, Entering(7))},
       "commands[3] SET_ATTR pid 11: EINVAL: setns: there is no further network namespace 7"},
      {"mounts that nobody has made", forked + Program{AttrOf(11, Entering(7, 9))},
       at + "EINVAL: setns: no mount has namespace 9"},
      {"with threads", forked + Program{ThreadOf(11, 12), AttrOf(11, Entering(7))},
       next + "EINVAL: setns: the process has other threads"},
      {"without rights", forked + Program{AttrOf(11, creds), AttrOf(11, Entering(7))},
       next + "EPERM: setns: creds or seccomp of the process are set"},
  });
}

TEST(CheckNetNamespaces, Files) {
  const std::string at = "commands[3] OPEN_FILE pid 10: ", next = "commands[4] OPEN_FILE pid 10: ";
  const auto opens = [](std::shared_ptr<const File> one, std::shared_ptr<const File> other) {
    return kTwo + Program{OpenOf(10, 3, std::move(one)), OpenOf(10, 4, std::move(other))};
  };
  const auto pair = [](std::shared_ptr<const File> one, std::shared_ptr<const File> other) {
    return kTwo + Program{OpenPair(10, 3, std::move(one), 4, std::move(other))};
  };
  RunCases({
      {"a port in two", opens(Port(1), Port(2, 7)), ""},
      {"in one that is said and not", opens(Port(1), Port(2, 6)),
       next + "EADDRINUSE: port 4000 is bound to 127.0.0.1 by file 1 (commands[3]), and not both "
              "have so_reuseport"},
      {"by who is in another", kEntered + Program{OpenOf(10, 3, Port(1)), OpenOf(11, 3, Port(2))},
       ""},
      {"by who is in the same",
       kEntered + Program{OpenOf(10, 3, Port(1, 7)), OpenOf(11, 4, Port(2))},
       "commands[6] OPEN_FILE pid 11: EADDRINUSE: port 4000 is bound to 127.0.0.1 by file 1 "
       "(commands[5]), and not both have so_reuseport"},
      {"in none of the tree's", kTwo + Program{OpenOf(10, 3, Port(1, 8))},
       at + "EINVAL: network namespace 8 is none of the root's"},
      {"where there is none", kRoot + Program{OpenOf(10, 3, Port(1, 8))},
       "commands[2] OPEN_FILE pid 10: EINVAL: network namespace 8 is none of the root's"},
      {"an abstract name in two", opens(Name(1), Name(2, 7)), ""},
      {"in one", opens(Name(1, 7), Name(2, 7)),
       next + "EADDRINUSE: the name \"\\x00name\" is that of socket 1"},
      {"connected to one in the same", opens(Name(1, 7), Name(2, 7, 1)), ""},
      {"connected to one in another", opens(Name(1, 7), Name(2, {}, 1)),
       next + "ECONNREFUSED: socket 1 has an abstract name, and is in another network namespace"},
      {"ends in one", pair(End(1, 7), End(2, 7)), ""},
      {"ends in two", pair(End(1, 7), End(2, {})),
       at + "EINVAL: the ends are in two network namespaces"},
      {"a number of netlink in two", opens(Number(1), Number(2, 7)), ""},
      {"in one", opens(Number(1, 7), Number(2, 7)),
       next + "EADDRINUSE: port 77 of NETLINK_ROUTE is bound by file 1 (commands[3])"},
      {"descriptors", opens(NamespaceOf(1, 6), NamespaceOf(2, 7)), ""},
      {"of none of the tree's", kTwo + Program{OpenOf(10, 3, NamespaceOf(1, 8))},
       at + "ENOENT: the process is in net namespace 6, and not in 8"},
  });
}

TEST(CheckNetNamespaces, DevicesOfTun) {
  NetDevice device;
  device.ifindex = 3;
  device.name = {"tun0"};
  device.type = kTunDevice;
  device.mtu = 1400;
  device.tun = TunLink{{1}, -1, -1, 10, 5000};  // IFF_TUN
  const auto tun = [](std::uint64_t id, std::optional<std::uint64_t> net) {
    TunFile body;
    body.path = {"/dev/net/tun"};
    body.device = Text{"tun0"};
    return FileOf(id, std::move(body), net);
  };
  const Program made = kRoot + Program{AttrOf(10, Nets(Net(6), {Net(7, {device})}))};
  const std::string at = "commands[3] OPEN_FILE pid 10: ";
  RunCases({
      {"where the device is", made + Program{OpenOf(10, 3, tun(1, 7))}, ""},
      {"where it is not", made + Program{OpenOf(10, 3, tun(1, {}))},
       at + "ENODEV: `net` has no device \"tun0\""},
  });
}

}  // namespace
}  // namespace crgen::test

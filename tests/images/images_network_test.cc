// SPDX-License-Identifier: Apache-2.0
// A network namespace of the tree's own, as the model has it.
#include <gtest/gtest.h>

#include "tests/support/namespace_images.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

constexpr std::uint32_t kText = 5, kNumber = 6;
constexpr int kForwarding = 12, kMtu = 26, kHopLimit = 19, kSecret = 35;  // places in images

template <typename List>
void AddNumber(List* list, std::int32_t value) {
  list->Add()->set_type(kNumber);
  list->rbegin()->set_iarg(value);
}

/// All sysctls of IPv4, or of IPv6, with that value.
template <typename List>
void Fill(List* list, int count, std::int32_t value) {
  for (int i = 0; i < count; ++i) AddNumber(list, value);
  if (count > kSecret) *list->Mutable(kSecret) = {};
  if (count > kSecret) list->Mutable(kSecret)->set_type(kText);
}

pb::net_device_entry& AddDevice(Dump& dump, std::uint32_t type, std::uint32_t ifindex,
                                const std::string& name) {
  pb::net_device_entry& device = dump.devices[13].emplace_back();
  device.set_type(type);
  device.set_ifindex(ifindex);
  device.set_name(name);
  device.set_mtu(1500);
  device.set_flags(0x11043);  // IFF_UP, BROADCAST, RUNNING, MULTICAST, LOWER_UP
  return device;
}

Dump WithNetwork() {
  Dump dump;
  AddOwnNamespace(dump, "net", 13);
  pb::netns_entry& net = dump.nets[13];
  Fill(net.mutable_all_conf4(), 30, 1);
  Fill(net.mutable_def_conf4(), 30, 2);
  Fill(net.mutable_all_conf6(), 42, 3);
  Fill(net.mutable_def_conf6(), 42, 4);
  AddNumber(net.mutable_unix_conf(), 10);
  net.add_ipv4_sysctl()->set_type(kText);
  net.mutable_ipv4_sysctl(0)->set_sarg("5\t7\n");
  AddDevice(dump, 1, 1, "lo");
  return dump;
}

const NetNamespace& NetOf(const Snapshot& snapshot) {
  return *snapshot.processes[0].attributes->net;
}

TEST(Network, Sysctls) {
  Dump dump = WithNetwork();
  dump.nets[13].mutable_all_conf6(kSecret)->set_sarg("fe80::1\n");
  const Snapshot snapshot = LoadGood(dump);
  const NetSysctls& it = NetOf(snapshot).sysctls;
  EXPECT_EQ(it.ipv4_all.drop_unicast_in_l2_multicast, 1);
  EXPECT_EQ(it.ipv4_default.accept_local, 2);
  EXPECT_EQ(it.ipv6_all.router_solicitations, 3);
  EXPECT_EQ(it.ipv6_all.stable_secret, "fe80::1");
  EXPECT_EQ(it.ipv6_all.suppress_frag_ndisc, 3);
  EXPECT_EQ(it.ipv6_default.use_tempaddr, 4);
  EXPECT_FALSE(it.ipv6_default.stable_secret);
  EXPECT_EQ(it.max_dgram_qlen, 10);
  EXPECT_EQ(it.ping_group_range, "5 7");
}

/// What a new device has by itself is no part of a plan; the loopback device was there before.
TEST(Network, SysctlsOfDevices) {
  Dump dump = WithNetwork();
  pb::net_device_entry& lo = dump.devices[13][0];
  Fill(lo.mutable_conf4(), 30, 2);
  pb::net_device_entry& bridge = AddDevice(dump, 6, 2, "br");
  Fill(bridge.mutable_conf4(), 30, 2);
  Fill(bridge.mutable_conf6(), 42, 4);
  bridge.mutable_conf4(kForwarding)->set_iarg(0);
  bridge.mutable_conf6(kHopLimit)->set_iarg(9);
  const Snapshot snapshot = LoadGood(dump);
  const std::vector<NetDevice>& devices = NetOf(snapshot).devices;
  EXPECT_EQ(devices[0].conf4, NetOf(snapshot).sysctls.ipv4_default);
  Ipv4Conf four;
  four.forwarding = 0;
  EXPECT_EQ(devices[1].conf4, four);
  Ipv6Conf six;
  six.hop_limit = 9;
  six.mtu = 4;
  EXPECT_EQ(devices[1].conf6, six);
  static_assert(kMtu != kHopLimit);
}

TEST(Network, Devices) {
  Dump dump = WithNetwork();
  AddDevice(dump, 7, 9, "mv").mutable_macvlan()->set_mode(4);
  AddDevice(dump, 2, 3, "eth0").set_address(std::string("\x02\0\0\0\0\x1f", 6));
  pb::net_device_entry& port = AddDevice(dump, 2, 4, "port");
  port.set_peer_ifindex(5);
  port.set_peer_nsid(13);
  port.set_master(6);
  pb::net_device_entry& end = AddDevice(dump, 2, 5, "end");
  end.set_peer_ifindex(4);
  end.set_peer_nsid(13);
  AddDevice(dump, 6, 6, "br");
  const Snapshot snapshot = LoadGood(dump);
  const std::vector<NetDevice>& devices = NetOf(snapshot).devices;
  ASSERT_EQ(devices.size(), 6u);
  EXPECT_EQ(devices[1].name.bytes, "eth0");
  EXPECT_EQ(devices[1].address, "02:00:00:00:00:1f");
  EXPECT_EQ(devices[1].flags.bits, 0x1001u);  // IFF_UP, IFF_MULTICAST
  EXPECT_EQ(devices[1].OutsideKey(), "veth[eth0]");
  EXPECT_EQ(devices[2].link, 5u);
  EXPECT_EQ(devices[2].master, 6u);
  EXPECT_FALSE(devices[2].NeedsOutside());
  EXPECT_EQ(devices[3].link, 4u);
  EXPECT_EQ(devices[5].OutsideKey(), "macvlan[mv]");
  EXPECT_EQ(devices[5].macvlan->mode.value, 4u);
  EXPECT_EQ(snapshot.network_lock, (NetworkLock{kIptables, ""}));
}

/// CRIU cuts the name of its table.
TEST(Network, LockOfNftables) {
  Dump dump = WithNetwork();
  dump.inventory.set_network_lock_method(1);
  dump.inventory.set_dump_criu_run_id("4a16188a-f5f2-4890-b0dc-ae6d071bca04");
  EXPECT_EQ(LoadGood(dump).network_lock, (NetworkLock{kNftables, "CRIU-4a16188a-f5f2-4890-b0"}));
}

}  // namespace
}  // namespace crgen

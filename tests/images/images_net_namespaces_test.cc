// SPDX-License-Identifier: Apache-2.0
// Several network namespaces of one tree, as the model has them.
#include <gtest/gtest.h>
#include <linux/sched.h>

#include "tests/support/dump_judge.h"
#include "tests/support/namespace_images.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

pb::net_device_entry& AddDevice(Dump& dump, std::uint32_t in, std::uint32_t type,
                                std::uint32_t ifindex, const std::string& name) {
  pb::net_device_entry& device = dump.devices[in].emplace_back();
  device.set_type(type);
  device.set_ifindex(ifindex);
  device.set_name(name);
  device.set_mtu(1500);
  return device;
}
void AddEnd(Dump& dump, std::uint32_t in, std::uint32_t ifindex, std::uint32_t other,
            std::uint32_t there) {
  pb::net_device_entry& device = AddDevice(dump, in, 2, ifindex, "end" + std::to_string(ifindex));
  device.set_peer_ifindex(other);
  device.set_peer_nsid(there);
}
void AddNumber(Dump& dump, std::uint32_t in, std::uint32_t of, std::int32_t number) {
  pb::netns_id& id = *dump.nets[in].add_nsids();
  id.set_target_ns_id(of);
  id.set_netnsid_value(number);
}

/// The root's own 13, and 14 of process 11, with a pair between them.
Dump TwoNets() {
  Dump dump;
  dump.AddProcess(11, 10);
  AddOwnNamespace(dump, "net", 13);
  dump.ids[11].set_net_ns_id(14);
  for (const std::uint32_t id : {13u, 14u}) AddDevice(dump, id, 1, 1, "lo");
  AddEnd(dump, 13, 5, 7, 14);
  AddEnd(dump, 14, 7, 5, 13);
  AddNumber(dump, 13, 14, 3);
  AddNumber(dump, 14, 14, 8);
  AddNumber(dump, 14, 13, 0);
  return dump;
}

void AddNamed(Dump& dump, Pid pid, std::uint32_t id, std::uint32_t net) {
  pb::unix_sk_entry& socket = *dump.AddOther(id, pb::FD_UNIXSK).mutable_usk();
  socket.set_id(id);
  socket.set_ino(10 * id);
  socket.set_type(2);
  socket.set_state(7);
  socket.set_flags(2);
  socket.mutable_opts()->set_so_sndbuf(212992);
  socket.mutable_opts()->set_so_rcvbuf(212992);
  socket.set_name(std::string("\0same", 5));
  socket.set_ns_id(net);
  dump.AddDescriptor(pid, static_cast<Fd>(id), id, pb::FD_UNIXSK);
}

TEST(NetNamespaces, OfAProcess) {
  const Snapshot snapshot = LoadGood(TwoNets());
  const Attributes& root = *snapshot.processes[0].attributes;
  ASSERT_TRUE(root.net);
  ASSERT_EQ(root.further_nets.size(), 1u);
  const NetNamespace &own = *root.net, &further = root.further_nets[0];
  EXPECT_EQ(own.id, 13u);
  EXPECT_EQ(further.id, 14u);
  EXPECT_EQ(own.nsids, (std::vector<NetNumber>{{14, 3}}));
  EXPECT_EQ(further.nsids, (std::vector<NetNumber>{{13, 0}, {14, 8}}));
  EXPECT_EQ(own.devices[1].link, 7u);
  EXPECT_EQ(own.devices[1].link_net, 14u);
  EXPECT_FALSE(own.devices[1].NeedsOutside());
  EXPECT_FALSE(root.setns);
  ASSERT_TRUE(snapshot.processes[1].attributes->setns);
  EXPECT_EQ(snapshot.processes[1].attributes->setns->net, 14u);
}

TEST(NetNamespaces, OfSocketsAndDescriptors) {
  Dump dump = TwoNets();
  AddNamed(dump, 10, 7, 13);
  AddNamed(dump, 10, 8, 14);
  pb::ns_file_entry& file = *dump.AddOther(9, pb::FD_NS).mutable_nsf();
  file.set_id(9);
  file.set_ns_id(14);
  file.set_ns_cflag(CLONE_NEWNET);
  dump.AddDescriptor(10, 9, 9, pb::FD_NS);
  const Snapshot snapshot = LoadGood(dump);
  std::vector<std::uint64_t> nets;
  for (const auto& it : snapshot.files) {
    const auto* socket = As<UnixSocket>(*it);
    if (socket != nullptr && socket->net) nets.push_back(*socket->net);
    const auto* descriptor = As<NamespaceFile>(*it);
    if (descriptor != nullptr && descriptor->id) nets.push_back(*descriptor->id);
  }
  EXPECT_EQ(nets, (std::vector<std::uint64_t>{13, 14, 14}));
}

TEST(NetNamespaces, ThatAreRefused) {
  const auto first = [](Severity severity, auto&& change) {
    Dump dump = TwoNets();
    change(dump);
    return FirstFinding(Load(dump).diag, severity);
  };
  EXPECT_EQ(
      first(Severity::kUnsupported, [](Dump& it) { it.nets[14].set_ext_key("key"); }),
      "netns-14.img[0].ext_key: a further network namespace that the caller of a restore has");
  EXPECT_EQ(first(Severity::kUnsupported, [](Dump& it) { AddNumber(it, 13, 19, 5); }),
            "netns-13.img[0].nsids[1]: a number by which it knows a network namespace that is not "
            "the tree's");
  EXPECT_EQ(first(Severity::kError, [](Dump& it) { AddNumber(it, 13, 13, 3); }),
            "netns-13.img[0].nsids[1]: stands twice");
  EXPECT_EQ(first(Severity::kError, [](Dump& it) { it.devices[14].back().set_peer_ifindex(6); }),
            "netdev-13.img, device end5: peer_ifindex 7 of network namespace 14 is not its other "
            "end");
  EXPECT_EQ(first(Severity::kUnsupported,
                  [](Dump& it) {
                    it.devices[14].back().set_type(7);
                    it.devices[14].back().mutable_macvlan()->set_mode(4);
                  }),
            "netdev-14.img[1].peer_nsid: a device on one in another network namespace of the tree");
  EXPECT_EQ(first(Severity::kUnsupported, [](Dump& it) { AddNamed(it, 10, 7, 19); }),
            "files.img[3].usk.ns_id: a socket of a network namespace that is not the root's");
}

}  // namespace
}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Sockets of netlink(7) and packet(7), descriptors of namespaces and of tun(4): from images to a
// program, which is held against them.
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sys/socket.h>

#include <functional>

#include "checker/check.h"
#include "generator/generate.h"
#include "tests/support/lines.h"
#include "tests/support/namespace_images.h"
#include "tests/support/netlink_images.h"
#include "tests/support/packet_images.h"

namespace crgen::test {
namespace {

constexpr std::uint64_t kRings = 0x20000;
constexpr Fd kNetlink = 3, kPacket = 4, kNamespace = 5, kTun = 6, kAttached = 7, kDetached = 8;

/// The root's own, with two devices of tun(4) beside its loopback device.
void AddNetwork(Dump& dump) {
  AddOwnNamespace(dump, "net", 15);
  dump.nets[15];
  for (const auto& [type, name] : {std::pair{1, "lo"}, {3, "tun2"}, {3, "tun3"}}) {
    pb::net_device_entry& device = dump.devices[15].emplace_back();
    device.set_type(static_cast<std::uint32_t>(type));
    device.set_ifindex(static_cast<std::uint32_t>(dump.devices[15].size()));
    device.set_mtu(type == 1 ? 65536 : 1500);
    device.set_flags(IFF_UP);
    device.set_name(name);
    if (type == 1) continue;
    pb::tun_link_entry& tun = *device.mutable_tun();
    tun.set_flags(IFF_TUN | IFF_MULTI_QUEUE);
    tun.set_owner(-1);
    tun.set_group(-1);
    tun.set_vnethdr(10);
    tun.set_sndbuf(1000);
  }
}

class GenerateOtherTypesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Dump dump;
    AddOwnNamespace(dump, "uts", 13);
    dump.uts[13].set_nodename("host");
    AddNetlinkSocket(dump, {20, 15, 1, 71, 0x80000001});
    dump.files.back().mutable_nlsk()->set_dst_portid(9);
    AddPacketSocket(dump, {21, SOCK_RAW, 8, 3});
    AddNamespaceFile(dump, 22, 13, CLONE_NEWUTS);
    AddNetwork(dump);
    AddTunFile(dump, 23);
    AddTunFile(dump, 24);
    dump.files.back().mutable_tunf()->set_netdev("tun2");
    AddTunFile(dump, 25);
    dump.files.back().mutable_tunf()->set_netdev("tun3");
    dump.files.back().mutable_tunf()->set_detached(true);
    dump.AddDescriptor(10, kNetlink, 20, pb::FD_NETLINKSK);
    dump.AddDescriptor(10, kPacket, 21, pb::FD_PACKETSK);
    dump.AddDescriptor(10, kNamespace, 22, pb::FD_NS);
    dump.AddDescriptor(10, kTun, 23, pb::FD_TUNF);
    dump.AddDescriptor(10, kAttached, 24, pb::FD_TUNF);
    dump.AddDescriptor(10, kDetached, 25, pb::FD_TUNF);
    dump.AddArea(10, kRings, 2, kRegular | kSocket).set_shmid(21);
    source_ = OpenMemory(dump.Build());
    Diagnostics diag;
    ASSERT_EQ(LoadDump(*source_, &snapshot_, diag), Result::kOk);
    ASSERT_EQ(diag.Count(Severity::kError) + diag.Count(Severity::kUnsupported), 0u);
    ASSERT_EQ(GenerateProgram(snapshot_, {}, PageReaderOf(*source_), &program_, diag),
              GenerateOutcome::kOk);
  }

  /// All that is wrong with a program in which `change` has changed the file that is opened there.
  std::vector<std::string> Wrong(Fd fd, const std::function<void(File&)>& change) {
    Program changed = program_;
    for (Command& command : changed) {
      auto* open = std::get_if<OpenFile>(&command.body);
      if (open == nullptr || open->fd != fd) continue;
      auto file = std::make_shared<File>(*open->file);
      change(*file);
      open->file = std::move(file);
    }
    SimulatedState state;
    Diagnostics diag;
    EXPECT_EQ(CheckProgram(changed, &state, diag), Result::kOk);
    [[maybe_unused]] const Result same =
        CompareWithSnapshot(state, snapshot_, PageReaderOf(*source_), diag);
    return test::Lines(diag);
  }
  template <typename Body>
  const Body& BodyAt(Fd fd) {
    for (const Command& command : program_) {
      const auto* open = std::get_if<OpenFile>(&command.body);
      if (open != nullptr && open->fd == fd) return std::get<Body>(open->file->body);
    }
    throw std::logic_error("is not opened");
  }

  std::unique_ptr<ImageSource> source_;
  Snapshot snapshot_;
  Program program_;
};

TEST_F(GenerateOtherTypesTest, SayWhatTheImagesSay) {
  const auto& netlink = BodyAt<NetlinkSocket>(kNetlink);
  EXPECT_EQ(netlink.protocol.value, 15u);
  EXPECT_EQ(netlink.port_id, 71u);
  EXPECT_EQ(netlink.groups, (std::vector<std::uint32_t>{1, 32}));
  EXPECT_EQ(netlink.state, kNetlinkConnected);
  EXPECT_EQ(netlink.destination, (NetlinkDestination{9, 0}));
  const auto& packet = BodyAt<PacketSocket>(kPacket);
  EXPECT_EQ(packet.protocol.value, 0x800u);
  ASSERT_TRUE(packet.rings.receive && packet.rings.transmit);
  EXPECT_EQ(packet.rings.Size(), 2 * kPageSize);
  EXPECT_FALSE(packet.fanout);
  const auto& uts = BodyAt<NamespaceFile>(kNamespace);
  EXPECT_EQ(uts.type.value, static_cast<std::uint32_t>(CLONE_NEWUTS));
  EXPECT_EQ(uts.id, 13u);
  EXPECT_EQ(BodyAt<TunFile>(kTun), (TunFile{{"/dev/net/tun"}}));
  EXPECT_EQ(BodyAt<TunFile>(kAttached), (TunFile{{"/dev/net/tun"}, Text{"tun2"}}));
  EXPECT_EQ(BodyAt<TunFile>(kDetached), (TunFile{{"/dev/net/tun"}, Text{"tun3"}, true}));
  EXPECT_EQ(Wrong(kTun, [](File&) {}), std::vector<std::string>());
}

/// By the description itself: its rings are no other's.
TEST_F(GenerateOtherTypesTest, RingsAreMappedByTheirSocket) {
  std::size_t mapped = 0;
  for (const Command& command : program_) {
    const auto* map = std::get_if<MapRegion>(&command.body);
    if (map == nullptr || map->start.value != kRings) continue;
    ++mapped;
    EXPECT_EQ(map->fd, kPacket);
    EXPECT_EQ(map->offset, 0u);
  }
  EXPECT_EQ(mapped, 1u);
}

TEST_F(GenerateOtherTypesTest, AreHeldAgainstTheDump) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(Wrong(kNetlink, [](File& it) { std::get<NetlinkSocket>(it.body).port_id = 72; }),
            Lines{"process 10 fd 3: file.port_id: expected 71, found 72"});
  EXPECT_EQ(Wrong(kNetlink, [](File& it) { std::get<NetlinkSocket>(it.body).groups = {1}; }),
            Lines{"process 10 fd 3: file.groups: expected 2 entries, found 1 entries"});
  EXPECT_EQ(Wrong(kPacket, [](File& it) { std::get<PacketSocket>(it.body).loss = true; }),
            Lines{"process 10 fd 4: file.loss: expected false, found true"});
  EXPECT_EQ(Wrong(kTun, [](File& it) { std::get<TunFile>(it.body).path = {"/dev/tun"}; }),
            Lines{"process 10 fd 6: file.path: expected \"/dev/net/tun\", found \"/dev/tun\""});
  const auto tun = [](auto change) {
    return [change](File& it) { change(std::get<TunFile>(it.body)); };
  };
  EXPECT_EQ(Wrong(kAttached, tun([](TunFile& it) { it.device = Text{"tun3"}; })),
            Lines{"process 10 fd 7: file.device: expected \"tun2\", found \"tun3\""});
  EXPECT_EQ(Wrong(kDetached, tun([](TunFile& it) {
                    it.device.reset();
                    it.detached = false;
                  })),
            (Lines{"process 10 fd 8: file.device: expected, not set",
                   "process 10 fd 8: file.detached: expected true, found false"}));
  EXPECT_EQ(Wrong(kDetached, tun([](TunFile& it) { it.detached = false; })),
            Lines{"process 10 fd 8: file.detached: expected true, found false"});
}

}  // namespace
}  // namespace crgen::test

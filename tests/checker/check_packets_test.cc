// SPDX-License-Identifier: Apache-2.0
// Packet sockets, descriptors of namespaces and of tun(4) of the checker: every rule kept and
// broken.
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <linux/sched.h>
#include <net/ethernet.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "tests/support/check_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

constexpr std::uint64_t kAt = 0x10000;

PacketSocket Raw(std::uint32_t protocol = ETH_P_IP) {
  PacketSocket socket;
  socket.socket_type.value = SOCK_RAW;
  socket.protocol.value = protocol;
  return socket;
}
PacketRing Ring(std::uint32_t block_size = 4096, std::uint32_t block_nr = 1,
                std::uint32_t frame_size = 1024, std::uint32_t frame_nr = 4) {
  return {block_size, block_nr, frame_size, frame_nr, 0, 0, {}};
}
template <typename Change>
PacketSocket With(Change change, PacketSocket socket = Raw()) {
  change(socket);
  return socket;
}
PacketSocket Receives(PacketRing ring, std::uint32_t version = TPACKET_V1) {
  PacketSocket socket = Raw();
  socket.version.value = version;
  socket.rings.receive = ring;
  return socket;
}
PacketSocket Sends(PacketRing ring, std::uint32_t version = TPACKET_V1) {
  PacketSocket socket = Raw();
  socket.version.value = version;
  socket.rings.transmit = ring;
  return socket;
}
PacketSocket Fanout(std::uint64_t fanout, std::uint32_t protocol = ETH_P_IP) {
  PacketSocket socket = Raw(protocol);
  socket.fanout = Hex{fanout};
  return socket;
}

template <typename Body>
std::shared_ptr<const File> FileOf(std::uint64_t id, const Body& body, std::uint64_t flags) {
  return std::make_shared<const File>(File{{id}, {flags}, body});
}

/// Opens all of them, the first as descriptor 1 and file 1.
Program Opens(const std::vector<PacketSocket>& sockets) {
  Program program = {ForkOf(0, 10)};
  for (const PacketSocket& socket : sockets) {
    const auto number = static_cast<Fd>(program.size());
    program.push_back(
        OpenOf(10, number, FileOf(static_cast<std::uint64_t>(number), socket, O_RDWR)));
  }
  return program;
}

void ExpectAll(
    const std::vector<std::tuple<const char*, std::vector<PacketSocket>, std::string>>& all) {
  std::vector<RuleCase> cases;
  for (const auto& [name, sockets, error] : all) {
    const std::string where = "commands[" + std::to_string(sockets.size()) + "] OPEN_FILE pid 10: ";
    cases.push_back({name, Opens(sockets), error.empty() ? "" : where + error});
  }
  RunCases(cases);
}

TEST(CheckPackets, Values) {
  ExpectAll({
      {"one", {Raw()}, ""},
      {"that receives nothing", {Raw(0)}, ""},
      {"a stream",
       {With([](auto& s) { s.socket_type.value = SOCK_STREAM; })},
       "ESOCKTNOSUPPORT: no packet socket is SOCK_STREAM"},
      {"a protocol beyond all", {Raw(0x10000)}, "EINVAL: the protocol has 16 bits"},
      {"an interface below 0",
       {With([](auto& s) { s.interface = 0x80000000; })},
       "ENODEV: interfaces have numbers below 2^31"},
      {"a version that is none",
       {With([](auto& s) { s.version.value = 3; })},
       "EINVAL: rings have no version 0x3"},
      {"too much reserved",
       {With([](auto& s) { s.reserve = 0x80000000; })},
       "EINVAL: reserve is below 2^31"},
      {"virtual headers", {With([](auto& s) { s.vnet_hdr = true; })}, ""},
      {"virtual headers without headers",
       {With([](auto& s) {
         s.vnet_hdr = true;
         s.socket_type.value = SOCK_DGRAM;
       })},
       "EINVAL: vnet_hdr is of SOCK_RAW"},
      {"the old kind",
       {With([](auto& s) {
         s.socket_type.value = SOCK_PACKET;
         s.interface = 1;
       })},
       ""},
      {"options of the old kind",
       {With([](auto& s) {
         s.socket_type.value = SOCK_PACKET;
         s.aux_data = true;
       })},
       "EOPNOTSUPP: a SOCK_PACKET has no options of packet(7)"},
      {"credentials",
       {With([](auto& s) { s.options->so_passcred = true; })},
       "EOPNOTSUPP: so_passcred and so_passsec are of unix and netlink sockets"},
      {"a membership",
       {With([](auto& s) {
         s.memberships = {{1, {1}, {}}};
       })},
       ""},
      {"a membership of no interface",
       {With([](auto& s) {
         s.memberships = {{0, {1}, {}}};
       })},
       "ENODEV: interface 0"},
      {"an address that is too long",
       {With([](auto& s) {
         s.memberships = {{1, {1}, {std::string(33, 'a')}}};
       })},
       "EINVAL: an address has at most 32 bytes"},
  });
}

TEST(CheckPackets, Rings) {
  const auto extended = [](PacketRing ring) {
    ring.sizeof_priv = 8;
    return ring;
  };
  ExpectAll({
      {"receives", {Receives(Ring())}, ""},
      {"sends", {Sends(Ring())}, ""},
      {"many blocks", {Receives(Ring(8192, 3, 2048, 12))}, ""},
      {"no blocks", {Receives(Ring(4096, 0))}, "EINVAL: a ring without blocks"},
      {"parts of pages", {Receives(Ring(4097))}, "EINVAL: blocks of 4097 bytes: no whole pages"},
      {"frames that are too small",
       {Receives(Ring(4096, 1, 48, 85))},
       "EINVAL: frames of 48 bytes: at least 52, a multiple of 16"},
      {"frames that what is reserved makes too small",
       {With([](auto& s) { s.reserve = 1000; }, Receives(Ring()))},
       "EINVAL: frames of 1024 bytes: at least 1052, a multiple of 16"},
      {"frames of no multiple",
       {Receives(Ring(4096, 1, 1025, 3))},
       "EINVAL: frames of 1025 bytes: at least 52, a multiple of 16"},
      {"another number of frames",
       {Receives(Ring(4096, 1, 1024, 5))},
       "EINVAL: 5 frames: the blocks hold 4"},
      {"a frame that is larger than a block",
       {Receives(Ring(4096, 1, 8192, 0))},
       "EINVAL: 0 frames: the blocks hold 0"},
      {"the third version", {Receives(extended(Ring()), TPACKET_V3)}, ""},
      {"its members before it",
       {Receives(extended(Ring()), TPACKET_V2)},
       "EINVAL: retire_tmo, sizeof_priv and features are of a TPACKET_V3 that receives"},
      {"its members of what sends",
       {Sends(extended(Ring()), TPACKET_V3)},
       "EINVAL: retire_tmo, sizeof_priv and features are of a TPACKET_V3 that receives"},
      {"a block without room",
       {With([](auto& s) { s.rings.receive->sizeof_priv = 4000; }, Receives(Ring(), TPACKET_V3))},
       "EINVAL: a block has no room for a frame"},
  });
}

TEST(CheckPackets, FanoutGroups) {
  ExpectAll({
      {"two of a group", {Fanout(0x10007), Fanout(0x10007)}, ""},
      {"two groups", {Fanout(0x10007), Fanout(0x20008)}, ""},
      {"another mode",
       {Fanout(0x10007), Fanout(0x20007)},
       "EINVAL: its fanout group has another mode, protocol or interface, those of file 1 "
       "(commands[1])"},
      {"another protocol",
       {Fanout(0x10007), Fanout(0x10007, ETH_P_ARP)},
       "EINVAL: its fanout group has another mode, protocol or interface, those of file 1 "
       "(commands[1])"},
      {"of what receives nothing",
       {Fanout(0x10007, 0)},
       "EINVAL: fanout of a socket that receives nothing"},
      {"no type", {Fanout(0x80007)}, "EINVAL: fanout has 32 bits, and a type of 0 to 7"},
      {"twice the same",
       {Fanout(0x10030007)},
       "EINVAL: PACKET_FANOUT_ROLLOVER goes without the flag of that name"},
      {"any id", {Fanout(0x20010007)}, "EINVAL: the fanout group has an id of its own"},
      {"a program", {Fanout(0x60007)}, "EINVAL: the program of the fanout group is not said"},
  });
}

TEST(CheckPackets, RingsAreMappedAsAWhole) {
  const Program opened = Opens({Receives(Ring(4096, 2, 1024, 8)), Raw()});
  const std::string where = "commands[3] MAP_REGION pid 10: EINVAL: ";
  const std::string whole = " bytes of rings, which are mapped from 0 on, all of them";
  RunCases({
      {"all", opened + Program{MapFd(10, kAt, kAt + 0x2000, 1, MAP_SHARED)}, ""},
      {"a part", opened + Program{MapFd(10, kAt, kAt + 0x1000, 1, MAP_SHARED)},
       where + "fd 1 has 8192" + whole},
      {"from the second page on",
       opened + Program{MapFd(10, kAt, kAt + 0x2000, 1, MAP_SHARED, kRw, 0x1000)},
       where + "fd 1 has 8192" + whole},
      {"of what has none", opened + Program{MapFd(10, kAt, kAt + 0x1000, 2, MAP_SHARED)},
       where + "fd 2 has 0" + whole},
      {"private", opened + Program{MapFd(10, kAt, kAt + 0x2000, 1, MAP_PRIVATE)}, ""},
      {"and filled",
       opened + Program{MapFd(10, kAt, kAt + 0x2000, 1, MAP_SHARED), LoadOf(10, kAt, 1)},
       "commands[4] LOAD_PAGES pid 10: EFAULT: region 0x10000-0x12000 is provided by the kernel"},
  });
}

TEST(CheckNamespaceFiles, AreThoseOfTheProcess) {
  const auto file = [](std::uint64_t type, std::optional<std::uint64_t> id = {}) {
    return FileOf(1, NamespaceFile{{static_cast<std::uint32_t>(type)}, id}, O_RDONLY);
  };
  auto attributes = std::make_shared<Attributes>();
  attributes->uts = UtsNamespace{4, {"host"}, {}};
  const Program root = {ForkOf(0, 10)};
  const Program own = root + Program{{10, SetAttr{{}, attributes}}};
  const auto opened = [&](const Program& before, const std::shared_ptr<const File>& it) {
    return before + Program{OpenOf(10, 3, it)};
  };
  RunCases({
      {"the restorer's", opened(root, file(CLONE_NEWUTS)), ""},
      {"its own", opened(own, file(CLONE_NEWUTS, 4)), ""},
      {"the restorer's of another type", opened(own, file(CLONE_NEWIPC)), ""},
      {"the restorer's, which it has left", opened(own, file(CLONE_NEWUTS)),
       "commands[2] OPEN_FILE pid 10: ENOENT: the process is in uts namespace 4, and not in none"},
      {"one that nobody has entered", opened(root, file(CLONE_NEWUTS, 4)),
       "commands[1] OPEN_FILE pid 10: ENOENT: the process is in uts namespace none, and not in 4"},
      {"of a root that is gone",
       own +
           Program{ForkOf(10, 11), ExitOf(10), WaitOf(0, 10), OpenOf(11, 3, file(CLONE_NEWUTS, 4))},
       ""},
      {"no type", opened(root, file(1)),
       "commands[1] OPEN_FILE pid 10: ENOENT: there are no namespaces of type 0x1"},
      {"watched",
       root + Program{OpenOf(10, 3, file(CLONE_NEWNET)), OpenOf(10, 4, EpollOf(2)),
                      FillOf(10, 4, {{3, {EPOLLIN}, {7}}})},
       "commands[3] SET_ATTR pid 10: EPERM: target fd 3 is file 1 (NS): nothing comes from it"},
  });
}

TEST(CheckTunFiles, HaveAPath) {
  const auto opened = [](const char* path, std::uint64_t flags = O_RDWR) {
    return Program{ForkOf(0, 10), OpenOf(10, 3, FileOf(1, TunFile{{path}}, flags))};
  };
  const std::string where = "commands[1] OPEN_FILE pid 10: ";
  RunCases({{"absolute", opened("/dev/net/tun"), ""},
            {"relative", opened("net/tun"), where + "EINVAL: the path is not absolute"},
            {"truncated", opened("/dev/net/tun", O_RDWR | O_TRUNC),
             where + "EINVAL: the flags create or truncate the file"}});
}

}  // namespace
}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "checker/files/packet_socket.h"

#include <linux/if_packet.h>
#include <linux/netdevice.h>
#include <sys/socket.h>

#include <limits>

#include "checker/files/socket_options.h"
#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr std::uint32_t kMostInt = std::numeric_limits<std::int32_t>::max();
constexpr std::uint32_t kMostProtocol = 0xffff;

Refusal Invalid(std::string fact) { return {"EINVAL", std::move(fact)}; }

std::uint64_t Aligned(std::uint64_t bytes, std::uint64_t to) { return (bytes + to - 1) / to * to; }

/// Bytes before each packet.
std::uint64_t HeaderSize(const PacketSocket& socket) {
  switch (socket.version.value) {
    case TPACKET_V1:
      return TPACKET_HDRLEN;
    case TPACKET_V2:
      return TPACKET2_HDRLEN;
    default:
      return TPACKET3_HDRLEN;
  }
}

/// packet_set_ring().
std::optional<Refusal> RefusedRing(const PacketSocket& socket, const PacketRing& ring,
                                   bool receives) {
  constexpr std::uint64_t kBlockHeader = 48;  // BLK_HDR_LEN
  const bool third = socket.version.value == TPACKET_V3;
  const bool extended = ring.retire_tmo != 0 || ring.sizeof_priv != 0 || ring.features.value != 0;
  if (extended && !(third && receives)) {
    return Invalid("retire_tmo, sizeof_priv and features are of a TPACKET_V3 that receives");
  }
  if (ring.features.value > ~std::uint32_t{0}) return Invalid("features has 32 bits");
  const std::uint64_t least = HeaderSize(socket) + socket.reserve;
  if (ring.block_nr == 0) return Invalid("a ring without blocks");
  if (ring.block_size == 0 || ring.block_size > kMostInt || ring.block_size % kPageSize != 0) {
    return Invalid("blocks of " + std::to_string(ring.block_size) + " bytes: no whole pages");
  }
  if (third &&
      ring.block_size < kBlockHeader + Aligned(ring.sizeof_priv, sizeof(std::uint64_t)) + least) {
    return Invalid("a block has no room for a frame");
  }
  if (ring.frame_size < least || ring.frame_size % TPACKET_ALIGNMENT != 0) {
    return Invalid("frames of " + std::to_string(ring.frame_size) + " bytes: at least " +
                   std::to_string(least) + ", a multiple of 16");
  }
  const std::uint64_t frames = std::uint64_t{ring.block_size / ring.frame_size} * ring.block_nr;
  if (frames != 0 && frames == ring.frame_nr) return std::nullopt;
  return Invalid(std::to_string(ring.frame_nr) + " frames: the blocks hold " +
                 std::to_string(frames));
}

std::optional<Refusal> RefusedRings(const PacketSocket& socket) {
  if (const auto& ring = socket.rings.receive) {
    if (auto refused = RefusedRing(socket, *ring, true)) return refused;
  }
  if (const auto& ring = socket.rings.transmit) {
    if (auto refused = RefusedRing(socket, *ring, false)) return refused;
  }
  return std::nullopt;
}

std::optional<Refusal> RefusedMemberships(const PacketSocket& socket) {
  for (const PacketMembership& one : socket.memberships) {
    if (one.address.bytes.size() > MAX_ADDR_LEN) {
      return Invalid("an address has at most 32 bytes");
    }
    if (one.interface == 0 || one.interface > kMostInt) {
      return Refusal{"ENODEV", "interface " + std::to_string(one.interface)};
    }
  }
  return std::nullopt;
}

/// "file 3 (commands[9])"
std::string NameOf(const Description& it) {
  return "file " + std::to_string(it.file->id.value) + " (commands[" + std::to_string(it.command) +
         "])";
}

std::pair<std::uint64_t, std::uint32_t> GroupOf(const PacketSocket& socket) {
  return {socket.net ? *socket.net : 0, static_cast<std::uint32_t>(socket.fanout->value & 0xffff)};
}

}  // namespace

std::optional<Refusal> FileRules<PacketSocket>::Check(const File& file,
                                                      const PacketSocket& socket) const {
  if (auto refused = RefusedAnonymousFlags(file.flags)) return refused;
  const bool old = socket.socket_type.value == SOCK_PACKET;
  if (socket.socket_type.value != SOCK_RAW && socket.socket_type.value != SOCK_DGRAM && !old) {
    return Refusal{"ESOCKTNOSUPPORT", "no packet socket is " + ValueText(socket.socket_type)};
  }
  if (socket.protocol.value > kMostProtocol) return Invalid("the protocol has 16 bits");
  if (socket.interface > kMostInt) return Refusal{"ENODEV", "interfaces have numbers below 2^31"};
  if (auto refused = RefusedLocalOptions(*socket.options)) return refused;
  if (socket.options->so_passcred || socket.options->so_passsec) {
    return Refusal{"EOPNOTSUPP", "so_passcred and so_passsec are of unix and netlink sockets"};
  }
  if (socket.version.value > TPACKET_V3) {
    return Invalid("rings have no version " + ValueText(socket.version));
  }
  if (socket.reserve > kMostInt) return Invalid("reserve is below 2^31");
  if (socket.vnet_hdr && socket.socket_type.value != SOCK_RAW) {
    return Invalid("vnet_hdr is of SOCK_RAW");
  }
  PacketSocket plain;
  plain.socket_type = socket.socket_type;
  plain.protocol = socket.protocol;
  plain.interface = socket.interface;
  plain.options = socket.options;
  plain.net = socket.net;
  if (old && !(socket == plain)) {
    return Refusal{"EOPNOTSUPP", "a SOCK_PACKET has no options of packet(7)"};
  }
  if (auto refused = RefusedMemberships(socket)) return refused;
  if (auto refused = RefusedRings(socket)) return refused;
  return RefusedFanout(socket);
}

/// fanout_add(). Whether the interface is up is not known here.
std::optional<Refusal> FileRules<PacketSocket>::RefusedFanout(const PacketSocket& socket) const {
  if (!socket.fanout) return std::nullopt;
  const std::uint64_t mode = socket.fanout->value >> 16, type = mode & 0xff;
  if (socket.fanout->value > ~std::uint32_t{0} || type > PACKET_FANOUT_EBPF) {
    return Invalid("fanout has 32 bits, and a type of 0 to 7");
  }
  if (type == PACKET_FANOUT_ROLLOVER && (mode & PACKET_FANOUT_FLAG_ROLLOVER) != 0) {
    return Invalid("PACKET_FANOUT_ROLLOVER goes without the flag of that name");
  }
  if ((mode & PACKET_FANOUT_FLAG_UNIQUEID) != 0)
    return Invalid("the fanout group has an id of its own");
  if (type >= PACKET_FANOUT_CBPF) return Invalid("the program of the fanout group is not said");
  if (socket.protocol.value == 0) return Invalid("fanout of a socket that receives nothing");
  const auto known = groups_.find(GroupOf(socket));
  const auto there = known == groups_.end() ? nullptr : known->second.lock();
  if (there == nullptr) return std::nullopt;
  const auto& other = std::get<PacketSocket>(there->file->body);
  if (other.fanout == socket.fanout && other.protocol == socket.protocol &&
      other.interface == socket.interface) {
    return std::nullopt;
  }
  return Invalid("its fanout group has another mode, protocol or interface, those of " +
                 NameOf(*there));
}

void FileRules<PacketSocket>::Opened(const Kernel&, Description& description,
                                     const PacketSocket& socket, Description*) {
  if (socket.fanout) groups_[GroupOf(socket)] = description.weak_from_this();
}

}  // namespace crgen::check

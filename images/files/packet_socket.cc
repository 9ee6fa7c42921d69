// SPDX-License-Identifier: Apache-2.0
#include "images/files/packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/netdevice.h>
#include <sys/socket.h>

#include <algorithm>
#include <limits>

#include "images/load/file_checks.h"
#include "images/load/loader.h"
#include "images/load/socket_options.h"

namespace crgen {
namespace {

constexpr std::uint32_t kMostInt = std::numeric_limits<std::int32_t>::max();
constexpr std::uint32_t kMostPort = 0xffff;
constexpr std::uint32_t kNoFanout = 0xffffffff;
constexpr int kMostMemberships = 1 << 16;

/// In the order in which they were made, of which the image has the reverse (packet_mc_add()).
void TakeMemberships(const pb::packet_sock_entry& from, const Place& at, PacketSocket* to) {
  if (from.mclist_size() > kMostMemberships) {
    at.Error(".mclist", std::to_string(from.mclist_size()) + " entries, expected at most " +
                            std::to_string(kMostMemberships));
    return;
  }
  for (const pb::packet_mclist& one : from.mclist()) {
    if (!IsNamed<PacketMembershipKind>(one.type())) {
      at.Error(".mclist.type", std::to_string(one.type()) + " is no type of a membership");
    }
    if (one.addr().size() > MAX_ADDR_LEN) {
      at.Error(".mclist.addr", std::to_string(one.addr().size()) + " bytes, expected at most 32");
    }
    if (one.index() == 0 || one.index() > kMostInt) {
      at.Error(".mclist.index", std::to_string(one.index()) + " is no interface");
    }
    to->memberships.push_back({one.index(), {one.type()}, {one.addr()}});
  }
  std::ranges::reverse(to->memberships);
}

/// Bytes before each packet.
std::uint64_t HeaderSize(std::uint32_t version) {
  if (version == TPACKET_V1) return TPACKET_HDRLEN;
  return version == TPACKET_V2 ? TPACKET2_HDRLEN : TPACKET3_HDRLEN;
}

/// packet_set_ring(); empty: it is one that the socket can have.
std::string WrongRing(const PacketRing& ring, const PacketSocket& socket, bool receives) {
  constexpr std::uint64_t kBlockHeader = 48, kUnit = 8;  // BLK_HDR_LEN, V3_ALIGNMENT
  const bool third = socket.version.value == TPACKET_V3;
  const std::uint64_t least = HeaderSize(socket.version.value) + socket.reserve;
  const std::uint64_t own = (ring.sizeof_priv + kUnit - 1) / kUnit * kUnit;
  if (ring.block_nr == 0 || ring.block_size == 0 || ring.block_size > kMostInt ||
      ring.block_size % kPageSize != 0) {
    return std::to_string(ring.block_nr) + " blocks of " + std::to_string(ring.block_size) +
           " bytes are no ring";
  }
  if (!(third && receives) &&
      (ring.retire_tmo != 0 || ring.sizeof_priv != 0 || ring.features.value != 0)) {
    return "retire_tmo, sizeof_priv and features are of a third version that receives";
  }
  if (ring.frame_size < least || ring.frame_size % TPACKET_ALIGNMENT != 0 ||
      (third && ring.block_size < kBlockHeader + own + least)) {
    return "frames of " + std::to_string(ring.frame_size) + " bytes in blocks of " +
           std::to_string(ring.block_size) + " are too small, or no multiple of 16";
  }
  const std::uint64_t frames = std::uint64_t{ring.block_size / ring.frame_size} * ring.block_nr;
  if (frames != 0 && frames == ring.frame_nr) return "";
  return std::to_string(ring.frame_nr) + " frames, but the blocks hold " + std::to_string(frames);
}

PacketRing RingOf(const pb::packet_ring& from, const PacketSocket& socket, const Place& at,
                  std::string_view field) {
  const PacketRing ring = {from.block_size(), from.block_nr(),   from.frame_size(),
                           from.frame_nr(),   from.retire_tmo(), from.sizeof_priv(),
                           {from.features()}};
  const std::string wrong = WrongRing(ring, socket, field == ".rx_ring");
  if (!wrong.empty()) at.Error(field, wrong);
  return ring;
}

}  // namespace

Result FileLoaderOf<PacketSocket>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                           Loader& loader, ConvertedFile* file) {
  if (!entry.has_psk()) return MissingMessage(at, kType, loader.diag);
  const pb::packet_sock_entry& from = entry.psk();
  const Place place(at, loader.diag, "psk");
  TakeDescription("psk", from, file);
  CheckAnonymousFlags(from.flags(), place);
  namespaces_.emplace_back(from.ns_id(), at.Where("psk"));
  if (from.type() != SOCK_RAW && from.type() != SOCK_DGRAM && from.type() != SOCK_PACKET) {
    place.Error(".type", std::to_string(from.type()) + " is no type of a packet socket");
  }
  place.AtMost(".protocol", from.protocol(), kMostPort);
  place.AtMost(".ifindex", from.ifindex(), kMostInt);
  place.AtMost(".reserve", from.reserve(), kMostInt);
  if (!IsNamed<PacketVersionKind>(from.version())) {
    place.Error(".version", std::to_string(from.version()) + " is no version of rings");
  }
  PacketSocket to;
  to.socket_type.value = from.type();
  to.protocol.value = ntohs(static_cast<std::uint16_t>(from.protocol()));
  to.interface = from.ifindex();
  to.version.value = from.version();
  to.reserve = from.reserve();
  to.aux_data = from.aux_data();
  to.orig_dev = from.orig_dev();
  to.vnet_hdr = from.vnet_hdr();
  if (to.vnet_hdr && from.type() != SOCK_RAW) place.Error(".vnet_hdr", "is of SOCK_RAW alone");
  to.loss = from.loss();
  to.timestamp = from.timestamp();
  to.copy_threshold = from.copy_thresh();
  TakeMemberships(from, place, &to);
  if (from.has_rx_ring()) to.rings.receive = RingOf(from.rx_ring(), to, place, ".rx_ring");
  if (from.has_tx_ring()) to.rings.transmit = RingOf(from.tx_ring(), to, place, ".tx_ring");
  if (from.fanout() != kNoFanout) TakeFanout(from, place, file, &to);
  to.options = LocalSocketOptionsOf(from.opts(), place);
  to.net = loader.NetOf(from.ns_id());
  // Of sockets that receive descriptors; newer kernels refuse them.
  to.options->so_passcred.reset();
  to.options->so_passsec.reset();
  if (from.type() == SOCK_PACKET) {
    PacketSocket plain;
    plain.socket_type = to.socket_type;
    plain.protocol = to.protocol;
    plain.interface = to.interface;
    plain.options = to.options;
    plain.net = to.net;
    if (!(to == plain)) place.Error(".type", "SOCK_PACKET, which has no options of packet(7)");
  }
  file->body = std::move(to);
  return Result::kOk;
}

/// fanout_add().
void FileLoaderOf<PacketSocket>::TakeFanout(const pb::packet_sock_entry& from, const Place& at,
                                            ConvertedFile* file, PacketSocket* to) {
  const std::uint32_t fanout = from.fanout();
  constexpr std::uint32_t kRollover = 3, kProgram = 6, kMostType = 7;  // PACKET_FANOUT_
  constexpr std::uint32_t kAlsoRollover = 0x1000, kAnyId = 0x2000;     // PACKET_FANOUT_FLAG_
  const std::uint32_t mode = fanout >> 16, type = mode & 0xff, id = fanout & 0xffff;
  if (type > kMostType || (mode & kAnyId) != 0 ||
      (type == kRollover && (mode & kAlsoRollover) != 0)) {
    at.Error(".fanout", HexText(fanout) + " is no mode of a group");
  } else if (type >= kProgram) {
    file->unsupported = "packet socket of a fanout group with a program";
  }
  if (to->protocol.value == 0) at.Error(".fanout", "of a socket that receives nothing");
  const Group group = {fanout, to->protocol.value, to->interface};
  if (groups_.try_emplace({from.ns_id(), id}, group).first->second != group) {
    at.Error(".fanout", "another socket of group " + std::to_string(id) +
                            " has another mode, protocol or interface");
  }
  to->fanout = Hex{fanout};
}

void FileLoaderOf<PacketSocket>::Finish(Loader& loader) {
  if (namespaces_.empty()) return;
  for (const auto& [id, where] : namespaces_) loader.CheckSocketNamespace(id, where);
  loader.diag.NotRestorable("files.img",
                            std::to_string(namespaces_.size()) +
                                " of type PACKETSK: packets that nobody has read, or sent, are in "
                                "no image, and are lost, in rings too");
}

}  // namespace crgen

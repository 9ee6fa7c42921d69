// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "model/flags.h"
#include "model/rare.h"
#include "model/socket_options.h"
#include "model/values.h"

namespace crgen {

/// struct packet_mreq.
struct PacketMembership {
  std::uint32_t interface = 0;  ///< index
  PacketMembershipType type;
  Bytes address;
  friend bool operator==(const PacketMembership&, const PacketMembership&) = default;
};

/// struct tpacket_req3.
struct PacketRing {
  std::uint32_t block_size = 0;  ///< bytes
  std::uint32_t block_nr = 0;
  std::uint32_t frame_size = 0;  ///< bytes
  std::uint32_t frame_nr = 0;
  std::uint32_t retire_tmo = 0;   ///< milliseconds; TPACKET_V3 alone, as what follows
  std::uint32_t sizeof_priv = 0;  ///< bytes
  Hex features;                   ///< TP_FT_REQ_
  std::uint64_t Size() const { return std::uint64_t{block_size} * block_nr; }
  friend bool operator==(const PacketRing&, const PacketRing&) = default;
};

struct PacketRings {
  Rare<PacketRing> receive;
  Rare<PacketRing> transmit;
  /// Bytes of a mapping of both.
  std::uint64_t Size() const {
    return (receive ? receive->Size() : 0) + (transmit ? transmit->Size() : 0);
  }
  friend bool operator==(const PacketRings&, const PacketRings&) = default;
};

/// packet_sock_entry: packet(7).
struct PacketSocket {
  static constexpr std::string_view kType = "PACKETSK";
  SocketType socket_type;
  EtherProtocol protocol;       ///< 0: it receives nothing
  std::uint32_t interface = 0;  ///< index; 0: any
  PacketVersion version;        ///< of the rings
  std::uint32_t reserve = 0;    ///< bytes
  bool aux_data = false;
  bool orig_dev = false;
  bool vnet_hdr = false;
  bool loss = false;
  std::uint32_t timestamp = 0;       ///< SOF_TIMESTAMPING_ flags
  std::uint32_t copy_threshold = 0;  ///< bytes
  std::vector<PacketMembership> memberships;
  PacketRings rings;
  std::optional<Hex> fanout;  ///< as PACKET_FANOUT takes it: type and flags, and 16 bits of id
  Seldom<SocketOptions> options;
  Rare<std::uint64_t> net;  ///< as InetSocket::net
  friend bool operator==(const PacketSocket&, const PacketSocket&) = default;
};

}  // namespace crgen

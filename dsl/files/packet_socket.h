// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "dsl/socket_options.h"
#include "model/files/packet_socket.h"

namespace crgen {

template <>
struct Describe<PacketMembership> {
  static constexpr auto kFields =
      std::tuple{Required("interface", &PacketMembership::interface, "its index"),
                 Required("type", &PacketMembership::type, "what it receives of them"),
                 Optional("address", &PacketMembership::address, "at most 32 bytes")};
};

template <>
struct Describe<PacketRing> {
  static constexpr auto kFields =
      std::tuple{Required("block_size", &PacketRing::block_size, "bytes; whole pages"),
                 Required("block_nr", &PacketRing::block_nr, "how many blocks"),
                 Required("frame_size", &PacketRing::frame_size, "bytes; a multiple of 16"),
                 Required("frame_nr", &PacketRing::frame_nr, "as many as the blocks hold"),
                 Optional("retire_tmo", &PacketRing::retire_tmo,
                          "milliseconds; of `receive` with TPACKET_V3, as the next two"),
                 Optional("sizeof_priv", &PacketRing::sizeof_priv, "bytes"),
                 Optional("features", &PacketRing::features, "TP_FT_REQ_FILL_RXHASH")};
};

template <>
struct Describe<PacketRings> {
  static constexpr auto kFields =
      std::tuple{Optional("receive", &PacketRings::receive, "PACKET_RX_RING"),
                 Optional("transmit", &PacketRings::transmit, "PACKET_TX_RING")};
};

template <>
struct Describe<PacketSocket> {
  using P = PacketSocket;
  static constexpr auto kFields = std::tuple{
      Required("socket_type", &P::socket_type, "SOCK_RAW, SOCK_DGRAM"),
      Required("protocol", &P::protocol, "of what it receives; 0x0: nothing"),
      Optional("interface", &P::interface, "its index; absent: any"),
      Required("version", &P::version, "PACKET_VERSION: of the rings"),
      Optional("reserve", &P::reserve, "PACKET_RESERVE: bytes"),
      Optional("aux_data", &P::aux_data, "PACKET_AUXDATA"),
      Optional("orig_dev", &P::orig_dev, "PACKET_ORIGDEV"),
      Optional("vnet_hdr", &P::vnet_hdr, "PACKET_VNET_HDR, of SOCK_RAW alone"),
      Optional("loss", &P::loss, "PACKET_LOSS"),
      Optional("timestamp", &P::timestamp, "PACKET_TIMESTAMP: SOF_TIMESTAMPING_ flags"),
      Optional("copy_threshold", &P::copy_threshold, "PACKET_COPY_THRESH: bytes"),
      Optional("memberships", &P::memberships, "PACKET_ADD_MEMBERSHIP"),
      Optional("rings", &P::rings, "empty; MAP_REGION with `fd` maps them, one behind the other"),
      Optional("fanout", &P::fanout, "PACKET_FANOUT: id, type << 16, flags"),
      Optional("options", &P::options, "in force before it receives anything"),
      Optional("net", &P::net,
               "the id of the network namespace that it is in; absent: that of who opens it")};
};

}  // namespace crgen

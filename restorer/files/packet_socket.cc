// SPDX-License-Identifier: Apache-2.0
#include "restorer/files/packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cstring>

#include "restorer/files/socket_option_list.h"

namespace crgen::restorer {
namespace {

/// struct packet_mreq, with room for any address.
struct Membership {
  int interface;
  unsigned short type, address_size;
  unsigned char address[32];  // MAX_ADDR_LEN
};

void AddMembership(const PacketMembership& one, SocketOptionWriter& options) {
  Membership request = {};
  request.interface = static_cast<int>(one.interface);
  request.type = static_cast<unsigned short>(one.type.value);
  request.address_size = static_cast<unsigned short>(one.address.bytes.size());
  std::memcpy(request.address, one.address.bytes.data(), one.address.bytes.size());
  options.AddBytes(SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request);
}

/// Versions before the third take the first four members.
void AddRing(int name, const Rare<PacketRing>& ring, bool third, SocketOptionWriter& options) {
  if (!ring) return;
  const tpacket_req3 request = {ring->block_size,
                                ring->block_nr,
                                ring->frame_size,
                                ring->frame_nr,
                                ring->retire_tmo,
                                ring->sizeof_priv,
                                static_cast<unsigned>(ring->features.value)};
  options.AddBytes(SOL_PACKET, name, &request, third ? sizeof request : sizeof(tpacket_req));
}

/// Where nobody has that number, bind(2) says so.
SocketAddress AddressByName(const PacketSocket& socket, Arena& arena) {
  auto* address = arena.New<sockaddr>();  // no more than that (packet_bind_spkt())
  char name[IF_NAMESIZE] = "";
  if_indextoname(socket.interface, name);
  address->sa_family = AF_PACKET;
  static_assert(sizeof name > sizeof address->sa_data);
  std::memcpy(address->sa_data, name, sizeof address->sa_data - 1);
  return {address, sizeof *address};
}

}  // namespace

/// It is bound last of all, by which it begins to receive.
void FileRestorer<PacketSocket>::Compile(const PacketSocket& socket, OpenContext& context) {
  BoundSocketState* state = context.arena.New<BoundSocketState>();
  SocketOptionWriter options(context.arena), bound(context.arena);
  options.AddAll(*socket.options, true);
  const auto add = [&](int name, std::uint32_t value) {
    if (value != 0) options.Add(SOL_PACKET, name, static_cast<int>(value));
  };
  add(PACKET_VERSION, socket.version.value);
  add(PACKET_RESERVE, socket.reserve);
  add(PACKET_AUXDATA, socket.aux_data ? 1 : 0);
  add(PACKET_ORIGDEV, socket.orig_dev ? 1 : 0);
  add(PACKET_VNET_HDR, socket.vnet_hdr ? 1 : 0);
  add(PACKET_LOSS, socket.loss ? 1 : 0);
  add(PACKET_TIMESTAMP, socket.timestamp);
  add(PACKET_COPY_THRESH, socket.copy_threshold);
  for (const PacketMembership& one : socket.memberships) AddMembership(one, options);
  const bool third = socket.version.value == TPACKET_V3;
  AddRing(PACKET_RX_RING, socket.rings.receive, third, options);
  AddRing(PACKET_TX_RING, socket.rings.transmit, third, options);
  if (socket.fanout) {
    bound.Add(SOL_PACKET, PACKET_FANOUT, static_cast<int>(socket.fanout->value));
  }
  state->family = AF_PACKET;
  state->type = static_cast<std::int32_t>(socket.socket_type.value);
  state->options = options.Finish(-1);
  state->bound_options = bound.Finish(-1);
  state->backlog = -1;
  state->owner = context.owner;
  if (socket.socket_type.value == SOCK_PACKET) {
    // Its protocol is what it was made with, its address a name.
    state->protocol = htons(static_cast<std::uint16_t>(socket.protocol.value));
    if (socket.interface != 0) state->source = AddressByName(socket, context.arena);
  } else if (socket.protocol.value != 0 || socket.interface != 0) {
    auto* address = context.arena.New<sockaddr_ll>();
    address->sll_family = AF_PACKET;
    address->sll_protocol = htons(static_cast<std::uint16_t>(socket.protocol.value));
    address->sll_ifindex = static_cast<int>(socket.interface);
    state->source = {address, sizeof *address};
  }
  context.op.kind = OpKind::kOpenBoundSocket;
  context.op.open.bound_socket = state;
}

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
// Packet sockets, and descriptors of namespaces and of tun(4), in dumps that tests make up.
#pragma once

#include <fcntl.h>

#include <array>
#include <cstdint>
#include <string>

#include "tests/support/image_builder.h"
#include "tests/support/inet_images.h"

namespace crgen::test {

/// `protocol`: as the images have it, in the order of the network; `rings`: 1: one that receives,
/// 2: one that sends, 3: both, each of one page.
inline void AddPacketSocket(Dump& dump, const std::array<std::uint32_t, 4>& numbers) {
  const auto& [id, type, protocol, rings] = numbers;
  constexpr std::uint32_t kBothWays = O_RDWR;
  pb::file_entry& entry = dump.AddOther(id, pb::FD_PACKETSK);
  pb::packet_sock_entry& socket = *entry.mutable_psk();
  socket.set_id(id);
  socket.set_type(type);
  socket.set_protocol(protocol);
  socket.set_flags(kBothWays);
  socket.set_ifindex(0);
  socket.set_version(1);
  socket.set_reserve(0);
  for (const auto set : {&pb::packet_sock_entry::set_aux_data, &pb::packet_sock_entry::set_orig_dev,
                         &pb::packet_sock_entry::set_vnet_hdr, &pb::packet_sock_entry::set_loss}) {
    (socket.*set)(false);
  }
  socket.set_timestamp(0);
  socket.set_copy_thresh(0);
  const auto fill = [](pb::packet_ring& ring) {
    ring.set_block_size(4096);
    ring.set_block_nr(1);
    ring.set_frame_size(1024);
    ring.set_frame_nr(4);
    ring.set_retire_tmo(0);
    ring.set_sizeof_priv(0);
    ring.set_features(0);
  };
  if ((rings & 1) != 0) fill(*socket.mutable_rx_ring());
  if ((rings & 2) != 0) fill(*socket.mutable_tx_ring());
  FillOwner(*socket.mutable_fown());
  FillOptions(*socket.mutable_opts());
}

inline void AddMembership(Dump& dump, std::uint32_t file, std::uint32_t type,
                          const std::string& address) {
  for (pb::file_entry& entry : dump.files) {
    if (entry.id() != file) continue;
    pb::packet_mclist& one = *entry.mutable_psk()->add_mclist();
    one.set_index(1);
    one.set_type(type);
    one.set_addr(address);
  }
}

/// `type`: CLONE_NEW.
inline void AddNamespaceFile(Dump& dump, std::uint32_t id, std::uint32_t namespace_id,
                             std::uint32_t type) {
  pb::ns_file_entry& file = *dump.AddOther(id, pb::FD_NS).mutable_nsf();
  file.set_id(id);
  file.set_ns_id(namespace_id);
  file.set_ns_cflag(type);
  file.set_flags(O_RDONLY);
}

/// Both entries.
inline void AddTunFile(Dump& dump, std::uint32_t id) {
  dump.AddFile(id, "/dev/net/tun").mutable_reg()->set_flags(O_RDWR);
  dump.AddOther(id, pb::FD_TUNF).mutable_tunf()->set_id(id);
}

}  // namespace crgen::test

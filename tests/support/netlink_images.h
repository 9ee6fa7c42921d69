// SPDX-License-Identifier: Apache-2.0
// Sockets of netlink(7) in dumps that tests make up.
#pragma once

#include <fcntl.h>

#include <array>
#include <cstdint>

#include "tests/support/image_builder.h"
#include "tests/support/inet_images.h"

namespace crgen::test {

/// `groups`: the first 32, a bit each; 0: no word.
inline void AddNetlinkSocket(Dump& dump, const std::array<std::uint32_t, 5>& numbers) {
  const auto& [id, protocol, state, port, groups] = numbers;
  constexpr std::uint32_t kBothWays = O_RDWR;
  pb::file_entry& entry = dump.AddOther(id, pb::FD_NETLINKSK);
  pb::netlink_sk_entry& socket = *entry.mutable_nlsk();
  socket.set_id(id);
  socket.set_ino(id);
  socket.set_protocol(protocol);
  socket.set_state(state);
  socket.set_flags(kBothWays);
  socket.set_portid(port);
  if (groups != 0) socket.add_groups(groups);
  socket.set_dst_portid(0);
  socket.set_dst_group(0);
  FillOwner(*socket.mutable_fown());
  FillOptions(*socket.mutable_opts());
}

}  // namespace crgen::test

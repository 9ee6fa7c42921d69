// SPDX-License-Identifier: Apache-2.0
#include "restorer/files/netlink_socket.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include "restorer/files/socket_option_list.h"

namespace crgen::restorer {
namespace {

/// `group` is one of the first 32, or 0.
SocketAddress AddressOf(std::uint32_t port_id, std::uint32_t group, Arena& arena) {
  auto* address = arena.New<sockaddr_nl>();
  address->nl_family = AF_NETLINK;
  address->nl_pid = port_id;
  address->nl_groups = group == 0 ? 0 : 1u << (group - 1);
  return {address, sizeof *address};
}

}  // namespace

/// bind(2) sets the first 32 groups, to what its address has: they come after it.
void FileRestorer<NetlinkSocket>::Compile(const NetlinkSocket& socket, OpenContext& context) {
  BoundSocketState* state = context.arena.New<BoundSocketState>();
  SocketOptionWriter options(context.arena), groups(context.arena);
  options.AddAll(*socket.options, true);
  for (const std::uint32_t group : socket.groups) {
    groups.Add(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, static_cast<int>(group));
  }
  state->family = AF_NETLINK;
  state->type = SOCK_RAW;
  state->protocol = static_cast<std::int32_t>(socket.protocol.value);
  state->options = options.Finish(-1);
  state->bound_options = groups.Finish(-1);
  state->backlog = -1;
  state->owner = context.owner;
  if (socket.port_id) state->source = AddressOf(*socket.port_id, 0, context.arena);
  if (const auto& to = socket.destination) {
    state->destination = AddressOf(to->port_id, to->group, context.arena);
  }
  context.op.kind = OpKind::kOpenBoundSocket;
  context.op.open.bound_socket = state;
}

}  // namespace crgen::restorer

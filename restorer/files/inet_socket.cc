// SPDX-License-Identifier: Apache-2.0
#include "restorer/files/inet_socket.h"

#include <arpa/inet.h>
#include <linux/icmp.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/tcp.h>
#include <netinet/icmp6.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "preflight/socket_address.h"
#include "restorer/files/socket_option_list.h"

namespace crgen::restorer {
namespace {

void AddIp(const InetSocket& socket, SocketOptionWriter& options) {
  const IpOptions& ip = *socket.ip;
  const bool four = socket.family.value == AF_INET;
  const int level = four ? int{IPPROTO_IP} : int{IPPROTO_IPV6};
  const auto add = [&](int name, const auto& value) {
    if (value) options.Add(level, name, static_cast<int>(*value));
  };
  // A raw one counts as bound from the start: EINVAL.
  if (!four && socket.socket_type.value != SOCK_RAW) options.Add(level, IPV6_V6ONLY, socket.v6only);
  add(four ? IP_PKTINFO : IPV6_RECVPKTINFO, ip.pktinfo);
  add(IP_TOS, ip.tos);
  add(IP_TTL, ip.ttl);
  add(four ? IP_HDRINCL : IPV6_HDRINCL, ip.hdrincl);
  add(IP_NODEFRAG, ip.nodefrag);
  if (ip.icmp_filter.empty()) return;
  std::vector<std::uint32_t> words;
  for (const Hex word : ip.icmp_filter) words.push_back(static_cast<std::uint32_t>(word.value));
  options.AddBytes(four ? SOL_RAW : int{IPPROTO_ICMPV6}, four ? ICMP_FILTER : ICMP6_FILTER,
                   words.data(), words.size() * sizeof words[0]);
}

/// An address need not be of this host any more; a connection needs it anyway.
bool BindsFreely(const InetSocket& socket) {
  return socket.source && !socket.stream && !socket.destination;
}

void AddFreebind(const InetSocket& socket, bool value, SocketOptionWriter& options) {
  const bool four = socket.family.value == AF_INET;
  options.Add(four ? int{IPPROTO_IP} : int{IPPROTO_IPV6}, four ? IP_FREEBIND : IPV6_FREEBIND,
              static_cast<int>(value));
}

void AddTcp(const TcpOptions& tcp, SocketOptionWriter& options) {
  const auto add = [&](int name, const auto& value) {
    if (value) options.Add(IPPROTO_TCP, name, static_cast<int>(*value));
  };
  add(TCP_CORK, tcp.cork);
  add(TCP_NODELAY, tcp.nodelay);
  add(TCP_KEEPCNT, tcp.keepcnt);
  add(TCP_KEEPIDLE, tcp.keepidle);
  add(TCP_KEEPINTVL, tcp.keepintvl);
}

SocketAddress AddressOf(const InetSocket& socket, const Rare<InetAddress>& address, Arena& arena) {
  if (!address) return {nullptr, 0};
  auto* copy = arena.New<sockaddr_storage>();
  return {copy, SockaddrOf(socket, *address, copy)};
}

/// connect(2) alone leaves IPV6_V6ONLY off, which bind(2) to an address of IPv6 sets for good.
bool WasNotBound(const InetSocket& socket, const sockaddr_in6& source) {
  return socket.family.value == AF_INET6 && !socket.v6only && socket.source && socket.destination &&
         socket.socket_type.value != SOCK_RAW && !IN6_IS_ADDR_V4MAPPED(&source.sin6_addr) &&
         !IN6_IS_ADDR_UNSPECIFIED(&source.sin6_addr);
}

/// Whether `source` is the address that the kernel chooses: of a socket like it, which sends
/// nothing (a stream is in repair mode) and is closed.
bool IsChosen(const InetSocket& socket, const BoundSocketState& state, const sockaddr_in6& port,
              const sockaddr_in6& source) {
  const int fd = ::socket(state.family, state.type | SOCK_CLOEXEC, state.protocol);
  if (fd < 0) return false;
  if (state.owner != nullptr) (void)!fchown(fd, state.owner->fsuid, state.owner->fsgid);
  for (std::uint32_t i = 0; i < state.options.count; ++i) {
    const SocketOptionOp& option = state.options.options[i];
    (void)setsockopt(fd, option.level, option.name, option.value, option.size);
  }
  sockaddr_storage to;
  const socklen_t to_size = SockaddrOf(socket, *socket.destination, &to);
  sockaddr_in6 found = {};
  socklen_t size = sizeof found;
  const bool chosen = bind(fd, reinterpret_cast<const sockaddr*>(&port), sizeof port) == 0 &&
                      connect(fd, reinterpret_cast<const sockaddr*>(&to), to_size) == 0 &&
                      getsockname(fd, reinterpret_cast<sockaddr*>(&found), &size) == 0 &&
                      std::memcmp(&found.sin6_addr, &source.sin6_addr, sizeof found.sin6_addr) == 0;
  close(fd);
  return chosen;
}

/// By its port alone, if it then gets its address by itself.
SocketAddress PortOf(const InetSocket& socket, const BoundSocketState& state, Arena& arena) {
  if (state.source.bytes == nullptr || state.family != AF_INET6) return {nullptr, 0};
  const auto& source = *static_cast<const sockaddr_in6*>(state.source.bytes);
  if (!WasNotBound(socket, source)) return {nullptr, 0};
  auto* port = arena.New<sockaddr_in6>();
  port->sin6_family = AF_INET6;
  port->sin6_port = source.sin6_port;
  if (IsChosen(socket, state, *port, source)) return {port, sizeof *port};
  std::fprintf(stderr,
               "crrestore: warning: the socket of %s %u, which was connected without being bound, "
               "has IPV6_V6ONLY: the routes choose another address for it than its own\n",
               socket.source->address.c_str(), socket.source->port);
  return {nullptr, 0};
}

}  // namespace

bool IsConnection(const File& file) {
  const auto* socket = As<InetSocket>(file);
  return socket != nullptr && socket->stream && !file.external;
}

void FileRestorer<InetSocket>::Compile(const InetSocket& socket, OpenContext& context) {
  BoundSocketState* state = context.arena.New<BoundSocketState>();
  const bool closed = socket.stream && context.services.tcp_close;
  const bool connection = socket.stream && !closed;
  SocketOptionWriter options(context.arena);
  if (connection) options.Add(IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
  SocketOptions own = *socket.options;
  if (connection) own.so_reuseaddr.reset();  // TCP_REPAIR has its own way
  const bool freebind = socket.ip->freebind.value_or(false);
  if (freebind || BindsFreely(socket)) AddFreebind(socket, true, options);
  AddIp(socket, options);
  options.AddAll(own, !connection);
  AddTcp(socket.tcp, options);
  state->family = static_cast<std::int32_t>(socket.family.value);
  state->type = static_cast<std::int32_t>(socket.socket_type.value);
  state->protocol = static_cast<std::int32_t>(socket.protocol.value);
  state->options = options.Finish(-1);
  if (BindsFreely(socket) && !freebind) {
    SocketOptionWriter bound(context.arena);
    AddFreebind(socket, false, bound);
    state->bound_options = bound.Finish(-1);
  }
  state->backlog = socket.backlog ? static_cast<std::int32_t>(*socket.backlog) : -1;
  state->owner = context.owner;
  state->shut = closed;
  if (!closed) state->source = AddressOf(socket, socket.source, context.arena);
  if (!socket.stream) state->destination = AddressOf(socket, socket.destination, context.arena);
  state->port_alone = PortOf(socket, *state, context.arena);
  context.op.kind = OpKind::kOpenBoundSocket;
  context.op.open.bound_socket = state;
}

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
#include "checker/files/inet_socket.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "checker/files/inet_ports.h"
#include "checker/files/socket_options.h"
#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr std::uint32_t kIcmp = IPPROTO_ICMP, kIcmp6 = IPPROTO_ICMPV6;
constexpr std::uint32_t kMostPort = 65535, kMostByte = 255;
constexpr std::uint32_t kProtocols = 263;         // IPPROTO_MAX of Linux 6
constexpr std::uint64_t kMostBytes = 0x7fffffff;  // of a queue

Refusal Invalid(std::string fact) { return {"EINVAL", std::move(fact)}; }

bool IsStream(const InetSocket& socket) { return socket.socket_type.value == SOCK_STREAM; }
bool IsRaw(const InetSocket& socket) { return socket.socket_type.value == SOCK_RAW; }

/// inet_create(): which protocols a type has.
std::optional<Refusal> RefusedKind(const InetSocket& socket) {
  const std::uint32_t family = socket.family.value, protocol = socket.protocol.value;
  if (family != AF_INET && family != AF_INET6) {
    return Refusal{"EAFNOSUPPORT", "the family is not AF_INET or AF_INET6"};
  }
  bool known = false;
  switch (socket.socket_type.value) {
    case SOCK_STREAM:
      known = protocol == IPPROTO_TCP;
      break;
    case SOCK_DGRAM:
      known = protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
              protocol == (family == AF_INET ? kIcmp : kIcmp6);
      break;
    case SOCK_RAW:
      known = protocol < kProtocols;
      break;
  }
  if (known) return std::nullopt;
  return Refusal{"EPROTONOSUPPORT",
                 ValueText(socket.socket_type) + " has no protocol " + ValueText(socket.protocol)};
}

std::optional<Refusal> RefusedAddress(const InetSocket& socket, const InetAddress& address) {
  if (address.port > kMostPort) return Invalid("port " + std::to_string(address.port));
  if (IsRaw(socket) && address.port != 0) return Invalid("a raw socket has no port");
  if (ParseAddress(socket, address)) return std::nullopt;
  return Invalid("\"" + address.address + "\" is no address of the family as inet_ntop(3) has it");
}

bool HasConnection(const InetSocket& socket) {
  return IsStream(socket) && socket.state.value != TCP_LISTEN &&
         (socket.state.value != TCP_CLOSE || socket.stream);
}

std::optional<Refusal> RefusedState(const InetSocket& socket) {
  const std::uint32_t state = socket.state.value;
  const bool listens = state == TCP_LISTEN, connected = state == TCP_ESTABLISHED;
  if (!IsStream(socket) && state != TCP_CLOSE && !connected) {
    return Invalid("only a stream socket is in state " + ValueText(socket.state));
  }
  const auto& known = InetStateKind::Names();
  if (std::none_of(known.begin(), known.end(),
                   [&](const FlagName& row) { return row.value == state; })) {
    return Invalid("no descriptor has a socket in state " + ValueText(socket.state));
  }
  if (listens != socket.backlog.has_value()) {
    return Invalid("a socket that listens, and no other, has `backlog`");
  }
  if (listens && !socket.source) return Invalid("a socket that listens has a `source`");
  if (HasConnection(socket) != socket.stream.has_value()) {
    return Invalid("a connection, and no other socket, has `stream`");
  }
  const bool has_peer = IsStream(socket) ? socket.stream.has_value() : connected;
  if (has_peer != socket.destination.has_value()) {
    return Invalid("a connected socket, and no other, has `destination`");
  }
  if (socket.stream && !socket.source) return Invalid("a connection has a `source`");
  return std::nullopt;
}

std::optional<Refusal> RefusedAddresses(const InetSocket& socket) {
  for (const auto* address : {&socket.source, &socket.destination}) {
    if (!*address) continue;
    if (auto refused = RefusedAddress(socket, **address)) return refused;
  }
  if (!IsRaw(socket) && socket.source && socket.source->port == 0) {
    return Invalid("port 0 stands for any that is free");
  }
  if (IsStream(socket) && socket.destination && socket.destination->port == 0) {
    return Invalid("a connection has two ports");
  }
  if (socket.v6only && socket.family.value != AF_INET6) {
    return Refusal{"ENOPROTOOPT", "v6only of a socket that is not AF_INET6"};
  }
  if (socket.v6only && socket.source && ParseAddress(socket, *socket.source)->is_four) {
    return Invalid("v6only, and " + socket.source->address + " is IPv4");
  }
  if (socket.v6only && socket.destination && ParseAddress(socket, *socket.destination)->is_four) {
    return Refusal{"ENETUNREACH", "v6only, and " + socket.destination->address + " is IPv4"};
  }
  if (socket.source && socket.destination &&
      ParseAddress(socket, *socket.source)->is_four !=
          ParseAddress(socket, *socket.destination)->is_four &&
      !ParseAddress(socket, *socket.source)->IsAny()) {
    return Invalid("its ends are of two families");
  }
  if (socket.interface && socket.interface->size() >= IFNAMSIZ) {
    return Refusal{"ENODEV", "no interface has so long a name"};
  }
  return std::nullopt;
}

std::optional<Refusal> RefusedIp(const InetSocket& socket) {
  const IpOptions& ip = *socket.ip;
  const bool four = socket.family.value == AF_INET;
  if ((ip.tos || ip.ttl || ip.nodefrag) && !four) {
    return Invalid("tos, ttl and nodefrag are of AF_INET");
  }
  if (ip.tos.value_or(0) > kMostByte) return Invalid("tos is 0 to 255");
  if (ip.ttl && (*ip.ttl < 1 || *ip.ttl > kMostByte)) return Invalid("ttl is 1 to 255");
  const bool raw = ip.hdrincl || ip.nodefrag || !ip.icmp_filter.empty();
  if (raw && !IsRaw(socket)) {
    return Refusal{"ENOPROTOOPT", "hdrincl, nodefrag and icmp_filter are of raw sockets"};
  }
  if (ip.icmp_filter.empty()) return std::nullopt;
  const std::uint32_t icmp = four ? kIcmp : kIcmp6;
  if (socket.protocol.value != icmp) return Refusal{"EOPNOTSUPP", "icmp_filter is of ICMP"};
  const std::size_t words = four ? 1 : 8;
  const bool fits = ip.icmp_filter.size() == words &&
                    std::all_of(ip.icmp_filter.begin(), ip.icmp_filter.end(),
                                [](Hex word) { return word.value <= 0xffffffff; });
  if (fits) return std::nullopt;
  return Invalid("icmp_filter has " + std::to_string(words) + " words of 32 bits");
}

std::optional<Refusal> RefusedTcp(const InetSocket& socket) {
  constexpr std::uint32_t kMostSeconds = 32767, kMostProbes = 127;
  const TcpOptions& tcp = socket.tcp;
  if (!IsStream(socket) && !(tcp == TcpOptions())) {
    return Refusal{"ENOPROTOOPT", "`tcp` is of stream sockets"};
  }
  const auto fits = [](const std::optional<std::uint32_t>& value, std::uint32_t most) {
    return !value || (*value >= 1 && *value <= most);
  };
  if (!fits(tcp.keepcnt, kMostProbes)) return Invalid("keepcnt is 1 to 127");
  if (!fits(tcp.keepidle, kMostSeconds) || !fits(tcp.keepintvl, kMostSeconds)) {
    return Invalid("keepidle and keepintvl are 1 to 32767");
  }
  return std::nullopt;
}

/// tcp_repair_set_window().
bool IsWindow(const TcpStream& stream, const TcpWindow& window) {
  const auto after = [](std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(b - a) < 0;
  };
  return window.max_window >= window.snd_wnd &&
         !after(window.snd_wl1, stream.in_seq + window.rcv_wnd) &&
         !after(window.rcv_wup, stream.in_seq);
}

std::optional<Refusal> RefusedStream(const InetSocket& socket) {
  if (!socket.stream) return std::nullopt;
  constexpr std::uint32_t kMostScale = 14;  // TCP_MAX_WSCALE
  const TcpStream& stream = *socket.stream;
  if (stream.scale && (stream.scale->send > kMostScale || stream.scale->receive > kMostScale)) {
    return Refusal{"EFBIG", "a window is scaled by 14 bits at most"};
  }
  if (stream.mss > kMostPort) return Invalid("mss is 65535 at most");
  for (const auto* queue : {&stream.in, &stream.out, &stream.unsent}) {
    if (*queue && ((*queue)->bytes > kMostBytes || (*queue)->offset > ~std::uint64_t{0} >> 1)) {
      return Invalid("a queue has less than 2^31 bytes, below 2^63");
    }
  }
  if (socket.state.value == TCP_SYN_SENT) {
    if (!stream.in && !stream.out && !stream.unsent) return std::nullopt;
    return Invalid("a connection that is not there yet has no queues");
  }
  for (const auto* address : {&socket.source, &socket.destination}) {
    if (ParseAddress(socket, **address)->IsAny()) {
      return Invalid("an end of a connection has an address of its own");
    }
  }
  if (!stream.window || IsWindow(stream, *stream.window)) return std::nullopt;
  return Invalid("no connection has these windows at these sequence numbers");
}

}  // namespace

std::optional<Refusal> FileRules<InetSocket>::Check(const File& file,
                                                    const InetSocket& socket) const {
  if (auto refused = RefusedAnonymousFlags(file.flags)) return refused;
  if (auto refused = RefusedKind(socket)) return refused;
  if (auto refused = RefusedState(socket)) return refused;
  if (auto refused = RefusedAddresses(socket)) return refused;
  if (auto refused = RefusedOptions(*socket.options)) return refused;
  if (auto refused = RefusedIp(socket)) return refused;
  if (auto refused = RefusedTcp(socket)) return refused;
  if (auto refused = RefusedStream(socket)) return refused;
  return file.external ? std::nullopt : RefusedPort(socket);
}

std::optional<Refusal> FileRules<InetSocket>::RefusedPort(const InetSocket& socket) const {
  if (!socket.source) return std::nullopt;
  const auto known = ports_.find(KeyOf(socket));
  if (known == ports_.end()) return std::nullopt;
  const Port& port = known->second;
  const auto by = [](const Description& other) {
    return "by file " + std::to_string(other.file->id.value) + " (commands[" +
           std::to_string(other.command) + "])";
  };
  if (socket.stream) {  // TCP_REPAIR takes any port
    const auto same = port.connections.find(ConnectionKey(socket));
    const auto there = same == port.connections.end() ? nullptr : same->second.lock();
    if (there == nullptr) return std::nullopt;
    return Refusal{"EADDRNOTAVAIL", "this end of the connection is there, made " + by(*there)};
  }
  const auto refused = [&](const std::weak_ptr<const Description>& weak) -> std::optional<Refusal> {
    const std::shared_ptr<const Description> there = weak.lock();
    if (there == nullptr) return std::nullopt;
    const auto& other = std::get<InetSocket>(there->file->body);
    if (!BindsConflict(socket, other)) return std::nullopt;
    return Refusal{"EADDRINUSE", "port " + std::to_string(socket.source->port) + " is bound to " +
                                     other.source->address + " " + by(*there) +
                                     ", and not both have so_reuseport" +
                                     (other.state.value == TCP_LISTEN ? "" : " or so_reuseaddr")};
  };
  for (const auto& other : port.bound) {
    if (auto refusal = refused(other)) return refusal;
  }
  if (socket.options->so_reuseaddr.value_or(false)) return std::nullopt;
  for (const auto& [key, other] : port.connections) {
    if (auto refusal = refused(other)) return refusal;
  }
  return std::nullopt;
}

void FileRules<InetSocket>::Opened(const Kernel&, Description& description,
                                   const InetSocket& socket, Description*) {
  if (!socket.source || IsRaw(socket) || description.file->external) return;
  Port& port = ports_[KeyOf(socket)];
  if (socket.stream) {
    port.connections[ConnectionKey(socket)] = description.weak_from_this();
  } else {
    port.bound.push_back(description.weak_from_this());
  }
}

std::optional<Refusal> RefusedShutdown(const InetSocket& socket, const ShutdownSetting& setting) {
  constexpr std::uint32_t kWrite = 2, kBoth = 3;
  if (setting.shutdown.value < 1 || setting.shutdown.value > kBoth) {
    return Invalid("shutdown is SHUT_RD, SHUT_WR or SHUT_RDWR");
  }
  if (socket.state.value == TCP_LISTEN) return Invalid("it would not listen any more");
  if (socket.stream && (setting.shutdown.value & kWrite) != 0) {
    return Invalid("whether a connection is shut for writing is its state");
  }
  return std::nullopt;
}

std::optional<Refusal> LateRules<RepairSetting>::Check(const Kernel&,
                                                       const Description& description,
                                                       const RepairSetting& setting) {
  const auto* socket = As<InetSocket>(*description.file);
  if (socket == nullptr || !socket->stream) {
    return Refusal{"ENOPROTOOPT", "the description is no connection"};
  }
  if (description.file->external)
    return Invalid("a connection that is handed over goes on already");
  if (setting.repair.value != 0) return Invalid("repair can only be off");
  return std::nullopt;
}

}  // namespace crgen::check

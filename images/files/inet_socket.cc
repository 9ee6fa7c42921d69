// SPDX-License-Identifier: Apache-2.0
#include "images/files/inet_socket.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "images/load/file_checks.h"
#include "images/load/loader.h"
#include "images/load/socket_options.h"
#include "images/namespaces/network_lock.h"

namespace crgen {
namespace {

constexpr std::uint32_t kIcmp = IPPROTO_ICMP, kIcmp6 = IPPROTO_ICMPV6;
constexpr std::uint32_t kSctp = 132, kMptcp = 262, kMostPort = 65535, kMostProtocol = 262;
constexpr std::uint32_t kMostScale = 14;  // TCP_MAX_WSCALE
constexpr int kAddressWords = 1, kAddressWords6 = 4, kFilterWords6 = 8;

bool Is(const InetSocket& socket, std::uint32_t type) { return socket.socket_type.value == type; }

/// The bits of `shutdown` that a connection in that state has anyway.
std::uint32_t ShutdownOf(const InetSocket& socket) {
  constexpr std::uint32_t kRead = 1, kWrite = 2;
  if (!socket.stream) return 0;
  switch (socket.state.value) {
    case TCP_CLOSE_WAIT:
      return kRead;
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
      return kWrite;
    case TCP_LAST_ACK:
    case TCP_CLOSING:
    case TCP_CLOSE:
      return kRead | kWrite;
    default:
      return 0;
  }
}

/// socket(2): which protocols a type has. Empty: it is one that a program can say.
std::string CheckKind(const pb::inet_sk_entry& from, const Place& at) {
  if (from.family() != AF_INET && from.family() != AF_INET6) {
    at.Error(".family", std::to_string(from.family()) + ", expected AF_INET or AF_INET6");
  }
  const std::uint32_t type = from.type(), protocol = from.proto();
  if (type != SOCK_RAW && protocol == kSctp) return "an SCTP socket";
  if (type != SOCK_RAW && protocol == kMptcp) return "a multipath TCP socket";
  const std::uint32_t icmp = from.family() == AF_INET ? kIcmp : kIcmp6;
  const bool ping = protocol == icmp;
  const bool known =
      (type == SOCK_STREAM && protocol == IPPROTO_TCP) ||
      (type == SOCK_DGRAM && (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE || ping)) ||
      (type == SOCK_RAW && protocol <= kMostProtocol);
  if (!known) {
    at.Error(".proto", std::to_string(protocol) + " is no protocol of a socket of type " +
                           std::to_string(type));
  }
  return "";
}

void CheckState(const pb::inet_sk_entry& from, const Place& at) {
  const std::uint32_t state = from.state();
  const bool known = from.type() == SOCK_STREAM ? IsNamed<InetStateKind>(state)
                                                : state == TCP_ESTABLISHED || state == TCP_CLOSE;
  if (!known) at.Error(".state", std::to_string(state) + ": no descriptor has such a socket");
}

/// Absent: any address and no port.
template <typename Words>
std::optional<InetAddress> AddressOf(const Words& words, std::uint32_t port,
                                     const InetSocket& socket, const Place& at,
                                     std::string_view field) {
  const bool six = socket.family.value == AF_INET6;
  if (words.size() != (six ? kAddressWords6 : kAddressWords)) {
    at.Error(field, std::to_string(words.size()) + " words are no address of the family");
    return std::nullopt;
  }
  if (port > kMostPort) {
    at.Error(field == ".src_addr" ? ".src_port" : ".dst_port",
             std::to_string(port) + ", expected at most 65535");
  }
  std::uint32_t raw[kAddressWords6] = {};
  std::copy(words.begin(), words.end(), raw);
  if (port == 0 && std::all_of(std::begin(raw), std::end(raw), [](auto word) { return word == 0; }))
    return std::nullopt;
  char text[INET6_ADDRSTRLEN];
  inet_ntop(six ? AF_INET6 : AF_INET, raw, text, sizeof text);
  return InetAddress{text, port};
}

/// The two ends as bind(2) and connect(2) leave them.
void CheckEnds(const InetSocket& socket, const Place& at) {
  const auto is_any = [](const InetAddress& end) {
    return end.address == "0.0.0.0" || end.address == "::";
  };
  const auto is_mapped = [&](const InetAddress& end) {
    return end.address.starts_with("::ffff:") && end.address.find('.') != std::string::npos;
  };
  if (!Is(socket, SOCK_RAW)) {
    if (socket.source && socket.source->port == 0) at.Error(".src_port", "0 of a bound socket");
    if (Is(socket, SOCK_STREAM) && socket.destination && socket.destination->port == 0) {
      at.Error(".dst_port", "0 of a connection");
    }
  }
  if (socket.source && socket.v6only && is_mapped(*socket.source)) {
    at.Error(".v6only", "of a socket with an IPv4 address");
  }
  if (!socket.destination) return;
  const InetAddress& to = *socket.destination;
  if (is_mapped(to) && socket.v6only) at.Error(".v6only", "of a socket with an IPv4 peer");
  if (socket.source && !is_any(*socket.source) && is_mapped(*socket.source) != is_mapped(to)) {
    at.Error(".dst_addr", "is of another family than the source");
  }
  if (Is(socket, SOCK_STREAM) && (!socket.source || is_any(*socket.source) || is_any(to))) {
    at.Error(".src_addr", "a connection has two addresses of its own");
  }
}

IpOptions IpOptionsOf(const pb::inet_sk_entry& from, const Place& at) {
  constexpr std::uint32_t kMostByte = 255;
  const pb::ip_opts_entry& ip = from.ip_opts();
  IpOptions to;
  at.AtMost(".ip_opts.tos", ip.tos(), kMostByte);
  at.AtMost(".ip_opts.ttl", ip.ttl(), kMostByte);
  if (ip.freebind()) to.freebind = true;
  if (ip.pktinfo()) to.pktinfo = true;
  if (ip.tos() != 0) to.tos = ip.tos();
  if (ip.ttl() != 0) to.ttl = ip.ttl();
  const pb::ip_opts_raw_entry& raw = ip.raw();
  if (raw.hdrincl()) to.hdrincl = true;
  if (raw.nodefrag()) to.nodefrag = true;
  if (raw.checksum()) {
    at.Unsupported(".ip_opts.raw.checksum", "IPV6_CHECKSUM: no image says where it lies");
  }
  const bool is_raw = from.type() == SOCK_RAW;
  if (!is_raw && (to.hdrincl || to.nodefrag || raw.icmpv_filter_size() != 0)) {
    at.Error(".ip_opts.raw", "of a socket that is not raw");
  }
  if (from.family() != AF_INET && (to.tos || to.ttl || to.nodefrag)) {
    at.Error(".ip_opts", "has tos, ttl or nodefrag, which are of AF_INET");
  }
  if (raw.icmpv_filter_size() != 0 && from.proto() != (from.family() == AF_INET ? kIcmp : kIcmp6)) {
    at.Error(".ip_opts.raw.icmpv_filter", "of a socket that is not of ICMP");
  }
  const int words = from.family() == AF_INET ? 1 : kFilterWords6;
  if (raw.icmpv_filter_size() != 0 && raw.icmpv_filter_size() != words) {
    at.Error(".ip_opts.raw.icmpv_filter",
             std::to_string(raw.icmpv_filter_size()) + " words, expected " + std::to_string(words));
    return to;
  }
  for (const std::uint32_t word : raw.icmpv_filter()) to.icmp_filter.push_back({word});
  return to;
}

/// `stream` and the socket's own options have what writers before CRIU 4.0 put there.
TcpOptions TcpOptionsOf(const pb::inet_sk_entry& from, const pb::tcp_stream_entry* stream) {
  const pb::tcp_opts_entry& tcp = from.tcp_opts();
  TcpOptions to;
  if (tcp.cork() || (stream != nullptr && stream->cork())) to.cork = true;
  if (tcp.nodelay() || (stream != nullptr && stream->nodelay())) to.nodelay = true;
  if (tcp.has_keepcnt()) to.keepcnt = tcp.keepcnt();
  if (tcp.has_keepidle()) to.keepidle = tcp.keepidle();
  if (tcp.has_keepintvl()) to.keepintvl = tcp.keepintvl();
  const pb::sk_opts_entry& old = from.opts();
  if (!to.keepcnt && old.has_tcp_keepcnt()) to.keepcnt = old.tcp_keepcnt();
  if (!to.keepidle && old.has_tcp_keepidle()) to.keepidle = old.tcp_keepidle();
  if (!to.keepintvl && old.has_tcp_keepintvl()) to.keepintvl = old.tcp_keepintvl();
  return to;
}

/// do_tcp_setsockopt().
void CheckTcp(const TcpOptions& tcp, const Place& at) {
  constexpr std::uint32_t kMostSeconds = 32767, kMostProbes = 127;
  const auto check = [&](const std::optional<std::uint32_t>& value, std::uint32_t most,
                         std::string_view field) {
    if (!value || (*value >= 1 && *value <= most)) return;
    at.Error(field, std::to_string(*value) + ", expected 1 to " + std::to_string(most));
  };
  check(tcp.keepcnt, kMostProbes, ".tcp_opts.keepcnt");
  check(tcp.keepidle, kMostSeconds, ".tcp_opts.keepidle");
  check(tcp.keepintvl, kMostSeconds, ".tcp_opts.keepintvl");
}

/// tcp_repair_set_window().
void CheckWindow(const TcpStream& stream, const std::string& where, Diagnostics& diag) {
  const TcpWindow& window = *stream.window;
  const auto after = [](std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(b - a) < 0;
  };
  if (window.max_window < window.snd_wnd || after(window.snd_wl1, stream.in_seq + window.rcv_wnd) ||
      after(window.rcv_wup, stream.in_seq)) {
    diag.Error(where + ".snd_wl1", "no connection has these windows at these sequence numbers");
  }
}

}  // namespace

void FileLoaderOf<InetSocket>::LoadObjects(Loader& loader) {
  const ImageKind& kind = ImageKindNamed("TCP_STREAM");
  std::vector<std::uint64_t> inodes;
  for (const ImageSet::Image& image : loader.images.images()) {
    if (image.kind == &kind) inodes.push_back(image.number);
  }
  for (const std::uint64_t inode : inodes) LoadStream(inode, loader);
}

void FileLoaderOf<InetSocket>::LoadStream(std::uint64_t inode, Loader& loader) {
  const ImageKind& kind = ImageKindNamed("TCP_STREAM");
  ImageReader reader{"", ""};
  std::string_view bytes;
  Stream stream;
  stream.image = loader.images.Find(kind, inode)->name;
  if (Failed(loader.images.Open(kind, inode, &reader, loader.diag))) return;
  if (reader.AtEnd()) {
    loader.diag.Error(stream.image, "has no entry");
    return;
  }
  if (Failed(reader.Next(&bytes, loader.diag)) ||
      Failed(ParseMessage(bytes, reader, &stream.entry, loader.diag))) {
    return;
  }
  stream.offset = reader.offset();
  const std::uint64_t queues = std::uint64_t{stream.entry.inq_len()} + stream.entry.outq_len();
  if (Failed(reader.Skip(queues, loader.diag))) return;
  if (!reader.AtEnd()) {
    loader.diag.Error(reader.Where(), "more follows behind the queues");
    return;
  }
  const Place at(reader, loader.diag, "");
  constexpr std::uint64_t kMostBytes = 0x7fffffff;
  at.AtMost("inq_len", stream.entry.inq_len(), kMostBytes);
  at.AtMost("outq_len", stream.entry.outq_len(), kMostBytes);
  at.AtMost("unsq_len", stream.entry.unsq_len(), stream.entry.outq_len());
  constexpr std::uint32_t kKnown =
      TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE | TCPI_OPT_ECN;
  if ((stream.entry.opt_mask() & TCPI_OPT_WSCALE) != 0) {
    at.AtMost("snd_wscale", stream.entry.snd_wscale(), kMostScale);
    at.AtMost("rcv_wscale", stream.entry.rcv_wscale(), kMostScale);
  }
  at.AtMost("mss_clamp", stream.entry.mss_clamp(), kMostPort);
  if ((stream.entry.opt_mask() & ~kKnown) != 0) {
    at.Unsupported("opt_mask", HexText(stream.entry.opt_mask()) + " has bits without a name");
  }
  streams_.emplace(inode, std::move(stream));
}

std::optional<TcpStream> FileLoaderOf<InetSocket>::StreamOf(const pb::inet_sk_entry& from,
                                                            const Place& at, Loader& loader,
                                                            InetSocket* to) {
  const auto found = streams_.find(from.ino());
  if (found == streams_.end()) {
    to->tcp = TcpOptionsOf(from, nullptr);
    if (!loader.inventory.tcp_close() &&
        !loader.images.Has(ImageKindNamed("TCP_STREAM"), from.ino())) {
      at.Error(".ino", ImageSet::NameOf(ImageKindNamed("TCP_STREAM"), from.ino()) +
                           " is not there: it has the connection");
    }
    return std::nullopt;
  }
  Stream& known = found->second;
  const pb::tcp_stream_entry& entry = known.entry;
  if (known.used) at.Error(".ino", std::to_string(from.ino()) + " stands twice");
  known.used = true;
  to->tcp = TcpOptionsOf(from, &entry);
  TcpStream stream;
  stream.in_seq = entry.inq_seq();
  stream.out_seq = entry.outq_seq();
  std::uint64_t offset = known.offset;
  const auto take = [&](std::uint32_t bytes, std::optional<ImageBytes>* range) {
    if (bytes != 0) *range = ImageBytes{known.image, offset, bytes};
    offset += bytes;
  };
  take(entry.inq_len(), &stream.in);
  take(entry.outq_len() - std::min(entry.unsq_len(), entry.outq_len()), &stream.out);
  take(std::min(entry.unsq_len(), entry.outq_len()), &stream.unsent);
  stream.mss = entry.mss_clamp();
  if ((entry.opt_mask() & TCPI_OPT_WSCALE) != 0) {
    stream.scale = TcpScale{entry.snd_wscale(), entry.rcv_wscale()};
  }
  stream.sack = (entry.opt_mask() & TCPI_OPT_SACK) != 0;
  if ((entry.opt_mask() & TCPI_OPT_TIMESTAMPS) != 0) stream.timestamp = entry.timestamp();
  if (entry.has_snd_wnd()) {
    stream.window = TcpWindow{entry.snd_wl1(), entry.snd_wnd(), entry.max_window(), entry.rcv_wnd(),
                              entry.rcv_wup()};
    if (from.state() != TCP_SYN_SENT) CheckWindow(stream, known.image + "[0]", loader.diag);
  }
  return stream;
}

Result FileLoaderOf<InetSocket>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                         Loader& loader, ConvertedFile* file) {
  if (!entry.has_isk()) return MissingMessage(at, kType, loader.diag);
  const pb::inet_sk_entry& from = entry.isk();
  const Place place(at, loader.diag, "isk");
  TakeDescription("isk", from, file);
  CheckAnonymousFlags(from.flags(), place);
  file->unsupported = CheckKind(from, place);
  if (!file->unsupported.empty()) return Result::kOk;
  CheckState(from, place);
  namespaces_.emplace_back(from.ns_id(), at.Where("isk"));
  InetSocket to;
  to.family.value = from.family();
  to.socket_type.value = from.type();
  to.protocol.value = from.proto();
  to.state.value = from.state();
  to.net = loader.NetOf(from.ns_id());
  const bool raw = Is(to, SOCK_RAW), stream = Is(to, SOCK_STREAM);
  to.source = AddressOf(from.src_addr(), raw ? 0 : from.src_port(), to, place, ".src_addr");
  to.destination = AddressOf(from.dst_addr(), raw ? 0 : from.dst_port(), to, place, ".dst_addr");
  if (!from.ifname().empty()) {
    if (from.ifname().size() >= IFNAMSIZ || from.ifname().find('\0') != std::string::npos) {
      place.Error(".ifname", "no interface has such a name");
    }
    to.interface = from.ifname();
  }
  to.v6only = from.v6only() && from.family() == AF_INET6;
  to.options = SocketOptionsOf(from.opts(), place);
  odd_buffers_ += (to.options->so_sndbuf.value_or(0) | to.options->so_rcvbuf.value_or(0)) % 2;
  to.ip = IpOptionsOf(from, place);
  std::uint32_t shutdown = from.shutdown();
  place.AtMost(".shutdown", shutdown, 3);
  if (from.state() == TCP_LISTEN) {
    to.backlog = from.backlog();
    place.AtMost(".backlog", from.backlog(), 0x7fffffff);
    if (!to.source) place.Error(".src_port", "0 of a listening socket");
  }
  if (stream && to.destination) {
    to.stream = StreamOf(from, place, loader, &to);
    if (!to.stream) {  // the dump has dropped it
      to.state.value = TCP_CLOSE;
      to.source.reset();
      to.destination.reset();
      shutdown = 3;
    }
  } else if (stream) {
    to.tcp = TcpOptionsOf(from, nullptr);
    if (from.state() != TCP_LISTEN && from.state() != TCP_CLOSE) {
      place.Error(".dst_addr", "absent of a connection");
    }
  } else {
    if (from.state() == TCP_CLOSE) to.destination.reset();
    if (from.state() == TCP_ESTABLISHED && !to.destination) {
      place.Error(".dst_addr", "absent of a connected socket");
    }
    if (to.source || to.destination || raw) ++datagram_sockets_;
  }
  CheckEnds(to, place);
  if (stream) CheckTcp(to.tcp, place);
  shutdown &= ~ShutdownOf(to);
  if (to.stream && (shutdown & 2) != 0) {
    place.Error(".shutdown", "a connection in this state can be written to");
  }
  if (shutdown != 0) file->late.push_back(ShutdownSetting{{shutdown}});
  if (to.stream) file->late.push_back(RepairSetting{});
  file->body = std::move(to);
  return Result::kOk;
}

/// Where several sockets have one port, all but connections bind with both SO_REUSEADDR and
/// SO_REUSEPORT, and get what they had when the last is bound: who of them was first, or in which
/// order they have set what, no image says.
void FileLoaderOf<InetSocket>::SharePorts(Loader& loader) {
  const auto key = [](const InetSocket& socket) {
    return std::tuple(socket.protocol.value, socket.source ? socket.source->port : 0,
                      socket.net ? *socket.net : 0);
  };
  if (namespaces_.empty()) return;  // there are no sockets
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>, int> users;
  for (const auto& file : loader.snapshot.files) {
    const auto* socket = As<InetSocket>(*file);
    if (socket != nullptr) ++users[key(*socket)];
  }
  for (std::size_t i = 0; i < loader.snapshot.files.size(); ++i) {
    const auto* socket = As<InetSocket>(*loader.snapshot.files[i]);
    if (socket == nullptr || socket->stream || !socket->source || socket->source->port == 0) {
      continue;
    }
    const bool addr = socket->options->so_reuseaddr.value_or(false);
    const bool port = socket->options->so_reuseport.value_or(false);
    if (users[key(*socket)] < 2 || (addr && port)) continue;
    auto shared = std::make_shared<File>(*loader.snapshot.files[i]);
    SocketOptions& options = *std::get<InetSocket>(shared->body).options;
    options.so_reuseaddr = options.so_reuseport = true;
    SocketOptionsSetting late;
    if (!addr) late.options.so_reuseaddr = false;
    if (!port) late.options.so_reuseport = false;
    loader.snapshot.files[i] = std::move(shared);
    loader.snapshot.late.push_back({FileIndex(i), std::move(late)});
  }
}

void FileLoaderOf<InetSocket>::Finish(Loader& loader) {
  for (const auto& [id, where] : namespaces_) loader.CheckSocketNamespace(id, where);
  SharePorts(loader);
  bool connected = false;
  for (const auto& [inode, stream] : streams_) {
    connected |= stream.used;
    if (stream.used) continue;
    loader.diag.Warning(stream.image, "no socket in files.img has this connection");
  }
  // The table of nftables is there without connections, too.
  if (connected || loader.inventory.network_lock_method() == kNftables.value) {
    TakeNetworkLock(loader);
  }
  if (odd_buffers_ != 0) {
    loader.diag.NotRestorable(
        "files.img", std::to_string(odd_buffers_) +
                         " of type INETSK have a buffer of an odd number of bytes: setsockopt(2) "
                         "sets even ones alone, and it gets one byte less");
  }
  if (datagram_sockets_ == 0) return;
  loader.diag.NotRestorable(
      "files.img", std::to_string(datagram_sockets_) +
                       " of type INETSK are no TCP: datagrams that nobody has read are in no "
                       "image, and are lost");
}

}  // namespace crgen

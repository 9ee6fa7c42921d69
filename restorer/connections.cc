// SPDX-License-Identifier: Apache-2.0
#include "restorer/connections.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <unordered_map>
#include <utility>

#include "preflight/socket_address.h"
#include "restorer/files/inet_socket.h"
#include "restorer/forged_segment.h"
#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

// <netinet/tcp.h>, which does not go together with <linux/tcp.h>.
enum State : std::uint32_t {
  kEstablished = 1,
  kSynSent = 2,
  kFinWait1 = 4,
  kFinWait2 = 5,
  kClose = 7,
  kCloseWait = 8,
  kLastAck = 9,
  kClosing = 11
};

// Of a segment's options, TCPOPT_ of the same header.
constexpr std::uint32_t kMaxSegment = 2, kWindowScale = 3, kSackPermitted = 4, kTimestamps = 8;

constexpr int kMostBuffer = 0x3fffffff;  // twice as much is set

bool IsIn(const InetSocket& socket, std::initializer_list<State> states) {
  return std::any_of(states.begin(), states.end(),
                     [&](State state) { return socket.state.value == state; });
}

bool HasReceivedFin(const InetSocket& socket) {
  return IsIn(socket, {kCloseWait, kLastAck, kClosing, kClose});
}
bool HasSentFin(const InetSocket& socket) {
  return IsIn(socket, {kFinWait1, kFinWait2, kLastAck, kClosing, kClose});
}

std::uint32_t SizeOf(const std::optional<ImageBytes>& range) {
  return range ? static_cast<std::uint32_t>(range->bytes) : 0;
}

/// Its FIN waits behind what was never sent. Were that said to be on its way, the peer would be
/// given time to acknowledge it, twice as much with each try.
bool ShutsLater(const InetSocket& socket) {
  return IsIn(socket, {kFinWait1, kLastAck}) && socket.stream->unsent &&
         socket.stream->unsent->bytes != 0;
}

std::string NameOf(const InetSocket& socket) {
  const auto end = [](const InetAddress& address) {
    return address.address + " " + std::to_string(address.port);
  };
  return "the connection from " + end(*socket.source) + " to " + end(*socket.destination);
}

}  // namespace

struct Connections::Socket {
  const HeldConnection* held;
  int fd;
  bool repaired = true;        ///< it is in repair mode
  std::uint64_t received = 0;  ///< bytes, when it goes on

  const InetSocket& body() const { return *held->socket; }
  const TcpStream& stream() const { return *held->socket->stream; }

  /// What failed: errno says why.
  std::string Failed(const char* call) const { return NameOf(body()) + ": " + ErrorText(call); }

  /// A system call, or a failure on purpose.
  template <typename Call>
  std::string Try(const char* what, Call&& call) const {
    return !FailsOnPurpose() && call() >= 0 ? "" : Failed(what);
  }
  template <typename Value>
  std::string Set(const char* what, int level, int name, const Value& value) const {
    return Try(what, [&] { return setsockopt(fd, level, name, &value, sizeof value); });
  }
  std::string SetTcp(const char* what, int name, int value) const {
    return Set(what, IPPROTO_TCP, name, value);
  }
  std::string SetSequence(int queue, std::uint32_t number) const {
    std::string problem = SetTcp("TCP_REPAIR_QUEUE", TCP_REPAIR_QUEUE, queue);
    if (problem.empty()) problem = Set("TCP_QUEUE_SEQ", IPPROTO_TCP, TCP_QUEUE_SEQ, number);
    return problem;
  }
  std::string CheckSource() const;
  std::string SetAgreed() const;
  std::string SetBuffers() const;
  std::string Forge(bool fin, const Networks& networks) const;
  std::uint64_t Received() const;
  std::string AwaitState(std::initializer_list<State> states) const;
};

Connections::Connections(const Script& script, const HostFiles& files, int keeper,
                         const Networks& networks)
    : script_(script), files_(files), keeper_(keeper), networks_(networks) {}

Connections::~Connections() {
  for (const Socket& socket : sockets_) close(socket.fd);
}

std::string Connections::Take() {
  if (script_.connections.empty()) return "";
  std::unordered_map<const Thread*, pid_t> numbers;
  for (const ThreadStart& start : script_.threads) numbers.emplace(start.thread, start.number);
  std::size_t kept = 0;
  for (const HeldConnection& held : script_.connections) {
    if (!held.process) {
      ++kept;
      continue;
    }
    const pid_t leader = numbers.at(&script_.processes[*held.process]->threads[0]);
    if (std::string problem = TakeFrom(leader, held); !problem.empty()) return problem;
  }
  return TakeKept(kept);
}

std::string Connections::TakeFrom(pid_t leader, const HeldConnection& held) {
  const int process = FailsOnPurpose() ? -1 : static_cast<int>(syscall(__NR_pidfd_open, leader, 0));
  if (process < 0) return NameOf(*held.socket) + ": " + ErrorText("pidfd_open");
  const int fd =
      FailsOnPurpose() ? -1 : static_cast<int>(syscall(__NR_pidfd_getfd, process, held.fd, 0));
  const std::string problem = ErrorText("pidfd_getfd");
  close(process);
  if (fd < 0) return NameOf(*held.socket) + ": " + problem;
  sockets_.push_back({&held, fd});
  return "";
}

/// Each has come with its number.
std::string Connections::TakeKept(std::size_t count) {
  std::set<std::uint32_t> taken;
  for (; count > 0; --count) {
    std::uint32_t number = 0;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec bytes = {&number, sizeof number};
    msghdr header = {};
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got =
        FailsOnPurpose() ? -1 : recvmsg(keeper_, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) return ErrorText("recvmsg of a connection that a message carries");
    const cmsghdr* rights = CMSG_FIRSTHDR(&header);
    const bool whole = got == sizeof number && rights != nullptr && rights->cmsg_type == SCM_RIGHTS;
    if (!whole) return "a connection that a message carries has not come";
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
    const bool known = number < script_.connections.size() &&
                       !script_.connections[number].process && taken.insert(number).second;
    if (!known) {
      close(fd);
      return "a connection has come that is none of the plan's";
    }
    sockets_.push_back({&script_.connections[number], fd});
  }
  return "";
}

/// What the two ends have agreed upon.
std::string Connections::Socket::SetAgreed() const {
  std::vector<tcp_repair_opt> options;
  options.push_back({kMaxSegment, stream().mss});
  if (stream().scale) {
    options.push_back({kWindowScale, stream().scale->send | stream().scale->receive << 16});
  }
  if (stream().sack) options.push_back({kSackPermitted, 0});
  if (stream().timestamp) options.push_back({kTimestamps, 0});
  std::string problem = Try("TCP_REPAIR_OPTIONS", [&] {
    return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options.data(),
                      static_cast<socklen_t>(options.size() * sizeof options[0]));
  });
  if (!problem.empty() || !stream().timestamp) return problem;
  return Set("TCP_TIMESTAMP", IPPROTO_TCP, TCP_TIMESTAMP, *stream().timestamp);
}

std::string Connections::Socket::SetBuffers() const {
  const SocketOptions& options = held->options;
  const auto size = [](std::uint32_t bytes) { return static_cast<int>(bytes / 2); };
  std::string problem;
  if (options.so_sndbuf) {
    problem = Set("SO_SNDBUFFORCE", SOL_SOCKET, SO_SNDBUFFORCE, size(*options.so_sndbuf));
  }
  if (problem.empty() && options.so_rcvbuf) {
    problem = Set("SO_RCVBUFFORCE", SOL_SOCKET, SO_RCVBUFFORCE, size(*options.so_rcvbuf));
  }
  if (!problem.empty()) return problem;
  const BufferLocks locks = options.so_buf_lock.value_or(BufferLocks{});
  return Set("SO_BUF_LOCK", SOL_SOCKET, SO_BUF_LOCK, static_cast<int>(locks.bits));
}

/// The bytes of `range` into a queue of the socket; TCP_NO_QUEUE: out of repair mode, to the peer.
std::string Connections::Fill(Socket& socket, const ImageBytes& range, int queue) {
  constexpr std::uint64_t kAtOnce = 64 << 10;
  std::string problem;
  if (queue != TCP_NO_QUEUE) {
    problem = socket.SetTcp("TCP_REPAIR_QUEUE", TCP_REPAIR_QUEUE, queue);
  }
  if (!problem.empty()) return problem;
  const int image = Reopen(files_.image(range.image), O_RDONLY | O_CLOEXEC);
  if (image < 0) return range.image + ": " + ErrorText("open");
  std::vector<char> bytes(std::min(range.bytes, kAtOnce));
  for (std::uint64_t at = 0; at < range.bytes && problem.empty();) {
    const std::size_t wanted = std::min<std::uint64_t>(bytes.size(), range.bytes - at);
    const ssize_t got = FailsOnPurpose() ? -1
                                         : pread(image, bytes.data(), wanted,
                                                 static_cast<off_t>(range.offset + at));
    if (got <= 0) {
      problem = range.image + ": " + (got < 0 ? ErrorText("pread") : "pread: the image ends");
      break;
    }
    for (ssize_t sent = 0; sent < got && problem.empty();) {
      problem = socket.Try("send", [&] {
        const ssize_t done =
            send(socket.fd, bytes.data() + sent, static_cast<std::size_t>(got - sent),
                 MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += std::max<ssize_t>(done, 0);
        return done;
      });
    }
    at += static_cast<std::uint64_t>(got);
  }
  close(image);
  return problem;
}

/// One that is bound by its port alone gets its address from the routes.
std::string Connections::Socket::CheckSource() const {
  return Try("connect (from another address than the plan's)", [&] {
    sockaddr_storage wanted = {}, found = {};
    const socklen_t whole = SockaddrOf(body(), *body().source, &wanted);
    socklen_t size = whole;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&found), &size) != 0) return -1;
    const auto address = [](const sockaddr_storage& it) {
      return reinterpret_cast<const sockaddr_in6&>(it).sin6_addr;
    };
    const in6_addr one = address(wanted), other = address(found);
    if (wanted.ss_family == AF_INET || std::memcmp(&one, &other, sizeof one) == 0) return 0;
    errno = EADDRNOTAVAIL;
    return -1;
  });
}

/// Everything up to an established connection with its queues. Nothing leaves this machine.
std::string Connections::Connect(Socket& socket) {
  const TcpStream& stream = socket.stream();
  const bool fin_in = HasReceivedFin(socket.body()), fin_out = HasSentFin(socket.body());
  const bool pending = IsIn(socket.body(), {kSynSent});
  const std::uint32_t in = stream.in_seq - fin_in - SizeOf(stream.in);
  const std::uint32_t out =
      stream.out_seq - (fin_out || pending) - SizeOf(stream.out) - SizeOf(stream.unsent);
  std::string problem = socket.SetSequence(TCP_SEND_QUEUE, out);
  if (!problem.empty() || pending) return problem;
  if (problem = socket.SetSequence(TCP_RECV_QUEUE, in); !problem.empty()) return problem;
  problem = socket.Try("connect", [&] {
    sockaddr_storage to;
    const socklen_t size = SockaddrOf(socket.body(), *socket.body().destination, &to);
    return connect(socket.fd, reinterpret_cast<const sockaddr*>(&to), size);
  });
  if (problem.empty()) problem = socket.CheckSource();
  if (problem.empty()) problem = socket.SetAgreed();
  if (problem.empty()) {
    problem = socket.Set("SO_SNDBUFFORCE", SOL_SOCKET, SO_SNDBUFFORCE, kMostBuffer);
  }
  if (problem.empty()) {
    problem = socket.Set("SO_RCVBUFFORCE", SOL_SOCKET, SO_RCVBUFFORCE, kMostBuffer);
  }
  if (problem.empty() && stream.in) problem = Fill(socket, *stream.in, TCP_RECV_QUEUE);
  if (problem.empty() && stream.out) problem = Fill(socket, *stream.out, TCP_SEND_QUEUE);
  // Behind a FIN nothing is written: it is sent again as if it had been sent before.
  if (problem.empty() && stream.unsent && fin_out && !ShutsLater(socket.body())) {
    problem = Fill(socket, *stream.unsent, TCP_SEND_QUEUE);
  }
  if (!problem.empty() || !stream.window) return problem;
  const TcpWindow& window = *stream.window;
  // The FIN that is still to come is part of what has been promised and acknowledged.
  const tcp_repair_window repaired = {window.snd_wl1, window.snd_wnd, window.max_window,
                                      window.rcv_wnd + fin_in, window.rcv_wup - fin_in};
  return socket.Set("TCP_REPAIR_WINDOW", IPPROTO_TCP, TCP_REPAIR_WINDOW, repaired);
}

/// A segment as if the peer had sent it: a FIN, or what acknowledges everything.
std::string Connections::Socket::Forge(bool fin, const Networks& networks) const {
  const std::uint32_t queued = SizeOf(stream().out) + SizeOf(stream().unsent);
  ForgedSegment segment;
  segment.socket = &body();
  segment.fin = fin;
  segment.sequence = stream().in_seq - (fin ? 1 : 0);
  segment.acknowledged =
      fin ? stream().out_seq - (HasSentFin(body()) ? 1 : 0) - queued : stream().out_seq;
  const std::uint32_t window = stream().window ? stream().window->snd_wnd : 0xffff;
  const std::uint32_t scaled = window >> (stream().scale ? stream().scale->send : 0);
  segment.window = static_cast<std::uint16_t>(std::min<std::uint32_t>(scaled, 0xffff));
  std::optional<std::uint64_t> net;
  if (body().net) net = *body().net;
  NetVisit there(networks.all, networks.own, net);
  std::string problem = there.problem();
  if (problem.empty()) problem = FailsOnPurpose() ? ErrorText("send") : SendForged(segment);
  const std::string back = there.Leave();
  if (problem.empty()) problem = back;
  return problem.empty() ? "" : NameOf(body()) + ": " + problem;
}

/// tcpi_bytes_received of TCP_INFO; 0: it cannot be had.
std::uint64_t Connections::Socket::Received() const {
  tcp_info info = {};
  socklen_t size = sizeof info;
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_received : 0;
}

/// Until a forged segment has come through the loopback device.
std::string Connections::Socket::AwaitState(std::initializer_list<State> states) const {
  constexpr int kLooks = 1000;
  for (int look = 0; look < kLooks; ++look) {
    tcp_info info = {};
    socklen_t size = sizeof info;
    if (FailsOnPurpose() || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
      return Failed("TCP_INFO");
    }
    if (std::ranges::find(states, static_cast<State>(info.tcpi_state)) != states.end()) return "";
    poll(nullptr, 0, 1);
  }
  errno = ETIMEDOUT;
  return Failed("a segment that brings it into its state (does a rule drop packets to it?)");
}

/// Brings an established connection into its state: shutdown(2) puts a FIN into the send queue, a
/// forged segment one behind the receive queue. What the ends of the tree acknowledge to each other
/// on the way may bring them further, as it would have without the dump.
std::string Connections::CloseEnds(Socket& socket) {
  const InetSocket& body = socket.body();
  const auto shut = [&](int how) {
    std::string problem = socket.SetTcp("TCP_REPAIR_QUEUE", TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);
    if (!problem.empty()) return problem;
    return socket.Try("shutdown", [&] { return shutdown(socket.fd, how); });
  };
  const auto forge = [&](bool fin, std::initializer_list<State> states) {
    std::string problem = socket.Forge(fin, networks_);
    return problem.empty() ? socket.AwaitState(states) : problem;
  };
  std::string problem;
  const bool later = ShutsLater(body);
  if (IsIn(body, {kFinWait1, kFinWait2, kClosing}) && !later) problem = shut(SHUT_WR);
  if (problem.empty() && IsIn(body, {kClosing})) problem = forge(true, {kClosing, kClose});
  if (problem.empty() && IsIn(body, {kCloseWait, kLastAck, kClose})) {
    problem = forge(true, {kCloseWait});
  }
  if (problem.empty() && IsIn(body, {kLastAck, kClose}) && !later) problem = shut(SHUT_WR);
  if (problem.empty() && IsIn(body, {kFinWait2})) problem = forge(false, {kFinWait2});
  if (problem.empty() && IsIn(body, {kClose})) problem = forge(false, {kClose});
  if (problem.empty() && socket.held->shut_for_reading) problem = shut(SHUT_RD);
  return problem;
}

/// connect(2) again: the same request, with the same sequence number.
std::string Connections::Request(Socket& socket) {
  const int flags = fcntl(socket.fd, F_GETFL);
  fcntl(socket.fd, F_SETFL, flags | O_NONBLOCK);
  std::string problem = socket.Try("connect", [&] {
    sockaddr_storage to;
    const socklen_t size = SockaddrOf(socket.body(), *socket.body().destination, &to);
    const int result = connect(socket.fd, reinterpret_cast<const sockaddr*>(&to), size);
    return result < 0 && errno == EINPROGRESS ? 0 : result;
  });
  fcntl(socket.fd, F_SETFL, flags);
  return problem;
}

/// Sends a window probe, also of a socket that has left it (do_tcp_setsockopt), and clears
/// SO_REUSEADDR.
std::string Connections::LeaveRepair(Socket& socket) {
  std::string problem = socket.SetTcp("TCP_REPAIR", TCP_REPAIR, TCP_REPAIR_OFF);
  if (!problem.empty()) return problem;
  socket.repaired = false;
  return socket.Set("SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR,
                    static_cast<int>(socket.held->options.so_reuseaddr.value_or(false)));
}

std::string Connections::LetGo(Socket& socket) {
  std::string problem = LeaveRepair(socket);
  if (!problem.empty()) return problem;
  if (IsIn(socket.body(), {kSynSent})) problem = Request(socket);
  if (!problem.empty()) return problem;
  const std::optional<ImageBytes>& unsent = socket.stream().unsent;
  const bool shuts = ShutsLater(socket.body());
  if (unsent && (shuts || !HasSentFin(socket.body()))) {
    problem = Fill(socket, *unsent, TCP_NO_QUEUE);
  }
  if (problem.empty() && shuts) {
    problem = socket.Try("shutdown", [&] { return shutdown(socket.fd, SHUT_WR); });
  }
  return problem.empty() ? socket.SetBuffers() : problem;
}

std::string Connections::Start() {
  using Action = std::string (Connections::*)(Socket&);
  for (const Action action :
       {&Connections::Connect, &Connections::CloseEnds, &Connections::LetGo}) {
    for (Socket& socket : sockets_) {
      if (std::string problem = (this->*action)(socket); !problem.empty()) return problem;
    }
  }
  for (Socket& socket : sockets_) socket.received = socket.Received();
  return "";
}

/// One that cannot ask finds out later.
void Connections::Probe() {
  for (Socket& socket : sockets_) {
    if (!IsIn(socket.body(), {kSynSent})) (void)LeaveRepair(socket);
  }
}

std::string Connections::Advanced() const {
  std::set<std::string> inside;
  for (const Socket& socket : sockets_) inside.insert(NameOf(socket.body()));
  std::string all;
  for (const Socket& socket : sockets_) {
    InetSocket peer = socket.body();
    std::swap(peer.source, peer.destination);
    if (inside.contains(NameOf(peer)) || socket.Received() <= socket.received) continue;
    all += (all.empty() ? "" : ", ") + NameOf(socket.body());
  }
  return all;
}

void Connections::Hold() {
  const int on = TCP_REPAIR_ON;
  for (Socket& socket : sockets_) {
    if (!socket.repaired) setsockopt(socket.fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on);
    socket.repaired = true;
  }
}

}  // namespace crgen::restorer

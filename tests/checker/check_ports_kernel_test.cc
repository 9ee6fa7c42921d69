// SPDX-License-Identifier: Apache-2.0
// The kernel as judge of who may have a port beside whom: random pairs of sockets, bound for real.
// Needs root. CRGEN_SEED=n or =random makes another random choice.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <string>

#include "checker/files/inet_ports.h"
#include "preflight/socket_address.h"
#include "tests/support/choice.h"
#include "tests/support/network.h"
#include "tests/support/seed.h"

namespace crgen::check {
namespace {

constexpr int kPairs = 20'000;
constexpr std::uint32_t kPort = 7777;

/// The protocol of a socket of IPv4, and of one of IPv6.
struct Kind {
  std::uint32_t type, four, six;
};

class SocketMaker : private test::Choice {
 public:
  explicit SocketMaker(unsigned seed) : Choice(seed) {}

  void Protocol() {
    static constexpr Kind kKinds[] = {{SOCK_STREAM, IPPROTO_TCP, IPPROTO_TCP},
                                      {SOCK_DGRAM, IPPROTO_UDP, IPPROTO_UDP},
                                      {SOCK_DGRAM, IPPROTO_UDPLITE, IPPROTO_UDPLITE},
                                      {SOCK_DGRAM, IPPROTO_ICMP, IPPROTO_ICMPV6}};
    kind_ = kKinds[Below(4)];
    only_ = kind_.four != kind_.six ? OneOf({AF_INET, AF_INET6}) : 0;  // one protocol is compared
  }
  InetSocket Make() {
    InetSocket socket;
    const std::uint32_t family = only_ != 0 ? only_ : OneOf({AF_INET, AF_INET6});
    const bool six = family == AF_INET6, ping = kind_.four != kind_.six;
    socket.family = SocketFamily{family};
    socket.socket_type = SocketType{kind_.type};
    socket.protocol = InetProtocol{six ? kind_.six : kind_.four};
    const bool tcp = kind_.type == SOCK_STREAM;
    socket.state =
        InetState{tcp && OneIn(2) ? std::uint32_t{TCP_LISTEN} : std::uint32_t{TCP_CLOSE}};
    static constexpr const char* kFour[] = {"0.0.0.0", "127.0.0.1", "127.0.0.2"};
    static constexpr const char* kSix[] = {"::", "::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0"};
    socket.source = InetAddress{six ? kSix[Below(ping ? 2 : 4)] : kFour[Below(3)], kPort};
    socket.v6only = six && OneIn(3) && !socket.source->address.starts_with("::ffff:");
    SocketOptions options;
    if (OneIn(2)) options.so_reuseaddr = OneIn(2);
    if (OneIn(2)) options.so_reuseport = OneIn(2);
    if (OneIn(4)) options.so_bindtodevice = "lo";
    socket.options = options;
    return socket;
  }

 private:
  Kind kind_ = {};
  std::uint32_t only_ = 0;
};

/// Bound as the plan says; 0, or errno of bind(2) or listen(2).
int Bind(const InetSocket& socket, int* fd) {
  *fd = ::socket(static_cast<int>(socket.family.value),
                 static_cast<int>(socket.socket_type.value) | SOCK_CLOEXEC,
                 static_cast<int>(socket.protocol.value));
  if (*fd < 0) return errno;
  const auto set = [&](int level, int name, int value) {
    EXPECT_EQ(setsockopt(*fd, level, name, &value, sizeof value), 0) << std::strerror(errno);
  };
  const SocketOptions& options = *socket.options;
  if (options.so_reuseaddr) set(SOL_SOCKET, SO_REUSEADDR, *options.so_reuseaddr);
  if (options.so_reuseport) set(SOL_SOCKET, SO_REUSEPORT, *options.so_reuseport);
  if (socket.family.value == AF_INET6) set(IPPROTO_IPV6, IPV6_V6ONLY, socket.v6only);
  if (options.so_bindtodevice) {
    EXPECT_EQ(setsockopt(*fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0) << std::strerror(errno);
  }
  sockaddr_storage at = {};
  const socklen_t size = SockaddrOf(socket, *socket.source, &at);
  if (bind(*fd, reinterpret_cast<const sockaddr*>(&at), size) != 0) return errno;
  return socket.state.value == TCP_LISTEN && listen(*fd, 1) != 0 ? errno : 0;
}

std::string Text(const InetSocket& socket) {
  const SocketOptions& options = *socket.options;
  const auto flag = [](const char* name, const auto& value) {
    return value ? std::string(name) + (*value ? "=1" : "=0") : std::string();
  };
  return std::to_string(socket.protocol.value) + " " + socket.source->address +
         (socket.state.value == TCP_LISTEN ? " listens" : "") + (socket.v6only ? " v6only" : "") +
         flag(" reuseaddr", options.so_reuseaddr) + flag(" reuseport", options.so_reuseport) +
         (options.so_bindtodevice ? " lo" : "");
}

TEST(CheckPortsKernelTest, Pairs) {
  if (!test::EnterOwnNetwork()) GTEST_SKIP() << "no network namespace: " << std::strerror(errno);
  std::ofstream("/proc/sys/net/ipv4/ping_group_range") << "0 2147483647";
  SocketMaker maker(test::FirstSeed());
  std::map<std::uint32_t, std::array<int, 2>> seen;  // by protocol: bound, refused
  for (int pair = 0; pair < kPairs; ++pair) {
    maker.Protocol();
    const InetSocket first = maker.Make(), second = maker.Make();
    int fds[2] = {-1, -1};
    ASSERT_EQ(Bind(first, &fds[0]), 0) << Text(first) << ": " << std::strerror(errno);
    const int error = Bind(second, &fds[1]);
    for (const int fd : fds) close(fd);
    ASSERT_TRUE(error == 0 || error == EADDRINUSE) << Text(second) << ": " << std::strerror(error);
    ASSERT_EQ(BindsConflict(second, first), error != 0)
        << Text(second) << " beside " << Text(first);
    ++seen[second.protocol.value][error != 0 ? 1 : 0];
  }
  for (const auto& [protocol, counts] : seen) {
    std::printf("protocol %u: %d bound, %d refused\n", protocol, counts[0], counts[1]);
    EXPECT_GT(counts[0], 100);
    EXPECT_GT(counts[1], 100);
  }
  EXPECT_EQ(seen.size(), 5u);
}

}  // namespace
}  // namespace crgen::check

// SPDX-License-Identifier: Apache-2.0
// A network of the tests' own: nothing of it reaches the machine's.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace crgen::test {

inline bool SetAddress(int socket, const char* device, unsigned long request, const char* address) {
  ifreq wanted = {};
  std::strncpy(wanted.ifr_name, device, IFNAMSIZ - 1);
  auto* to = reinterpret_cast<sockaddr_in*>(&wanted.ifr_addr);
  to->sin_family = AF_INET;
  inet_pton(AF_INET, address, &to->sin_addr);
  return ioctl(socket, request, &wanted) == 0;
}

inline bool SetUp(int socket, const char* device) {
  ifreq wanted = {};
  std::strncpy(wanted.ifr_name, device, IFNAMSIZ - 1);
  wanted.ifr_flags = IFF_UP | IFF_RUNNING;
  return ioctl(socket, SIOCSIFFLAGS, &wanted) == 0;
}

/// This process and its children get a network namespace with a loopback device. False: errno.
inline bool EnterOwnNetwork() {
  if (unshare(CLONE_NEWNET) != 0) return false;
  const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool up = any >= 0 && SetUp(any, "lo");
  if (any >= 0) close(any);
  return up;
}

/// A host, kPeer, that answers nothing, and sees every packet that is sent to it.
class SilentPeer {
 public:
  static constexpr const char* kOwn = "10.9.0.1";
  static constexpr const char* kPeer = "10.9.0.2";

  SilentPeer() : tun_(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)) {
    ifreq wanted = {};
    std::strcpy(wanted.ifr_name, "silent0");
    wanted.ifr_flags = IFF_TUN | IFF_NO_PI;
    const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    is_up_ = ioctl(tun_, TUNSETIFF, &wanted) == 0 &&
             SetAddress(any, "silent0", SIOCSIFADDR, kOwn) &&
             SetAddress(any, "silent0", SIOCSIFDSTADDR, kPeer) && SetUp(any, "silent0");
    close(any);
  }
  ~SilentPeer() { close(tun_); }

  bool is_up() const { return is_up_; }

  /// One segment of TCP.
  struct Segment {
    std::uint32_t sequence = 0, acknowledged = 0;
    bool fin = false, syn = false, reset = false;
    std::string data;
  };
  /// Those that were sent since the last call, and within `wait` milliseconds from now.
  std::vector<Segment> Segments(int wait) {
    std::vector<Segment> segments;
    unsigned char packet[70000];
    pollfd readable = {tun_, POLLIN, 0};
    while (poll(&readable, 1, wait) > 0) {
      const ssize_t size = read(tun_, packet, sizeof packet);
      constexpr int kIp = 20, kTcp = 20;
      if (size < kIp + kTcp || packet[0] != 0x45 || packet[9] != IPPROTO_TCP) continue;
      const unsigned char* tcp = packet + kIp;
      const auto word = [&](int at) {
        std::uint32_t value;
        std::memcpy(&value, tcp + at, sizeof value);
        return ntohl(value);
      };
      Segment segment;
      segment.sequence = word(4);
      segment.acknowledged = word(8);
      segment.fin = (tcp[13] & 1) != 0;
      segment.syn = (tcp[13] & 2) != 0;
      segment.reset = (tcp[13] & 4) != 0;
      const int header = (tcp[12] >> 4) * 4;
      segment.data.assign(tcp + header, static_cast<const unsigned char*>(packet) + size);
      segments.push_back(std::move(segment));
    }
    return segments;
  }

 private:
  int tun_;
  bool is_up_ = false;
};

/// What /proc/net/tcp has of a socket.
struct TcpFacts {
  int state = 0;                  ///< 0: there is none
  std::uint32_t out = 0, in = 0;  ///< bytes in the queues; a FIN is one
};
inline TcpFacts TcpFactsAt(int port) {
  std::ifstream table("/proc/net/tcp");
  char wanted[8];
  std::snprintf(wanted, sizeof wanted, ":%04X", static_cast<unsigned>(port));
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream words(line);
    std::string number, local, remote, state, queues;
    words >> number >> local >> remote >> state >> queues;
    if (!local.ends_with(wanted)) continue;
    const std::size_t colon = queues.find(':');
    return {std::stoi(state, nullptr, 16),
            static_cast<std::uint32_t>(std::stoul(queues.substr(0, colon), nullptr, 16)),
            static_cast<std::uint32_t>(std::stoul(queues.substr(colon + 1), nullptr, 16))};
  }
  return {};
}
inline int TcpStateAt(int port) { return TcpFactsAt(port).state; }

}  // namespace crgen::test

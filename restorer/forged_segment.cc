// SPDX-License-Identifier: Apache-2.0
#include "restorer/forged_segment.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "restorer/problem.h"

namespace crgen::restorer {
namespace {

/// The lock that a dump leaves lets packets with this mark pass.
constexpr int kMark = 0xc114;  // SOCCR_MARK

struct Ends {
  bool four = false;
  in_addr own4 = {}, peer4 = {};
  in6_addr own6 = {}, peer6 = {};
};

Ends EndsOf(const InetSocket& socket) {
  Ends ends;
  if (socket.family.value == AF_INET) {
    ends.four = true;
    inet_pton(AF_INET, socket.source->address.c_str(), &ends.own4);
    inet_pton(AF_INET, socket.destination->address.c_str(), &ends.peer4);
    return ends;
  }
  inet_pton(AF_INET6, socket.source->address.c_str(), &ends.own6);
  inet_pton(AF_INET6, socket.destination->address.c_str(), &ends.peer6);
  ends.four = IN6_IS_ADDR_V4MAPPED(&ends.own6);
  constexpr int kPrefix = 12;
  std::memcpy(&ends.own4, ends.own6.s6_addr + kPrefix, sizeof ends.own4);
  std::memcpy(&ends.peer4, ends.peer6.s6_addr + kPrefix, sizeof ends.peer4);
  return ends;
}

using Packet = std::vector<unsigned char>;

template <typename Value>
void Append(Packet& packet, const Value& value) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(&value);
  packet.insert(packet.end(), bytes, bytes + sizeof value);
}

/// RFC 1071.
std::uint16_t Checksum(const Packet& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += static_cast<std::uint32_t>(bytes[i]) << 8 | bytes[i + 1];
  }
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<std::uint16_t>(~sum));
}

/// Its checksum covers both addresses.
tcphdr HeaderOf(const ForgedSegment& segment, const Ends& ends) {
  tcphdr header = {};
  header.th_sport = htons(static_cast<std::uint16_t>(segment.socket->destination->port));
  header.th_dport = htons(static_cast<std::uint16_t>(segment.socket->source->port));
  header.th_seq = htonl(segment.sequence);
  header.th_ack = htonl(segment.acknowledged);
  header.th_off = sizeof header / 4;
  header.th_flags = static_cast<std::uint8_t>(TH_ACK | (segment.fin ? TH_FIN : 0));
  header.th_win = htons(segment.window);
  Packet covered;
  if (ends.four) {
    Append(covered, ends.peer4);
    Append(covered, ends.own4);
  } else {
    Append(covered, ends.peer6);
    Append(covered, ends.own6);
  }
  Append(covered, htons(IPPROTO_TCP));
  Append(covered, htons(sizeof header));
  Append(covered, header);
  header.th_sum = Checksum(covered);
  return header;
}

Packet PacketOf(const ForgedSegment& segment, const Ends& ends) {
  constexpr int kHops = 64;
  Packet packet;
  const tcphdr header = HeaderOf(segment, ends);
  if (ends.four) {
    iphdr ip = {};  // the kernel adds length and checksum
    ip.version = IPVERSION;
    ip.ihl = sizeof ip / 4;
    ip.ttl = kHops;
    ip.protocol = IPPROTO_TCP;
    ip.saddr = ends.peer4.s_addr;
    ip.daddr = ends.own4.s_addr;
    Append(packet, ip);
  } else {
    ip6_hdr ip = {};
    ip.ip6_vfc = 6 << 4;
    ip.ip6_plen = htons(sizeof header);
    ip.ip6_nxt = IPPROTO_TCP;
    ip.ip6_hlim = kHops;
    ip.ip6_src = ends.peer6;
    ip.ip6_dst = ends.own6;
    Append(packet, ip);
  }
  Append(packet, header);
  return packet;
}

}  // namespace

std::string SendForged(const ForgedSegment& segment) {
  const Ends ends = EndsOf(*segment.socket);
  const int raw = socket(ends.four ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (raw < 0) return ErrorText("a raw socket");
  const Packet packet = PacketOf(segment, ends);
  sockaddr_in to4 = {};
  to4.sin_family = AF_INET;
  to4.sin_addr = ends.own4;
  sockaddr_in6 to6 = {};
  to6.sin6_family = AF_INET6;
  to6.sin6_addr = ends.own6;
  const auto* to =
      ends.four ? reinterpret_cast<const sockaddr*>(&to4) : reinterpret_cast<const sockaddr*>(&to6);
  const bool sent =
      setsockopt(raw, SOL_SOCKET, SO_MARK, &kMark, sizeof kMark) == 0 &&
      sendto(raw, packet.data(), packet.size(), 0, to, ends.four ? sizeof to4 : sizeof to6) >= 0;
  std::string problem = sent ? "" : ErrorText("sending a segment to itself");
  close(raw);
  return problem;
}

}  // namespace crgen::restorer

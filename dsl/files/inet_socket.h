// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "dsl/image_bytes.h"
#include "dsl/socket_options.h"
#include "model/files/inet_socket.h"

namespace crgen {

template <>
struct Describe<InetAddress> {
  static constexpr auto kFields =
      std::tuple{Required("address", &InetAddress::address, "as inet_ntop(3) writes it"),
                 Required("port", &InetAddress::port, "of a raw socket 0")};
};

template <>
struct Describe<IpOptions> {
  static constexpr auto kFields = std::tuple{
      Optional("freebind", &IpOptions::freebind, "IP_FREEBIND: any address can be bound"),
      Optional("pktinfo", &IpOptions::pktinfo, "IP_PKTINFO, IPV6_RECVPKTINFO"),
      Optional("tos", &IpOptions::tos, "IP_TOS; AF_INET alone, as ttl and nodefrag"),
      Optional("ttl", &IpOptions::ttl, "IP_TTL"),
      Optional("hdrincl", &IpOptions::hdrincl, "IP_HDRINCL, IPV6_HDRINCL of a raw socket"),
      Optional("nodefrag", &IpOptions::nodefrag, "IP_NODEFRAG of a raw socket"),
      Optional("icmp_filter", &IpOptions::icmp_filter,
               "ICMP_FILTER: one word, ICMP6_FILTER: eight; bit n: type n is not received")};
};

template <>
struct Describe<TcpOptions> {
  static constexpr auto kFields =
      std::tuple{Optional("cork", &TcpOptions::cork, "TCP_CORK"),
                 Optional("nodelay", &TcpOptions::nodelay, "TCP_NODELAY"),
                 Optional("keepcnt", &TcpOptions::keepcnt, "TCP_KEEPCNT"),
                 Optional("keepidle", &TcpOptions::keepidle, "TCP_KEEPIDLE: seconds"),
                 Optional("keepintvl", &TcpOptions::keepintvl, "TCP_KEEPINTVL: seconds")};
};

template <>
struct Describe<TcpScale> {
  static constexpr auto kFields = std::tuple{Required("send", &TcpScale::send, "0 to 14"),
                                             Required("receive", &TcpScale::receive, "0 to 14")};
};

template <>
struct Describe<TcpWindow> {
  static constexpr auto kFields = std::tuple{
      Required("snd_wl1", &TcpWindow::snd_wl1, "sequence number of what last changed `snd_wnd`"),
      Required("snd_wnd", &TcpWindow::snd_wnd, "bytes that the peer takes"),
      Required("max_window", &TcpWindow::max_window, "the most that it has ever taken"),
      Required("rcv_wnd", &TcpWindow::rcv_wnd, "bytes that the peer has been promised"),
      Required("rcv_wup", &TcpWindow::rcv_wup, "what was acknowledged then")};
};

template <>
struct Describe<TcpStream> {
  static constexpr auto kFields = std::tuple{
      Required("in_seq", &TcpStream::in_seq,
               "the next sequence number to receive: behind `in`, and a FIN"),
      Required("out_seq", &TcpStream::out_seq,
               "the next one to write: behind `out`, `unsent`, and a FIN"),
      Optional("in", &TcpStream::in, "received, not read"),
      Optional("out", &TcpStream::out, "sent, not acknowledged"),
      Optional("unsent", &TcpStream::unsent, "written, not sent"),
      Required("mss", &TcpStream::mss, "bytes that the peer takes in a segment"),
      Optional("scale", &TcpStream::scale, "window scaling; absent: not agreed upon"),
      Optional("sack", &TcpStream::sack, "selective acknowledgements were agreed upon"),
      Optional("timestamp", &TcpStream::timestamp,
               "own clock of timestamps; absent: no timestamps"),
      Optional("window", &TcpStream::window, "what the window was; absent: a new one is taken")};
};

template <>
struct Describe<InetSocket> {
  static constexpr auto kFields = std::tuple{
      Required("family", &InetSocket::family, "AF_INET or AF_INET6"),
      Required("socket_type", &InetSocket::socket_type, "SOCK_STREAM, SOCK_DGRAM or SOCK_RAW"),
      Required("protocol", &InetSocket::protocol, "IPPROTO_ name"),
      Required("state", &InetSocket::state,
               "TCP_CLOSE: not connected; TCP_ESTABLISHED of a datagram socket: connected"),
      Optional("source", &InetSocket::source, "absent: not bound"),
      Optional("destination", &InetSocket::destination, "absent: not connected"),
      Optional("interface", &InetSocket::interface, "that link-local addresses are of"),
      Optional("v6only", &InetSocket::v6only, "IPV6_V6ONLY, before it is bound"),
      Optional("backlog", &InetSocket::backlog, "listen(2)"),
      Optional("options", &InetSocket::options, "in force before it is bound"),
      Optional("ip", &InetSocket::ip, "likewise"),
      Optional("tcp", &InetSocket::tcp, "likewise"),
      Optional("stream", &InetSocket::stream,
               "of a connection, which stands still until `repair` is off"),
      Optional("net", &InetSocket::net,
               "the id of the network namespace that it is in; absent: that of who opens it")};
};

template <>
struct Describe<RepairSetting> {
  static constexpr auto kFields =
      std::tuple{Required("repair", &RepairSetting::repair,
                          "TCP_REPAIR: from here on the connection goes on; `unsent` is written")};
};

}  // namespace crgen

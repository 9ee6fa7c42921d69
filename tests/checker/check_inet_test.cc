// SPDX-License-Identifier: Apache-2.0
// Internet sockets of the checker: every rule kept and broken.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "tests/support/check_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

InetSocket Socket(std::uint32_t type, std::uint32_t protocol, std::uint32_t state) {
  InetSocket socket;
  socket.family.value = AF_INET;
  socket.socket_type.value = type;
  socket.protocol.value = protocol;
  socket.state.value = state;
  return socket;
}
InetSocket Tcp(std::uint32_t state = TCP_CLOSE) { return Socket(SOCK_STREAM, IPPROTO_TCP, state); }
InetSocket Udp(const char* address, std::uint32_t port) {
  InetSocket socket = Socket(SOCK_DGRAM, IPPROTO_UDP, TCP_CLOSE);
  socket.source = InetAddress{address, port};
  return socket;
}
InetSocket Listener(const char* address, std::uint32_t port) {
  InetSocket socket = Tcp(TCP_LISTEN);
  socket.source = InetAddress{address, port};
  socket.backlog = 5;
  return socket;
}
InetSocket Connection(std::uint32_t from, std::uint32_t to) {
  InetSocket socket = Tcp(TCP_ESTABLISHED);
  socket.source = InetAddress{"127.0.0.1", from};
  socket.destination = InetAddress{"127.0.0.1", to};
  socket.stream.emplace();
  socket.stream->mss = 1460;
  return socket;
}
InetSocket Six(InetSocket socket) {
  socket.family.value = AF_INET6;
  return socket;
}

/// `change` applied to `socket`.
template <typename Change>
InetSocket With(InetSocket socket, Change change) {
  change(socket);
  return socket;
}

const Program kRoot = {ForkOf(0, 10)};

/// Opens all of them, the first as descriptor 1 and file 1.
Program Opens(const std::vector<InetSocket>& sockets) {
  Program program = kRoot;
  for (const InetSocket& socket : sockets) {
    const auto number = static_cast<Fd>(program.size());
    program.push_back(OpenOf(10, number,
                             std::make_shared<const File>(
                                 File{{static_cast<std::uint64_t>(number)}, {O_RDWR}, socket})));
  }
  return program;
}

void ExpectAll(
    const std::vector<std::tuple<const char*, std::vector<InetSocket>, std::string>>& all) {
  std::vector<RuleCase> cases;
  for (const auto& [name, sockets, error] : all) {
    const std::string where = "commands[" + std::to_string(sockets.size()) + "] OPEN_FILE pid 10: ";
    cases.push_back({name, Opens(sockets), error.empty() ? "" : where + error});
  }
  RunCases(cases);
}

TEST(CheckInet, Kinds) {
  ExpectAll({
      {"TCP", {Tcp()}, ""},
      {"UDP", {Socket(SOCK_DGRAM, IPPROTO_UDP, TCP_CLOSE)}, ""},
      {"ping", {Socket(SOCK_DGRAM, IPPROTO_ICMP, TCP_CLOSE)}, ""},
      {"raw", {Socket(SOCK_RAW, IPPROTO_ICMP, TCP_CLOSE)}, ""},
      {"a family of others",
       {With(Tcp(), [](auto& s) { s.family.value = AF_UNIX; })},
       "EAFNOSUPPORT: the family is not AF_INET or AF_INET6"},
      {"UDP as a stream",
       {Socket(SOCK_STREAM, IPPROTO_UDP, TCP_CLOSE)},
       "EPROTONOSUPPORT: SOCK_STREAM has no protocol IPPROTO_UDP"},
      {"a stream that listens without a backlog",
       {Tcp(TCP_LISTEN)},
       "EINVAL: a socket that listens, and no other, has `backlog`"},
      {"a datagram socket that listens",
       {Socket(SOCK_DGRAM, IPPROTO_UDP, TCP_LISTEN)},
       "EINVAL: only a stream socket is in state TCP_LISTEN"},
      {"a state between states", {Tcp(3)}, "EINVAL: no descriptor has a socket in state 0x3"},
      {"connected to nobody",
       {Socket(SOCK_DGRAM, IPPROTO_UDP, TCP_ESTABLISHED)},
       "EINVAL: a connected socket, and no other, has `destination`"},
      {"a connection that is none",
       {Tcp(TCP_ESTABLISHED)},
       "EINVAL: a connection, and no other socket, has `stream`"},
  });
}

TEST(CheckInet, Values) {
  const auto udp = Udp("127.0.0.1", 80);
  ExpectAll({
      {"no address",
       {Udp("localhost", 80)},
       "EINVAL: \"localhost\" is no address of the family as inet_ntop(3) has it"},
      {"another family's",
       {Udp("::1", 80)},
       "EINVAL: \"::1\" is no address of the family as inet_ntop(3) has it"},
      {"written otherwise",
       {Six(Udp("0:0::1", 80))},
       "EINVAL: \"0:0::1\" is no address of the family as inet_ntop(3) has it"},
      {"any port", {Udp("127.0.0.1", 0)}, "EINVAL: port 0 stands for any that is free"},
      {"a port beyond all", {Udp("127.0.0.1", 65536)}, "EINVAL: port 65536"},
      {"sent to port 0",
       {With(udp,
             [](auto& s) {
               s.state.value = TCP_ESTABLISHED;
               s.destination = InetAddress{"127.0.0.1", 0};
             })},
       ""},
      {"v6only of IPv4",
       {With(udp, [](auto& s) { s.v6only = true; })},
       "ENOPROTOOPT: v6only of a socket that is not AF_INET6"},
      {"ttl 0", {With(udp, [](auto& s) { s.ip->ttl = 0; })}, "EINVAL: ttl is 1 to 255"},
      {"ttl of IPv6",
       {With(Six(Udp("::1", 80)), [](auto& s) { s.ip->ttl = 1; })},
       "EINVAL: tos, ttl and nodefrag are of AF_INET"},
      {"options of TCP",
       {With(udp, [](auto& s) { s.tcp.nodelay = true; })},
       "ENOPROTOOPT: `tcp` is of stream sockets"},
      {"probes",
       {With(Tcp(), [](auto& s) { s.tcp.keepcnt = 128; })},
       "EINVAL: keepcnt is 1 to 127"},
      {"a timeout",
       {With(udp,
             [](auto& s) {
               s.options->so_rcvtimeo = {1, 1'000'000};
             })},
       "EDOM: so_rcvtimeo: usec is 0 to 999999, sec below 2^63"},
      {"a filter",
       {With(udp, [](auto& s) { s.options->so_filter.resize(4097); })},
       "EINVAL: so_filter has 4097 instructions, at most 4096"},
      {"a name",
       {With(udp, [](auto& s) { s.options->so_bindtodevice = "a name of sixteen"; })},
       "ENODEV: no interface has so long a name"},
      {"a scale",
       {With(Connection(1, 2),
             [](auto& s) {
               s.stream->scale = TcpScale{15, 0};
             })},
       "EFBIG: a window is scaled by 14 bits at most"},
      {"windows",
       {With(Connection(1, 2),
             [](auto& s) {
               s.stream->window = TcpWindow{0, 2, 1, 0, 0};
             })},
       "EINVAL: no connection has these windows at these sequence numbers"},
      {"an end anywhere",
       {With(Connection(1, 2), [](auto& s) { s.source->address = "0.0.0.0"; })},
       "EINVAL: an end of a connection has an address of its own"},
      {"queues before there is a connection",
       {With(Connection(1, 2),
             [](auto& s) {
               s.state.value = TCP_SYN_SENT;
               s.stream->out = ImageBytes{"a.img", 0, 1};
             })},
       "EINVAL: a connection that is not there yet has no queues"},
  });
}

TEST(CheckInet, Ports) {
  const auto addr = [](InetSocket socket) {
    socket.options->so_reuseaddr = true;
    return socket;
  };
  const auto port = [](InetSocket socket) {
    socket.options->so_reuseport = true;
    return socket;
  };
  const auto only = [](InetSocket socket) {
    socket.v6only = true;
    return socket;
  };
  const std::string taken =
      "EADDRINUSE: port 80 is bound to 127.0.0.1 by file 1 (commands[1]), "
      "and not both have so_reuseport or so_reuseaddr";
  const auto any = [](const char* address) {
    return "EADDRINUSE: port 80 is bound to " + std::string(address) +
           " by file 1 (commands[1]), and not both have so_reuseport or so_reuseaddr";
  };
  const std::string listens =
      "EADDRINUSE: port 80 is bound to 0.0.0.0 by file 1 (commands[1]), "
      "and not both have so_reuseport";
  ExpectAll({
      {"twice", {Udp("127.0.0.1", 80), Udp("127.0.0.1", 80)}, taken},
      {"one of them would share", {Udp("127.0.0.1", 80), addr(Udp("127.0.0.1", 80))}, taken},
      {"both share", {addr(Udp("127.0.0.1", 80)), addr(Udp("127.0.0.1", 80))}, ""},
      {"otherwise", {port(Udp("127.0.0.1", 80)), port(Udp("127.0.0.1", 80))}, ""},
      {"each in its way", {port(Udp("127.0.0.1", 80)), addr(Udp("127.0.0.1", 80))}, taken},
      {"other ports", {Udp("127.0.0.1", 80), Udp("127.0.0.1", 81)}, ""},
      {"other protocols", {Udp("0.0.0.0", 80), Listener("0.0.0.0", 80)}, ""},
      {"other addresses", {Udp("127.0.0.1", 80), Udp("127.0.0.2", 80)}, ""},
      {"all addresses", {Udp("0.0.0.0", 80), Udp("127.0.0.2", 80)}, any("0.0.0.0")},
      {"all of both families", {Six(Udp("::", 80)), Udp("127.0.0.2", 80)}, any("::")},
      {"all of one", {only(Six(Udp("::", 80))), Udp("127.0.0.2", 80)}, ""},
      {"mapped", {Six(Udp("::ffff:127.0.0.1", 80)), Udp("127.0.0.1", 80)}, any("::ffff:127.0.0.1")},
      {"all of IPv4 beside one of IPv6", {Udp("0.0.0.0", 80), Six(Udp("::1", 80))}, ""},
      {"who listens shares by port only",
       {addr(Listener("0.0.0.0", 80)), addr(Listener("0.0.0.0", 80))},
       listens},
      {"and so it does", {port(Listener("0.0.0.0", 80)), port(Listener("0.0.0.0", 80))}, ""},
      {"beside a connection", {Connection(80, 1), Listener("0.0.0.0", 80)}, any("127.0.0.1")},
      {"with a connection", {Connection(80, 1), addr(Listener("0.0.0.0", 80))}, ""},
      {"a connection takes any port", {Listener("0.0.0.0", 80), Connection(80, 1)}, ""},
      {"two connections", {Connection(80, 1), Connection(80, 2)}, ""},
      {"one twice",
       {Connection(80, 1), Connection(80, 1)},
       "EADDRNOTAVAIL: this end of the connection is there, made by file 1 (commands[1])"},
      {"both its ends", {Connection(80, 1), Connection(1, 80)}, ""},
  });
  const Program closed = Opens({Udp("127.0.0.1", 80)}) + Program{CloseOf(10, 1)};
  Program again = Opens({Udp("127.0.0.1", 80), Udp("127.0.0.1", 80)});
  RunCases({{"when it is closed", closed + Program{again[2]}, ""}});
}

Command Late(Fd fd, LateState state) {
  auto attributes = std::make_shared<Attributes>();
  attributes->descriptors.push_back({fd, std::move(state)});
  return {10, SetAttr{{}, attributes}};
}

TEST(CheckInet, LateState) {
  const Program all = Opens({Udp("127.0.0.1", 80), Listener("0.0.0.0", 80), Connection(81, 1)});
  const Program file = kRoot + Program{OpenOf(10, 1, RegFile(1))};
  const auto handed_over = std::make_shared<const File>(
      File{{1}, {O_RDWR}, Connection(80, 1), std::string("socket:[5]")});
  const Program outside = kRoot + Program{OpenOf(10, 1, handed_over)};
  const std::string at = "commands[4] SET_ATTR pid 10: ";
  SocketOptionsSetting options;
  options.options.so_rcvtimeo = {1, 1'000'000};
  RunCases({
      {"shut", all + Program{Late(1, ShutdownSetting{{3}})}, ""},
      {"who listens", all + Program{Late(2, ShutdownSetting{{1}})},
       at + "EINVAL: it would not listen any more"},
      {"a connection for reading", all + Program{Late(3, ShutdownSetting{{1}})}, ""},
      {"for writing", all + Program{Late(3, ShutdownSetting{{2}})},
       at + "EINVAL: whether a connection is shut for writing is its state"},
      {"a file", file + Program{Late(1, ShutdownSetting{{1}})},
       "commands[2] SET_ATTR pid 10: ENOTSOCK: file 1 is a REG"},
      {"it goes on", all + Program{Late(3, RepairSetting{})}, ""},
      {"who is none", all + Program{Late(1, RepairSetting{})},
       at + "ENOPROTOOPT: the description is no connection"},
      {"one that is handed over", outside + Program{Late(1, RepairSetting{})},
       "commands[2] SET_ATTR pid 10: EINVAL: a connection that is handed over goes on already"},
      {"options", all + Program{Late(1, options)},
       at + "EDOM: so_rcvtimeo: usec is 0 to 999999, sec below 2^63"},
      {"before what comes first",
       all + Program{Late(3, RepairSetting{}), Late(1, ShutdownSetting{{3}})},
       "commands[5] SET_ATTR pid 10: EINVAL: the state of fd 1 is of a kind that comes before what "
       "is set (commands[4])"},
  });
}

TEST(CheckInet, NetworkLock) {
  const auto with = [](std::uint32_t method, const char* table) {
    auto about = std::make_shared<About>();
    about->version.text = "1.0";
    about->network_lock = NetworkLock{{method}, table};
    Fork fork;
    fork.child_pid = 10;
    fork.about = about;
    return Program{{0, fork}};
  };
  const std::string wrong =
      "commands[0] FORK pid 0: EINVAL: about.network_lock: iptables has no table, nftables one of "
      "letters, digits and -";
  RunCases({{"iptables", with(0, ""), ""},
            {"nftables", with(1, "CRIU-7"), ""},
            {"a table", with(0, "x"), wrong},
            {"none", with(1, ""), wrong},
            {"a command", with(1, "x; flush ruleset"), wrong}});
}

}  // namespace
}  // namespace crgen

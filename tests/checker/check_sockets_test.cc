// SPDX-License-Identifier: Apache-2.0
// What the checker says of unix sockets, rule by rule. check_sockets_kernel_test has the kernel say
// the same.
#include <gtest/gtest.h>

#include "tests/support/socket_programs.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of programs

UnixSocket Stream(UnixState state = kUnconnected) {
  UnixSocket body;
  body.socket_type = SocketType{SOCK_STREAM};
  body.state = state;
  return body;
}
UnixSocket Listener(const char* name = "/run/a") {
  UnixSocket body = Stream(kListening);
  body.backlog = 0;
  body.name = Text{name};
  return body;
}
UnixSocket Client(std::uint64_t listener) {
  UnixSocket body = Stream(kConnected);
  body.connect_to = SocketReference{listener};
  return body;
}
UnixSocket Accepted(Fd from, const char* name = "/run/a") {
  UnixSocket body = Stream(kConnected);
  body.name = Text{name};
  body.accept_from = from;
  return body;
}
UnixSocket Datagram(UnixState state = kUnconnected) {
  UnixSocket body = Stream(state);
  body.socket_type = SocketType{SOCK_DGRAM};
  return body;
}
Command Opened(Fd fd, std::uint64_t id, UnixSocket body) {
  return OpenOf(5, fd, SocketFile(id, std::move(body)));
}
Command Pair(Fd fd, std::uint64_t id, UnixSocket one, UnixSocket other) {
  return OpenPair(5, fd, SocketFile(id, std::move(one)), fd + 1,
                  SocketFile(id + 1, std::move(other)));
}
QueueSetting Sent(std::uint64_t bytes, std::vector<Fd> rights = {}) {
  return {{{{"sk-queues.img", 0}, bytes, std::move(rights)}}};
}
/// The command with the index 1 and the rest of what is said of it.
std::string Open1(const char* what) { return std::string("commands[1] OPEN_FILE pid 5: ") + what; }
std::string Open2(const char* what) { return std::string("commands[2] OPEN_FILE pid 5: ") + what; }

const Program kRoot = {ForkOf(0, 5)};

TEST(CheckSockets, Openings) {
  UnixSocket raw = Stream();
  raw.socket_type = SocketType{SOCK_RAW};
  UnixSocket nameless = Stream(kListening);
  nameless.backlog = 1;
  UnixSocket deaf = Datagram(kListening);
  deaf.backlog = 1;
  UnixSocket backlog = Stream();
  backlog.backlog = 1;
  UnixSocket relative = Stream();
  relative.name = Text{"a"};
  UnixSocket directory = Listener();
  directory.name_directory = Text{"/run"};
  UnixSocket in_root = Stream(), absolute = Stream();
  in_root.name = Text{"a"};
  in_root.name_directory = Text{"/"};
  absolute.name = Text{"/a"};
  UnixSocket abstract = Stream();
  abstract.name = Text{std::string("\0a", 2)};
  abstract.unlinked_name = true;
  UnixSocket permissions = Listener();
  permissions.permissions = FilePermissions{0100644, 0, 0};
  UnixSocket long_name = Stream();
  long_name.name = Text{"/" + std::string(108, 'a')};
  RunCases({
      {"a socket", kRoot + Program{Opened(3, 1, Stream())}, ""},
      {"no raw ones", kRoot + Program{Opened(3, 1, raw)},
       Open1("ESOCKTNOSUPPORT: no unix socket is of type SOCK_RAW")},
      {"one description each", kRoot + Program{Opened(3, 1, Stream()), Opened(4, 1, Stream())},
       Open2("EEXIST: file id 1 names another opening (commands[1])")},
      {"a listener", kRoot + Program{Opened(3, 1, Listener())}, ""},
      {"a listener without a name", kRoot + Program{Opened(3, 1, nameless)},
       Open1("EINVAL: nobody listens without a name")},
      {"a datagram socket that listens", kRoot + Program{Opened(3, 1, deaf)},
       Open1("EOPNOTSUPP: a datagram socket cannot listen")},
      {"a backlog of nobody", kRoot + Program{Opened(3, 1, backlog)},
       Open1("EINVAL: only a listening socket has a backlog")},
      {"a relative name", kRoot + Program{Opened(3, 1, relative)},
       Open1("EINVAL: a relative name begins in a name_directory")},
      {"an absolute one with a directory", kRoot + Program{Opened(3, 1, directory)},
       Open1("EINVAL: name_directory is an absolute path, of a relative name")},
      {"an abstract name without a file", kRoot + Program{Opened(3, 1, abstract)},
       Open1("EINVAL: an abstract name has no file and no directory")},
      {"permissions of another file", kRoot + Program{Opened(3, 1, permissions)},
       Open1("EINVAL: permissions are those of a socket file")},
      {"a long name", kRoot + Program{Opened(3, 1, long_name)},
       Open1("EINVAL: the name has 109 bytes, where 1 to 108 are possible")},
      {"two of one name", kRoot + Program{Opened(3, 1, Listener()), Opened(4, 2, Listener())},
       Open2("EADDRINUSE: the name \"/run/a\" is that of socket 1")},
      {"two of one file", kRoot + Program{Opened(3, 1, absolute), Opened(4, 2, in_root)},
       Open2("EADDRINUSE: the name \"a\" is that of socket 1")},
      {"one after the other",
       kRoot + Program{Opened(3, 1, Listener()), CloseOf(5, 3), Opened(3, 2, Listener())}, ""},
      {"a connection of nobody", kRoot + Program{Opened(3, 1, Stream(kConnected))},
       Open1("EINVAL: a connected socket takes `peer` or connect_to")},
  });
}

TEST(CheckSockets, Connections) {
  const Program listener = kRoot + Program{Opened(3, 1, Listener())};
  UnixSocket other_type = Client(1);
  other_type.socket_type = SocketType{SOCK_SEQPACKET};
  UnixSocket before = Client(1);
  before.shutdown_before = Shutdown{1};
  RunCases({
      {"a pair", kRoot + Program{Pair(3, 1, Stream(kConnected), Stream(kConnected))}, ""},
      {"of two types", kRoot + Program{Pair(3, 1, Stream(kConnected), Datagram(kConnected))},
       Open1("EINVAL: the ends are of two types")},
      {"an end that is left", kRoot + Program{Pair(3, 1, Datagram(kConnected), Datagram())}, ""},
      {"no stream is left", kRoot + Program{Pair(3, 1, Stream(kConnected), Stream())},
       Open1("EINVAL: an end of a pair is not unconnected")},
      {"nobody there", kRoot + Program{Opened(3, 1, Client(7))},
       Open1("ECONNREFUSED: socket 7 is not there")},
      {"nobody accepts", listener + Program{Opened(4, 2, Client(1))}, ""},
      {"too many wait", listener + Program{Opened(4, 2, Client(1)), Opened(5, 3, Client(1))},
       "commands[3] OPEN_FILE pid 5: EAGAIN: socket 1 has 1 pending connections, and a backlog of "
       "0"},
      {"another type", listener + Program{Opened(4, 2, other_type)},
       Open2("EPROTOTYPE: socket 1 is of type SOCK_STREAM")},
      {"one that is accepted", listener + Program{Pair(4, 2, before, Accepted(3))}, ""},
      {"at no descriptor", listener + Program{Pair(4, 2, Client(1), Accepted(9))},
       Open2("EBADF: fd 9 is not open")},
      {"by another listener",
       listener + Program{Opened(8, 8, Listener("/run/b")), Pair(4, 2, Client(1), Accepted(8))},
       "commands[3] OPEN_FILE pid 5: EINVAL: fd 8 is socket 8, not the one that connect_to names"},
      {"with another name", listener + Program{Pair(4, 2, Client(1), Accepted(3, "/run/b"))},
       Open2("EINVAL: an accepted socket has the name of its listener, and no permissions")},
      {"after one that waits",
       listener + Program{Opened(7, 9, Client(1)), Pair(4, 2, Client(1), Accepted(3))},
       "commands[3] OPEN_FILE pid 5: EINVAL: socket 1 has a pending connection, which it would "
       "accept instead"},
      {"accepted without connecting",
       listener + Program{Pair(4, 2, Stream(kConnected), Accepted(3))},
       Open2("EINVAL: accept_from stands beside connect_to")},
  });
}

TEST(CheckSockets, Datagrams) {
  UnixSocket server = Datagram();
  server.name = Text{"/run/log"};
  UnixSocket sender = Datagram(kConnected);
  sender.connect_to = SocketReference{1};
  UnixSocket third = Datagram(kConnected);
  third.connect_to = SocketReference{2};
  UnixSocket named = sender;
  named.name = Text{"/run/b"};
  const Program with_server = kRoot + Program{Opened(3, 1, server)};
  RunCases({
      {"many to one", with_server + Program{Opened(4, 2, sender), Opened(5, 3, sender)}, ""},
      {"to one that is connected elsewhere",
       with_server + Program{Opened(4, 2, named), Opened(5, 3, third)},
       "commands[3] OPEN_FILE pid 5: EPERM: socket 2 is connected to another one"},
      {"to one without a name", kRoot + Program{Opened(3, 1, Datagram()), Opened(4, 2, sender)},
       Open2("ECONNREFUSED: socket 1 has no name")},
  });
}

TEST(CheckSockets, Queues) {
  const Program pair = kRoot + Program{Pair(3, 1, Stream(kConnected), Stream(kConnected))};
  const auto late = [](Fd fd, LateState state) { return LateOf(5, fd, std::move(state)); };
  RunCases({
      {"a message", pair + Program{late(3, Sent(5))}, ""},
      {"one that carries itself", pair + Program{late(3, Sent(5, {4, 3}))}, ""},
      {"both directions", pair + Program{late(3, Sent(5)), late(4, Sent(6))}, ""},
      {"twice", pair + Program{late(3, Sent(5)), late(3, Sent(5))},
       "commands[3] SET_ATTR pid 5: EEXIST: this state of file 1 is set already"},
      {"of no socket", kRoot + Program{OpenOf(5, 3, RegFile(1)), late(3, Sent(1))},
       "commands[2] SET_ATTR pid 5: ENOTSOCK: file 1 is a REG"},
      {"to nobody", pair + Program{CloseOf(5, 4), late(3, Sent(1))},
       "commands[3] SET_ATTR pid 5: EPIPE: the peer of socket 1 is gone"},
      {"not connected", kRoot + Program{Opened(3, 1, Stream()), late(3, Sent(1))},
       "commands[2] SET_ATTR pid 5: ENOTCONN: socket 1 is not connected"},
      {"nothing", pair + Program{late(3, QueueSetting{})},
       "commands[2] SET_ATTR pid 5: EINVAL: there is no message"},
      {"no bytes", pair + Program{late(3, Sent(0))},
       "commands[2] SET_ATTR pid 5: EINVAL: a piece of a stream has bytes"},
      {"a message without bytes",
       kRoot + Program{Pair(3, 1, Datagram(kConnected), Datagram(kConnected)), late(3, Sent(0))},
       ""},
      {"what is not open", pair + Program{late(3, Sent(1, {9}))},
       "commands[2] SET_ATTR pid 5: EBADF: fd 9 is not open"},
      {"too many descriptors", pair + Program{late(3, Sent(1, std::vector<Fd>(254, 3)))},
       "commands[2] SET_ATTR pid 5: EINVAL: a message carries at most 253 descriptors"},
      {"after a shutdown", pair + Program{late(3, ShutdownSetting{Shutdown{2}}), late(4, Sent(1))},
       "commands[3] SET_ATTR pid 5: EINVAL: the state of fd 4 is of a kind that comes before what "
       "is set (commands[2])"},
  });
}

TEST(CheckSockets, Options) {
  const Program socket = kRoot + Program{Opened(3, 1, Stream())};
  const auto with = [&](auto change) {
    SocketOptionsSetting setting;
    change(setting.options);
    return socket + Program{LateOf(5, 3, setting)};
  };
  const std::string at = "commands[2] SET_ATTR pid 5: ";
  RunCases({
      {"buffers", with([](SocketOptions& o) { o.so_sndbuf = 4608, o.so_rcvbuf = 2304; }), ""},
      {"none", with([](SocketOptions&) {}), at + "EINVAL: no option is named"},
      {"a small one", with([](SocketOptions& o) { o.so_sndbuf = 4606; }),
       at + "EINVAL: so_sndbuf is 4606: it is twice what is set, at least 4608"},
      {"an odd one", with([](SocketOptions& o) { o.so_rcvbuf = 9999; }),
       at + "EINVAL: so_rcvbuf is 9999: it is twice what is set, at least 2304"},
      {"a timeout", with([](SocketOptions& o) {
         o.so_rcvtimeo = {1, 1'000'000};
       }),
       at + "EDOM: so_rcvtimeo: usec is 0 to 999999, sec below 2^63"},
      {"a shared port", with([](SocketOptions& o) { o.so_reuseport = true; }),
       at + "EOPNOTSUPP: so_reuseport is of internet sockets"},
      {"a long filter", with([](SocketOptions& o) { o.so_filter.resize(4097); }),
       at + "EINVAL: so_filter has 4097 instructions, at most 4096"},
  });
}

}  // namespace
}  // namespace crgen

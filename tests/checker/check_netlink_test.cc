// SPDX-License-Identifier: Apache-2.0
// Sockets of netlink(7) of the checker: every rule kept and broken.
#include <gtest/gtest.h>
#include <linux/netlink.h>

#include "tests/support/check_support.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

NetlinkSocket Bound(std::uint32_t protocol, std::uint32_t port) {
  NetlinkSocket socket;
  socket.protocol.value = protocol;
  socket.port_id = port;
  return socket;
}
NetlinkSocket Receiver(std::vector<std::uint32_t> groups) {
  NetlinkSocket socket = Bound(NETLINK_KOBJECT_UEVENT, 7);
  socket.groups = std::move(groups);
  return socket;
}
NetlinkSocket Connected(std::uint32_t port, std::uint32_t group) {
  NetlinkSocket socket = Bound(NETLINK_ROUTE, 7);
  socket.state = kNetlinkConnected;
  socket.destination = NetlinkDestination{port, group};
  return socket;
}
template <typename Change>
NetlinkSocket With(NetlinkSocket socket, Change change) {
  change(socket);
  return socket;
}

std::shared_ptr<const File> FileOf(std::uint64_t id, const NetlinkSocket& socket) {
  return std::make_shared<const File>(File{{id}, {O_RDWR}, socket});
}

/// Opens all of them, the first as descriptor 1 and file 1.
Program Opens(const std::vector<NetlinkSocket>& sockets) {
  Program program = {ForkOf(0, 10)};
  for (const NetlinkSocket& socket : sockets) {
    const auto number = static_cast<Fd>(program.size());
    program.push_back(OpenOf(10, number, FileOf(static_cast<std::uint64_t>(number), socket)));
  }
  return program;
}

void ExpectAll(
    const std::vector<std::tuple<const char*, std::vector<NetlinkSocket>, std::string>>& all) {
  std::vector<RuleCase> cases;
  for (const auto& [name, sockets, error] : all) {
    const std::string where = "commands[" + std::to_string(sockets.size()) + "] OPEN_FILE pid 10: ";
    cases.push_back({name, Opens(sockets), error.empty() ? "" : where + error});
  }
  RunCases(cases);
}

TEST(CheckNetlink, Values) {
  ExpectAll({
      {"bound to nothing", {NetlinkSocket{}}, ""},
      {"bound", {Bound(NETLINK_ROUTE, 7)}, ""},
      {"the last protocol", {Bound(MAX_LINKS - 1, 7)}, ""},
      {"no protocol", {Bound(MAX_LINKS, 7)}, "EPROTONOSUPPORT: netlink has no protocol 0x20"},
      {"any port", {Bound(NETLINK_ROUTE, 0)}, "EINVAL: port 0 stands for any that is free"},
      {"groups", {Receiver({1, 2, 40})}, ""},
      {"no group", {Receiver({0})}, "EINVAL: groups have the numbers 1 to 2147483647"},
      {"a group below 0",
       {Receiver({0x80000000})},
       "EINVAL: groups have the numbers 1 to 2147483647"},
      {"a group twice", {Receiver({3, 3})}, "EINVAL: the groups do not ascend"},
      {"groups in another order", {Receiver({1, 3, 2, 9})}, "EINVAL: the groups do not ascend"},
      {"connected", {Connected(0, 0)}, ""},
      {"connected to the last group", {Connected(9, 32)}, ""},
      {"connected to a group beyond",
       {Connected(9, 33)},
       "EINVAL: what it sends goes to one of the groups 1 to 32, or to none"},
      {"connected, but not bound",
       {With(Connected(9, 0), [](auto& s) { s.port_id.reset(); })},
       "EINVAL: connect(2) binds it: a connected socket has `port_id`"},
      {"connected to nobody",
       {With(Connected(9, 0), [](auto& s) { s.destination.reset(); })},
       "EINVAL: a connected socket, and no other, has `destination`"},
      {"not connected to somebody",
       {With(Connected(9, 0), [](auto& s) { s.state = kNetlinkUnconnected; })},
       "EINVAL: a connected socket, and no other, has `destination`"},
      {"another state",
       {With(Bound(0, 7), [](auto& s) { s.state.value = 7; })},
       "EINVAL: no netlink socket is in state 0x7"},
      {"options",
       {With(Bound(0, 7), [](auto& s) { s.options->so_rcvbuf = kLeastReceiveBuffer; })},
       ""},
      {"a buffer that nobody can set",
       {With(Bound(0, 7), [](auto& s) { s.options->so_rcvbuf = kLeastReceiveBuffer - 1; })},
       "EINVAL: so_rcvbuf is 2303: it is twice what is set, at least 2304"},
      {"an option of the internet",
       {With(Bound(0, 7), [](auto& s) { s.options->so_reuseport = true; })},
       "EOPNOTSUPP: so_reuseport is of internet sockets"},
  });
}

TEST(CheckNetlink, APortIsOneSockets) {
  ExpectAll({
      {"two protocols", {Bound(NETLINK_ROUTE, 7), Bound(NETLINK_GENERIC, 7)}, ""},
      {"two ports", {Bound(NETLINK_ROUTE, 7), Bound(NETLINK_ROUTE, 8)}, ""},
      {"none", {NetlinkSocket{}, NetlinkSocket{}}, ""},
      {"one port",
       {Bound(NETLINK_ROUTE, 7), Bound(NETLINK_ROUTE, 7)},
       "EADDRINUSE: port 7 of NETLINK_ROUTE is bound by file 1 (commands[1])"},
  });
  const Program opened = Opens({Bound(NETLINK_ROUTE, 7)});
  const Command again = OpenOf(10, 2, FileOf(2, Bound(NETLINK_ROUTE, 7)));
  RunCases(
      {{"that is closed by now", opened + Program{CloseOf(10, 1), again}, ""},
       {"that somebody else still has", opened + Program{ForkOf(10, 11), CloseOf(10, 1), again},
        "commands[4] OPEN_FILE pid 10: EADDRINUSE: port 7 of NETLINK_ROUTE is bound by file "
        "1 (commands[1])"}});
}

TEST(CheckNetlink, IsNoOtherKindOfSocket) {
  const Program opened = Opens({Bound(NETLINK_ROUTE, 7)});
  const auto late = [&](LateState state) {
    auto attributes = std::make_shared<Attributes>();
    attributes->descriptors.push_back({1, std::move(state)});
    return opened + Program{{10, SetAttr{{}, std::move(attributes)}}};
  };
  const std::string where = "commands[2] SET_ATTR pid 10: ";
  RunCases({{"shut down", late(ShutdownSetting{{1}}), where + "EOPNOTSUPP: file 1 is a NETLINKSK"},
            {"mapped", opened + Program{MapFd(10, 0x10000, 0x11000, 1, MAP_SHARED)},
             "commands[2] MAP_REGION pid 10: ENODEV: fd 1 is no file that can be mapped"}});
}

}  // namespace
}  // namespace crgen

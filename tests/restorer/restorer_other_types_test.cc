// SPDX-License-Identifier: Apache-2.0
// Sockets of netlink(7) and packet(7), descriptors of namespaces and of tun(4): what the host has
// not is said before anything is begun, and nothing stays of a restore that fails.
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include "tests/support/event_plan.h"
#include "tests/support/network.h"
#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

constexpr int kPort = 7001;

class RestorerOtherTypesTest : public RestorerTest {
 protected:
  static Json Netlink(const std::string& protocol) {
    return {{"type", "NETLINKSK"},  {"id", 1},          {"flags", {"O_RDWR"}},
            {"protocol", protocol}, {"port_id", kPort}, {"state", "unconnected"}};
  }
  static Json Packet() {
    return {{"type", "PACKETSK"},     {"id", 1},
            {"flags", {"O_RDWR"}},    {"socket_type", "SOCK_RAW"},
            {"protocol", "ETH_P_IP"}, {"version", "TPACKET_V2"}};
  }
  /// A process that pauses and has `files` from descriptor 3 on.
  static Plan PlanWith(std::vector<Json> files) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    for (std::size_t i = 0; i < files.size(); ++i) {
      files[i]["id"] = i + 1;
      plan.Add("OPEN_FILE", Pid(0), {{"fd", 3 + i}, {"file", files[i]}});
    }
    plan.Resume(Pid(0));
    return plan;
  }
  void Says(const Json& file, const std::string& what) {
    const Outcome outcome = Run(PlanWith({file}));
    EXPECT_EQ(outcome.status, 3);
    EXPECT_NE(outcome.errors.find(what), std::string::npos) << outcome.errors;
    EXPECT_TRUE(Left().empty());
  }
};

TEST_F(RestorerOtherTypesTest, WhatTheHostHasNotIsSaidBefore) {
  const int taken = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  sockaddr_nl at = {};
  at.nl_family = AF_NETLINK;
  at.nl_pid = kPort;
  ASSERT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&at), sizeof at), 0) << std::strerror(errno);
  Says(Netlink("NETLINK_ROUTE"), "port 7001 of NETLINK_ROUTE is taken, by process 1 (");
  close(taken);
  Says(Netlink("0x1f"), "0x1f sockets: Protocol not supported");
  Json group = Netlink("NETLINK_USERSOCK");
  group["groups"] = {1, 33};
  Says(group, "group 33 of NETLINK_USERSOCK: there is none");
  Json packet = Packet();
  packet["interface"] = 4711;
  Says(packet, "there is no interface with index 4711");
  packet = Packet();
  packet["memberships"] = {{{"interface", 4712}, {"type", "PACKET_MR_PROMISC"}}};
  Says(packet, "there is no interface with index 4712");
  Says({{"type", "TUNF"}, {"flags", {"O_RDWR"}}, {"path", "/dev/null"}},
       "/dev/null is not the device of tun(4), 10:200");
  Says({{"type", "TUNF"}, {"flags", {"O_RDWR"}}, {"path", folder_ + "/tun"}},
       folder_ + "/tun: No such file or directory");
}

/// Of packet(7) the old kind, whose address is a name.
TEST_F(RestorerOtherTypesTest, SocketsOfTypePacket) {
  Json bound = Packet();
  bound["socket_type"] = "SOCK_PACKET";
  bound["version"] = "TPACKET_V1";
  Json free = bound;
  bound["interface"] = 1;
  const Outcome outcome = Run(PlanWith({bound, free}), "--detach");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const int process = static_cast<int>(syscall(SYS_pidfd_open, Pid(0), 0));
  for (const auto& [number, name] : {std::pair{3, "lo"}, std::pair{4, ""}}) {
    const int fd = static_cast<int>(syscall(SYS_pidfd_getfd, process, number, 0));
    ASSERT_GE(fd, 0) << std::strerror(errno);
    sockaddr address = {};
    socklen_t size = sizeof address;
    ASSERT_EQ(getsockname(fd, &address, &size), 0);
    EXPECT_STREQ(address.sa_data, name);
    close(fd);
  }
  close(process);
  // packet(7) has no option that tells the protocol.
  std::set<std::string> kinds;
  std::ifstream sockets("/proc/net/packet");
  for (std::string socket, references, type, protocol;
       sockets >> socket >> references >> type >> protocol;) {
    std::getline(sockets, socket);
    if (type == std::to_string(SOCK_PACKET)) kinds.insert(protocol);
  }
  EXPECT_EQ(kinds, std::set<std::string>{"0800"});
}

/// Each system call of a restore fails in turn, and a second try works.
TEST_F(RestorerOtherTypesTest, AFailureLeavesNothing) {
  Json netlink = Netlink("NETLINK_USERSOCK");
  netlink["groups"] = {1, 32};
  netlink["state"] = "connected";
  netlink["destination"] = {{"port_id", 9}, {"group", 2}};
  netlink["options"] = {{"so_rcvbuf", 300000}, {"so_passcred", true}};
  Json packet = Packet();
  packet["interface"] = 1;
  packet["memberships"] = {{{"interface", 1}, {"type", "PACKET_MR_PROMISC"}}};
  packet["rings"]["receive"] = {
      {"block_size", 4096}, {"block_nr", 1}, {"frame_size", 1024}, {"frame_nr", 4}};
  const Plan plan = PlanWith({netlink,
                              packet,
                              {{"type", "NS"}, {"flags", {"O_RDONLY"}}, {"namespace", "net"}},
                              {{"type", "TUNF"}, {"flags", {"O_RDWR"}}, {"path", "/dev/net/tun"}}});
  EXPECT_GT(FailEachCall(plan, "--detach"), 40);
}

/// Whatever fails of pipes and descriptors that report events, its command is named.
TEST_F(RestorerOtherTypesTest, AFailureNamesTheCommand) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  AddEventFiles(plan, Pid(0));
  const Json end = {{"type", "PIPE"}, {"pipe_id", 1}};
  Json reading = end, writing = end;
  reading["id"] = 40, writing["id"] = 41;
  reading["flags"] = {"O_RDONLY"}, writing["flags"] = {"O_WRONLY"};
  reading["capacity"] = 8192;
  plan.Add("OPEN_FILE", Pid(0),
           {{"fd", 40}, {"file", reading}, {"peer", {{"fd", 41}, {"file", writing}}}});
  const std::string path = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  plan.Add("OPEN_FILE", Pid(0),
           {{"fd", 42},
            {"file",
             {{"type", "FIFO"},
              {"id", 42},
              {"flags", {"O_RDWR"}},
              {"pipe_id", 2},
              {"path", path},
              {"capacity", 8192}}}});
  plan.Add("OPEN_FILE", Pid(0),
           {{"fd", 43},
            {"file", {{"type", "NS"}, {"id", 43}, {"flags", {"O_RDONLY"}}, {"namespace", "net"}}}});
  AddLateEvents(plan, Pid(0), folder_ + "/code.img");
  plan.Resume(Pid(0));
  std::map<int, std::size_t> at;  // of the OPEN_FILE by its fd
  std::size_t late = 0;
  const Json commands = Json::parse(plan.Text());
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const Json& command = commands[i];
    if (command["command"] == "OPEN_FILE") at[command["fd"]] = i;
    if (late == 0 && command["command"] == "SET_ATTR") late = i;
  }
  using Commands = std::set<std::size_t>;
  std::map<std::string, Commands> expected = {
      {"eventfd2", {at[20]}},
      {"signalfd4", {at[21]}},
      {"timerfd_create", {at[22]}},
      {"epoll_create1", {at[23], at[24]}},
      {"pidfd_open", {at[26]}},
      {"pidfd_getfd", {at[25], at[27], at[28], at[29]}},
      {"pipe2", {at[40]}},
      {"open " + path, {at[42]}},
      {"open ../../self/ns/net", {at[43]}},
  };
  for (const char* call : {"epoll_ctl(EPOLL_CTL_ADD)", "epoll_ctl(EPOLL_CTL_MOD)",
                           "fanotify_mark of mark 0", "inotify_add_watch of watch 3",
                           "timerfd_settime", "ioctl(TFD_IOC_SET_TICKS)", "fcntl(F_SETOWN_EX)"}) {
    expected[call] = {late};
  }
  std::map<std::string, Commands> named;  // by what has failed
  const auto look = [&](const Outcome& outcome) {
    if (outcome.status == 0) return;
    const std::string who = "pid " + std::to_string(Pid(0)) + ": ";
    const std::size_t command = outcome.errors.find("commands[");
    // Only when all commands are done, and the process goes its own way, there is none to name.
    if (command == std::string::npos) {
      EXPECT_NE(outcome.errors.find("process " + std::to_string(Pid(0)) + ": "), std::string::npos)
          << outcome.errors;
      return;
    }
    const std::size_t call = outcome.errors.find(who, command);
    if (call == std::string::npos) return;  // the FORK, by who is not there yet
    const std::size_t last = outcome.errors.find(':', call + who.size());
    const std::string what = outcome.errors.substr(call + who.size(), last - call - who.size());
    if (!expected.contains(what)) return;
    named[what].insert(std::stoul(outcome.errors.substr(command + std::strlen("commands["))));
  };
  // The restorer's number of calls varies with how long it waits: a call may slip between two runs.
  for (int round = 0; round < 5 && named != expected && !HasFailure(); ++round) {
    FailEachCall(plan, "--detach", look);
  }
  EXPECT_EQ(named, expected);
}

/// The same of a descriptor that is taken from another process.
TEST_F(RestorerOtherTypesTest, AFailureToTakeADescriptorLeavesNothing) {
  const Json file = {{"type", "PIDFD"}, {"id", 1}, {"flags", {"O_RDWR"}}, {"target", Pid(1)}};
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Fork(Pid(0), Pid(1));
  plan.Add("OPEN_FILE", Pid(1), {{"fd", 9}, {"file", file}});
  plan.Add("OPEN_FILE", Pid(0),
           {{"fd", 3}, {"file", file}, {"from", {{"pid", Pid(1)}, {"fd", 9}}}});
  for (const int n : {0, 1}) plan.Resume(Pid(n));
  ASSERT_EQ(Run(plan).status, 0);
  KillEverybody();
  EXPECT_GT(FailEachCall(plan, "--detach"), 40);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) {
  if (geteuid() == 0 && !crgen::test::EnterOwnNetwork()) return 1;
  return crgen::test::MainInNewPidNamespace(argc, argv);
}

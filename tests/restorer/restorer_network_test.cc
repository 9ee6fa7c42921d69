// SPDX-License-Identifier: Apache-2.0
// Network namespaces with what is in them: what ip(8) says after a restore, what the caller of a
// restore has to give, and that nothing of one is left of a restore that fails.
#include <net/if.h>
#include <sys/stat.h>

#include "tests/support/mounts_fixture.h"
#include "tests/support/network.h"

namespace crgen::test {
namespace {

Json Device(int ifindex, const std::string& name, const std::string& type, const Json& more = {}) {
  Json device = {
      {"ifindex", ifindex}, {"name", name}, {"type", type}, {"mtu", 1500}, {"flags", {"IFF_UP"}}};
  if (!more.is_null()) device.update(more);
  return device;
}
Json Loopback() { return Device(1, "lo", "LOOPBACK", {{"mtu", 65536}}); }

class NetworkTest : public MountsTest {
 protected:
  void SetUp() override {
    MountsTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_TRUE(EnterOwnNetwork());
  }

  /// What that command says in the namespace of the restored process.
  std::string Inside(const std::string& command) {
    return Said("nsenter --net=/proc/" + Process() + "/ns/net " + command);
  }
  std::string Said(const std::string& command) {
    (void)system((command + " > " + folder_ + "/said 2>&1").c_str());
    return TextOf(folder_ + "/said");
  }
  /// Saves, in a network namespace like the one that is restored, by `command`.
  Json Saved(const std::string& name, const std::string& command) {
    const std::string path = folder_ + "/" + name;
    Must(
        "unshare --net sh -c 'ip link set lo up; ip link add va type veth peer name vb;"
        " ip link set va up; ip link set vb up; " +
        command + "' > " + path);
    return {{"image", name}, {"offset", 0}, {"bytes", fs::file_size(path)}};
  }
  Json Net(const Json& devices, const Json& more = {}) {
    Json net = {{"id", 6}, {"devices", devices}};
    if (!more.is_null()) net.update(more);
    return {{"net", net}};
  }
  Json Pair() {
    return Json::array({Loopback(), Device(2, "vb", "VETH", {{"link", 3}}),
                        Device(3, "va", "VETH", {{"link", 2}})});
  }
  void ExpectRefused(const Json& namespaces, const std::string& arguments,
                     const std::string& text) {
    const Outcome outcome = Run(PlanWith(namespaces), "--detach " + arguments);
    EXPECT_NE(outcome.status, 0);
    EXPECT_NE(outcome.errors.find(text), std::string::npos) << outcome.errors;
    EXPECT_TRUE(Left().empty());
  }
};

TEST_F(NetworkTest, Devices) {
  const Json devices = Json::array(
      {Loopback(),
       Device(3, "left", "VETH", {{"link", 4}, {"address", "02:00:00:00:00:03"}, {"mtu", 1400}}),
       Device(4, "right", "VETH",
              {{"link", 3}, {"master", 7}, {"flags", {"IFF_UP", "IFF_ALLMULTI"}}}),
       Device(5, "over", "MACVLAN", {{"link", 3}, {"mtu", 1400}, {"macvlan", {{"mode", "vepa"}}}}),
       Device(7, "bridge", "BRIDGE", {{"flags", {"IFF_MULTICAST"}}}),
       Device(9, "tap", "TUN",
              {{"address", "02:00:00:00:00:09"},
               {"tun",
                {{"flags", {"IFF_TAP", "IFF_NO_PI", "IFF_PERSIST"}},
                 {"owner", 12345},
                 {"group", -1},
                 {"vnethdr", 10},
                 {"sndbuf", 100000}}}})});
  ASSERT_NO_FATAL_FAILURE(Restore(PlanWith(Net(devices))));
  const auto link = [&](const std::string& name) { return Inside("ip -d link show " + name); };
  const auto has = [&](const std::string& name, const std::string& text) {
    EXPECT_NE(link(name).find(text), std::string::npos) << text << "\n" << link(name);
  };
  has("lo", "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536");
  has("left", "3: left@right: <BROADCAST,UP,LOWER_UP");
  has("left", "mtu 1400");
  has("left", "link/ether 02:00:00:00:00:03");
  has("right", "4: right@left: <BROADCAST,ALLMULTI,UP,LOWER_UP");
  has("right", "master bridge");
  has("over", "5: over@left: <BROADCAST,");
  has("over", "macvlan mode vepa");
  has("bridge", "7: bridge: <BROADCAST,MULTICAST> mtu");
  has("tap", "9: tap: <NO-CARRIER,BROADCAST,UP>");
  has("tap", "tun type tap pi off vnet_hdr off persist on user 12345");
}

/// The supervisor makes them, a process has them: each call of both fails in turn.
TEST_F(NetworkTest, DevicesWithDescriptors) {
  const auto tun = [](int ifindex, const std::string& name, const Json& flags) {
    return Device(ifindex, name, "TUN",
                  {{"tun",
                    {{"flags", flags},
                     {"owner", 54321},
                     {"group", -1},
                     {"vnethdr", 10},
                     {"sndbuf", 50000}}}});
  };
  const Json devices = Json::array({Loopback(), tun(5, "one", {"IFF_TUN", "IFF_NO_PI"}),
                                    tun(6, "two", {"IFF_TAP", "IFF_MULTI_QUEUE"})});
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.Add("SET_ATTR", Pid(0), {{"attributes", Net(devices)}});
  plan.MapProgram(Pid(0));
  const auto open = [&](int fd, const Json& more) {
    Json file = {{"type", "TUNF"}, {"id", fd}, {"flags", {"O_RDWR"}}, {"path", "/dev/net/tun"}};
    file.update(more);
    plan.Add("OPEN_FILE", Pid(0), {{"fd", fd}, {"file", file}});
  };
  open(3, {{"device", "one"}});
  open(4, {{"device", "two"}, {"detached", true}});
  plan.Resume(Pid(0));
  ASSERT_NO_FATAL_FAILURE(Restore(plan));
  EXPECT_NE(Inside("ip -d link show one").find("5: one: <POINTOPOINT,UP,LOWER_UP>"),
            std::string::npos)
      << Inside("ip -d link show one");
  for (const char* name : {"one", "two"}) {
    const std::string said = Inside("ip -d link show " + std::string(name));
    EXPECT_NE(said.find("persist off user 54321"), std::string::npos) << said;
  }
  KillEverybody();
  for (const std::string arguments : {"--join-ns net:/proc/self/ns/net", "--empty-ns net"}) {
    const Outcome outcome = Run(plan, "--detach " + arguments);
    EXPECT_EQ(outcome.status, 3);
    EXPECT_NE(outcome.errors.find("the network device one, which a descriptor is attached to, is "
                                  "made only with the network namespace of the plan"),
              std::string::npos)
        << outcome.errors;
  }
  EXPECT_GT(FailEachCall(plan, "--detach"), 40);
}

/// It was locked as the tree's own, as a whole, and is the one that is joined.
TEST_F(NetworkTest, TheLockOfANetworkThatIsJoined) {
  const std::string joined = folder_ + "/joined";
  std::ofstream(joined) << "";
  Must("unshare --net=" + joined +
       " sh -c 'for family in iptables ip6tables; do printf \"*filter\\n:CRIU - [0:0]\\n"
       "-A INPUT -j CRIU\\n-A OUTPUT -j CRIU\\n-A CRIU -m mark --mark 0xc114 -j ACCEPT\\n"
       "-A CRIU -j DROP\\n-A INPUT -p tcp --dport 9 -j DROP\\nCOMMIT\\n\" |"
       " $family-restore --noflush; done'");
  for (const char* arguments : {"--network-lock skip", ""}) {
    Plan plan;
    plan.Add("FORK", 0, {{"child_pid", Pid(0)}})["about"] = {
        {"version", "1.0"}, {"network_lock", {{"method", "iptables"}}}};
    plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"net", {{"id", 6}}}}}});
    plan.MapProgram(Pid(0));
    plan.Resume(Pid(0));
    ASSERT_NO_FATAL_FAILURE(Restore(plan, "--join-ns net:" + joined + " " + arguments));
    const std::string rules = Inside("iptables-save") + Inside("ip6tables-save");
    EXPECT_EQ(rules.find("CRIU") == rules.npos, *arguments == 0) << rules;
    EXPECT_NE(rules.find("-A INPUT -p tcp -m tcp --dport 9 -j DROP"), rules.npos) << rules;
    KillEverybody();
  }
  Must("umount " + joined);
}

TEST_F(NetworkTest, WhatProgramsHaveSaved) {
  const Json more = {
      {"sysctls",
       {{"ipv4_all", {{"rp_filter", 2}, {"forwarding", 1}, {"accept_redirects", 1}}},
        {"ipv6_default", {{"hop_limit", 17}, {"mtu", 1300}}},
        {"ping_group_range", "3 9"},
        {"max_dgram_qlen", 21}}},
      {"addresses", Saved("ifaddr-6.img", "ip address add 10.8.0.1/24 dev va; ip address save")},
      {"routes", Saved("route-6.img",
                       "ip address add 10.8.0.1/24 dev va; ip route add 10.7.0.0/24 via 10.8.0.9; "
                       "ip route save")},
      {"rules",
       Saved("rule-6.img", "ip rule add from 10.1.0.0/16 table 55 priority 9; ip rule save")},
      {"iptables",
       Saved("iptables-6.img",
             "iptables-legacy -A INPUT -p tcp --dport 9 -j DROP; iptables-legacy-save")},
      {"nftables", Saved("nftables-6.img", "nft add table ip mine; nft list ruleset")}};
  ASSERT_NO_FATAL_FAILURE(Restore(PlanWith(Net(Pair(), more))));
  EXPECT_NE(Inside("ip address show va").find("inet 10.8.0.1/24"), std::string::npos);
  EXPECT_NE(Inside("ip route").find("10.7.0.0/24 via 10.8.0.9 dev va"), std::string::npos);
  EXPECT_EQ(Inside("ip rule").find("0:\tfrom all lookup local\n9:\tfrom 10.1.0.0/16 lookup 55"), 0u)
      << Inside("ip rule");
  EXPECT_NE(Inside("iptables-legacy-save").find("-A INPUT -p tcp -m tcp --dport 9 -j DROP"),
            std::string::npos);
  EXPECT_EQ(Inside("nft list ruleset"), "table ip mine {\n}\n");
  EXPECT_EQ(Inside("cat /proc/sys/net/ipv4/conf/all/rp_filter /proc/sys/net/ipv4/conf/va/forwarding"
                   " /proc/sys/net/ipv4/conf/all/accept_redirects"
                   " /proc/sys/net/ipv6/conf/va/hop_limit /proc/sys/net/ipv6/conf/default/mtu"
                   " /proc/sys/net/ipv4/ping_group_range /proc/sys/net/unix/max_dgram_qlen"),
            "2\n1\n1\n17\n1300\n3\t9\n21\n");
}

/// Both of what comes from outside; what is made there ends with the tree.
TEST_F(NetworkTest, DevicesWithAPartOutside) {
  Must("ip link add below type veth peer name below2 && ip link set below up");
  const Json net =
      Net(Json::array({Loopback(), Device(2, "eth0", "VETH"),
                       Device(3, "mv0", "MACVLAN", {{"macvlan", {{"mode", "bridge"}}}})}));
  ExpectRefused(net, "", "the network device eth0 has its other end outside, which is not given");
  ExpectRefused(net, "--external veth[eth0]:out0",
                "the network device mv0 is on a device outside, which is not given");
  ExpectRefused(net, "--external veth[eth0]:below --external macvlan[mv0]:none",
                "--external veth[eth0]: below is there already");
  ExpectRefused(net, "--external veth[eth0]:out0 --external macvlan[mv0]:none",
                "none is no network device of this network namespace");
  ExpectRefused(
      net, "--external veth[eth0]:out0 --external macvlan[mv0]:lo",
      "--external macvlan[mv0]: lo is no device of Ethernet, on which a macvlan could be");
  ExpectRefused(net, "--external netdev[eth0]:below --external macvlan[mv0]:below",
                "--external netdev[eth0]: below is given for macvlan[mv0] too");
  ASSERT_NO_FATAL_FAILURE(
      Restore(PlanWith(net), "--external veth[eth0]:out0 --external macvlan[mv0]:below"));
  EXPECT_NE(Inside("ip link show eth0").find("2: eth0@if"), std::string::npos);
  EXPECT_NE(Inside("ip -d link show mv0").find("macvlan mode bridge"), std::string::npos);
  EXPECT_NE(if_nametoindex("out0"), 0u);
  KillEverybody();
  for (int i = 0; i < 500 && if_nametoindex("out0") != 0; ++i) usleep(10'000);
  EXPECT_EQ(if_nametoindex("out0"), 0u);
}

TEST_F(NetworkTest, AnotherEndThatIsAPortOfABridge) {
  Must("ip link add bridge0 type bridge");
  const Json net = Net(Json::array({Loopback(), Device(2, "eth0", "VETH")}));
  ExpectRefused(net, "--external veth[eth0]:out0@none",
                "none is no network device of this network namespace");
  ExpectRefused(net, "--external veth[eth0]:out0@", "veth[IN]:OUT@BRIDGE");
  ExpectRefused(net, "--external veth[eth0]:out0@lo", "--external veth[eth0]: lo is no bridge");
  ASSERT_NO_FATAL_FAILURE(Restore(PlanWith(net), "--external veth[eth0]:out0@bridge0"));
  const std::string end = Said("ip link show out0");
  EXPECT_NE(end.find("master bridge0"), end.npos) << end;
  EXPECT_NE(end.find(",UP"), end.npos) << end;
}

TEST_F(NetworkTest, ADeviceThatMovesOver) {
  Must("ip link add there type veth peer name other");
  const Json net = Net(Json::array(
      {Loopback(), Device(7, "eth0", "VETH", {{"address", "02:00:00:00:00:07"}, {"mtu", 1400}})}));
  ExpectRefused(net, "--external netdev[eth0]:none",
                "--external netdev[eth0]: none is no network device of this network namespace");
  ASSERT_NO_FATAL_FAILURE(Restore(PlanWith(net), "--external netdev[eth0]:there"));
  EXPECT_EQ(if_nametoindex("there"), 0u);
  const std::string moved = Inside("ip link show eth0");
  for (const char* text : {"7: eth0@", "mtu 1400", "link/ether 02:00:00:00:00:07", ",UP"}) {
    EXPECT_NE(moved.find(text), moved.npos) << text << "\n" << moved;
  }
}

TEST_F(NetworkTest, WhatTheProgramsRefuse) {
  const auto refused = [&](const char* member, const std::string& name, const std::string& bytes,
                           const std::string& text) {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
    const Json image = {{"image", name}, {"offset", 0}, {"bytes", bytes.size()}};
    ExpectRefused(Net(Pair(), {{member, image}}), "", text);
  };
  refused("addresses", "ifaddr-6.img", "rubbish", "ifaddr-6.img: ip: ");
  refused("nftables", "nftables-6.img", "table ip x {", "nftables-6.img: nft: ");
  refused("iptables", "iptables-6.img", "*none\nCOMMIT\n", "iptables-6.img: iptables");
  refused("conntrack", "netns-ct-6.img", std::string(20, 'x'),
          "netns-ct-6.img: no entry of connection tracking at byte 0");
}

/// An image is the work of who made the dump: what reads it has no rights but in the namespace.
TEST_F(NetworkTest, ProgramsAreConfined) {
  const std::string secret = folder_ + "/secret";
  std::ofstream(secret) << "table ip stolen {\n}\n";
  ASSERT_EQ(chmod(secret.c_str(), 0600), 0);
  ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
  const std::string ruleset = "include \"" + secret + "\"\n";
  std::ofstream(folder_ + "/nftables-6.img") << ruleset;
  const Json net =
      Net(Pair(),
          {{"nftables", {{"image", "nftables-6.img"}, {"offset", 0}, {"bytes", ruleset.size()}}}});
  ExpectRefused(net, "", "Permission denied");
  // What the kernel says of one, and that it starts no other.
  fs::create_directory(folder_ + "/bin");
  std::ofstream(folder_ + "/bin/nft")
      << "#!/bin/sh\n"
         "while read line; do\n"
         "  case \"$line\" in Uid*|CapEff*|NoNewPrivs*) echo \"$line\";; esac\n"
         "done < /proc/self/status\n"
         "(true) || echo alone\n"
         "exit 1\n";
  ASSERT_EQ(chmod((folder_ + "/bin/nft").c_str(), 0755), 0);
  const Outcome outcome = Run(PlanWith(net), "--detach", "PATH=" + folder_ + "/bin:$PATH");
  EXPECT_EQ(outcome.status, 5);
  for (const char* fact : {"Uid:\\x0965534\\x0965534\\x0965534\\x0965534", "NoNewPrivs:\\x091",
                           "CapEff:\\x090000000000003000", "Cannot fork"}) {
    EXPECT_NE(outcome.errors.find(fact), std::string::npos) << fact << "\n" << outcome.errors;
  }
}

/// Each call of what is made before the tree fails in turn.
TEST_F(NetworkTest, AnyFailingCallLeavesNothing) {
  Must("ip link add below type veth peer name below2 && ip link set below up");
  const Json devices = Json::array(
      {Loopback(), Device(2, "eth0", "VETH", {{"master", 4}}),
       Device(3, "mv0", "MACVLAN", {{"macvlan", {{"mode", "bridge"}}}}), Device(4, "br", "BRIDGE"),
       Device(9, "tap", "TUN",
              {{"tun",
                {{"flags", {"IFF_TAP", "IFF_PERSIST"}},
                 {"owner", 7},
                 {"group", 8},
                 {"vnethdr", 12},
                 {"sndbuf", 100000}}}})});
  const Json more = {
      {"sysctls", {{"ipv4_all", {{"rp_filter", 2}}}, {"ping_group_range", "3 9"}}},
      {"addresses", Saved("ifaddr-6.img", "ip address save dev lo")},
      {"rules", Saved("rule-6.img", "ip rule save")},
      {"nftables", Saved("nftables-6.img", "nft add table ip mine; nft list ruleset")}};
  const Plan plan = PlanWith(Net(devices, more));
  const std::string outside = "--detach --external veth[eth0]:out0 --external macvlan[mv0]:below";
  int failures = 0;
  for (int call = 1;; ++call) {
    SCOPED_TRACE("call " + std::to_string(call));
    for (int i = 0; i < 500 && if_nametoindex("out0") != 0; ++i) usleep(10'000);
    ASSERT_EQ(if_nametoindex("out0"), 0u) << "a device is left";
    const Outcome outcome =
        Run(plan, outside, "CRRESTORE_FAILING_EARLY_CALL=" + std::to_string(call),
            CRRESTORE_FAULTY_BINARY);
    if (outcome.status == 0) break;
    ++failures;
    ASSERT_EQ(outcome.status, 5) << outcome.errors;
    EXPECT_NE(outcome.errors.find("Input/output error"), std::string::npos) << outcome.errors;
    EXPECT_NE(outcome.errors.find("nothing is restored"), std::string::npos) << outcome.errors;
    ASSERT_TRUE(Left().empty());
  }
  EXPECT_GE(failures, 25);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

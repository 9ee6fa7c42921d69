// SPDX-License-Identifier: Apache-2.0
// Several network namespaces of one tree: which process and socket is in which, and that nothing of
// them is left of a restore that fails.
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/support/mounts_fixture.h"
#include "tests/support/network.h"

namespace crgen::test {
namespace {

class NetNamespacesTest : public MountsTest {
 protected:
  void SetUp() override {
    MountsTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_TRUE(EnterOwnNetwork());
  }
  static Json Device(int ifindex, const std::string& name, const std::string& type,
                     const Json& more = {}) {
    Json device = {
        {"ifindex", ifindex}, {"name", name}, {"type", type}, {"mtu", 1500}, {"flags", {"IFF_UP"}}};
    if (!more.is_null()) device.update(more);
    return device;
  }
  static Json Loopback() { return Device(1, "lo", "LOOPBACK", {{"mtu", 65536}}); }
  static Json End(int ifindex, const std::string& name, int link, int net) {
    return Device(ifindex, name, "VETH", {{"link", link}, {"link_net", net}});
  }
  /// Three with a pair between the first two; nobody is in the third.
  static Json Three() {
    const Json numbers = Json::array({{{"net", 7}, {"number", 5}}});
    const Json tun = {
        {"flags", {"IFF_TUN"}}, {"owner", -1}, {"group", -1}, {"vnethdr", 10}, {"sndbuf", 100000}};
    return {
        {"net", {{"id", 6}, {"nsids", numbers}, {"devices", {Loopback(), End(4, "near", 9, 7)}}}},
        {"further_nets",
         {{{"id", 7}, {"devices", {Loopback(), End(9, "far", 4, 6)}}},
          {{"id", 8}, {"devices", {Loopback(), Device(3, "tun0", "TUN", {{"tun", tun}})}}}}}};
  }
  static void OpenPort(Plan& plan, int pid, int fd, int id, const Json& net) {
    Json file = {{"type", "INETSK"},
                 {"id", id},
                 {"flags", {"O_RDWR"}},
                 {"family", "AF_INET"},
                 {"socket_type", "SOCK_STREAM"},
                 {"protocol", "IPPROTO_TCP"},
                 {"state", "TCP_LISTEN"},
                 {"source", {{"address", "127.0.0.1"}, {"port", 4000}}},
                 {"backlog", 3}};
    if (!net.is_null()) file["net"] = net;
    plan.Add("OPEN_FILE", pid, {{"fd", fd}, {"file", file}});
  }
  static Plan Tree() {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.Add("SET_ATTR", Pid(0), {{"attributes", Three()}});
    plan.MapProgram(Pid(0));
    OpenPort(plan, Pid(0), 3, 1, {});
    OpenPort(plan, Pid(0), 4, 2, 7);
    OpenPort(plan, Pid(0), 5, 3, 8);
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 6},
              {"file",
               {{"type", "NS"},
                {"id", 4},
                {"flags", {"O_RDONLY"}},
                {"namespace", "net"},
                {"namespace_id", 8}}}});
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 7},
              {"file",
               {{"type", "TUNF"},
                {"id", 5},
                {"flags", {"O_RDWR"}},
                {"path", "/dev/net/tun"},
                {"device", "tun0"},
                {"net", 8}}}});
    plan.Fork(Pid(0), Pid(1));
    plan.Add("SET_ATTR", Pid(1), {{"attributes", {{"setns", {{"net", 7}}}}}});
    plan.Fork(Pid(1), Pid(2));
    plan.Fork(Pid(1), Pid(3));
    plan.Add("SET_ATTR", Pid(3), {{"attributes", {{"setns", Json::object()}}}});
    for (const int index : {3, 2, 1, 0}) plan.Resume(Pid(index));
    return plan;
  }
  static ino_t InodeAt(int index) {
    struct stat facts = {};
    stat(("/proc/" + std::to_string(Pid(index)) + "/ns/net").c_str(), &facts);
    return facts.st_ino;
  }
  /// Of the network namespace that a descriptor of the root is of, or in.
  static ino_t InodeOf(int fd, bool is_socket) {
    const int process = static_cast<int>(syscall(SYS_pidfd_open, Pid(0), 0));
    int copy = static_cast<int>(syscall(SYS_pidfd_getfd, process, fd, 0));
    close(process);
    if (is_socket) {
      const int net = ioctl(copy, 0x894c);  // SIOCGSKNS
      close(copy);
      copy = net;
    }
    struct stat facts = {};
    fstat(copy, &facts);
    close(copy);
    return facts.st_ino;
  }
  std::string Inside(int index, const std::string& command) {
    (void)system(("nsenter --net=/proc/" + std::to_string(Pid(index)) + "/ns/net " + command +
                  " > " + folder_ + "/said 2>&1")
                     .c_str());
    return TextOf(folder_ + "/said");
  }
};

TEST_F(NetNamespacesTest, EachIsInItsOwn) {
  ASSERT_NO_FATAL_FAILURE(Restore(Tree()));
  EXPECT_NE(InodeAt(0), InodeAt(1));
  EXPECT_EQ(InodeAt(1), InodeAt(2));
  EXPECT_EQ(InodeAt(0), InodeAt(3));
  EXPECT_EQ(InodeOf(3, true), InodeAt(0));
  EXPECT_EQ(InodeOf(4, true), InodeAt(1));
  EXPECT_EQ(InodeOf(5, true), InodeOf(6, false));
  EXPECT_EQ(InodeOf(7, true), InodeOf(6, false));
  EXPECT_NE(InodeOf(6, false), InodeAt(0));
  EXPECT_NE(InodeOf(6, false), InodeAt(1));
  const std::string near = Inside(0, "ip link show near"), far = Inside(1, "ip link show far");
  EXPECT_NE(near.find("4: near@if9: <BROADCAST,UP,LOWER_UP>"), std::string::npos) << near;
  EXPECT_NE(near.find("link-netnsid 5"), std::string::npos) << near;
  EXPECT_NE(far.find("9: far@if4: <BROADCAST,UP,LOWER_UP>"), std::string::npos) << far;
}

TEST_F(NetNamespacesTest, ThatAreNotMade) {
  for (const char* option : {"--empty-ns net", "--join-ns net:/proc/self/ns/net"}) {
    const Outcome outcome = Run(Tree(), std::string("--detach ") + option);
    EXPECT_NE(outcome.status, 0);
    EXPECT_NE(outcome.errors.find("the plan has several network namespaces"), std::string::npos)
        << outcome.errors;
    EXPECT_TRUE(Left().empty());
  }
}

/// Each call of what is made before the tree, then each of the tree itself.
TEST_F(NetNamespacesTest, AnyFailingCallLeavesNothing) {
  const Plan plan = Tree();
  int failures = FailEachCall([&] { return plan; }, "--detach", [](const Outcome&) {},
                              "CRRESTORE_FAILING_EARLY_CALL");
  EXPECT_GE(failures, 30);
  failures = FailEachCall(plan, "--detach");
  EXPECT_GE(failures, 30);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

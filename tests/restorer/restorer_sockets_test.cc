// SPDX-License-Identifier: Apache-2.0
// Internet sockets: what a plan says is what the kernel has, connections in all their states, and
// their peers hear nothing of a restore that fails.
#include <netinet/tcp.h>

#include <filesystem>
#include <iterator>

#include "tests/support/network.h"
#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

constexpr int kPeerPort = 22002;
constexpr std::uint32_t kInSeq = 1'000'000, kOutSeq = 5'000'000;

class RestorerSocketsTest : public RestorerTest {
 protected:
  void SetUp() override {
    RestorerTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_TRUE(peer_.is_up()) << "no TUN device: " << std::strerror(errno);
    std::ofstream(folder_ + "/queues.img") << "headinputoutputlater";
  }

  static Json Address(const std::string& address, int port) {
    return {{"address", address}, {"port", port}};
  }
  static Json Socket(const char* type, const char* protocol, const char* state) {
    return {{"type", "INETSK"},    {"id", 1},
            {"flags", {"O_RDWR"}}, {"family", "AF_INET"},
            {"socket_type", type}, {"protocol", protocol},
            {"state", state}};
  }
  /// The port of the socket. What ends leaves its end to the kernel for a while, so the next one
  /// has another.
  std::string Port() const { return std::to_string(port_); }
  void NextPort() {
    KillEverybody();
    (void)peer_.Segments(0);
    ++port_;
  }

  Json Listener() const {
    Json socket = Socket("SOCK_STREAM", "IPPROTO_TCP", "TCP_LISTEN");
    socket["source"] = Address("127.0.0.1", port_);
    socket["backlog"] = 3;
    return socket;
  }
  static Json Range(int offset, int bytes) {
    return {{"image", "queues.img"}, {"offset", offset}, {"bytes", bytes}};
  }
  /// With "input" received, "output" sent and "later" written, as far as the state has them.
  Json Connection(const std::string& state) const {
    Json socket = Socket("SOCK_STREAM", "IPPROTO_TCP", state.c_str());
    socket["source"] = Address(SilentPeer::kOwn, port_);
    socket["destination"] = Address(SilentPeer::kPeer, kPeerPort);
    socket["options"] = {{"so_reuseaddr", true}, {"so_sndbuf", 40000}, {"so_rcvbuf", 50000}};
    Json& stream = socket["stream"];
    stream = {{"in_seq", kInSeq}, {"out_seq", kOutSeq}, {"mss", 1400}};
    if (state == "TCP_SYN_SENT") return socket;
    stream["scale"] = {{"send", 7}, {"receive", 7}};
    stream["sack"] = true;
    stream["window"] = {{"snd_wl1", kInSeq},
                        {"snd_wnd", 65536},
                        {"max_window", 65536},
                        {"rcv_wnd", 60000},
                        {"rcv_wup", kInSeq}};
    if (state != "TCP_CLOSE") stream["in"] = Range(4, 5);
    // Who has had its FIN acknowledged has nothing left to send.
    if (state != "TCP_CLOSE" && state != "TCP_FIN_WAIT2") {
      stream["out"] = Range(9, 6);
      stream["unsent"] = Range(15, 5);
    }
    return socket;
  }

  /// A process that pauses and has `socket` as descriptor 3.
  static Plan PlanWith(const Json& socket) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Add("OPEN_FILE", Pid(0), {{"fd", 3}, {"file", socket}});
    if (socket.contains("stream")) {
      Json late = {{{"fd", 3}, {"repair", "off"}}};
      plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"descriptors", late}}}});
    }
    plan.Resume(Pid(0));
    return plan;
  }

  SilentPeer peer_;
  int port_ = 23000;
};

TEST_F(RestorerSocketsTest, WhoListensIsFound) {
  const Outcome outcome = Run(PlanWith(Listener()));
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(TcpStateAt(port_), TCP_LISTEN);
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(port_);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  close(client);
}

/// Every state of a connection: the kernel has it with its queues, the peer is told what it may not
/// have heard, and no reset is sent.
TEST_F(RestorerSocketsTest, EveryStateOfAConnection) {
  const struct {
    const char* name;
    int number;
    std::uint32_t out, in;  ///< in the queues; a FIN is one
  } states[] = {{"TCP_ESTABLISHED", TCP_ESTABLISHED, 11, 5}, {"TCP_SYN_SENT", TCP_SYN_SENT, 1, 0},
                {"TCP_FIN_WAIT1", TCP_FIN_WAIT1, 12, 5},     {"TCP_FIN_WAIT2", TCP_FIN_WAIT2, 0, 5},
                {"TCP_CLOSE_WAIT", TCP_CLOSE_WAIT, 11, 6},   {"TCP_LAST_ACK", TCP_LAST_ACK, 12, 6},
                {"TCP_CLOSING", TCP_CLOSING, 12, 6},         {"TCP_CLOSE", 0, 0, 0}};
  for (const auto& state : states) {
    SCOPED_TRACE(state.name);
    const Outcome outcome = Run(PlanWith(Connection(state.name)), "--detach --tcp-established");
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    const TcpFacts facts = TcpFactsAt(port_);
    EXPECT_EQ(facts.state, state.number);
    EXPECT_EQ(facts.out, state.out);
    EXPECT_EQ(facts.in, state.in);
    // What was sent before is sent again after a second or so.
    bool heard = state.out == 0;
    for (int i = 0; i < 200 && !heard; ++i) {
      for (const auto& segment : peer_.Segments(50)) {
        EXPECT_FALSE(segment.reset);
        if (segment.sequence != kOutSeq - state.out) continue;
        heard |= segment.syn ? state.number == TCP_SYN_SENT : segment.data.starts_with("output");
      }
    }
    EXPECT_TRUE(heard);
    NextPort();
  }
}

TEST_F(RestorerSocketsTest, ConnectionsWantTheUsersConsent) {
  const Plan plan = PlanWith(Connection("TCP_ESTABLISHED"));
  const Outcome refused = Run(plan);
  EXPECT_EQ(refused.status, 4);
  EXPECT_NE(refused.errors.find("--tcp-established"), std::string::npos) << refused.errors;
  const Outcome closed = Run(plan, "--detach --tcp-close");
  ASSERT_EQ(closed.status, 0) << closed.errors;
  EXPECT_EQ(TcpStateAt(port_), 0);
  EXPECT_TRUE(peer_.Segments(50).empty());
}

TEST_F(RestorerSocketsTest, WhatTheHostHasNotIsSaidBefore) {
  const int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_port = htons(port_);
  ASSERT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(listen(taken, 1), 0);
  const auto says = [&](const Json& socket, const std::string& what) {
    const Outcome outcome = Run(PlanWith(socket), "--detach --tcp-established");
    EXPECT_EQ(outcome.status, 3);
    EXPECT_NE(outcome.errors.find(what), std::string::npos) << outcome.errors;
    EXPECT_TRUE(Left().empty());
  };
  says(Listener(), "port " + Port() + " of 127.0.0.1 is taken, by process 1 (");
  close(taken);
  Json elsewhere = Listener();
  elsewhere["source"] = Address("192.0.2.1", port_);
  elsewhere["state"] = "TCP_ESTABLISHED";
  elsewhere["socket_type"] = "SOCK_DGRAM";
  elsewhere["protocol"] = "IPPROTO_UDP";
  elsewhere["destination"] = Address("192.0.2.2", 7);
  elsewhere.erase("backlog");
  says(elsewhere, "the address 192.0.2.1 is not of this host");
  Json device = Listener();
  device["options"] = {{"so_bindtodevice", "nosuch0"}};
  says(device, "there is no interface nosuch0");
  Json short_queue = Connection("TCP_ESTABLISHED");
  short_queue["stream"]["in"]["offset"] = 100;
  says(short_queue, "queues.img has 20 bytes");
}

TEST_F(RestorerSocketsTest, WhoWaitsMayDoSoAtAnAddressOfElsewhere) {
  Json elsewhere = Listener();
  elsewhere["source"] = Address("192.0.2.1", port_);
  const Outcome outcome = Run(PlanWith(elsewhere));
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_NE(
      outcome.errors.find("the address 192.0.2.1 is not of this host: it is bound all the same"),
      std::string::npos)
      << outcome.errors;
  KillEverybody();
}

TEST_F(RestorerSocketsTest, APortMayBelongToNobodyAnyMore) {
  port_ = 23900;  // it stays in TIME_WAIT
  const int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_port = htons(port_);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listening, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(listen(listening, 1), 0);
  ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  const int accepted = accept(listening, nullptr, nullptr);
  close(listening);
  close(accepted);
  constexpr int kFinWait2 = 5;
  for (int look = 0; look < 5000 && TcpStateAt(port_) != kFinWait2; ++look) usleep(1000);
  const Outcome outcome = Run(PlanWith(Listener()));
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("the kernel has it in FIN_WAIT2 (wait until it is over"),
            std::string::npos)
      << outcome.errors;
  EXPECT_EQ(outcome.errors.find("end who has it"), std::string::npos) << outcome.errors;
  close(client);
}

/// Each system call of a restore fails in turn: the peer hears nothing, and a second try works.
TEST_F(RestorerSocketsTest, AFailureIsNoEndOfTheConnection) {
  for (const char* state : {"TCP_ESTABLISHED", "TCP_CLOSING", "TCP_FIN_WAIT2"}) {
    SCOPED_TRACE(state);
    const auto plan = [&] { return PlanWith(Connection(state)); };
    const auto look = [&](const Outcome& outcome) {
      if (outcome.status == 0) {
        EXPECT_NE(TcpStateAt(port_), 0);
        return NextPort();
      }
      EXPECT_EQ(TcpStateAt(port_), 0);
      for (const auto& segment : peer_.Segments(0)) {
        EXPECT_FALSE(segment.reset) << outcome.errors;
        EXPECT_FALSE(segment.fin && state == std::string("TCP_ESTABLISHED")) << outcome.errors;
      }
    };
    EXPECT_GT(FailEachCall(plan, "--detach --tcp-established", look), 40);
  }
}

/// The tools of the system are stood in for by scripts that write down what they are asked for.
class NetworkLockTest : public RestorerSocketsTest {
 protected:
  void SetUp() override {
    RestorerSocketsTest::SetUp();
    if (IsSkipped()) return;
    std::filesystem::create_directory(folder_ + "/bin");
    Tool("iptables-save", "cat ../rules");
    Tool("iptables-restore", "echo \"$@\" >> ../done; cat >> ../done; exit $(cat ../status)");
    Tool("nft",
         "echo \"$@\" >> ../done; . ../amid_$1; [ \"$1\" = list ] && cat ../tables; "
         "exit $(cat ../status)");
    Write("status", "0");
    Write("tables", "table inet CRIU-77\ntable inet CRIU-7\n");
    Write("amid_list", "");
    Write("amid_delete", "");
    Write("rules", "*filter\n:INPUT ACCEPT [0:0]\n-A " + Rule("INPUT", 22002) + "-A " +
                       Rule("INPUT", 22003) + "-A " + Rule("OUTPUT", 22002) +
                       "-A OUTPUT -s 10.9.0.1/32 -d 10.9.0.2/32 -p tcp -m tcp --sport " + Port() +
                       " --dport 22002 -j DROP\nCOMMIT\n");
  }
  /// As iptables-save(8) has the rules by which CRIU stops a connection.
  std::string Rule(const std::string& chain, int peer) const {
    const bool in = chain == "INPUT";
    const std::string ports = in ? " --sport " + std::to_string(peer) + " --dport " + Port()
                                 : " --sport " + Port() + " --dport " + std::to_string(peer);
    return chain + (in ? " -s 10.9.0.2/32 -d 10.9.0.1/32" : " -s 10.9.0.1/32 -d 10.9.0.2/32") +
           " -p tcp -m mark ! --mark 0xc114 -m tcp" + ports + " -j DROP\n";
  }
  void Tool(const std::string& name, const std::string& script) {
    const std::string path = folder_ + "/bin/" + name;
    std::ofstream(path) << "#!/bin/sh\ncd " << folder_ << "/bin\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }
  std::string Done() const {
    std::stringstream text;
    text << std::ifstream(folder_ + "/done").rdbuf();
    return text.str();
  }
  Plan Locked(const Json& lock) {
    Plan plan;
    Json& fork = plan.Add("FORK", 0, {{"child_pid", Pid(0)}});
    fork["about"] = {{"version", "1.0"}, {"network_lock", lock}};
    plan.MapProgram(Pid(0));
    plan.Add("OPEN_FILE", Pid(0), {{"fd", 3}, {"file", Connection("TCP_ESTABLISHED")}});
    Json late = {{{"fd", 3}, {"repair", "off"}}};
    plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"descriptors", late}}}});
    plan.Resume(Pid(0));
    return plan;
  }
  const Json kTable = {{"method", "nftables"}, {"table", "CRIU-7"}};
  /// Of a restore with kTable: says so, and nothing is left.
  void ExpectFailure(const std::string& arguments, const std::string& message) {
    const Outcome outcome = RunLocked(kTable, arguments);
    EXPECT_EQ(outcome.status, 5);
    EXPECT_NE(outcome.errors.find(message), std::string::npos) << outcome.errors;
    EXPECT_TRUE(Left().empty());
    EXPECT_EQ(TcpStateAt(port_), 0);
    for (const auto& segment : peer_.Segments(50)) EXPECT_FALSE(segment.reset || segment.fin);
  }
  static bool IsRunning(const std::string& program) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::string name;
      if (std::getline(std::ifstream(entry.path() / "comm"), name) && name == program) {
        std::ifstream stat(entry.path() / "stat");
        std::string text;
        std::getline(stat, text);
        if (text.find(") Z ") == std::string::npos) return true;
      }
    }
    return false;
  }
  Outcome RunLocked(const Json& lock, const std::string& more = "", const std::string& fault = "",
                    const char* binary = CRRESTORE_BINARY) {
    return Run(Locked(lock), "--detach --tcp-established " + more,
               "PATH=" + folder_ + "/bin:$PATH " + fault, binary);
  }
};

TEST_F(NetworkLockTest, RulesOfTheConnectionsAreRemovedAtOnce) {
  const Outcome outcome = RunLocked({{"method", "iptables"}});
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(Done(), "-w --noflush\n*filter\n-D " + Rule("INPUT", 22002) + "-D " +
                        Rule("OUTPUT", 22002) + "COMMIT\n");
}

TEST_F(NetworkLockTest, AnotherMachineHasNoRules) {
  Write("rules", "*filter\nCOMMIT\n");
  EXPECT_EQ(RunLocked({{"method", "iptables"}}).status, 0);
  EXPECT_EQ(Done(), "");
}

TEST_F(NetworkLockTest, SkipLeavesThemAlone) {
  EXPECT_EQ(RunLocked({{"method", "iptables"}}, "--network-lock skip").status, 0);
  EXPECT_EQ(Done(), "");
}

TEST_F(NetworkLockTest, ATableIsDeleted) {
  EXPECT_EQ(RunLocked({{"method", "nftables"}, {"table", "CRIU-7"}}).status, 0);
  EXPECT_EQ(Done(), "list tables inet\ndelete table inet CRIU-7\n");
}

TEST_F(NetworkLockTest, ATableIsKnownByAsMuchOfItsNameAsTheDumperHasRoomFor) {
  Write("tables", "table inet CRIU-ae9ca9ce-2d1d-4e7a-8\ntable inet CRIU-ae9ca9ce-2d1d-4e7a-8e\n");
  EXPECT_EQ(
      RunLocked({{"method", "nftables"}, {"table", "CRIU-ae9ca9ce-2d1d-4e7a-8e64-05d47afc2be8"}})
          .status,
      0);
  EXPECT_EQ(Done(), "list tables inet\ndelete table inet CRIU-ae9ca9ce-2d1d-4e7a-8e\n");
}

/// What it has said behind the lock is lost, a reset of who is no longer there with it.
TEST_F(NetworkLockTest, TheConnectionSpeaksWhenItIsRemoved) {
  const auto sent = [](const std::string& file) {  // proc_pid_net(5), snmp: OutSegs of `Tcp:`
    std::ifstream counters(file);
    std::string line;
    while (line.rfind("Tcp: 1", 0) != 0 && std::getline(counters, line)) continue;
    std::istringstream words(line);
    std::vector<std::string> all{std::istream_iterator<std::string>(words), {}};
    return all.size() > 11 ? std::stoi(all[11]) : -1;
  };
  Write("amid_delete", "cp /proc/net/snmp removed");
  const Outcome outcome = RunLocked(kTable);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_GE(sent(folder_ + "/bin/removed"), 0);
  EXPECT_GT(sent("/proc/net/snmp"), sent(folder_ + "/bin/removed"));
}

TEST_F(NetworkLockTest, ATableThatIsNotThereIsNot) {
  Write("tables", "table inet CRIU-77\n");
  EXPECT_EQ(RunLocked({{"method", "nftables"}, {"table", "CRIU-7"}}).status, 0);
  EXPECT_EQ(Done(), "list tables inet\n");
}

TEST_F(NetworkLockTest, WhetherATableIsThereMustBeKnown) {
  Write("amid_list", "echo Operation not permitted >&2");
  Write("status", "1");
  ExpectFailure("", "nft list tables inet: ");
  EXPECT_EQ(Done(), "list tables inet\n");
}

/// With all that it has started.
TEST_F(NetworkLockTest, AToolThatHangsIsKilled) {
  for (const char* amid : {"list", "delete"}) {
    SCOPED_TRACE(amid);
    Write(std::string("amid_") + amid, "sleep 1234; true");
    ExpectFailure("--timeout 1", "no end after 1 s (--timeout): killed");
    EXPECT_FALSE(IsRunning("sleep"));
    Write(std::string("amid_") + amid, "");
  }
}

TEST_F(NetworkLockTest, ASignalEndsItAmidATool) {
  for (const char* amid : {"list", "delete"}) {
    SCOPED_TRACE(amid);
    Write(std::string("amid_") + amid,
          "kill -TERM $(cut -d ' ' -f 4 /proc/$PPID/stat); sleep 1234; true");
    ExpectFailure("--timeout 0", "interrupted");
    EXPECT_FALSE(IsRunning("sleep"));
    Write(std::string("amid_") + amid, "");
  }
}

TEST_F(NetworkLockTest, WhoDiesBeforeItIsRemovedLeavesIt) {
  Write("amid_list", "kill -KILL " + std::to_string(Pid(0)));
  const Outcome outcome = RunLocked(kTable);
  EXPECT_EQ(outcome.status, 5) << outcome.errors;
  EXPECT_EQ(Done(), "list tables inet\n");
  EXPECT_EQ(outcome.errors.find("is gone"), std::string::npos) << outcome.errors;
}

TEST_F(NetworkLockTest, AFailureSaysThatItIsGone) {
  Write("amid_delete", "kill -KILL " + std::to_string(Pid(0)));
  ExpectFailure("", "the network lock of the dump is gone");
}

/// They are the system's: what crrestore changes for itself is not theirs.
TEST_F(NetworkLockTest, ToolsHaveTheLimitsOfTheCaller) {
  Write("amid_list",
        "ulimit -Sn > ../limits; grep -E 'Sig(Blk|Ign)' /proc/self/status >> ../limits");
  const Outcome outcome = RunLocked(kTable, "", "&& ulimit -Sn 100 &&");
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  std::ifstream file(folder_ + "/limits");
  std::string limit, blocked, ignored, label;
  file >> limit >> label >> blocked >> label >> ignored;
  EXPECT_EQ(limit, "100");
  EXPECT_EQ(std::stoull(blocked, nullptr, 16), 0u);
  EXPECT_EQ(std::stoull(ignored, nullptr, 16) & 1ull << (SIGXFSZ - 1), 0u);
}

TEST_F(NetworkLockTest, WhatCannotBeUnlockedIsNotRestored) {
  Write("status", "1");
  const Outcome outcome = RunLocked({{"method", "iptables"}});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_NE(outcome.errors.find("the network lock of the dump"), std::string::npos)
      << outcome.errors;
  EXPECT_TRUE(Left().empty());
  EXPECT_EQ(TcpStateAt(port_), 0);
  for (const auto& segment : peer_.Segments(50)) EXPECT_FALSE(segment.reset || segment.fin);
}

TEST_F(NetworkLockTest, WithoutTheToolNothingIsBegun) {
  std::filesystem::remove(folder_ + "/bin/iptables-save");
  std::filesystem::create_symlink("/usr/bin/timeout", folder_ + "/bin/timeout");
  const Outcome outcome = Run(Locked({{"method", "iptables"}}), "--detach --tcp-established",
                              "PATH=" + folder_ + "/bin");
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("iptables-save is not here"), std::string::npos) << outcome.errors;
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) {
  if (geteuid() == 0 && !crgen::test::EnterOwnNetwork()) return 1;
  return crgen::test::MainInNewPidNamespace(argc, argv);
}

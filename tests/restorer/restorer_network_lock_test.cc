// SPDX-License-Identifier: Apache-2.0
// The network lock of a dump: removed once, when nothing else is left to be done, and put back if
// anything fails.
#include <iterator>

#include "tests/support/connection_plans.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

/// The tools of the system are stood in for by scripts that write down what they are asked for.
class NetworkLockTest : public RestorerSocketsTest {
 protected:
  void SetUp() override {
    RestorerSocketsTest::SetUp();
    if (IsSkipped()) return;
    std::filesystem::create_directory(folder_ + "/bin");
    Tool("iptables-save", "cat ../rules");
    Tool("iptables-restore",
         "echo \"$@\" >> ../done; cat >> ../done; . ../amid_restore; exit $(cat ../status)");
    Tool("nft",
         "echo \"$@\" >> ../done; . ../amid_$1; [ \"$1 $2\" = 'list tables' ] && cat ../tables; "
         "[ \"$1 $2\" = 'list table' ] && echo the table; [ \"$1\" = -f ] && cat >> ../done; "
         "exit $(cat ../status)");
    Write("status", "0");
    Write("tables", "table inet CRIU-77\ntable inet CRIU-7\n");
    for (const char* amid : {"list", "delete", "-f", "restore"}) {
      Write(std::string("amid_") + amid, "");
    }
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
  static constexpr const char* kLooked = "list tables inet\nlist table inet CRIU-7\n";
  static constexpr const char* kDeleted = "delete table inet CRIU-7\n";
  static constexpr const char* kPutBack = "-f -\nthe table\n";
  /// Of a restore with kTable: says so, and nothing is left.
  std::string ExpectFailure(const std::string& arguments, const std::string& message) {
    const Outcome outcome = RunLocked(kTable, arguments);
    EXPECT_EQ(outcome.status, 5);
    EXPECT_NE(outcome.errors.find(message), std::string::npos) << outcome.errors;
    EXPECT_TRUE(Left().empty());
    EXPECT_EQ(TcpStateAt(port_), 0);
    for (const auto& segment : peer_.Segments(50)) EXPECT_FALSE(segment.reset || segment.fin);
    return outcome.errors;
  }
  /// What the tool does amid that, the first time.
  void WriteOnce(const std::string& amid, const std::string& text) {
    Write("amid_" + amid, "echo > ../amid_" + amid + "; " + text + "; true");
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
  EXPECT_EQ(Done(), std::string(kLooked) + kDeleted);
}

TEST_F(NetworkLockTest, ATableIsKnownByAsMuchOfItsNameAsTheDumperHasRoomFor) {
  Write("tables", "table inet CRIU-ae9ca9ce-2d1d-4e7a-8\ntable inet CRIU-ae9ca9ce-2d1d-4e7a-8e\n");
  EXPECT_EQ(
      RunLocked({{"method", "nftables"}, {"table", "CRIU-ae9ca9ce-2d1d-4e7a-8e64-05d47afc2be8"}})
          .status,
      0);
  EXPECT_EQ(Done(),
            "list tables inet\nlist table inet CRIU-ae9ca9ce-2d1d-4e7a-8e\n"
            "delete table inet CRIU-ae9ca9ce-2d1d-4e7a-8e\n");
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
    WriteOnce(amid, "sleep 1234");
    ExpectFailure("--timeout 1", "no end after 1 s (--timeout): killed");
    EXPECT_FALSE(IsRunning("sleep"));
  }
  EXPECT_EQ(Done(), std::string("list tables inet\n") + kLooked + kDeleted + kDeleted + kPutBack)
      << "the first one may have deleted it";
}

TEST_F(NetworkLockTest, ASignalEndsItAmidATool) {
  for (const char* amid : {"list", "delete"}) {
    SCOPED_TRACE(amid);
    WriteOnce(amid, "kill -TERM $(cut -d ' ' -f 4 /proc/$PPID/stat); sleep 1234");
    ExpectFailure("--timeout 0", "interrupted");
    EXPECT_FALSE(IsRunning("sleep"));
  }
  EXPECT_TRUE(Done().ends_with(kPutBack)) << Done();
}

TEST_F(NetworkLockTest, WhoDiesBeforeItIsRemovedLeavesIt) {
  Write("amid_list", "kill -KILL " + std::to_string(Pid(0)));
  const Outcome outcome = RunLocked(kTable);
  EXPECT_EQ(outcome.status, 5) << outcome.errors;
  EXPECT_EQ(Done(), kLooked);
  EXPECT_EQ(outcome.errors.find("is gone"), std::string::npos) << outcome.errors;
}

TEST_F(NetworkLockTest, AFailurePutsATableBack) {
  Write("amid_delete", "kill -KILL " + std::to_string(Pid(0)));
  const std::string errors = ExpectFailure("", "process ");
  EXPECT_EQ(errors.find("is gone"), std::string::npos) << errors;
  EXPECT_EQ(Done(), std::string(kLooked) + kDeleted + kPutBack);
}

/// Between the others, where they were.
TEST_F(NetworkLockTest, AFailurePutsRulesBack) {
  Write("amid_restore", "kill -KILL " + std::to_string(Pid(0)));
  Write("rules",
        "*raw\n-A INPUT -j ACCEPT\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i lo -j "
        "ACCEPT\n-A " +
            Rule("INPUT", 22003) + "-A " + Rule("INPUT", 22002) + "-A " + Rule("OUTPUT", 22002) +
            "COMMIT\n");
  EXPECT_EQ(RunLocked({{"method", "iptables"}}).status, 5);
  const auto placed = [](const std::string& rule, const std::string& place) {
    const std::size_t chain = rule.find(' ');
    return "-I " + rule.substr(0, chain) + " " + place + rule.substr(chain);
  };
  EXPECT_EQ(Done(), "-w --noflush\n*filter\n-D " + Rule("INPUT", 22002) + "-D " +
                        Rule("OUTPUT", 22002) + "COMMIT\n-w --noflush\n*filter\n" +
                        placed(Rule("INPUT", 22002), "3") + placed(Rule("OUTPUT", 22002), "1") +
                        "COMMIT\n");
}

TEST_F(NetworkLockTest, AFailureSaysThatItIsGone) {
  Write("amid_delete", "kill -KILL " + std::to_string(Pid(0)));
  Write("amid_-f", "echo not me; exit 3");
  ExpectFailure(
      "",
      "the network lock of the dump is gone: whatever the peers send now is answered with "
      "a reset, which ends their connections; to put it back, the network lock of the "
      "dump: nft: not me");
}

/// At whichever call.
TEST_F(NetworkLockTest, AFailureLeavesTheLock) {
  const auto plan = [&] {
    std::filesystem::remove(folder_ + "/done");
    return Locked(kTable);
  };
  int put_back = 0;
  const auto look = [&](const Outcome& outcome) {
    if (outcome.status == 0) return NextPort();
    const std::string done = Done();
    const bool deleted = done.find(kDeleted) != done.npos;
    EXPECT_EQ(done.ends_with(kPutBack), deleted) << outcome.errors << done;
    put_back += deleted ? 1 : 0;
    EXPECT_EQ(outcome.errors.find("is gone"), std::string::npos) << outcome.errors;
    EXPECT_EQ(TcpStateAt(port_), 0);
    for (const auto& segment : peer_.Segments(0)) EXPECT_FALSE(segment.reset || segment.fin);
  };
  // How many calls there are differs a little between runs: one behind the removal may be missed.
  constexpr int kMostTimes = 8;
  for (int times = 0; times < kMostTimes && put_back == 0; ++times) {
    EXPECT_GT(FailEachCall(plan, "--detach --tcp-established", look,
                           "PATH=" + folder_ + "/bin:$PATH CRRESTORE_FAILING_CALL"),
              40);
  }
  EXPECT_GT(put_back, 0);
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

// SPDX-License-Identifier: Apache-2.0
// End to end, with a real CRIU as the dumper: programs that check themselves from inside are
// started, dumped and thereby killed, planned, restored, and must finish with PASS.
#include <gtest/gtest.h>
#include <sys/un.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "tests/support/e2e_damage.h"
#include "tests/support/e2e_plan.h"
#include "tests/support/e2e_support.h"
#include "tests/support/network.h"

namespace crgen::test {

// What a parameterized test is called with in messages.
void PrintTo(const Program& program, std::ostream* out) { *out << program.name; }
void PrintTo(const Damage& damage, std::ostream* out) {
  *out << damage.program << ": " << damage.what;
}

namespace {

const Program kPrograms[] = {
    {"counter"},
    {"memory"},
    {"shared_memory"},
    {"copy_on_write"},
    {"files"},
    {"events"},
    {"epoll"},
    {"passed_sets"},
    {"pipes"},
    {"fifos"},
    {"sockets"},
    {"locks"},
    {"unlinked"},
    {"unlinked_kinds"},
    {"other_names"},
    {"dead_processes"},
    {"watches"},
    {"pidfds"},
    {"passed_pidfds"},
    {"ptys"},
    {"inet", true, false, true},
    {"passed_connections", true, false, true},
    {"netlink", true, false, true},
    {"packets", true, false, true},
    {"namespace_files"},
    {"bpf_maps", true, false, false, false, false, false, true},
    // CRIU takes no segment of which a part is attached.
    {"system_v", false},
    {"cgroups", true, false, false, true},
    {"threads"},
    {"thread_state"},
    {"clocks"},
    {"aio"},
    {"memfd_exec"},
    {"signals"},
    {"timers"},
    {"zombies"},
    {"registers"},
    {"attributes"},
    {"forest", false},
    {"chain"},
    {"cyclic_groups", false},
    {"births_before_setsid", false},
    {"init", true, true},
    {"user_namespace"},
    {"network", true, false, false, false, false, true},
    {"tun", true, false, false, false, false, true},
    {"net_namespaces", true, false, false, false, false, true},
    // CRIU wants a root that is a mount point.
    {"namespaces", false, false, false, false, true},
    {"mount_namespaces", false, false, false, false, true},
    {"socket_places", false, false, false, false, true},
};

Program ProgramNamed(const std::string& name) {
  return *std::find_if(std::begin(kPrograms), std::end(kPrograms),
                       [&](const Program& program) { return program.name == name; });
}

std::vector<Program> RefusedByCriu() {
  std::vector<Program> refused;
  for (const Program& program : kPrograms) {
    if (!program.criu_restores) refused.push_back(program);
  }
  return refused;
}

class RestoreTest : public EndToEnd, public ::testing::WithParamInterface<Program> {
 protected:
  const Program& TheProgram() const override { return GetParam(); }
};

TEST_P(RestoreTest, FinishesAfterARestore) {
  if (WithReference() && !GetParam().criu_restores) GTEST_SKIP() << "CRIU refuses this tree";
  // In namespaces of their own numbers and mounts are others from here.
  const bool compared = !WithReference() && !GetParam().pid_namespace && !GetParam().own_root;
  if (compared) {
    ASSERT_NO_FATAL_FAILURE(TakeFacts("before"));
  }
  ASSERT_NO_FATAL_FAILURE(Dump("first"));
  ASSERT_NO_FATAL_FAILURE(MakePlan("first"));
  ASSERT_NO_FATAL_FAILURE(Restore("first"));
  if (compared) {
    ASSERT_NO_FATAL_FAILURE(TakeFacts("after"));
    EXPECT_EQ(ChangedFacts("before", "after"), "\n");
  }
  Finish();
}

/// Whoever is restored is dumped again: the plan is the same, and it restores the tree once more.
TEST_P(RestoreTest, GivesTheSamePlanAgain) {
  if (WithReference() && !GetParam().criu_restores) GTEST_SKIP() << "CRIU refuses this tree";
  ASSERT_NO_FATAL_FAILURE(Dump("first"));
  ASSERT_NO_FATAL_FAILURE(MakePlan("first"));
  ASSERT_NO_FATAL_FAILURE(Restore("first"));
  ASSERT_NO_FATAL_FAILURE(Dump("second"));
  ASSERT_NO_FATAL_FAILURE(MakePlan("second"));
  if (!WithReference()) {  // CRIU forks in another order and merges areas
    EXPECT_EQ(PlanDifference(Plan("first"), Plan("second")), "");
  }
  ASSERT_NO_FATAL_FAILURE(Restore("second"));
  Finish();
}

INSTANTIATE_TEST_SUITE_P(Programs, RestoreTest, ::testing::ValuesIn(kPrograms),
                         [](const auto& of) { return of.param.name; });

/// In a pid namespace of somebody else, with the mounts of all.
class OutsidePidTest : public RestoreTest {
 protected:
  void SetUp() override {
    space_.emplace();
    RestoreTest::SetUp();
  }
  void TearDown() override {
    RestoreTest::TearDown();
    space_.reset();
  }
};

TEST_P(OutsidePidTest, HasItsNumbersThereAgain) {
  if (WithReference()) GTEST_SKIP() << "CRIU has another option for it";
  const auto numbers = [&] {
    std::vector<int> all;
    for (const auto& [there, here] : space_->Others()) all.push_back(there);
    return all;
  };
  const std::vector<int> before = numbers();
  EXPECT_EQ(std::ranges::count(before, kRoot), 1);
  for (const char* dump : {"first", "second"}) {
    ASSERT_NO_FATAL_FAILURE(Dump(dump));
    ASSERT_NO_FATAL_FAILURE(MakePlan(dump));
    ASSERT_NO_FATAL_FAILURE(Restore(dump));
    EXPECT_EQ(numbers(), before);
  }
  EXPECT_EQ(PlanDifference(Plan("first"), Plan("second")), "");
  Finish();
}

/// Those that look nobody up in /proc, which has the numbers of outside. (CRIU dumps zombies with
/// these, and timers of threads with any.)
INSTANTIATE_TEST_SUITE_P(Programs, OutsidePidTest,
                         ::testing::Values(Program{"sockets"}, Program{"ptys"},
                                           Program{"shared_memory"}, Program{"signals"}),
                         [](const auto& of) { return of.param.name; });

/// It is not known to us alone that these trees are hard.
class CriuTest : public RestoreTest {};

TEST_P(CriuTest, RefusesThisTree) {
  ASSERT_NO_FATAL_FAILURE(Dump("first"));
  const Outcome outcome =
      Execute({Machine().criu, "restore", "-d", "-D", Images("first")}, Log("criu"), 3);
  EXPECT_NE(outcome.status, 0);
}

INSTANTIATE_TEST_SUITE_P(Programs, CriuTest, ::testing::ValuesIn(RefusedByCriu()),
                         [](const auto& of) { return of.param.name; });

/// Of several network namespaces with connections CRIU locks that of the root alone. In none is a
/// rule left.
class LockTest : public EndToEnd, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    EndToEnd::SetUp();
    dump_options_ = {"--network-lock", GetParam()};
  }
  const Program& TheProgram() const override { return program_; }

  /// Of the network namespaces that have tables with such a name, their images.
  std::vector<std::string> LockedBy(const std::string& dump) const {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(Images(dump))) {
      const std::string name = entry.path().filename();
      if (!name.starts_with("nftables-")) continue;
      if (ReadText(entry.path()).find("CRIU") != std::string::npos) names.push_back(name);
    }
    return names;
  }

 private:
  const Program program_ = ProgramNamed("net_namespaces");
};

TEST_P(LockTest, IsGoneInEachNamespace) {
  ASSERT_NO_FATAL_FAILURE(Dump("first"));
  EXPECT_EQ(LockedBy("first").size(), 1u);
  ASSERT_NO_FATAL_FAILURE(MakePlan("first"));
  ASSERT_NO_FATAL_FAILURE(Restore("first"));
  ASSERT_NO_FATAL_FAILURE(Dump("second"));
  EXPECT_EQ(LockedBy("second").size(), 1u);
  ASSERT_NO_FATAL_FAILURE(MakePlan("second"));
  ASSERT_NO_FATAL_FAILURE(Restore("second"));
  Finish();
}

INSTANTIATE_TEST_SUITE_P(Methods, LockTest, ::testing::Values("iptables", "nftables"));

/// What the restorer's options do.
class OptionsTest : public EndToEnd {
 protected:
  void SetUp() override {
    if (WithReference()) GTEST_SKIP() << "CRIU has options of its own";
    EndToEnd::SetUp();
  }
  const Program& TheProgram() const override { return program_; }

 private:
  const Program program_ = {"threads"};
};

TEST_F(OptionsTest, StopLeavesEverybodyStopped) {
  ASSERT_NO_FATAL_FAILURE(Dump("first"));
  ASSERT_NO_FATAL_FAILURE(MakePlan("first"));
  ASSERT_NO_FATAL_FAILURE(Restore("first", {"--detach", "--stop"}));
  const std::vector<pid_t> all = Others();
  EXPECT_EQ(all.size(), 2u);
  for (const pid_t pid : all) {
    EXPECT_TRUE(Eventually([&] { return StateOf(pid) == 'T'; })) << pid << " " << StateOf(pid);
  }
  for (const pid_t pid : all) kill(pid, SIGCONT);
  Finish();
}

TEST_F(OptionsTest, WithoutDetachTheRestorerEndsAsTheRootDoes) {
  ASSERT_NO_FATAL_FAILURE(Dump("first"));
  ASSERT_NO_FATAL_FAILURE(MakePlan("first"));
  Create("go");
  Create("end");
  ASSERT_NO_FATAL_FAILURE(Restore("first", {}));
  for (const auto& [name, result] : Results()) EXPECT_EQ(result, "PASS") << name;
  EXPECT_EQ(Results().size(), 2u);
  EXPECT_TRUE(NobodyLeft());
}

/// A connection whose other end is here.
class OutsideTest : public EndToEnd {
 protected:
  void SetUp() override {
    has_own_network_ = EnterOwnNetwork();
    ASSERT_TRUE(has_own_network_) << Failed("unshare(CLONE_NEWNET)");
    std::thread connector([&] { Connect(); });
    EndToEnd::SetUp();
    given_up_ = IsSkipped() || HasFatalFailure();
    connector.join();
  }
  void TearDown() override {
    EndToEnd::TearDown();
    if (peer_ >= 0) close(peer_);
  }
  const Program& TheProgram() const override { return program_; }

  /// As `Fill` of the programs has it.
  static std::string Pattern(std::uint64_t seed, std::size_t bytes) {
    std::string text(bytes, 0);
    for (std::size_t i = 0; i < bytes / 8; ++i) {
      std::uint64_t x = (seed << 40) + i + 1;
      x ^= x >> 29;
      x *= 0xbf58476d1ce4e5b9;
      x ^= x >> 32;
      std::memcpy(text.data() + 8 * i, &x, sizeof x);
    }
    return text;
  }
  void Send(const std::string& text) {
    EXPECT_EQ(send(peer_, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  /// All that comes, to the end.
  std::string ReadAll() {
    std::string text;
    char piece[4096];
    ssize_t got;
    while ((got = read(peer_, piece, sizeof piece)) > 0) text.append(piece, got);
    EXPECT_EQ(got, 0) << std::strerror(errno);
    return text;
  }

 private:
  void Connect() {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(21100);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (bool done = false; !done && !given_up_;) {
      peer_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      done = connect(peer_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
      if (done) return Send(Pattern(1, 60000));
      close(peer_);
      peer_ = -1;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  const Program program_ = {"inet_outside", true, false, true};
  std::atomic<bool> given_up_ = false;
  int peer_ = -1;
};

TEST_F(OutsideTest, TheConnectionGoesOn) {
  for (const char* dump : {"first", "second"}) {
    ASSERT_NO_FATAL_FAILURE(Dump(dump));
    ASSERT_NO_FATAL_FAILURE(MakePlan(dump));
    ASSERT_NO_FATAL_FAILURE(Restore(dump));
  }
  Send(Pattern(3, 1000));
  Finish();
  EXPECT_EQ(ReadAll(), Pattern(2, 3000) + Pattern(4, 5000));
}

/// Datagram sockets whose peer is here.
class OutsideSocketTest : public EndToEnd {
 protected:
  void SetUp() override {
    ASSERT_TRUE(EnterOwnNetwork()) << Failed("unshare(CLONE_NEWNET)");
    has_own_network_ = true;
    const std::string name("\0crgen-e2e-outside", 18);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, name.size());
    peer_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    ASSERT_EQ(bind(peer_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EndToEnd::SetUp();
  }
  void TearDown() override {
    EndToEnd::TearDown();
    close(peer_);
  }
  const Program& TheProgram() const override { return program_; }

  /// Answers the named one.
  void FinishWithPeer() {
    std::string heard;
    std::thread peer([&] {
      const timeval limit = {20, 0};
      setsockopt(peer_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      char text[40];
      sockaddr_un from = {};
      socklen_t size = sizeof from;
      for (int i = 0; i < 2; ++i) {
        size = sizeof from;
        const ssize_t got =
            recvfrom(peer_, text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &size);
        heard += got < 0 ? std::strerror(errno) : std::string(text, static_cast<std::size_t>(got));
        heard += ".";
      }
      // The name is a relative one.
      const std::string own = Home() / from.sun_path;
      from = {};
      from.sun_family = AF_UNIX;
      own.copy(from.sun_path, sizeof from.sun_path - 1);
      EXPECT_EQ(sendto(peer_, "answer", 6, 0, reinterpret_cast<sockaddr*>(&from), sizeof from), 6)
          << std::strerror(errno);
    });
    Finish();
    peer.join();
    EXPECT_EQ(heard, "hello.question.");
  }
  /// How CRIU calls the socket where it dumps it.
  std::string KeyOf(const std::string& dump, bool named) const {
    std::string text;
    for (const nlohmann::json& command : ReadPlan(Plan(dump))) {
      if (!command.contains("file") || !command["file"].contains("peer_name")) continue;
      const std::string key = command["file"]["external"];
      if (command["file"].contains("name") == named) text = "unix" + key.substr(key.find('['));
    }
    return text;
  }

 private:
  const Program program_ = {"socket_outside", true, false, false, false, false, false, false, true};
  int peer_ = -1;
};

TEST_F(OutsideSocketTest, IsConnectedAnew) {
  for (const char* dump : {"first", "second"}) {
    ASSERT_NO_FATAL_FAILURE(Dump(dump));
    ASSERT_NO_FATAL_FAILURE(MakePlan(dump));
    ASSERT_NO_FATAL_FAILURE(Restore(dump, {"--detach", "--ext-unix-sk"}));
  }
  FinishWithPeer();
}

TEST_F(OutsideSocketTest, IsHandedOver) {
  ASSERT_NO_FATAL_FAILURE(Dump("first"));
  ASSERT_NO_FATAL_FAILURE(MakePlan("first"));
  const Outcome refused = RunRestorer("first", {"--detach"});
  EXPECT_EQ(refused.status, 3) << refused.output;
  // Descriptors 20 and 21 are new ones, of which the first has the name.
  before_restorer_ = {"/usr/bin/python3", "-c",
                      "import os, socket, sys\n"
                      "os.path.exists(sys.argv[1]) and os.unlink(sys.argv[1])\n"
                      "os.chdir(os.path.dirname(sys.argv[1]))\n"
                      "for fd in 20, 21:\n"
                      "  one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
                      "  fd == 20 and one.bind('own')\n"
                      "  one.connect('\\0crgen-e2e-outside')\n"
                      "  os.dup2(one.fileno(), fd)\n"
                      "os.execv(sys.argv[2], sys.argv[2:])",
                      Home() / "own"};
  ASSERT_NO_FATAL_FAILURE(
      Restore("first", {"--detach", "--inherit-fd", "fd[20]:" + KeyOf("first", true),
                        "--inherit-fd", "fd[21]:" + KeyOf("first", false)}));
  before_restorer_.clear();
  FinishWithPeer();
}

/// The programs do notice it when they are restored wrong.
class DamageTest : public EndToEnd, public ::testing::WithParamInterface<Damage> {
 protected:
  void SetUp() override {
    if (WithReference()) GTEST_SKIP() << "CRIU restores images, not plans";
    EndToEnd::SetUp();
  }
  const Program& TheProgram() const override { return program_; }

 private:
  const Program program_ = ProgramNamed(GetParam().program);
};

TEST_P(DamageTest, IsNoticed) {
  ASSERT_NO_FATAL_FAILURE(Dump("first"));
  ASSERT_NO_FATAL_FAILURE(MakePlan("first"));
  nlohmann::json plan = ReadPlan(Plan("first"));
  const nlohmann::json before = plan;
  GetParam().damage(plan);
  ASSERT_NE(plan, before) << "nothing was damaged";
  std::ofstream(Plan("first")) << plan;
  ASSERT_NO_FATAL_FAILURE(Restore("first"));
  bool noticed = false;
  for (const auto& [name, result] : LastChecks()) {
    if (result == "PASS") continue;
    noticed = true;
    RecordProperty(name, result);
  }
  EXPECT_TRUE(noticed);
}

INSTANTIATE_TEST_SUITE_P(Plans, DamageTest, ::testing::ValuesIn(Damages()), [](const auto& of) {
  std::string name = of.param.program + "_" + of.param.what;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) {
  constexpr int kAllSkipped = 77;
  ::testing::InitGoogleTest(&argc, argv);
  if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
  crgen::test::MachineState& machine = crgen::test::Machine();
  const auto run = [&] {
    machine.criu =
        crgen::test::FindCriu(CRGEN_FIXTURES "/get-criu.sh", CRGEN_CRIU_FOLDER, &machine.missing);
    if (!crgen::test::EnterOwnNetwork())
      machine.missing = crgen::test::Failed("unshare(CLONE_NEWNET)");
    const int status = RUN_ALL_TESTS();
    return status == 0 && !machine.missing.empty() ? kAllSkipped : status;
  };
  const std::optional<int> status = crgen::test::InPidNamespace(run, &machine.missing);
  if (status) return *status;
  // Tells of each test that it is skipped, and why.
  return RUN_ALL_TESTS() == 0 ? kAllSkipped : 1;
}

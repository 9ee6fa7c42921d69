// End to end, with a real CRIU as the dumper: programs that check themselves from inside
// (tests/restore/programs) are started, dumped and thereby killed, planned, restored, and must finish
// with PASS.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/restore_machine.h"
#include "tests/restore_plan.h"

namespace crgen {
namespace {

using test::fs::path;

constexpr int kAllSkipped = 77;
constexpr pid_t kRoot = 10000;  ///< far above what the namespace gives out itself

std::string missing;  ///< why nothing can be restored here
std::string criu;

/// CRIU in the place of the restorer shows that the programs themselves are right.
bool WithReference() { return std::getenv("CRGEN_REFERENCE_RESTORER") != nullptr; }

struct Program {
  const char* name;
  bool criu_restores = true;
  bool pid_namespace = false;  ///< the root is init of a pid namespace of its own
};

// What a parameterized test is called with in messages.
void PrintTo(const Program& program, std::ostream* out) { *out << program.name; }

const Program kPrograms[] = {
    {"counter"}, {"memory"}, {"shared_memory"}, {"copy_on_write"}, {"files"}, {"threads"}, {"signals"}, {"timers"}, {"zombies"}, {"registers"},
    {"attributes"}, {"forest", false}, {"chain"}, {"cyclic_groups", false}, {"births_before_setsid", false},
    {"init", true, true},
};

/// One program on its way through dump, plan and restore.
class RestoreTest : public ::testing::TestWithParam<Program> {
 protected:
  void SetUp() override {
    if (!missing.empty()) GTEST_SKIP() << missing;
    if (WithReference() && !GetParam().criu_restores) {
      GTEST_SKIP() << "CRIU does not restore this tree; see CriuRefuses";
    }
    std::string folder = (test::fs::temp_directory_path() / "crgen-restore-XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    test::fs::permissions(folder_, test::fs::perms::others_exec, test::fs::perm_options::add);
    test::fs::create_directories(Home());
    ASSERT_NO_FATAL_FAILURE(Start());
  }

  void TearDown() override {
    if (folder_.empty()) return;
    EndAll();
    if (HasFailure()) {
      std::cerr << "left for inspection: " << folder_ << "\n";
    } else {
      test::fs::remove_all(folder_);
    }
  }

  path Home() const { return folder_ / "home"; }
  path Images(const std::string& dump) const { return folder_ / dump; }
  path Plan(const std::string& dump) const { return folder_ / (dump + ".json"); }

  /// Starts the program and waits until its whole tree is set up.
  void Start() {
    const bool nested = GetParam().pid_namespace;
    const pid_t pids[] = {nested ? 1 : kRoot, kRoot};  // innermost namespace first
    clone_args args = {};
    args.flags = nested ? CLONE_NEWPID : 0;
    args.exit_signal = SIGCHLD;
    args.set_tid = reinterpret_cast<std::uintptr_t>(pids);
    args.set_tid_size = nested ? 2 : 1;
    const long root = syscall(SYS_clone3, &args, sizeof args);
    if (root == 0) BecomeProgram();
    ASSERT_EQ(root, kRoot) << test::Failed("clone3");
    ASSERT_TRUE(test::Eventually([&] { return Has("ready.root") || !Results().empty(); }));
    ASSERT_TRUE(Results().empty()) << "before the dump: " << Describe(Results());
  }

  /// Dumps the tree, which kills it.
  void Dump(const std::string& dump) {
    test::fs::create_directories(Images(dump));
    const test::Outcome outcome =
        test::Run({criu, "dump", "-t", std::to_string(root_), "-D", Images(dump), "-o", "dump.log", "-v4"},
                  folder_ / (dump + ".out"));
    ASSERT_EQ(outcome.status, 0) << outcome.output << Errors(Images(dump) / "dump.log");
    ASSERT_TRUE(NobodyLeft()) << "processes live on after the dump";
  }

  void MakePlan(const std::string& dump) {
    std::vector<std::string> words = {CRGEN_BINARY, "-o", Plan(dump), Images(dump)};
    if (WithReference()) words.push_back("--partial");  // CRIU adds a time namespace
    const test::Outcome outcome = test::Run(words, folder_ / (dump + ".crgen"));
    ASSERT_EQ(outcome.status, 0) << outcome.output;
  }

  test::Outcome RunRestorer(const std::string& dump, const std::vector<std::string>& options) {
    const path pidfile = folder_ / "pid";
    test::fs::remove(pidfile);
    if (WithReference()) {
      return test::Run({criu, "restore", "-d", "-D", Images(dump), "-o", "restore.log", "-v4",
                        "--pidfile", pidfile},
                       folder_ / "restore.out");
    }
    std::vector<std::string> words = {CRGEN_RESTORER, Plan(dump), "--images", Images(dump),
                                      "--detach", "--pidfile", pidfile};
    if (GetParam().pid_namespace) words.push_back("--pidns");
    words.insert(words.end(), options.begin(), options.end());
    return test::Run(words, folder_ / "restore.out");
  }

  /// `options`: further ones of the restorer.
  void Restore(const std::string& dump, const std::vector<std::string>& options = {}) {
    const test::Outcome outcome = RunRestorer(dump, options);
    ASSERT_EQ(outcome.status, 0) << outcome.output << Errors(Images(dump) / "restore.log");
    root_ = std::atoi(test::ReadText(folder_ / "pid").c_str());
    EXPECT_TRUE(root_ == kRoot || GetParam().pid_namespace) << root_;
    root_status_ = -1;
  }

  /// Lets the restored tree make its last checks and collects what they say.
  void Finish() {
    const std::set<std::string> expected = Names("ready.");
    std::ofstream(Home() / "go");
    const bool complete = test::Eventually(
        [&] { return Names("result.") == expected || test::OtherProcesses().empty(); });
    const std::map<std::string, std::string> results = Results();
    for (const std::string& name : expected) {
      EXPECT_EQ(results.contains(name) ? results.at(name) : "no result", "PASS") << name;
    }
    EXPECT_TRUE(complete);
    std::ofstream(Home() / "end");
    EXPECT_TRUE(NobodyLeft()) << "processes are left at the end";
    EXPECT_TRUE(WIFEXITED(root_status_) && WEXITSTATUS(root_status_) == 0)
        << "wait status of the root: " << root_status_;
  }

 private:
  [[noreturn]] void BecomeProgram() {
    const path program = path(CRGEN_PROGRAMS) / (std::string("restore_") + GetParam().name);
    const int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    close_range(3, ~0U, 0);
    char variable[] = "CRGEN_E2E=a value";
    char reference[] = "CRGEN_REFERENCE_RESTORER=1";
    char* environment[] = {variable, WithReference() ? reference : nullptr, nullptr};
    if (setsid() > 0 && chdir(Home().c_str()) == 0) {
      execle(program.c_str(), program.c_str(), "an argument", nullptr, environment);
    }
    _exit(95);
  }

  bool Has(const std::string& file) const { return test::fs::exists(Home() / file); }

  /// What follows `prefix` in the names of the files with that prefix.
  std::set<std::string> Names(const std::string& prefix) const {
    std::set<std::string> names;
    for (const test::fs::directory_entry& entry : test::fs::directory_iterator(Home())) {
      const std::string file = entry.path().filename();
      if (file.starts_with(prefix)) names.insert(file.substr(prefix.size()));
    }
    return names;
  }

  std::map<std::string, std::string> Results() const {
    std::map<std::string, std::string> results;
    for (const std::string& name : Names("result.")) {
      results[name] = test::ReadText(Home() / ("result." + name));
    }
    return results;
  }

  static std::string Describe(const std::map<std::string, std::string>& results) {
    std::string text;
    for (const auto& [name, result] : results) text += name + ": " + result + "\n";
    return text;
  }

  /// The lines of a log of CRIU that name errors.
  static std::string Errors(const path& log) {
    std::ifstream in(log);
    std::string errors;
    for (std::string line; std::getline(in, line);) {
      if (line.find("Error") != std::string::npos) errors += "\n" + line;
    }
    return errors;
  }

  /// All are our children, or become it as their parents die.
  void Reap() {
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == root_) root_status_ = status;
    }
  }

  bool NobodyLeft() {
    return test::Eventually([&] {
      Reap();
      return test::OtherProcesses().empty();
    });
  }

  void EndAll() {
    EXPECT_TRUE(test::Eventually([&] {
      for (const pid_t pid : test::OtherProcesses()) kill(pid, SIGKILL);
      Reap();
      return test::OtherProcesses().empty();
    }));
  }

  path folder_;
  pid_t root_ = kRoot;
  int root_status_ = -1;
};

TEST_P(RestoreTest, FinishesAfterARestore) {
  ASSERT_NO_FATAL_FAILURE(Dump("first"));
  ASSERT_NO_FATAL_FAILURE(MakePlan("first"));
  ASSERT_NO_FATAL_FAILURE(Restore("first"));
  Finish();
}

/// Whoever is restored is dumped again: the plan is the same, and it restores the tree once more.
TEST_P(RestoreTest, GivesTheSamePlanAgain) {
  ASSERT_NO_FATAL_FAILURE(Dump("first"));
  ASSERT_NO_FATAL_FAILURE(MakePlan("first"));
  ASSERT_NO_FATAL_FAILURE(Restore("first"));
  ASSERT_NO_FATAL_FAILURE(Dump("second"));
  ASSERT_NO_FATAL_FAILURE(MakePlan("second"));
  if (!WithReference()) {  // CRIU forks in another order and merges areas
    EXPECT_EQ(test::PlanDifference(Plan("first"), Plan("second")), "");
  }
  ASSERT_NO_FATAL_FAILURE(Restore("second"));
  Finish();
}

INSTANTIATE_TEST_SUITE_P(Programs, RestoreTest, ::testing::ValuesIn(kPrograms),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace crgen

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const auto run = [] {
    if (crgen::missing.empty()) {
      crgen::criu = crgen::test::FindCriu(CRGEN_FIXTURES "/get-criu.sh", CRGEN_CRIU_FOLDER, &crgen::missing);
    }
    const int status = RUN_ALL_TESTS();
    return status == 0 && !crgen::missing.empty() ? crgen::kAllSkipped : status;
  };
  if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
  const std::optional<int> status = crgen::test::InPidNamespace(run, &crgen::missing);
  if (status) return *status;
  // Tells of each test that it is skipped, and why.
  return RUN_ALL_TESTS() == 0 ? crgen::kAllSkipped : 1;
}

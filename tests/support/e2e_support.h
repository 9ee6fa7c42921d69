// SPDX-License-Identifier: Apache-2.0
// A self-checking program (tests/e2e/programs) on its way through dump, plan and restore.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/support/e2e_machine.h"
#include "tests/support/network.h"
#include "tests/support/pid_space.h"

namespace crgen::test {

using fs::path;

constexpr pid_t kRoot = 10000;  ///< far above what the namespace gives out itself

/// What the tests found on this machine.
struct MachineState {
  std::string missing;  ///< why nothing can be restored here, or ""
  std::string criu;
};
inline MachineState& Machine() {
  static MachineState state;
  return state;
}

/// CRIU in the place of the restorer shows that the programs themselves are right.
inline bool WithReference() { return std::getenv("CRGEN_REFERENCE_RESTORER") != nullptr; }

struct Program {
  std::string name;
  bool criu_restores = true;   ///< or refuses to
  bool pid_namespace = false;  ///< the root is init of a pid namespace of its own
  bool connections = false;    ///< it has TCP connections
  bool cgroups = false;        ///< it has a hierarchy of cgroups
  bool own_root = false;       ///< its home is the root of a mount namespace of its own
  bool own_network = false;    ///< likewise a network namespace, with connections in it
  bool bpf_maps = false;       ///< it has maps, which a CRIU without libbpf cannot dump
  bool peer_outside = false;   ///< the peer of a unix socket is not of the tree
};

/// Whether the program is linked with that library.
inline bool UsesLibbpf(const std::string& program) {
  std::ifstream file(program, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  return bytes.find("libbpf.so") != std::string::npos;
}

/// One program on its way through dump, plan and restore.
class EndToEnd : public ::testing::Test {
 protected:
  virtual const Program& TheProgram() const = 0;

  bool has_own_network_ = false;              ///< else programs with connections get one
  std::vector<std::string> before_restorer_;  ///< a command that executes its words
  std::vector<std::string> dump_options_;     ///< more of them
  std::optional<PidSpace> space_;             ///< the pid namespace from outside that it is in

  void SetUp() override {
    if (!Machine().missing.empty()) GTEST_SKIP() << Machine().missing;
    if (TheProgram().bpf_maps && !UsesLibbpf(Machine().criu)) {
      GTEST_SKIP() << "this CRIU is built without libbpf";
    }
    std::string folder = (fs::temp_directory_path() / "crgen-restore-XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    fs::permissions(folder_, fs::perms::others_exec, fs::perm_options::add);
    fs::create_directories(Home());
    // Nothing of an earlier test has its ports, not even as TIME_WAIT.
    if (TheProgram().connections && !has_own_network_) {
      ASSERT_TRUE(EnterOwnNetwork()) << Failed("unshare(CLONE_NEWNET)");
    }
    ASSERT_NO_FATAL_FAILURE(Start());
  }

  void TearDown() override {
    if (folder_.empty()) return;
    EndAll();
    if (TheProgram().cgroups) {
      UnmountHierarchies();
      RemoveCgroups();
    }
    if (HasFailure()) {
      std::cerr << "left for inspection: " << folder_ << "\n";
    } else {
      fs::remove_all(folder_);
    }
  }

  path Home() const { return folder_ / "e2e-home"; }
  path Images(const std::string& dump) const { return folder_ / dump; }
  path Log(const std::string& name) const { return folder_ / (name + ".out"); }
  path Plan(const std::string& dump) const { return folder_ / (dump + ".json"); }

  /// Starts the program and waits until its whole tree is set up.
  void Start() {
    const bool nested = TheProgram().pid_namespace;
    const pid_t pids[] = {nested ? 1 : kRoot, kRoot};  // innermost namespace first
    clone_args args = {};
    args.flags = nested ? CLONE_NEWPID : 0;
    args.exit_signal = SIGCHLD;
    args.set_tid = reinterpret_cast<std::uintptr_t>(pids);
    args.set_tid_size = nested || space_ ? 2 : 1;
    if (space_) {
      ASSERT_TRUE(space_->BearChildren(true)) << Failed("setns");
    }
    const long root = syscall(SYS_clone3, &args, sizeof args);
    if (root == 0) BecomeProgram();
    if (space_) {
      ASSERT_TRUE(space_->BearChildren(false)) << Failed("setns");
    }
    ASSERT_EQ(root, kRoot) << Failed("clone3");
    ASSERT_TRUE(Eventually([&] { return Has("ready.root") || !Results().empty(); }));
    ASSERT_TRUE(Results().empty()) << "before the dump: " << Describe(Results());
  }

  /// Dumps the tree, which kills it. CRIU may miss that it has seized a process which a signal hits
  /// at that moment; after ten seconds it gives up and lets the tree go on. Then it is asked again.
  void Dump(const std::string& dump) {
    Outcome outcome;
    for (int attempt = 0; attempt < 3 && outcome.status != 0; attempt++) {
      fs::remove_all(Images(dump));
      fs::create_directories(Images(dump));
      std::vector<std::string> words = {
          Machine().criu, "dump",     "-t",  std::to_string(root_), "-D",           Images(dump),
          "-o",           "dump.log", "-v4", "--file-locks",        "--link-remap", "--ghost-limit",
          "64M"};
      // Nothing is sent meanwhile that a rule would have to stop.
      if (TheProgram().connections) {
        words.insert(words.end(), {"--tcp-established", "--network-lock", "skip"});
      }
      if (TheProgram().own_network) words.emplace_back("--tcp-established");
      if (TheProgram().peer_outside) words.emplace_back("--ext-unix-sk");
      // Where the program is in the root of a hierarchy, all that others have there would be
      // dumped.
      if (TheProgram().cgroups) {
        words.insert(words.end(), {"--cgroup-dump-controller", "name=crgen-e2e"});
      }
      // Its network namespace is empty, and is to be that again.
      if (TheProgram().own_root) {
        words.insert(words.end(), {"--empty-ns", "net", "--network-lock", "skip"});
      }
      if (space_) {
        words.insert(words.end(), {"--external", "pid[" + space_->Inode() + "]:theirs"});
      }
      words.insert(words.end(), dump_options_.begin(), dump_options_.end());
      outcome = Execute(words, Log(dump));
      if (ReadText(Images(dump) / "dump.log").find("Unseizable") == std::string::npos) break;
    }
    ASSERT_EQ(outcome.status, 0) << outcome.output << Errors(Images(dump) / "dump.log");
    ASSERT_TRUE(NobodyLeft()) << "processes live on after the dump";
    if (TheProgram().cgroups) RemoveCgroups();
  }

  /// A process of the program mounts its hierarchy for a moment, in which it may have been ended.
  void UnmountHierarchies() const {
    for (const fs::directory_entry& entry : fs::directory_iterator(Home())) {
      if (entry.is_directory()) umount2(entry.path().c_str(), MNT_DETACH);
    }
  }

  /// Those of the program: a restore has to make them again.
  void RemoveCgroups() const {
    const path at = folder_ / "hierarchy";
    fs::create_directory(at);
    if (mount("none", at.c_str(), "cgroup", 0, "none,name=crgen-e2e") != 0) {
      GTEST_SKIP() << Failed("mount of cgroups of version 1");
    }
    for (const char* name : {"one/empty", "one", "two", ""}) {
      const path directory = at / "crgen-e2e" / name;
      EXPECT_TRUE(Eventually([&] { return rmdir(directory.c_str()) == 0 || errno == ENOENT; }))
          << Failed(directory);
    }
    EXPECT_EQ(umount2(at.c_str(), MNT_DETACH), 0) << Failed("umount2");
    fs::remove(at);
  }

  void MakePlan(const std::string& dump) {
    std::vector<std::string> words = {CRGEN_BINARY, "-o", Plan(dump), Images(dump)};
    // A pid namespace comes with mounts.
    if (TheProgram().pid_namespace) words.push_back("--namespaces=caller");
    const Outcome outcome = Execute(words, Log("crgen"));
    ASSERT_EQ(outcome.status, 0) << outcome.output;
  }

  Outcome RunRestorer(const std::string& dump, const std::vector<std::string>& options) {
    const path pidfile = folder_ / "pid";
    fs::remove(pidfile);
    if (WithReference()) {
      std::vector<std::string> words = {Machine().criu, "restore",   "-d",          "-D",
                                        Images(dump),   "-o",        "restore.log", "-v4",
                                        "--file-locks", "--pidfile", pidfile};
      if (TheProgram().connections || TheProgram().own_network) {
        words.push_back("--tcp-established");
      }
      return Execute(words, Log("restore"));
    }
    std::vector<std::string> words = {CRRESTORE_BINARY, Plan(dump), "--images",    Images(dump),
                                      "--pidfile",      pidfile,    "--file-locks"};
    if (TheProgram().pid_namespace) words.insert(words.end(), {"--pidns", "--namespaces=caller"});
    if (TheProgram().connections || TheProgram().own_network) {
      words.push_back("--tcp-established");
    }
    if (TheProgram().own_root) words.insert(words.end(), {"--root", Home()});
    if (space_) words.insert(words.end(), {"--external", "pid[" + space_->Path() + "]:theirs"});
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.begin(), before_restorer_.begin(), before_restorer_.end());
    return Execute(words, Log("restore"));
  }

  /// `options`: those of the restorer.
  void Restore(const std::string& dump, const std::vector<std::string>& options = {"--detach"}) {
    const Outcome outcome = RunRestorer(dump, options);
    ASSERT_EQ(outcome.status, 0) << outcome.output << Errors(Images(dump) / "restore.log");
    root_ = std::atoi(ReadText(folder_ / "pid").c_str());
    EXPECT_TRUE(root_ == kRoot || TheProgram().pid_namespace || space_) << root_;
    root_status_ = -1;
  }

  /// Keeps what proc(5) says of all processes, under `name`.
  void TakeFacts(const std::string& name) const {
    std::vector<std::string> words = FactsCommand();
    for (const pid_t pid : Others()) words.push_back(std::to_string(pid));
    const Outcome outcome = Execute(words, Log(name));
    ASSERT_EQ(outcome.status, 0) << outcome.output;
  }
  /// In what these differ, one line each.
  std::string ChangedFacts(const std::string& before, const std::string& after) const {
    std::vector<std::string> words = FactsCommand();
    words.insert(words.end(), {"--compare", Log(before), Log(after)});
    return Execute(words, Log("changed")).output;
  }

  /// Lets the restored tree make its last checks; what each process says of them, until all have or
  /// one has failed. It should be PASS.
  std::map<std::string, std::string> LastChecks() {
    const std::set<std::string> names = Names("ready.");
    std::map<std::string, std::string> results;
    Create("go");
    Eventually([&] {
      Reap();
      results = Results();
      return results.size() == names.size() || Others().empty() ||
             std::any_of(results.begin(), results.end(),
                         [](const auto& entry) { return entry.second != "PASS"; });
    });
    for (const std::string& name : names) results.try_emplace(name, "no result");
    Create("end");
    return results;
  }

  /// Everybody passes, and the tree ends by itself.
  void Finish() {
    for (const auto& [name, result] : LastChecks()) EXPECT_EQ(result, "PASS") << name;
    EXPECT_TRUE(NobodyLeft()) << "processes are left at the end";
    if (TheProgram().pid_namespace) return;  // the restorer, in between, waits for the root
    EXPECT_TRUE(WIFEXITED(root_status_) && WEXITSTATUS(root_status_) == 0)
        << "wait status of the root: " << root_status_;
  }

  std::map<std::string, std::string> Results() const {
    std::map<std::string, std::string> results;
    for (const std::string& name : Names("result.")) {
      results[name] = ReadText(Home() / ("result." + name));
    }
    return results;
  }

  void Create(const char* file) const { std::ofstream(Home() / file); }

  /// All are our children, or become it as their parents die.
  void Reap() {
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == root_) root_status_ = status;
    }
  }

  /// All processes, without this one and those that `space_` begins with.
  std::vector<pid_t> Others() const {
    std::vector<pid_t> others = OtherProcesses();
    if (space_) std::erase(others, space_->init());
    return others;
  }

  bool NobodyLeft() {
    return Eventually([&] {
      Reap();
      return Others().empty();
    });
  }

 private:
  static std::vector<std::string> FactsCommand() {
    return {"/usr/bin/python3", "-B", CRGEN_SOURCE "/tests/support/proc_facts.py"};
  }

  [[noreturn]] void BecomeProgram() {
    const path program = path(CRGEN_PROGRAMS) / (std::string("e2e_") + TheProgram().name);
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

  bool Has(const std::string& file) const { return fs::exists(Home() / file); }

  /// What follows `prefix` in the names of the files with that prefix.
  std::set<std::string> Names(const std::string& prefix) const {
    std::set<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(Home())) {
      const std::string file = entry.path().filename();
      if (file.starts_with(prefix)) names.insert(file.substr(prefix.size()));
    }
    return names;
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

  void EndAll() {
    EXPECT_TRUE(Eventually([&] {
      for (const pid_t pid : Others()) kill(pid, SIGKILL);
      Reap();
      return Others().empty();
    }));
  }

  path folder_;
  pid_t root_ = kRoot;
  int root_status_ = -1;
};

}  // namespace crgen::test

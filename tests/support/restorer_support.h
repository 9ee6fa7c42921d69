// SPDX-License-Identifier: Apache-2.0
// Plans for the restorer that need no dump: processes of a few machine instructions.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace crgen::test {

/// The code of all processes: one page, at kCode in each. What a process does depends on where its
/// registers say that it goes on.
inline constexpr std::uint64_t kCode = 0x400000, kStack = 0x500000, kData = 0x600000;
inline constexpr std::uint64_t kPause = kCode, kExit = kCode + 0x20, kRaise = kCode + 0x40;

inline std::string CodePage() {
  std::string page(4096, '\xcc');
  const auto put = [&](std::uint64_t at, const std::string& code) {
    page.replace(at - kCode, code.size(), code);
  };
  using namespace std::string_literals;
  put(kPause, "\xb8\x22\0\0\0\x0f\x05\xeb\xf7"s);                // pause(), for ever
  put(kExit, "\xb8\xe7\0\0\0\x0f\x05"s);                         // exit_group(rdi)
  put(kRaise, "\xb8\x3e\0\0\0\x0f\x05\xb8\xe7\0\0\0\x0f\x05"s);  // kill(rdi, rsi); exit_group
  return page;
}

using Json = nlohmann::json;

/// A plan that is written command by command.
class PlanBuilder {
 public:
  Json& Add(const std::string& command, int pid, Json fields = Json::object()) {
    Json entry = {{"command", command}, {"pid", pid}};
    entry.update(fields);
    plan_.push_back(std::move(entry));
    return plan_.back();
  }
  Json& Last() { return plan_.back(); }
  void Fork(int parent, int child, Json flags = Json::array()) {
    Json& fork = Add("FORK", parent, {{"child_pid", child}});
    if (!flags.empty()) fork["flags"] = flags;
  }
  void Map(int pid, std::uint64_t start, int pages, Json prot) {
    Add("MAP_REGION", pid,
        {{"start", Hex(start)},
         {"end", Hex(start + 4096ull * static_cast<unsigned>(pages))},
         {"prot", prot},
         {"flags", {"MAP_PRIVATE", "MAP_ANONYMOUS"}}});
  }
  /// Code and stack; children inherit them.
  void MapProgram(int pid) {
    Map(pid, kCode, 1, {"PROT_READ", "PROT_WRITE"});
    Map(pid, kStack, 2, {"PROT_READ", "PROT_WRITE"});
    Add("LOAD_PAGES", pid,
        {{"start", Hex(kCode)}, {"pages", 1}, {"source", {{"image", "code.img"}, {"offset", 0}}}});
    Add("PROTECT_REGION", pid,
        {{"start", Hex(kCode)}, {"end", Hex(kCode + 4096)}, {"prot", {"PROT_READ", "PROT_EXEC"}}});
  }
  static Json Registers(std::uint64_t ip, std::uint64_t di = 0, std::uint64_t si = 0) {
    Json registers;
    for (const char* name :
         {"r15", "r14", "r13", "r12",     "bp",      "bx",      "r11", "r10", "r9", "r8",
          "ax",  "cx",  "dx",  "orig_ax", "fs_base", "gs_base", "ds",  "es",  "fs", "gs"}) {
      registers[name] = "0x0";
    }
    registers["ip"] = Hex(ip);
    registers["sp"] = Hex(kStack + 0x1ff0);
    registers["di"] = Hex(di);
    registers["si"] = Hex(si);
    registers["cs"] = "0x33";
    registers["ss"] = "0x2b";
    registers["flags"] = "0x202";
    return registers;
  }
  /// Registers, further attributes, RESUME.
  void Resume(int pid, Json registers = Registers(kPause), Json attributes = Json::object()) {
    attributes["registers"] = registers;
    if (!attributes.contains("creds")) attributes["creds"] = "inherit";
    if (!attributes.contains("rlimits")) attributes["rlimits"] = "inherit";
    Add("SET_ATTR", pid, {{"attributes", attributes}});
    Add("RESUME", pid);
  }
  static std::string Hex(std::uint64_t value) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
  }
  std::string Text() const {
    std::string text = "[\n";
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      text += "  " + plan_[i].dump() + (i + 1 < plan_.size() ? ",\n" : "\n");
    }
    return text + "]\n";
  }

 private:
  std::vector<Json> plan_;
};

inline Json Capabilities(const char* held) {
  return {{"cap_inh", "0x0"},
          {"cap_prm", held},
          {"cap_eff", held},
          {"cap_bnd", held},
          {"cap_amb", "0x0"}};
}

/// All ids are `id`; the capabilities are `held`.
inline Json Credentials(int id, const char* held) {
  Json creds = Capabilities(held);
  for (const char* name : {"uid", "euid", "suid", "fsuid", "gid", "egid", "sgid", "fsgid"}) {
    creds[name] = id;
  }
  creds["groups"] = {id};
  creds["secbits"] = Json::array();
  return creds;
}

/// What proc(5) says of a process. state 'X': there is none.
struct ProcessFacts {
  char state = 'X';
  int ppid = 0, pgid = 0, sid = 0;
};
inline ProcessFacts FactsOf(int pid) {
  ProcessFacts facts;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t end = line.rfind(')');
  if (end == std::string::npos) return facts;
  std::istringstream words(line.substr(end + 1));
  words >> facts.state >> facts.ppid >> facts.pgid >> facts.sid;
  return facts;
}

/// Whether the process runs without the restorer: the executor is unmapped, nobody traces it.
inline bool Resumed(int pid) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  int executable = 0;
  for (std::string line; std::getline(maps, line);) {
    executable += line.find(" r-x") != std::string::npos && line.find('[') == std::string::npos;
  }
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("TracerPid:", 0) == 0) return executable == 1 && line == "TracerPid:\t0";
  }
  return false;
}

/// Runs the restorer on plans in a folder of its own, and cleans up what it restored.
class RestorerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (getpid() != 1) GTEST_SKIP() << "not root, or no new pid namespace: unshare(2) is refused";
    char name[] = "/tmp/crrestore-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    std::ofstream(folder_ + "/code.img", std::ios::binary) << CodePage();
  }
  void TearDown() override {
    KillEverybody();
    if (!folder_.empty()) [[maybe_unused]]
      int rc = system(("rm -rf " + folder_).c_str());
  }

  static int Pid(int n) { return 20000 + n; }

  struct Outcome {
    int status = -1;     ///< as a shell gives it
    std::string errors;  ///< standard error
  };
  Outcome Run(const PlanBuilder& plan, const std::string& arguments = "--detach",
              const std::string& environment = "", const char* binary = CRRESTORE_BINARY) {
    std::ofstream(folder_ + "/plan.json") << plan.Text();
    const std::string command = "cd " + folder_ + " && " + environment + " timeout -s KILL 20 " +
                                binary + " plan.json " + arguments + " 2>errors";
    const int status = system(command.c_str());
    std::ifstream errors(folder_ + "/errors");
    std::stringstream text;
    text << errors.rdbuf();
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), text.str()};
  }

  /// Restores what `plan` makes with each system call of the restorer failing in turn: whatever
  /// fails leaves no process. `look` sees each outcome before all are killed. How many failed.
  int FailEachCall(const std::function<PlanBuilder()>& plan, const std::string& arguments,
                   const std::function<void(const Outcome&)>& look,
                   const std::string& variable = "CRRESTORE_FAILING_CALL") {
    int failures = 0, last_failure = 0;
    // A few calls are allowed to fail. Twenty in a row: there are no more of them.
    for (int call = 1; call <= last_failure + 20 && !HasFailure(); ++call) {
      const std::string environment = variable + "=" + std::to_string(call);
      SCOPED_TRACE(environment);
      const Outcome outcome = Run(plan(), arguments, environment, CRRESTORE_FAULTY_BINARY);
      if (outcome.status != 0) {
        ++failures;
        last_failure = call;
        EXPECT_EQ(outcome.status, 5) << outcome.errors;
        EXPECT_EQ(Left(), std::vector<int>()) << outcome.errors;
      }
      look(outcome);
      KillEverybody();
    }
    std::printf("%d calls, each made to fail once\n", failures);
    return failures;
  }
  int FailEachCall(
      const PlanBuilder& plan, const std::string& arguments,
      const std::function<void(const Outcome&)>& look = [](const Outcome&) {}) {
    return FailEachCall([&] { return plan; }, arguments, look);
  }

  /// The hundred pids that are still taken.
  std::vector<int> Left() const {
    std::vector<int> left;
    for (int i = 0; i < 100; ++i) {
      if (kill(Pid(i), 0) == 0) left.push_back(Pid(i));
    }
    return left;
  }
  void KillEverybody() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (;;) {
      const std::vector<int> left = Left();
      for (int pid : left) kill(pid, SIGKILL);
      while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
      }
      if (left.empty() || std::chrono::steady_clock::now() > deadline) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  std::string folder_;
};

/// The main function of these tests: runs them as the init of a new pid namespace, where no number
/// is taken and what is left behind is a child of the test.
inline int MainInNewPidNamespace(int argc, char** argv) {
  if (geteuid() == 0 && unshare(CLONE_NEWPID | CLONE_NEWNS) == 0) {
    const pid_t child = fork();
    if (child != 0) {
      int status = 0;
      waitpid(child, &status, 0);
      return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("proc", "/proc", "proc", 0, nullptr) != 0) {
      std::perror("mount of /proc");
      return 1;
    }
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

}  // namespace crgen::test

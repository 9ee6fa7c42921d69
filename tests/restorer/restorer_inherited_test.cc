// SPDX-License-Identifier: Apache-2.0
// What the caller of the restorer has beside what is usual, and no plan says, does not stay on the
// processes: they are the same whoever has restored them.
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/support/injection.h"
#include "tests/support/restorer_support.h"
#include "tests/support/scheduling.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;
using Facts = std::map<std::string, std::string>;

constexpr int kSetMemoryMerge = 67;

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// What proc(5) and others tell of what is inherited.
Facts InheritedBy(pid_t pid) {
  Facts facts;
  const std::string folder = "/proc/" + std::to_string(pid) + "/";
  for (const char* file : {"personality", "timerslack_ns", "coredump_filter", "oom_score_adj",
                           "loginuid", "ksm_stat"}) {
    facts[file] = TextOf(folder + file);
  }
  std::istringstream status(TextOf(folder + "status"));
  for (std::string line; std::getline(status, line);) {
    for (const char* key :
         {"Umask:", "SigIgn:", "NoNewPrivs:", "Seccomp:", "Cpus_allowed:", "THP_enabled:",
          "Speculation_Store_Bypass:", "SpeculationIndirectBranch:"}) {
      if (line.rfind(key, 0) == 0) facts[key] = line.substr(std::strlen(key));
    }
  }
  char directory[4096] = "";
  if (readlink((folder + "cwd").c_str(), directory, sizeof directory - 1) > 0) {
    facts["cwd"] = directory;
  }
  std::istringstream maps(TextOf(folder + "numa_maps"));
  std::string address;
  maps >> address >> facts["memory policy"];
  const Scheduling scheduling = SchedulingOf(pid);
  facts["policy"] = std::to_string(scheduling.policy);
  facts["nice"] = std::to_string(scheduling.nice);
  facts["scheduling flags"] = std::to_string(scheduling.flags);
  facts["I/O priority"] = std::to_string(syscall(SYS_ioprio_get, 1, pid));
  // PF_MEMALLOC_NOIO, PF_LOCAL_THROTTLE (PR_SET_IO_FLUSHER); PF_MCE_PROCESS, PF_MCE_EARLY.
  constexpr unsigned long kFlags = 0x80000 | 0x100000 | 0x80 | 0x8000000;
  const std::string stat = TextOf(folder + "stat");
  std::istringstream words(stat.substr(stat.rfind(')') + 2));
  std::string word;
  for (int i = 0; i < 7; ++i) words >> word;
  facts["task flags"] = std::to_string(std::strtoul(word.c_str(), nullptr, 10) & kFlags);
  return facts;
}

void Put(const char* file, const char* text) { std::ofstream(file) << text; }

/// Makes everything of this process unusual that the kernel lets it.
void BecomeOdd() {
  for (int signal = 1; signal <= 64; ++signal) {
    const std::uint64_t ignore[4] = {1, 0, 0, 0};
    syscall(SYS_rt_sigaction, signal, ignore, nullptr, 8);
  }
  umask(0135);
  [[maybe_unused]] int unchecked = chdir("/proc");
  personality(ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  sched_setaffinity(0, sizeof one, &one);
  syscall(SYS_ioprio_set, 1, 0, 3 << 13 /* IOPRIO_CLASS_IDLE */);
  prctl(PR_SET_TIMERSLACK, 123456);
  unsigned long node = 1;
  syscall(SYS_set_mempolicy, MPOL_BIND, &node, 8);
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  prctl(kSetMemoryMerge, 1, 0, 0, 0);
  prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
  prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
  prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, 0, 0);
  prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_DISABLE, 0, 0);
  Put("/proc/self/coredump_filter", "0x7f");
  Put("/proc/self/oom_score_adj", "321");
  Put("/proc/self/loginuid", "4711");
  Scheduling batch;
  batch.policy = SCHED_BATCH;
  batch.nice = 5;
  batch.flags = kResetOnFork;
  syscall(SYS_sched_setattr, 0, &batch, 0);
}

class InheritedTest : public RestorerTest {
 protected:
  /// One process; what it and a thread of it have inherited. `as`: what the caller becomes first.
  Facts Restored(void (*as)()) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Resume(Pid(0));
    std::ofstream(folder_ + "/plan.json") << plan.Text();
    const pid_t caller = fork();
    if (caller == 0) {
      const std::string path = folder_ + "/plan.json";
      if (as != nullptr) as();
      execl(CRRESTORE_BINARY, CRRESTORE_BINARY, path.c_str(), "--detach", nullptr);
      _exit(99);
    }
    int status = 0;
    waitpid(caller, &status, 0);
    EXPECT_EQ(status, 0);
    Facts facts = InheritedBy(Pid(0));
    Injection injection(Pid(0), kPause + 5);
    constexpr int kGetId = 0, kSession = -3;  // KEYCTL_GET_KEYRING_ID
    own_keyring_ = syscall(SYS_keyctl, kGetId, kSession, 0);
    keyring_ = injection.Call(SYS_keyctl, kGetId, static_cast<std::uint64_t>(kSession), 0);
    return facts;
  }

  long keyring_ = 0, own_keyring_ = 0;
};

TEST_F(InheritedTest, NothingUnusualOfTheCallerStays) {
  const Facts plain = Restored(nullptr);
  KillEverybody();
  const pid_t odd = fork();
  if (odd == 0) {
    BecomeOdd();
    raise(SIGSTOP);
    _exit(0);
  }
  int status = 0;
  waitpid(odd, &status, WUNTRACED);
  const Facts of_odd = InheritedBy(odd);
  kill(odd, SIGKILL);
  waitpid(odd, &status, 0);
  const Facts usual = InheritedBy(getpid());
  std::size_t unusual = 0;
  for (const auto& [what, value] : of_odd) unusual += usual.at(what) != value;
  EXPECT_GE(unusual, 10u) << "this kernel lets hardly anything be unusual";
  EXPECT_EQ(Restored(BecomeOdd), plain);
}

/// Those that hinder crrestore itself.
void BecomePoor() {
  const std::pair<int, rlim_t> kSoft[] = {
      {RLIMIT_NOFILE, 12}, {RLIMIT_FSIZE, 0}, {RLIMIT_STACK, 64 << 10}};
  for (const auto& [resource, soft] : kSoft) {
    rlimit limit = {};
    getrlimit(static_cast<__rlimit_resource>(resource), &limit);
    limit.rlim_cur = soft;
    setrlimit(static_cast<__rlimit_resource>(resource), &limit);
  }
}

TEST_F(InheritedTest, LowLimitsOfTheCallerStayAndDoNotHinder) {
  Restored(BecomePoor);
  for (const auto& [resource, soft] :
       {std::pair{RLIMIT_NOFILE, 12}, {RLIMIT_FSIZE, 0}, {RLIMIT_STACK, 64 << 10}}) {
    rlimit limit = {}, own = {};
    ASSERT_EQ(prlimit(Pid(0), resource, nullptr, &limit), 0);
    getrlimit(resource, &own);
    EXPECT_EQ(limit.rlim_cur, static_cast<rlim_t>(soft)) << resource;
    EXPECT_EQ(limit.rlim_max, own.rlim_max) << resource;
  }
}

TEST_F(InheritedTest, TooLittleOfAStackIsSaid) {
  const rlimit little = {64 << 10, 64 << 10};
  const pid_t caller = fork();
  if (caller == 0) {
    setrlimit(RLIMIT_STACK, &little);
    dup2(open((folder_ + "/err").c_str(), O_CREAT | O_WRONLY, 0600), STDERR_FILENO);
    execl(CRRESTORE_BINARY, CRRESTORE_BINARY, "plan.json", nullptr);
    _exit(99);
  }
  int status = 0;
  waitpid(caller, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 3);
  EXPECT_EQ(TextOf(folder_ + "/err"),
            "crrestore: error: RLIMIT_STACK allows 65536 bytes, and needs to allow 524288: raise "
            "it (ulimit -s 512)\n");
}

TEST_F(InheritedTest, TheSessionKeyringIsNotTheCallers) {
  constexpr int kJoin = 1;  // KEYCTL_JOIN_SESSION_KEYRING
  if (syscall(SYS_keyctl, kJoin, nullptr) < 0) GTEST_SKIP() << "no keyrings here";
  Restored(nullptr);
  EXPECT_GT(own_keyring_, 0);
  EXPECT_GT(keyring_, 0);
  EXPECT_NE(keyring_, own_keyring_);
}

TEST_F(InheritedTest, WhatTheCallerCannotShedIsNamed) {
  const auto output_of = [&](void (*as)()) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    Json creds = {{"groups", Json::array()}, {"secbits", Json::array()}};
    for (const char* id : {"uid", "euid", "suid", "fsuid", "gid", "egid", "sgid", "fsgid"}) {
      creds[id] = 0;
    }
    for (const char* set : {"cap_inh", "cap_prm", "cap_eff", "cap_bnd", "cap_amb"}) {
      creds[set] = "0x0";
    }
    plan.Resume(Pid(0), Plan::Registers(kPause), {{"creds", creds}});
    std::ofstream(folder_ + "/plan.json") << plan.Text();
    const std::string path = folder_ + "/plan.json", errors = folder_ + "/errors";
    const pid_t caller = fork();
    if (caller == 0) {
      as();
      dup2(open(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
      execl(CRRESTORE_BINARY, CRRESTORE_BINARY, path.c_str(), "--detach", nullptr);
      _exit(99);
    }
    int status = 0;
    waitpid(caller, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 3);
    return TextOf(errors);
  };
  EXPECT_NE(output_of([] {
              prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            }).find("no_new_privs is set in crrestore, and not in the plan"),
            std::string::npos);
  constexpr int kSetMdwe = 65;
  EXPECT_NE(output_of([] { prctl(kSetMdwe, 1, 0, 0, 0); }).find("PR_SET_MDWE is set in crrestore"),
            std::string::npos);
  EXPECT_TRUE(Left().empty());
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

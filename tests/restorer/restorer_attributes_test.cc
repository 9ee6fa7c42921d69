// SPDX-License-Identifier: Apache-2.0
// After a restore every planned attribute is what the plan says: each is read back, from proc(5) or
// by a system call that the process itself makes.
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "tests/support/injection.h"
#include "tests/support/restorer_support.h"
#include "tests/support/scheduling.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

class AttributesTest : public RestorerTest {
 protected:
  /// Restores one process with these attributes, and a page at kData.
  void Restore(const Json& attributes) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Map(Pid(0), kData, 1, {"PROT_READ", "PROT_WRITE"});
    plan.Resume(Pid(0), Plan::Registers(kPause), attributes);
    const Outcome outcome = Run(plan);
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
  }

  static std::string Text(const std::string& file) {
    std::ifstream in("/proc/" + std::to_string(Pid(0)) + "/" + file);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  /// The rest of the line of /proc/PID/status that begins with `key`.
  static std::string Status(const std::string& key) {
    std::istringstream lines(Text("status"));
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind(key + ":\t", 0) == 0) return line.substr(key.size() + 2);
    }
    return "no line " + key;
  }
  static std::uint64_t StatusMask(const std::string& key) {
    return std::stoull(Status(key), nullptr, 16);
  }
};

TEST_F(AttributesTest, LimitsOfEveryResource) {
  const char* const kNames[] = {
      "RLIMIT_CPU",      "RLIMIT_FSIZE", "RLIMIT_DATA",   "RLIMIT_STACK",
      "RLIMIT_CORE",     "RLIMIT_RSS",   "RLIMIT_NPROC",  "RLIMIT_NOFILE",
      "RLIMIT_MEMLOCK",  "RLIMIT_AS",    "RLIMIT_LOCKS",  "RLIMIT_SIGPENDING",
      "RLIMIT_MSGQUEUE", "RLIMIT_NICE",  "RLIMIT_RTPRIO", "RLIMIT_RTTIME"};
  Json limits = Json::array();
  rlimit expected[RLIM_NLIMITS];
  for (unsigned i = 0; i < RLIM_NLIMITS; ++i) {
    rlimit own;  // nobody may have more without CAP_SYS_RESOURCE
    getrlimit(static_cast<__rlimit_resource>(i), &own);
    const rlim_t wanted = i == RLIMIT_CPU ? 77777 : i == RLIMIT_AS ? 1 << 30 : 10 * i + 1;
    expected[i].rlim_cur = std::min(wanted, own.rlim_max);
    expected[i].rlim_max = i == RLIMIT_AS ? own.rlim_max : std::min(wanted + i % 3, own.rlim_max);
    limits.push_back(
        {{"resource", kNames[i]}, {"cur", expected[i].rlim_cur}, {"max", expected[i].rlim_max}});
    if (expected[i].rlim_max == RLIM_INFINITY) limits[i]["max"] = "0xffffffffffffffff";
  }
  ASSERT_NO_FATAL_FAILURE(Restore({{"rlimits", limits}}));
  for (unsigned i = 0; i < RLIM_NLIMITS; ++i) {
    rlimit found;
    ASSERT_EQ(prlimit(Pid(0), static_cast<__rlimit_resource>(i), nullptr, &found), 0);
    EXPECT_EQ(found.rlim_cur, expected[i].rlim_cur) << kNames[i];
    EXPECT_EQ(found.rlim_max, expected[i].rlim_max) << kNames[i];
  }
}

/// A state of credentials(7) and capabilities(7) that the kernel allows.
struct Credentials {
  const char* name;
  Json secbits;
  unsigned long bits;
  std::uint64_t inheritable, permitted, effective, bounding, ambient;
  bool no_new_privs;
  unsigned uid[4], gid[4];  ///< real, effective, saved, of the file system
  std::vector<unsigned> groups;
};

constexpr std::uint64_t Bit(int capability) { return std::uint64_t{1} << capability; }
constexpr std::uint64_t kKill = Bit(CAP_KILL), kNet = Bit(CAP_NET_RAW), kTime = Bit(CAP_SYS_TIME),
                        kPcap = Bit(CAP_SETPCAP), kBpf = Bit(CAP_BPF);

const Credentials kCredentials[] = {
    {"nothing", Json::array(), 0, 0, 0, 0, 0, 0, false, {1, 2, 3, 4}, {5, 6, 7, 8}, {}},
    {"root without capabilities",
     Json::array(),
     0,
     0,
     0,
     0,
     kKill,
     0,
     true,
     {0, 0, 0, 0},
     {0, 0, 0, 0},
     {0}},
    {"user with capabilities",
     {"SECBIT_KEEP_CAPS"},
     1ul << SECURE_KEEP_CAPS,
     kNet,
     kKill | kNet,
     kKill,
     kKill | kNet | kBpf,
     kNet,
     false,
     {1000, 1000, 1000, 1000},
     {100, 100, 100, 100},
     {4, 24, 70000}},
    {"not effective",
     Json::array(),
     0,
     0,
     kKill | kTime | kBpf,
     0,
     kKill,
     0,
     false,
     {0, 1000, 0, 1001},
     {0, 0, 7, 0},
     {}},
    {"inheritable beyond the bounding set",
     Json::array(),
     0,
     kTime | kNet | kBpf,
     kTime,
     kTime,
     0,
     kTime,
     false,
     {0, 0, 0, 0},
     {0, 0, 0, 0},
     {1, 2, 3}},
    {"ambient, and raising it is forbidden",
     {"SECBIT_NO_CAP_AMBIENT_RAISE"},
     1ul << SECURE_NO_CAP_AMBIENT_RAISE,
     kKill | kNet,
     kKill | kNet,
     kNet,
     kKill | kNet,
     kKill | kNet,
     false,
     {1000, 1000, 1000, 1000},
     {1, 1, 1, 1},
     {}},
    {"everything locked",
     {"SECBIT_NOROOT", "SECBIT_NOROOT_LOCKED", "SECBIT_NO_SETUID_FIXUP",
      "SECBIT_NO_SETUID_FIXUP_LOCKED", "SECBIT_KEEP_CAPS_LOCKED", "SECBIT_NO_CAP_AMBIENT_RAISE",
      "SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED"},
     0xef,
     kNet,
     kNet | kPcap,
     0,
     kNet | kPcap,
     kNet,
     true,
     {7, 8, 9, 10},
     {0, 1, 2, 3},
     {9}},
    {"locked off",
     {"SECBIT_NOROOT_LOCKED", "SECBIT_NO_SETUID_FIXUP_LOCKED", "SECBIT_KEEP_CAPS_LOCKED",
      "SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED"},
     0xaa,
     0,
     kPcap,
     kPcap,
     kPcap,
     0,
     false,
     {0, 0, 0, 0},
     {0, 0, 0, 0},
     {}},
};

TEST_F(AttributesTest, CredentialsInEveryCombination) {
  for (const Credentials& c : kCredentials) {
    SCOPED_TRACE(c.name);
    const Json creds = {{"uid", c.uid[0]},
                        {"euid", c.uid[1]},
                        {"suid", c.uid[2]},
                        {"fsuid", c.uid[3]},
                        {"gid", c.gid[0]},
                        {"egid", c.gid[1]},
                        {"sgid", c.gid[2]},
                        {"fsgid", c.gid[3]},
                        {"groups", c.groups},
                        {"cap_inh", Plan::Hex(c.inheritable)},
                        {"cap_prm", Plan::Hex(c.permitted)},
                        {"cap_eff", Plan::Hex(c.effective)},
                        {"cap_bnd", Plan::Hex(c.bounding)},
                        {"cap_amb", Plan::Hex(c.ambient)},
                        {"secbits", c.secbits},
                        {"no_new_privs", c.no_new_privs}};
    ASSERT_NO_FATAL_FAILURE(Restore({{"creds", creds}}));
    const auto ids = [](const unsigned* id) {
      std::string text;
      for (int i = 0; i < 4; ++i) text += (i != 0 ? "\t" : "") + std::to_string(id[i]);
      return text;
    };
    std::string groups;
    for (const unsigned group : c.groups) groups += std::to_string(group) + " ";
    EXPECT_EQ(Status("Uid"), ids(c.uid));
    EXPECT_EQ(Status("Gid"), ids(c.gid));
    EXPECT_EQ(Status("Groups"), groups.empty() ? " " : groups);
    EXPECT_EQ(StatusMask("CapInh"), c.inheritable);
    EXPECT_EQ(StatusMask("CapPrm"), c.permitted);
    EXPECT_EQ(StatusMask("CapEff"), c.effective);
    EXPECT_EQ(StatusMask("CapBnd"), c.bounding);
    EXPECT_EQ(StatusMask("CapAmb"), c.ambient);
    EXPECT_EQ(Status("NoNewPrivs"), c.no_new_privs ? "1" : "0");
    EXPECT_EQ(Injection(Pid(0), kPause + 5).Call(SYS_prctl, PR_GET_SECUREBITS),
              static_cast<long>(c.bits));
    KillEverybody();
  }
}

struct Policy {
  const char* name;
  Json sched;
  Scheduling expected;
};

TEST_F(AttributesTest, SchedulingPolicies) {
  Scheduling other, batch, idle, fifo, round;
  other.nice = -7;
  batch.policy = SCHED_BATCH, batch.nice = 12;
  idle.policy = SCHED_IDLE, idle.nice = 3;
  fifo.policy = SCHED_FIFO, fifo.priority = 9;
  fifo.flags = kResetOnFork;
  round.policy = SCHED_RR, round.priority = 1;
  const Policy kPolicies[] = {
      {"other", {{"policy", "SCHED_OTHER"}, {"nice", -7}}, other},
      {"batch", {{"policy", "SCHED_BATCH"}, {"nice", 12}}, batch},
      {"idle", {{"policy", "SCHED_IDLE"}, {"nice", 3}}, idle},
      {"fifo",
       {{"policy", "SCHED_FIFO"}, {"nice", 0}, {"priority", 9}, {"reset_on_fork", true}},
       fifo},
      {"rr", {{"policy", "SCHED_RR"}, {"nice", 0}, {"priority", 1}}, round},
  };
  for (const Policy& policy : kPolicies) {
    SCOPED_TRACE(policy.name);
    ASSERT_NO_FATAL_FAILURE(Restore({{"sched", policy.sched}}));
    const Scheduling found = SchedulingOf(Pid(0));
    EXPECT_EQ(found.policy, policy.expected.policy);
    EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(Pid(0))), policy.expected.nice);
    EXPECT_EQ(found.priority, policy.expected.priority);
    EXPECT_EQ(found.flags, policy.expected.flags);
    KillEverybody();
  }
}

TEST_F(AttributesTest, WhatProcTells) {
  const std::string info(128, '\0');
  ASSERT_NO_FATAL_FAILURE(Restore({{"fs", {{"cwd", folder_}, {"root", "/"}, {"umask", 0123}}},
                                   {"personality", "0x60000"},
                                   {"oom_score_adj", 345},
                                   {"loginuid", 4321},
                                   {"comm", "a (1) name"},
                                   {"signal_mask", "0x8000000000000a00"},
                                   {"sigactions",
                                    {{{"signal", "SIGHUP"},
                                      {"handler", "0x1"},
                                      {"flags", Json::array()},
                                      {"restorer", "0x0"},
                                      {"mask", "0x0"}},
                                     {{"signal", "SIGUSR2"},
                                      {"handler", Plan::Hex(kExit)},
                                      {"flags", {"SA_RESTORER", "SA_NODEFER"}},
                                      {"restorer", Plan::Hex(kRaise)},
                                      {"mask", "0x10"}}}},
                                   {"time",
                                    {{"monotonic", {{"sec", 5000000}, {"nsec", 1}}},
                                     {"boottime", {{"sec", 7000000}, {"nsec", 2}}}}}}));
  char cwd[1000] = "";
  ASSERT_GT(readlink(("/proc/" + std::to_string(Pid(0)) + "/cwd").c_str(), cwd, 999), 0);
  EXPECT_EQ(cwd, folder_);
  EXPECT_EQ(Status("Umask"), "0123");
  EXPECT_EQ(Text("personality"), "00060000\n");
  EXPECT_EQ(Text("oom_score_adj"), "345\n");
  EXPECT_EQ(Text("loginuid"), "4321");
  EXPECT_EQ(Text("comm"), "a (1) name\n");
  EXPECT_EQ(StatusMask("SigBlk"), 0x8000000000000a00);
  EXPECT_EQ(StatusMask("SigIgn"), 1u << (SIGHUP - 1));
  EXPECT_EQ(StatusMask("SigCgt"), 1u << (SIGUSR2 - 1));
  Injection injection(Pid(0), kPause + 5);
  ASSERT_EQ(injection.Call(SYS_rt_sigaction, SIGUSR2, 0, kData, 8), 0);
  EXPECT_EQ(injection.Word(kData), kExit);
  EXPECT_EQ(injection.Word(kData + 8), 0x44000000u);
  EXPECT_EQ(injection.Word(kData + 16), kRaise);
  EXPECT_EQ(injection.Word(kData + 24), 0x10u);
  ASSERT_EQ(injection.Call(SYS_clock_gettime, CLOCK_MONOTONIC, kData), 0);
  EXPECT_EQ(injection.Word(kData) / 1000, 5000u);
  ASSERT_EQ(injection.Call(SYS_clock_gettime, CLOCK_BOOTTIME, kData), 0);
  EXPECT_EQ(injection.Word(kData) / 1000, 7000u);
}

TEST_F(AttributesTest, WhatOnlyTheProcessCanTell) {
  ASSERT_NO_FATAL_FAILURE(Restore(
      {{"dumpable", 0},
       {"thp_disabled", true},
       {"timer_slack", 123456},
       {"child_subreaper", true},
       {"pdeath_signal", "SIGUSR1"},
       {"membarrier", {"MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED"}},
       {"robust_list", {{"head", Plan::Hex(kData + 64)}, {"size", 24}}},
       {"clear_tid_addr", Plan::Hex(kData + 128)},
       {"sigaltstack", {{"sp", Plan::Hex(kStack)}, {"size", 4096}, {"flags", {"SS_AUTODISARM"}}}},
       {"timers",
        {{"real",
          {{"interval_sec", 8}, {"interval_usec", 9}, {"value_sec", 999}, {"value_usec", 7}}},
         {"virtual",
          {{"interval_sec", 0}, {"interval_usec", 0}, {"value_sec", 0}, {"value_usec", 0}}},
         {"prof",
          {{"interval_sec", 1}, {"interval_usec", 0}, {"value_sec", 50}, {"value_usec", 0}}}}}}));
  Injection injection(Pid(0), kPause + 5);
  const auto word = [&](std::uint64_t at) { return injection.Word(kData + at); };
  EXPECT_EQ(injection.Call(SYS_prctl, PR_GET_DUMPABLE), 0);
  EXPECT_EQ(injection.Call(SYS_prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
  EXPECT_EQ(injection.Call(SYS_prctl, PR_GET_TIMERSLACK), 123456);
  ASSERT_EQ(injection.Call(SYS_prctl, PR_GET_CHILD_SUBREAPER, kData), 0);
  EXPECT_EQ(word(0) & 0xffffffff, 1u);
  constexpr int kRegistrations = 1 << 9;  // MEMBARRIER_CMD_GET_REGISTRATIONS, Linux 6.3
  const long registered = injection.Call(SYS_membarrier, kRegistrations, 0, 0);
  EXPECT_TRUE(registered == MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED || registered == -EINVAL);
  ASSERT_EQ(injection.Call(SYS_get_robust_list, 0, kData, kData + 8), 0);
  EXPECT_EQ(word(0), kData + 64);
  EXPECT_EQ(word(8), 24u);
  ASSERT_EQ(injection.Call(SYS_prctl, PR_GET_TID_ADDRESS, kData), 0);
  EXPECT_EQ(word(0), kData + 128);
  ASSERT_EQ(injection.Call(SYS_sigaltstack, 0, kData), 0);
  EXPECT_EQ(word(0), kStack);
  EXPECT_EQ(word(16), 4096u);
  ASSERT_EQ(injection.Call(SYS_getitimer, ITIMER_REAL, kData), 0);
  EXPECT_EQ(word(0), 8u);
  EXPECT_EQ(word(8), 9u);
  EXPECT_GT(word(16), 900u);
  EXPECT_LE(word(16), 999u);
  ASSERT_EQ(injection.Call(SYS_getitimer, ITIMER_PROF, kData), 0);
  EXPECT_EQ(word(0), 1u);
}

// The root's parent is the restorer, whose end would raise it: it is a child's.
TEST_F(AttributesTest, ParentDeathSignalOfAChild) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Map(Pid(0), kData, 1, {"PROT_READ", "PROT_WRITE"});
  plan.Fork(Pid(0), Pid(1));
  plan.Resume(Pid(0));
  plan.Resume(Pid(1), Plan::Registers(kPause), {{"pdeath_signal", "SIGUSR1"}});
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  Injection injection(Pid(1), kPause + 5);
  ASSERT_EQ(injection.Call(SYS_prctl, PR_GET_PDEATHSIG, kData), 0);
  EXPECT_EQ(injection.Word(kData) & 0xffffffff, unsigned{SIGUSR1});
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

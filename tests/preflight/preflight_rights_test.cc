// SPDX-License-Identifier: Apache-2.0
// Which capabilities a plan needs (docs/restorer.md, "Rights"): with exactly those it is restored,
// without any one of them it is refused by its name before anything is made.
#include <linux/aio_abi.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cctype>
#include <functional>

#include "tests/support/plan_files.h"
#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

struct Kind {
  const char* name;
  std::vector<std::string> needed;  ///< as setpriv(1) spells them
  std::function<Plan()> plan;
  const char* arguments = "--detach";
};

class PreflightRightsTest : public RestorerTest {
 protected:
  Plan PlanWith(const Json& attributes) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"rlimits", "inherit"}}}});
    plan.Resume(Pid(0), Plan::Registers(kPause), attributes);
    return plan;
  }

  /// Of uid 0 with the capabilities of `needed` alone: execve(2) gives root its bounding set.
  Outcome RunWith(const Plan& plan, const std::vector<std::string>& capabilities,
                  const char* arguments) {
    std::string set = "-all";
    for (const std::string& capability : capabilities) set += ",+" + capability;
    const std::string script = folder_ + "/run";
    std::ofstream(script) << "#!/bin/sh\nexec setpriv --bounding-set=" << set
                          << " " CRRESTORE_BINARY " \"$@\"\n";
    chmod(script.c_str(), 0755);
    return Run(plan, arguments, "", script.c_str());
  }

  static Json Creds(unsigned uid) {
    Json creds = {{"groups", {uid}}, {"secbits", Json::array()}};
    for (const char* id : {"uid", "euid", "suid", "fsuid", "gid", "egid", "sgid", "fsgid"}) {
      creds[id] = uid;
    }
    for (const char* set : {"cap_inh", "cap_prm", "cap_eff", "cap_bnd", "cap_amb"}) {
      creds[set] = "0x0";
    }
    return {{"creds", creds}};
  }
  static Json Limit(const char* name, std::uint64_t most) {
    return {{"rlimits", {{{"resource", name}, {"cur", 1}, {"max", most}}}}};
  }
};

std::string Upper(std::string name) {
  for (char& letter : name) letter = static_cast<char>(std::toupper(letter));
  return name;
}

bool OwnHas(const std::string& capability) {
  const std::string test = "setpriv --bounding-set=-all,+" + capability +
                           " grep -q '^CapBnd:.*[1-9a-f]' /proc/self/status";
  return system(test.c_str()) == 0;
}

TEST_F(PreflightRightsTest, ExactlyThoseOfTheTableAreNeeded) {
  const std::string kRestore = "checkpoint_restore";
  const std::string theirs = folder_ + "/theirs";
  std::ofstream(theirs) << "x";
  chmod(theirs.c_str(), 0400);
  ASSERT_EQ(chown(theirs.c_str(), 1000, 1000), 0);
  const auto opening = [&](const char* access) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Add(
        "OPEN_FILE", Pid(0),
        {{"fd", 0}, {"file", {{"type", "REG"}, {"id", 1}, {"path", theirs}, {"flags", {access}}}}});
    plan.Resume(Pid(0));
    return plan;
  };
  Json filter = {{"program", "BgAAAAAA/38="},
                 {"flags", Json::array()}};  // BPF_RET, SECCOMP_RET_ALLOW
  const auto with_socket = [&](Json members, Json late = Json::array()) {
    const Json file = UnixSocketFile(1, "SOCK_DGRAM", "unconnected", members);
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Add("OPEN_FILE", Pid(0), {{"fd", 0}, {"file", file}});
    if (!late.empty()) plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"descriptors", late}}}});
    plan.Resume(Pid(0));
    return plan;
  };
  const auto with_inet = [&](const char* type, const char* protocol, Json members) {
    Json file = {{"type", "INETSK"},    {"id", 1},
                 {"flags", {"O_RDWR"}}, {"family", "AF_INET"},
                 {"socket_type", type}, {"protocol", protocol},
                 {"state", "TCP_CLOSE"}};
    file.update(members);
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Add("OPEN_FILE", Pid(0), {{"fd", 0}, {"file", file}});
    plan.Resume(Pid(0));
    return plan;
  };
  unsigned bpf_disabled = 0;
  std::ifstream("/proc/sys/kernel/unprivileged_bpf_disabled") >> bpf_disabled;
  const auto with_map = [&](Json flags) {
    const Json map = {
        {"map_type", "BPF_MAP_TYPE_ARRAY"}, {"key_size", 4}, {"value_size", 4}, {"max_entries", 1}};
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Add(
        "OPEN_FILE", Pid(0),
        {{"fd", 0},
         {"file", {{"type", "BPFMAP"}, {"id", 1}, {"map_id", 1}, {"flags", flags}, {"map", map}}}});
    plan.Resume(Pid(0));
    return plan;
  };
  const std::string name = folder_ + "/socket";
  const Kind kinds[] = {
      {"a socket",
       {kRestore, "net_admin"},
       [&] {
         return with_socket({{"name", name}});
       }},
      {"a socket file of somebody",
       {kRestore, "chown", "net_admin"},
       [&] {
         return with_socket(
             {{"name", name}, {"permissions", {{"mode", 0140644}, {"uid", 1000}, {"gid", 0}}}});
       }},
      {"a socket's buffer",
       {kRestore, "net_admin"},
       [&] {
         return with_socket(Json::object(), {{{"fd", 0}, {"options", {{"so_sndbuf", 10000}}}}});
       }},
      {"a socket whose name no path leads to",
       {"sys_admin", "sys_chroot", "net_admin"},
       [&] {
         return with_socket({{"name", name}, {"unlinked_name", true}});
       }},
      {"a map of bpf(2)",
       bpf_disabled == 0 ? std::vector{kRestore} : std::vector<std::string>{kRestore, "bpf"},
       [&] { return with_map({"O_RDWR"}); }},
      {"a map that is only read", {"sys_admin"}, [&] { return with_map({"O_RDONLY"}); }},
      {"an unlinked device",
       {kRestore, "mknod"},
       [&] {
         const Json unlinked = {
             {"id", 1}, {"mode", 020600}, {"uid", 0}, {"gid", 0}, {"rdev", 0x105}};
         Plan plan;
         plan.Fork(0, Pid(0));
         plan.MapProgram(Pid(0));
         plan.Add("OPEN_FILE", Pid(0),
                  {{"fd", 0},
                   {"file",
                    {{"type", "REG"},
                     {"id", 1},
                     {"path", folder_ + "/gone"},
                     {"flags", {"O_RDWR"}},
                     {"unlinked", unlinked}}}});
         plan.Resume(Pid(0));
         return plan;
       }},
      {"an internet socket",
       {kRestore},
       [&] { return with_inet("SOCK_STREAM", "IPPROTO_TCP", Json::object()); }},
      {"its buffers",
       {kRestore, "net_admin"},
       [&] {
         return with_inet("SOCK_STREAM", "IPPROTO_TCP", {{"options", {{"so_rcvbuf", 100000}}}});
       }},
      {"a low port",
       {kRestore, "net_bind_service"},
       [&] {
         return with_inet("SOCK_DGRAM", "IPPROTO_UDP",
                          {{"source", {{"address", "127.0.0.1"}, {"port", 987}}}});
       }},
      {"a raw socket",
       {kRestore, "net_raw"},
       [&] { return with_inet("SOCK_RAW", "IPPROTO_ICMP", Json::object()); }},
      {"processes", {kRestore}, [&] { return PlanWith({}); }},
      {"another root",
       {kRestore, "sys_chroot"},
       [&] {
         return PlanWith({{"fs", {{"cwd", folder_}, {"root", folder_}}}});
       }},
      {"credentials",
       {kRestore, "setuid", "setgid", "setpcap"},
       [&] { return PlanWith(Creds(1000)); }},
      {"a real-time policy",
       {kRestore, "sys_nice"},
       [&] {
         return PlanWith({{"sched", {{"policy", "SCHED_FIFO"}, {"nice", 0}, {"priority", 1}}}});
       }},
      {"a better nice",
       {kRestore, "sys_nice"},
       [&] {
         return PlanWith({{"sched", {{"policy", "SCHED_OTHER"}, {"nice", -5}, {"priority", 0}}}});
       }},
      {"a higher hard limit",
       {kRestore, "sys_resource"},
       [&] { return PlanWith(Limit("RLIMIT_RTPRIO", 50)); }},
      {"oom_score_adj",
       {kRestore, "sys_resource"},
       [&] {
         return PlanWith({{"oom_score_adj", -500}});
       }},
      {"seccomp filters",
       {"sys_admin"},
       [&] {
         return PlanWith({{"seccomp", {{"mode", "SECCOMP_MODE_FILTER"}, {"filters", {filter}}}}});
       }},
      {"a cgroup",
       {"sys_admin"},
       [&] {
         const Json root = {{"controllers", ""}, {"path", "/"}};
         const Json cgroup = {{"paths", Json::array({root})}, {"directories", Json::array({root})}};
         Plan plan;
         plan.Fork(0, Pid(0));
         plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"cgroup", cgroup}}}});
         plan.MapProgram(Pid(0));
         plan.Resume(Pid(0));
         return plan;
       }},
      {"a memfd of somebody",
       {kRestore, "chown"},
       [&] {
         Plan plan;
         plan.Fork(0, Pid(0));
         plan.MapProgram(Pid(0));
         plan.Add("OPEN_FILE", Pid(0),
                  {{"fd", 0},
                   {"file",
                    {{"type", "MEMFD"},
                     {"id", 1},
                     {"inode_id", 1},
                     {"name", "m"},
                     {"size", 0},
                     {"uid", 1000},
                     {"flags", {"O_RDWR"}}}}});
         plan.Resume(Pid(0));
         return plan;
       }},
      {"reading a file of somebody",
       {kRestore, "dac_read_search"},
       [&] { return opening("O_RDONLY"); }},
      {"writing a file of somebody", {kRestore, "dac_override"}, [&] { return opening("O_RDWR"); }},
      {"a lease of a file of somebody",
       {kRestore, "dac_read_search", "lease"},
       [&] {
         Plan plan;
         plan.Fork(0, Pid(0));
         plan.MapProgram(Pid(0));
         plan.Add(
             "OPEN_FILE", Pid(0),
             {{"fd", 0},
              {"file", {{"type", "REG"}, {"id", 1}, {"path", theirs}, {"flags", {"O_RDONLY"}}}}});
         const Json lease = {{"kind", "LEASE"}, {"type", "F_RDLCK"}};
         plan.Add("SET_ATTR", Pid(0),
                  {{"attributes", {{"descriptors", {{{"fd", 0}, {"locks", {lease}}}}}}}});
         plan.Resume(Pid(0));
         return plan;
       },
       "--detach --file-locks"},
      {"a new pid namespace", {"sys_admin"}, [&] { return PlanWith({}); }, "--detach --pidns"},
  };
  for (const Kind& kind : kinds) {
    SCOPED_TRACE(kind.name);
    std::vector<std::string> needed = kind.needed;
    needed.push_back("sys_ptrace");  // for every process
    Outcome outcome = RunWith(kind.plan(), needed, kind.arguments);
    // Who runs the tests may lack one, too: then that is what has to be said.
    const bool has_all = std::all_of(needed.begin(), needed.end(), OwnHas);
    EXPECT_EQ(outcome.status, has_all ? 0 : 3) << outcome.errors;
    KillEverybody();
    for (const std::string& without : needed) {
      std::vector<std::string> rest;
      for (const std::string& other : needed) {
        if (other != without) rest.push_back(other);
      }
      outcome = RunWith(kind.plan(), rest, kind.arguments);
      EXPECT_EQ(outcome.status, 3) << without << ": " << outcome.errors;
      EXPECT_NE(outcome.errors.find("CAP_" + Upper(without)), std::string::npos) << outcome.errors;
      EXPECT_TRUE(Left().empty());
      KillEverybody();
    }
  }
}

TEST_F(PreflightRightsTest, DescriptorsFitTheLimits) {
  const auto opening = [&](long fd) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", fd},
              {"file", {{"type", "EVENTFD"}, {"id", 1}, {"flags", {"O_RDWR"}}, {"counter", 0}}}});
    plan.Resume(Pid(0), Plan::Registers(kPause), {});
    return plan;
  };
  const std::string low = folder_ + "/low";
  std::ofstream(low) << "#!/bin/sh\nulimit -n 100\nexec setpriv --bounding-set=-sys_resource "
                     << CRRESTORE_BINARY << " \"$@\"\n";
  chmod(low.c_str(), 0755);
  Outcome outcome = Run(opening(80), "--detach", "", low.c_str());
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  KillEverybody();
  outcome = Run(opening(95), "--detach", "", low.c_str());
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("CAP_SYS_RESOURCE is missing, for descriptor 95"),
            std::string::npos)
      << outcome.errors;
  EXPECT_NE(outcome.errors.find("above RLIMIT_NOFILE, 100"), std::string::npos) << outcome.errors;
  long most = 0;
  std::ifstream("/proc/sys/fs/nr_open") >> most;
  outcome = Run(opening(most), "--detach");
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("above fs.nr_open, " + std::to_string(most)), std::string::npos)
      << outcome.errors;
}

TEST_F(PreflightRightsTest, BoundsOfMemoryBeginWhereMemoryMay) {
  const std::string names[] = {"start_code",  "end_code",  "start_data", "end_data",
                               "start_stack", "start_brk", "brk",        "arg_start",
                               "arg_end",     "env_start", "env_end"};
  Json mm = {{"exe", "/bin/true"}, {"auxv", Json::array()}};
  for (const std::string& name : names) mm[name] = Plan::Hex(kStack);
  mm["end_code"] = Plan::Hex(kStack + 1);
  Outcome outcome = Run(PlanWith({{"mm", mm}}), "--detach");
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  KillEverybody();
  for (const char* name : {"arg_start", "start_code", "start_brk"}) {
    Json lower = mm;
    lower[name] = "0x800";
    outcome = Run(PlanWith({{"mm", lower}}), "--detach");
    EXPECT_EQ(outcome.status, 3) << name << outcome.errors;
    EXPECT_NE(outcome.errors.find("begin at 0x800, below vm.mmap_min_addr"), std::string::npos)
        << outcome.errors;
    EXPECT_TRUE(Left().empty());
  }
}

/// Whether the kernel itself lets a process have such bounds.
bool TakesBounds(std::uint64_t from, std::uint64_t to) {
  const pid_t child = fork();
  if (child == 0) {
    prctl_mm_map map = {};
    map.start_code = map.start_data = map.start_brk = map.start_stack = from;
    map.arg_start = map.arg_end = map.env_start = map.env_end = from;
    map.end_data = from;
    map.end_code = map.brk = to;
    map.exe_fd = ~0u;
    _exit(prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) == 0 ? 0 : errno);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_TRUE(status == 0 || WEXITSTATUS(status) == EINVAL) << status;
  return status == 0;
}

/// Where they begin and end is the kernel's to say: by what it was built with, and by the
/// processor.
TEST_F(PreflightRightsTest, BoundsOfMemoryAreThoseThatTheKernelTakes) {
  const auto outcome_with = [&](std::uint64_t from, std::uint64_t to) {
    Json mm = {{"exe", "/bin/true"}, {"auxv", Json::array()}};
    for (const char* name : {"start_code", "start_data", "end_data", "start_stack", "start_brk",
                             "arg_start", "arg_end", "env_start", "env_end"}) {
      mm[name] = Plan::Hex(from);
    }
    mm["end_code"] = mm["brk"] = Plan::Hex(to);
    return Run(PlanWith({{"mm", mm}}), "--detach");
  };
  const std::uint64_t half = std::uint64_t{1} << 47;
  struct Bounds {
    std::uint64_t from, to;
    const char* message;
  };
  for (const Bounds& it : {Bounds{0x1000, kStack, "begin at 0x1000, below"},
                           {0xf000, kStack, "begin at 0xf000, below"},
                           {0x10000, kStack, "begin at 0x10000, below"},
                           {kStack, half - 0x1001, ""},
                           {kStack, half - 0x1000, "up to 0x7ffffffff001: address spaces end at"},
                           {kStack, half + 5, "up to 0x800000000006: address spaces end at"}}) {
    const bool taken = TakesBounds(it.from, it.to);
    const Outcome outcome = outcome_with(it.from, it.to);
    EXPECT_EQ(outcome.status, taken ? 0 : 3) << it.message << outcome.errors;
    if (!taken) {
      EXPECT_NE(outcome.errors.find(it.message), std::string::npos) << outcome.errors;
      EXPECT_TRUE(Left().empty());
    }
    KillEverybody();
  }
}

TEST_F(PreflightRightsTest, MemoryEndsWhereTheKernelsDoes) {
  const std::uint64_t half = std::uint64_t{1} << 47;
  void* const behind = reinterpret_cast<void*>(half);
  void* page =
      mmap(behind, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (page == behind) GTEST_SKIP() << "page tables of five levels";
  for (const char* base : {"fs_base", "gs_base"}) {
    Json registers = Plan::Registers(kPause);
    registers[base] = Plan::Hex(half - 0x1000);
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Resume(Pid(0), registers);
    const Outcome outcome = Run(plan, "--detach");
    EXPECT_EQ(outcome.status, 3) << outcome.errors;
    EXPECT_NE(outcome.errors.find(base + std::string(" up to 0x7ffffffff001")), std::string::npos)
        << outcome.errors;
    EXPECT_TRUE(Left().empty());
  }
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Map(Pid(0), half, 1, {"PROT_READ"});
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan, "--detach");
  EXPECT_EQ(outcome.status, 3) << outcome.errors;
  EXPECT_NE(outcome.errors.find("memory up to 0x800000001000"), std::string::npos)
      << outcome.errors;
  EXPECT_TRUE(Left().empty());
}

/// The size of a ring depends on the processors that the host may have.
TEST_F(PreflightRightsTest, RingsHaveTheSizeThatTheKernelGivesThem) {
  for (const std::uint32_t requests : {1u, 7u, 63u, 126u, 500u}) {
    aio_context_t context = 0;
    ASSERT_EQ(syscall(SYS_io_setup, requests, &context), 0);
    const std::uint32_t slots = reinterpret_cast<const std::uint32_t*>(context)[1];
    ASSERT_EQ(syscall(SYS_io_destroy, context), 0);
    const std::uint64_t size = (32 + slots * std::uint64_t{32} + 4095) / 4096 * 4096;
    const auto outcome_with = [&](std::uint64_t bytes) {
      constexpr std::uint64_t kRing = 0x700000000000;
      Plan plan;
      plan.Fork(0, Pid(0));
      plan.MapProgram(Pid(0));
      plan.Add("MAP_REGION", Pid(0),
               {{"start", Plan::Hex(kRing)},
                {"end", Plan::Hex(kRing + bytes)},
                {"prot", {"PROT_READ", "PROT_WRITE"}},
                {"flags", {"MAP_SHARED"}},
                {"special", "aio"},
                {"nr_req", requests}});
      plan.Resume(Pid(0));
      return Run(plan, "--detach");
    };
    Outcome outcome = outcome_with(size);
    EXPECT_EQ(outcome.status, 0) << requests << outcome.errors;
    KillEverybody();
    outcome = outcome_with(size + 4096);
    EXPECT_EQ(outcome.status, 3) << requests << outcome.errors;
    EXPECT_NE(outcome.errors.find("a ring of io_setup(2) for " + std::to_string(requests) +
                                  " requests has " + std::to_string(size + 4096) +
                                  " bytes in the plan, and " + std::to_string(size)),
              std::string::npos)
        << outcome.errors;
    EXPECT_TRUE(Left().empty());
  }
}

TEST_F(PreflightRightsTest, WhoHasBeenMadeNiceLacksTheRightToBegin) {
  setpriority(PRIO_PROCESS, 0, 5);
  const Outcome outcome = RunWith(PlanWith({}), {"checkpoint_restore", "sys_ptrace"}, "--detach");
  setpriority(PRIO_PROCESS, 0, 0);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("nice 0 below its own 5"), std::string::npos) << outcome.errors;
  EXPECT_NE(outcome.errors.find("CAP_SYS_NICE"), std::string::npos) << outcome.errors;
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) {
  setpriority(PRIO_PROCESS, 0, 0);  // the table is that of a caller who has not been made nice
  return crgen::test::MainInNewPidNamespace(argc, argv);
}

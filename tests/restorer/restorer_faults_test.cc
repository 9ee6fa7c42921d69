// SPDX-License-Identifier: Apache-2.0
// All or nothing: whichever system call fails, and whenever the restorer is killed, either
// everything runs or nothing is left.
#include <elf.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <random>
#include <set>

#include "tests/support/event_plan.h"
#include "tests/support/plan_files.h"
#include "tests/support/restorer_support.h"
#include "tests/support/seed.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

/// A part of /proc/self/maps: from the first region with the name to the last one's end.
std::pair<std::uint64_t, std::uint64_t> OwnRegion(const std::string& name) {
  std::pair<std::uint64_t, std::uint64_t> range;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("[" + name) == std::string::npos) continue;
    std::size_t used = 0;
    const std::uint64_t start = std::stoull(line, &used, 16);
    if (range.first == 0) range.first = start;
    range.second = std::stoull(line.substr(used + 1), nullptr, 16);
  }
  return range;
}

Json Timer(int seconds) {
  return {{"interval_sec", 0}, {"interval_usec", 0}, {"value_sec", seconds}, {"value_usec", 0}};
}

class RestorerFaultsTest : public RestorerTest {
 protected:
  /// A tree that takes every kind of step: 6 processes that resume (one with a thread), a zombie,
  /// one that is gone.
  Plan Rich() {
    std::ofstream(folder_ + "/file") << "hello";
    Plan plan;
    const int root = Pid(0);
    plan.Fork(0, root);
    plan.Add("SET_SID", root);
    plan.Add("SET_ATTR", root, {{"attributes", {{"child_subreaper", true}}}});
    plan.MapProgram(root);
    Files(plan, root);
    Pipes(plan, root);
    Sockets(plan, root);
    AddEventFiles(plan, root);
    Memory(plan, root);
    plan.Fork(root, Pid(1));
    plan.Fork(Pid(1), Pid(2));
    plan.Add("SET_PGID", Pid(2), {{"pgid", Pid(2)}});
    plan.Add("EXIT", Pid(1), {{"status", {{"code", 0}}}});
    plan.Add("WAIT", root, {{"child_pid", Pid(1)}});
    plan.Fork(root, Pid(3));
    plan.Add("EXIT", Pid(3), {{"status", {{"signal", "SIGTERM"}, {"core_dumped", false}}}});
    plan.Fork(root, Pid(4), {"CLONE_FILES"});
    plan.Add("DUP_FD", Pid(4), {{"old_fd", 0}, {"new_fd", 9}});
    plan.Add("CLOSE_FD", root, {{"fd", 9}});
    plan.Add("CREATE_THREAD", root, {{"tid", Pid(5)}});
    LateSockets(plan, root);
    plan.Add("SET_ATTR", root,
             {{"tid", Pid(5)},
              {"attributes",
               {{"comm", "second"},
                {"creds", "inherit"},
                {"signal_mask", "0x200"},
                {"sched", {{"policy", "SCHED_BATCH"}, {"nice", 3}}},
                {"robust_list", {{"head", Plan::Hex(kStack)}, {"size", 24}}},
                {"clear_tid_addr", Plan::Hex(kStack + 64)},
                {"registers", Plan::Registers(kPause)}}}});
    AddLateEvents(plan, root, folder_ + "/file");
    plan.Add("SET_ATTR", root, {{"attributes", {{"rlimits", "inherit"}}}});
    plan.Resume(root, Plan::Registers(kPause), Attributes());
    plan.Resume(
        Pid(2), Plan::Registers(kPause),
        {{"creds", Credentials(1000, "0x0")}, {"pdeath_signal", "SIGKILL"}, {"dumpable", 0}});
    plan.Resume(Pid(4), Plan::Registers(kPause),
                {{"seccomp",
                  {{"mode", "SECCOMP_MODE_FILTER"},
                   {"filters", {{{"program", "BgAAAAAA/38="}, {"flags", Json::array()}}}}}}});
    return plan;
  }
  static constexpr int kResume[] = {0, 2, 4}, kRunning = 3;

  void Files(Plan& plan, int pid) {
    plan.Add("OPEN_FILE", pid,
             {{"fd", 0},
              {"file",
               {{"type", "REG"},
                {"id", 1},
                {"path", folder_ + "/file"},
                {"flags", {"O_RDONLY"}},
                {"pos", 2},
                {"size", 5}}}});
    plan.Add("DUP_FD", pid, {{"old_fd", 0}, {"new_fd", 5}, {"cloexec", true}});
    plan.Add("CLOSE_FD", pid, {{"fd", 5}});
    plan.Add("OPEN_FILE", pid,
             {{"fd", 3},
              {"file",
               {{"type", "MEMFD"},
                {"id", 2},
                {"inode_id", 7},
                {"flags", {"O_RDWR"}},
                {"pos", 0},
                {"name", "object"},
                {"size", 4096},
                {"mode", 0777},
                {"uid", 0},
                {"gid", 0}}}});
    plan.Add("OPEN_FILE", pid,
             {{"fd", 4},
              {"file",
               {{"type", "MEMFD"},
                {"id", 3},
                {"inode_id", 7},
                {"flags", {"O_RDWR"}},
                {"seals", {"F_SEAL_SHRINK"}}}}});
  }

  /// A pipe with a further description, one without, a FIFO.
  void Pipes(Plan& plan, int pid) {
    const Json data = {{"image", "code.img"}, {"offset", 0}, {"bytes", 4096}};
    const auto end = [&](int id, int pipe, Json flags, Json more = Json::object()) {
      Json file = {{"type", "PIPE"}, {"id", id}, {"flags", flags}, {"pipe_id", pipe}};
      file.update(more);
      return file;
    };
    plan.Add("OPEN_FILE", pid,
             {{"fd", 10},
              {"file", end(10, 1, {"O_RDONLY"}, {{"capacity", 8192}, {"data", data}})},
              {"peer", {{"fd", 11}, {"file", end(11, 1, {"O_WRONLY", "O_NONBLOCK"})}}}});
    plan.Add("OPEN_FILE", pid, {{"fd", 12}, {"file", end(12, 1, {"O_RDWR", "O_LARGEFILE"})}});
    plan.Add("OPEN_FILE", pid, {{"fd", 13}, {"file", end(13, 2, {"O_RDONLY"}, {{"data", data}})}});
    ASSERT_EQ(mkfifo((folder_ + "/fifo").c_str(), 0600), 0);
    plan.Add(
        "OPEN_FILE", pid,
        {{"fd", 14}, {"file", FifoFile(14, folder_ + "/fifo", {"O_WRONLY"}, {{"data", data}})}});
  }
  static void Pair(Plan& plan, int pid, int fd, Json one, Json other) {
    plan.Add("OPEN_FILE", pid,
             {{"fd", fd}, {"file", one}, {"peer", {{"fd", fd + 1}, {"file", other}}}});
  }
  /// A listener with a connection that it has accepted and one that waits, a name that no path
  /// leads to, and pairs.
  void Sockets(Plan& plan, int pid) {
    const Json name = {{"name", SocketName()}};
    Json listener = UnixSocketFile(
        30, "SOCK_STREAM", "listening",
        {{"backlog", 3}, {"permissions", {{"mode", 0140600}, {"uid", 5}, {"gid", 6}}}});
    listener.update(name);
    plan.Add("OPEN_FILE", pid, {{"fd", 30}, {"file", listener}});
    Json accepted = UnixSocketFile(32, "SOCK_STREAM", "connected", {{"accept_from", 30}});
    accepted.update(name);
    Pair(plan, pid, 31,
         UnixSocketFile(31, "SOCK_STREAM", "connected",
                        {{"connect_to", 30}, {"shutdown_before", "SHUT_RD"}}),
         accepted);
    plan.Add("OPEN_FILE", pid,
             {{"fd", 33},
              {"file", UnixSocketFile(33, "SOCK_STREAM", "connected", {{"connect_to", 30}})}});
    plan.Add("OPEN_FILE", pid,
             {{"fd", 34},
              {"file", UnixSocketFile(34, "SOCK_DGRAM", "unconnected",
                                      {{"name", "gone"},
                                       {"name_directory", "/no/such/folder"},
                                       {"unlinked_name", true}})}});
    plan.Add("OPEN_FILE", pid,
             {{"fd", 35},
              {"file", UnixSocketFile(35, "SOCK_DGRAM", "connected", {{"connect_to", 34}})}});
    Pair(plan, pid, 36, UnixSocketFile(36, "SOCK_SEQPACKET", "connected"),
         UnixSocketFile(37, "SOCK_SEQPACKET", "connected"));
    Pair(plan, pid, 38, UnixSocketFile(38, "SOCK_DGRAM", "connected"),
         UnixSocketFile(39, "SOCK_DGRAM", "unconnected"));
  }
  void LateSockets(Plan& plan, int pid) {
    const auto message = [](int bytes, Json rights = Json::array()) {
      Json one = {{"source", {{"image", "code.img"}, {"offset", 1}}}, {"bytes", bytes}};
      if (!rights.empty()) one["rights"] = rights;
      return one;
    };
    Json late = Json::array();
    for (const int fd : {36, 35, 38}) {
      late.push_back({{"fd", fd}, {"queue", {message(300, {3, fd}), message(1)}}});
    }
    late.push_back({{"fd", 36}, {"shutdown", "SHUT_WR"}});
    late.push_back(
        {{"fd", 37},
         {"options", {{"so_sndbuf", 100000}, {"so_rcvtimeo", {{"sec", 5}, {"usec", 0}}}}}});
    plan.Add("SET_ATTR", pid, {{"attributes", {{"descriptors", late}}}});
  }
  std::string SocketName() const { return folder_ + "/socket"; }

  void Memory(Plan& plan, int pid) {
    const auto map = [&](std::uint64_t start, std::uint64_t end, Json more) {
      Json fields = {{"start", Plan::Hex(start)},
                     {"end", Plan::Hex(end)},
                     {"prot", {"PROT_READ", "PROT_WRITE"}},
                     {"flags", {"MAP_SHARED", "MAP_ANONYMOUS"}}};
      fields.update(more);
      plan.Add("MAP_REGION", pid, fields);
    };
    map(kData, kData + 0x2000, {{"shmem", {{"id", 1}, {"offset", 0}, {"size", 0x2000}}}});
    map(kData + 0x4000, kData + 0x5000,
        {{"shmem", {{"id", 1}, {"offset", 0x1000}}}, {"prot", {"PROT_READ"}}});
    map(kData + 0x8000, kData + 0x9000, {{"fd", 3}, {"offset", 0}, {"flags", {"MAP_SHARED"}}});
    map(kData + 0xa000, kData + 0xc000,
        {{"flags", {"MAP_PRIVATE", "MAP_ANONYMOUS"}}, {"madvise", {"MADV_DONTDUMP"}}});
    plan.Add("MOVE_REGION", pid,
             {{"start", Plan::Hex(kData + 0xa000)},
              {"end", Plan::Hex(kData + 0xc000)},
              {"to", Plan::Hex(kData + 0x10000)}});
    plan.Add("UNMAP_REGION", pid,
             {{"start", Plan::Hex(kData + 0x11000)}, {"end", Plan::Hex(kData + 0x12000)}});
    for (const char* name : {"vvar", "vdso"}) {
      const auto [start, end] = OwnRegion(name);
      map(start, end,
          {{"special", name},
           {"prot", name[2] == 'a' ? Json{"PROT_READ"} : Json{"PROT_READ", "PROT_EXEC"}},
           {"flags", {"MAP_PRIVATE", "MAP_ANONYMOUS"}}});
    }
  }

  Json Attributes() const {
    rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    Json mm = {{"exe", CRRESTORE_BINARY}, {"auxv", {"0x6", "0x1000", "0x0", "0x0"}}};
    for (const char* name : {"start_code", "start_data", "start_stack", "start_brk", "brk",
                             "arg_start", "env_start"}) {
      mm[name] = Plan::Hex(kStack);
    }
    for (const char* name : {"end_code", "end_data", "arg_end", "env_end"}) {
      mm[name] = Plan::Hex(kStack + 0x1000);
    }
    const Json posix_timer = {{"id", 2},
                              {"clock", "CLOCK_MONOTONIC"},
                              {"signal", "SIGUSR1"},
                              {"notify", "SIGEV_SIGNAL"},
                              {"sigev_value", "0x0"},
                              {"overrun", 0},
                              {"interval_sec", 0},
                              {"interval_nsec", 0},
                              {"value_sec", 1000},
                              {"value_nsec", 0}};
    return {{"comm", "rich"},
            {"fs", {{"cwd", folder_}, {"root", "/"}, {"umask", 18}}},
            {"mm", mm},
            {"personality", "0x40000"},
            {"sigactions",
             {{{"signal", "SIGUSR1"},
               {"handler", Plan::Hex(kPause)},
               {"flags", {"SA_RESTORER"}},
               {"restorer", Plan::Hex(kPause)},
               {"mask", "0x0"}}}},
            {"signal_mask", "0x800"},
            {"rlimits", {{{"resource", "RLIMIT_NOFILE"}, {"cur", 100}, {"max", files.rlim_max}}}},
            {"timers", {{"real", Timer(1000)}, {"virtual", Timer(0)}, {"prof", Timer(0)}}},
            {"posix_timers", {posix_timer}},
            {"sigaltstack", {{"sp", Plan::Hex(kStack)}, {"size", 4096}, {"flags", Json::array()}}},
            {"dumpable", 1}};
  }

  /// Everything that the plan ends in is there, and nothing else.
  void ExpectRestored() {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    for (int n : kResume) EXPECT_NE(FactsOf(Pid(n)).state, 'X') << n;
    EXPECT_EQ(FactsOf(Pid(1)).state, 'X');
    EXPECT_EQ(FactsOf(Pid(3)).state, 'Z');
    std::string name;
    std::getline(std::ifstream("/proc/" + std::to_string(Pid(0)) + "/comm"), name);
    EXPECT_EQ(name, "rich");
  }
};

TEST_F(RestorerFaultsTest, RestoresARichTree) {
  const Outcome outcome = Run(Rich());
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  ExpectRestored();
}

/// Each system call of a restore fails in turn, with EIO.
TEST_F(RestorerFaultsTest, AnyFailingCallLeavesNothing) {
  const Plan plan = Rich();
  const auto look = [&](const Outcome& outcome) {
    if (outcome.status == 0) {
      ExpectRestored();
      EXPECT_EQ(unlink(SocketName().c_str()), 0);  // no later failure is to find it
      return;
    }
    EXPECT_NE(outcome.errors.find("Input/output error"), std::string::npos) << outcome.errors;
    EXPECT_NE(outcome.errors.find("nothing is restored"), std::string::npos) << outcome.errors;
    EXPECT_NE(access(SocketName().c_str(), F_OK), 0) << outcome.errors;
  };
  EXPECT_GT(FailEachCall(plan, "--detach", look), 100);
}

/// What decides about the rights of a process.
std::string RightsOf(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  std::string rights;
  std::ifstream status(folder + "/status");
  for (std::string line; std::getline(status, line);) {
    for (const char* label :
         {"Uid:", "Gid:", "Groups:", "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:",
          "NoNewPrivs:", "Seccomp:", "Seccomp_filters:", "SigIgn:"}) {
      if (line.rfind(label, 0) == 0) rights += line + "\n";
    }
  }
  for (const char* file : {"/limits", "/personality"}) {
    std::stringstream text;
    text << std::ifstream(folder + file).rdbuf();
    rights += text.str();
  }
  std::error_code error;
  rights += std::filesystem::read_symlink(folder + "/cwd", error).string() + "\n";
  rights += std::filesystem::read_symlink(folder + "/root", error).string() + "\n";
  return rights + std::to_string(sched_getscheduler(pid)) + " " +
         std::to_string(getpriority(PRIO_PROCESS, static_cast<id_t>(pid))) + "\n";
}

/// Each call that sets an attribute is left out in turn, though it succeeds: what is restored has
/// the plan's rights all the same, or there is nothing.
TEST_F(RestorerFaultsTest, WhatWasNotSetIsReadBack) {
  Json creds = Credentials(1000, "0x400");
  creds["groups"] = {1000, 1001};
  creds["cap_inh"] = creds["cap_amb"] = "0x400";
  creds["secbits"] = {"SECBIT_NO_SETUID_FIXUP"};
  creds["no_new_privs"] = true;
  const Json filter = {{"program", "BgAAAAAA/38="}, {"flags", Json::array()}};
  Json signal = {{"signal", "SIGUSR1"}, {"handler", "0x1"}, {"flags", Json::array()}};
  signal["restorer"] = signal["mask"] = "0x0";
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Add("CREATE_THREAD", Pid(0), {{"tid", Pid(1)}});
  Json thread = {{"registers", Plan::Registers(kPause)}, {"creds", creds}};
  thread["sched"] = {{"policy", "SCHED_BATCH"}, {"nice", 3}};
  plan.Add("SET_ATTR", Pid(0), {{"tid", Pid(1)}, {"attributes", thread}});
  plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"rlimits", "inherit"}}}});
  plan.Resume(Pid(0), Plan::Registers(kPause),
              {{"creds", creds},
               {"personality", "0x40000"},
               {"sched", {{"policy", "SCHED_FIFO"}, {"nice", 5}, {"priority", 7}}},
               {"rlimits", {{{"resource", "RLIMIT_NOFILE"}, {"cur", 100}, {"max", 100}}}},
               {"sigactions", {signal}},
               {"seccomp", {{"mode", "SECCOMP_MODE_FILTER"}, {"filters", {filter, filter}}}}});
  const Outcome whole = Run(plan, "--detach", "", CRRESTORE_FAULTY_BINARY);
  ASSERT_EQ(whole.status, 0) << whole.errors;
  const std::string expected[] = {RightsOf(Pid(0)), RightsOf(Pid(1))};
  KillEverybody();
  int noticed = 0, last_noticed = 0;
  for (int call = 1; call < last_noticed + 60; ++call) {  // what a bounding set takes looks first
    SCOPED_TRACE("call " + std::to_string(call));
    const Outcome outcome = Run(plan, "--detach", "CRRESTORE_SKIPPED_CALL=" + std::to_string(call),
                                CRRESTORE_FAULTY_BINARY);
    if (outcome.status == 0) {
      EXPECT_EQ(RightsOf(Pid(0)), expected[0]);
      EXPECT_EQ(RightsOf(Pid(1)), expected[1]);
      KillEverybody();
      continue;
    }
    last_noticed = call;
    ++noticed;
    ASSERT_EQ(outcome.status, 5) << outcome.errors;
    ASSERT_TRUE(Left().empty());
  }
  std::printf("%d calls were left out and noticed, the last one was number %d\n", noticed,
              last_noticed);
  EXPECT_GT(noticed, 20);
}

/// That is set last, when the rest has been read back.
TEST_F(RestorerFaultsTest, DumpableIsReadBack) {
  for (const int dumpable : {0, 1}) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    plan.Resume(Pid(0), Plan::Registers(kPause),
                {{"dumpable", dumpable}, {"creds", Credentials(1000, "0x0")}});
    const Outcome outcome =
        Run(plan, "--detach", "CRRESTORE_LOST_DUMPABLE=1", CRRESTORE_FAULTY_BINARY);
    EXPECT_EQ(outcome.status, dumpable == 0 ? 0 : 5) << outcome.errors;
    if (dumpable == 1) {
      EXPECT_NE(outcome.errors.find("read back: dumpable: planned 1, found 0"), std::string::npos)
          << outcome.errors;
    }
    KillEverybody();
  }
}

/// One of the two goes astray at each call in turn: into a namespace that the plan does not have.
TEST_F(RestorerFaultsTest, NobodyIsInAnotherNamespace) {
  constexpr unsigned kStray = 1U << 31;
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Fork(Pid(0), Pid(1));
  for (const int n : {0, 1}) {
    plan.Resume(Pid(n), Plan::Registers(kPause), {{"creds", Credentials(1000, "0x400")}});
  }
  const auto own = std::filesystem::read_symlink("/proc/self/ns/uts");
  std::set<int> noticed;
  // Whose the n-th call is, is chance: there are more rounds where it was always the same one's.
  for (unsigned run = 0; run < 300 && (run < 60 || noticed.size() < 2); ++run) {
    const unsigned call = run % 60 + 1;
    SCOPED_TRACE("call " + std::to_string(call));
    const Outcome outcome =
        Run(plan, "--detach", "CRRESTORE_SKIPPED_CALL=" + std::to_string(kStray + call),
            CRRESTORE_FAULTY_BINARY);
    if (outcome.status == 0) {
      for (const int n : {0, 1}) {
        EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(Pid(n)) + "/ns/uts"),
                  own);
      }
      KillEverybody();
      continue;
    }
    EXPECT_EQ(outcome.status, 5) << outcome.errors;
    EXPECT_TRUE(Left().empty());
    if (outcome.errors.find("uts: planned") == std::string::npos) continue;
    for (const int n : {0, 1}) {
      if (outcome.errors.find("process " + std::to_string(Pid(n)) + " ") != std::string::npos) {
        noticed.insert(n);
      }
    }
  }
  EXPECT_EQ(noticed, (std::set<int>{0, 1}));
}

/// The restorer's processes are killed at random moments: the one that the user started, the one
/// that restores, or both.
TEST_F(RestorerFaultsTest, KilledAtAnyMomentLeavesAllOrNothing) {
  std::printf("CRGEN_SEED=%u\n", FirstSeed());
  std::mt19937 random(FirstSeed());
  std::ofstream(folder_ + "/plan.json") << Rich().Text();
  int undone = 0, done = 0;
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const pid_t restorer = fork();
    if (restorer == 0) {
      if (chdir(folder_.c_str()) != 0) _exit(1);
      std::freopen("/dev/null", "w", stderr);
      execl(CRRESTORE_BINARY, "crrestore", "plan.json", "--detach", nullptr);
      _exit(1);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
    pid_t second = 0;
    std::ifstream("/proc/" + std::to_string(restorer) + "/task/" + std::to_string(restorer) +
                  "/children") >>
        second;
    if (second == Pid(0)) second = 0;  // the one that restores has gone, and left the root
    const unsigned who = random() % 3;
    if (who != 1) kill(restorer, SIGKILL);
    if (who != 0 && second != 0) kill(second, SIGKILL);
    waitpid(restorer, nullptr, 0);
    // Processes that wait for a dead restorer look after it every second.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    int running = 0, looks = 0;  // they may be let go, and killed when one of both has died
    for (;;) {
      while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
      }
      running = 0;
      for (int n : kResume) running += Resumed(Pid(n));
      const bool may_make_some = second != 0 && kill(second, 0) == 0;
      looks = running == kRunning ? looks + 1 : 0;
      if (!may_make_some && (looks == 3 || Left().empty())) break;
      if (std::chrono::steady_clock::now() > deadline) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    if (running == kRunning) {
      ++done;
      ExpectRestored();
    } else {
      ++undone;
      for (int pid : Left()) {
        const std::string folder = "/proc/" + std::to_string(pid);
        ADD_FAILURE() << "process " << pid
                      << " is left: " << std::ifstream(folder + "/status").rdbuf()
                      << std::ifstream(folder + "/syscall").rdbuf();
      }
    }
    KillEverybody();
  }
  std::printf("%d restored before, %d undone\n", done, undone);
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

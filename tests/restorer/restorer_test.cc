// SPDX-License-Identifier: Apache-2.0
// The restorer, on plans of its own: what it builds, what it refuses, what it leaves behind.
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

TEST_F(RestorerTest, GivesTheRootsExitStatus) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Resume(Pid(0), Plan::Registers(kExit, 42));
  EXPECT_EQ(Run(plan, "").status, 42);
  EXPECT_TRUE(Left().empty());
}

TEST_F(RestorerTest, GivesTheRootsDeathBySignalAsAShellDoes) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Resume(Pid(0), Plan::Registers(kRaise, static_cast<unsigned>(Pid(0)), SIGTERM));
  EXPECT_EQ(Run(plan, "").status, 128 + SIGTERM);
}

/// A session leader, its child's orphan in a group of its own, a zombie, a second session.
void BuildTree(Plan& plan, const std::function<int(int)>& pid) {
  plan.Fork(0, pid(0));
  plan.Add("SET_SID", pid(0));
  plan.Add("SET_ATTR", pid(0), {{"attributes", {{"child_subreaper", true}}}});
  plan.MapProgram(pid(0));
  plan.Fork(pid(0), pid(1));
  plan.Fork(pid(1), pid(2));
  plan.Add("SET_PGID", pid(2), {{"pgid", pid(2)}});
  plan.Fork(pid(1), pid(3));
  plan.Add("SET_PGID", pid(3), {{"pgid", pid(2)}});
  plan.Add("EXIT", pid(1), {{"status", {{"code", 0}}}});
  plan.Add("WAIT", pid(0), {{"child_pid", pid(1)}});
  plan.Fork(pid(0), pid(4));
  plan.Add("EXIT", pid(4), {{"status", {{"signal", "SIGKILL"}, {"core_dumped", false}}}});
  plan.Fork(pid(0), pid(5));
  plan.Add("SET_SID", pid(5));
  for (int i : {0, 2, 3, 5}) plan.Resume(pid(i));
}

TEST_F(RestorerTest, BuildsSessionsGroupsOrphansAndZombies) {
  Plan plan;
  BuildTree(plan, [&](int i) { return Pid(i); });
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const auto expect = [&](int n, char state, int ppid, int pgid, int sid) {
    const ProcessFacts facts = FactsOf(Pid(n));
    EXPECT_EQ(facts.state, state) << n;
    EXPECT_EQ(facts.ppid, ppid) << n;
    EXPECT_EQ(facts.pgid, pgid) << n;
    EXPECT_EQ(facts.sid, sid) << n;
  };
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  expect(0, 'S', getpid(), Pid(0), Pid(0));
  expect(1, 'X', 0, 0, 0);
  expect(2, 'S', Pid(0), Pid(2), Pid(0));
  expect(3, 'S', Pid(0), Pid(2), Pid(0));
  expect(4, 'Z', Pid(0), Pid(0), Pid(0));
  expect(5, 'S', Pid(0), Pid(5), Pid(5));
}

TEST_F(RestorerTest, LeavesNothingOfItselfInTheAddressSpace) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Map(Pid(0), kData, 1, {"PROT_READ"});
  plan.Fork(Pid(0), Pid(1));
  plan.Add("CREATE_THREAD", Pid(0), {{"tid", Pid(2)}});
  plan.Add("SET_ATTR", Pid(0),
           {{"tid", Pid(2)},
            {"attributes", {{"registers", Plan::Registers(kPause)}, {"creds", "inherit"}}}});
  plan.Resume(Pid(0));
  plan.Resume(Pid(1));
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  for (int pid : {Pid(0), Pid(1)}) {
    std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
    std::vector<std::string> ranges;
    for (std::string line; std::getline(maps, line);) {
      if (line.find("[vsyscall]") == std::string::npos) {
        ranges.push_back(line.substr(0, line.find(' ', line.find(' ') + 1)));
      }
    }
    EXPECT_EQ(ranges, (std::vector<std::string>{"00400000-00401000 r-xp", "00500000-00502000 rw-p",
                                                "00600000-00601000 r--p"}));
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.rfind("TracerPid:", 0) == 0) {
        EXPECT_EQ(line, "TracerPid:\t0");
      }
    }
    EXPECT_EQ(system(("test -z \"$(ls /proc/" + std::to_string(pid) + "/fd)\"").c_str()), 0)
        << "descriptors are left in " << pid;
  }
}

TEST_F(RestorerTest, ARangeThatIsUnmappedMaySpanItself) {
  const std::uint64_t low = 0x700000, high = 0x7e0000000000;
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.Map(Pid(0), low, 1, {"PROT_READ"});
  plan.Map(Pid(0), high, 1, {"PROT_READ"});
  plan.Add("UNMAP_REGION", Pid(0), {{"start", Plan::Hex(low)}, {"end", Plan::Hex(high + 0x1000)}});
  plan.MapProgram(Pid(0));
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  std::ifstream maps("/proc/" + std::to_string(Pid(0)) + "/maps");
  int regions = 0;
  for (std::string line; std::getline(maps, line);) {
    regions += line.find("[vsyscall]") == std::string::npos;
  }
  EXPECT_EQ(regions, 2) << "the program's code and stack";
}

TEST_F(RestorerTest, StopsEverybodyIfAsked) {
  Plan plan;
  BuildTree(plan, [&](int i) { return Pid(i); });
  const Outcome outcome = Run(plan, "--detach --stop --pidfile pid");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  for (int i : {0, 2, 3, 5}) EXPECT_EQ(FactsOf(Pid(i)).state, 'T') << i;
  int pid = 0;
  std::ifstream(folder_ + "/pid") >> pid;
  EXPECT_EQ(pid, Pid(0));
}

TEST_F(RestorerTest, StopsAgainWhatWasStopped) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Add(
      "SET_ATTR", Pid(0),
      {{"attributes",
        {{"registers", Plan::Registers(kExit, 1)}, {"creds", "inherit"}, {"rlimits", "inherit"}}}});
  plan.Add("RESUME", Pid(0), {{"stopped", "SIGSTOP"}});
  ASSERT_EQ(Run(plan).status, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(FactsOf(Pid(0)).state, 'T');
  kill(Pid(0), SIGCONT);
  int status = 0;
  ASSERT_EQ(waitpid(Pid(0), &status, 0), Pid(0));
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

/// What waits and is not blocked must not come before the stop, nor may a signal that stops nobody
/// where it is: that of a terminal in an orphaned group.
TEST_F(RestorerTest, StopsBeforeSignalsThatWait) {
  const std::string info = "DwAAAAAA" + std::string(162, 'A') + "A=";  // si_signo 15, zeros
  const Json queue = {{{"signal", "SIGTERM"}, {"siginfo", info}}};
  for (const char* stopped : {"SIGSTOP", "SIGTSTP", ""}) {
    SCOPED_TRACE(stopped);
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.Add("SET_SID", Pid(0));
    plan.MapProgram(Pid(0));
    plan.Add("CREATE_THREAD", Pid(0), {{"tid", Pid(1)}});
    Json attributes = {{"registers", Plan::Registers(kPause)}, {"creds", "inherit"}};
    plan.Add("SET_ATTR", Pid(0), {{"tid", Pid(1)}, {"attributes", attributes}});
    attributes["rlimits"] = "inherit";
    attributes["signal_queue"] = queue;
    plan.Add("SET_ATTR", Pid(0), {{"attributes", attributes}});
    Json resume = Json::object();
    if (*stopped != 0) resume["stopped"] = stopped;
    plan.Add("RESUME", Pid(0), resume);
    const Outcome outcome = Run(plan, *stopped != 0 ? "--detach" : "--detach --stop");
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(FactsOf(Pid(0)).state, 'T');
    kill(Pid(0), SIGCONT);
    int status = 0;
    ASSERT_EQ(waitpid(Pid(0), &status, 0), Pid(0));
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  }
}

TEST_F(RestorerTest, RestoresIntoANewPidNamespace) {
  Plan plan;
  plan.Fork(0, 10);
  plan.MapProgram(10);
  plan.Fork(10, 11);
  plan.Resume(11);
  plan.Resume(10, Plan::Registers(kRaise, 11, SIGKILL));  // ends with exit_group(11)
  // As init of the namespace, the restorer ends when nobody is left.
  EXPECT_EQ(Run(plan, "--pidns").status, 11);
}

// Processes are let go in the order of their birth: the first one may kill the last before its
// turn, which is no failure of the restore.
TEST_F(RestorerTest, IsNotDisturbedByWhoKillsAtOnce) {
  constexpr int kRounds = 5, kLast = 90;
  for (int round = 0; round < kRounds; ++round) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    for (int i = 1; i <= kLast; ++i) plan.Fork(Pid(0), Pid(i));
    for (int i = 1; i <= kLast; ++i) plan.Resume(Pid(i));
    plan.Resume(Pid(0), Plan::Registers(kRaise, Pid(kLast), SIGKILL));
    const Outcome outcome = Run(plan);
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    KillEverybody();
  }
}

TEST_F(RestorerTest, RestoresAnInit) {
  Plan plan;
  plan.Fork(0, 1, {"CLONE_NEWPID"});
  plan.MapProgram(1);
  plan.Fork(1, 5);
  plan.Resume(5);
  plan.Resume(1, Plan::Registers(kExit, 7));
  EXPECT_EQ(Run(plan, "").status, 7);
}

/// Whoever reads what it prints gets to an end, though the tree is there.
TEST_F(RestorerTest, ADetachedInitLetsGoOfTheCallersDescriptors) {
  Plan plan;
  plan.Fork(0, 1, {"CLONE_NEWPID"});
  plan.MapProgram(1);
  plan.Resume(1);
  std::ofstream(folder_ + "/plan.json") << plan.Text();
  int output[2];
  ASSERT_EQ(pipe2(output, O_CLOEXEC), 0);
  const pid_t restorer = fork();
  if (restorer == 0) {
    dup2(output[1], 1);
    dup2(output[1], 2);
    if (chdir(folder_.c_str()) != 0) _exit(1);
    execl(CRRESTORE_BINARY, "crrestore", "plan.json", "--pidns", "--detach", "--pidfile", "pid",
          nullptr);
    _exit(1);
  }
  close(output[1]);
  int status = -1;
  ASSERT_EQ(waitpid(restorer, &status, 0), restorer);
  ASSERT_EQ(status, 0);
  pid_t init = 0;
  std::ifstream(folder_ + "/pid") >> init;
  ASSERT_GT(init, 1);
  constexpr int kLimitMs = 10'000;
  pollfd ended = {output[0], POLLHUP, 0};
  EXPECT_EQ(poll(&ended, 1, kLimitMs), 1);
  EXPECT_EQ(kill(init, SIGKILL), 0);
  close(output[0]);
}

/// Its numbers are those of other processes.
TEST_F(RestorerTest, RefusesAProcOfAnotherPidNamespace) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Resume(Pid(0));
  constexpr std::pair<const char*, const char*> kCases[] = {
      {"unshare --pid --fork --kill-child " CRRESTORE_BINARY,
       "/proc is not that of this pid namespace: process 1, which this is, is not there, but "},
      {"unshare --pid " CRRESTORE_BINARY,
       "children of this process are born in another pid namespace than its own"}};
  for (const auto& [binary, message] : kCases) {
    for (const char* how : {"--detach", "--detach --pidns", "--preflight"}) {
      const Outcome outcome = Run(plan, how, "", binary);
      EXPECT_EQ(outcome.status, 3) << outcome.errors;
      EXPECT_NE(outcome.errors.find(message), std::string::npos) << outcome.errors;
      EXPECT_NE(outcome.errors.find("unshare --fork --mount-proc"), std::string::npos);
    }
  }
}

/// In a fresh pid namespace, where the next numbers are the plan's.
TEST_F(RestorerTest, IsNotInTheWayOfItsOwnTree) {
  constexpr int kFirst = 3, kCount = 40;  // sh is 1, crrestore is 2
  Plan plan;
  plan.Fork(0, kFirst);
  plan.MapProgram(kFirst);
  for (int i = 1; i < kCount; ++i) plan.Fork(kFirst, kFirst + i);
  for (int i = 0; i < kCount; ++i) plan.Resume(kFirst + i);
  const Outcome outcome = Run(plan, "--detach --timeout 4", "",
                              "unshare --pid --fork --mount-proc --kill-child "
                              "sh -c '" CRRESTORE_BINARY " \"$@\"; exit $?' sh");
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
}

TEST_F(RestorerTest, SaysThatANumberIsItsOwn) {
  Plan plan;
  plan.Fork(0, 2);  // sh is 1, crrestore is 2
  plan.MapProgram(2);
  plan.Resume(2);
  const Outcome outcome = Run(plan, "--detach", "",
                              "unshare --pid --fork --mount-proc --kill-child "
                              "sh -c '" CRRESTORE_BINARY " \"$@\"; exit $?' sh");
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("pid 2 is that of this process (run it again)"), std::string::npos)
      << outcome.errors;
}

TEST_F(RestorerTest, RefusesATakenPid) {
  Plan plan;
  plan.Fork(0, getpid());
  plan.MapProgram(getpid());
  plan.Resume(getpid());
  const Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("plan.json:2: commands[0] FORK pid 0: EEXIST: pid " +
                                std::to_string(getpid()) + " is taken on this system"),
            std::string::npos)
      << outcome.errors;
}

TEST_F(RestorerTest, NamesTheCommandThatTheKernelRefuses) {
  // Of a process of the plan, so that nothing can be said before.
  const std::string nowhere = "/proc/" + std::to_string(Pid(0)) + "/nowhere";
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Fork(Pid(0), Pid(1));
  plan.Resume(Pid(0));
  plan.Resume(Pid(1), Plan::Registers(kPause), {{"fs", {{"cwd", nowhere}, {"root", "/"}}}});
  const Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 5);
  EXPECT_NE(outcome.errors.find("SET_ATTR pid " + std::to_string(Pid(1)) + ": open " + nowhere +
                                ": ENOENT"),
            std::string::npos)
      << outcome.errors;
  EXPECT_TRUE(Left().empty());
}

struct ChangedFile {
  const char* name;
  Json file;
  const char* message;
};

TEST_F(RestorerTest, RefusesFilesThatAreGoneOrHaveChanged) {
  std::ofstream(folder_ + "/file") << "hello";
  chmod((folder_ + "/file").c_str(), 0644);
  const std::string path = folder_ + "/file";
  const ChangedFile cases[] = {
      {"gone", {{"path", folder_ + "/gone"}}, "/gone: No such file or directory"},
      {"size", {{"path", path}, {"size", 6}}, "has changed: size is 5, was 6"},
      {"mode", {{"path", path}, {"mode", 0100600}}, "has changed: mode is 0100644, was 0100600"},
      {"build id",
       {{"path", CRRESTORE_BINARY}, {"build_id", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}},
       "has changed: build id is "},
  };
  for (const ChangedFile& changed : cases) {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    Json file = changed.file;
    file["type"] = "REG";
    file["id"] = 1;
    file["flags"] = {"O_RDONLY"};
    plan.Add("OPEN_FILE", Pid(0), {{"fd", 0}, {"file", file}});
    plan.Resume(Pid(0));
    const Outcome outcome = Run(plan);
    EXPECT_EQ(outcome.status, 3) << changed.name;
    EXPECT_NE(outcome.errors.find(changed.message), std::string::npos)
        << changed.name << ": " << outcome.errors;
  }
}

TEST_F(RestorerTest, RefusesImagesThatAreShortOrElsewhere) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Resume(Pid(0));
  ASSERT_EQ(truncate((folder_ + "/code.img").c_str(), 4095), 0);
  Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("code.img has 4095 bytes: not 1 pages from 0"), std::string::npos)
      << outcome.errors;

  const std::string elsewhere = folder_ + "-elsewhere";
  std::ofstream(elsewhere, std::ios::binary) << CodePage();
  unlink((folder_ + "/code.img").c_str());
  ASSERT_EQ(symlink(elsewhere.c_str(), (folder_ + "/code.img").c_str()), 0);
  outcome = Run(plan);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("leads out of the folder of images"), std::string::npos)
      << outcome.errors;
  EXPECT_EQ(Run(plan, "--detach --images-outside").status, 0);
  unlink(elsewhere.c_str());
}

TEST_F(RestorerTest, NamesWhatItCannotDo) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Add("OPEN_FILE", Pid(0), {{"fd", 0}, {"file", {{"type", "EXT"}, {"id", 1}}}});
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 4);
  EXPECT_NE(outcome.errors.find("unsupported: files of type EXT"), std::string::npos)
      << outcome.errors;
}

TEST_F(RestorerTest, RefusesAProgramThatTheCheckerRefuses) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.Add("SET_PGID", Pid(0), {{"pgid", 77}});
  plan.MapProgram(Pid(0));
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("EPERM"), std::string::npos) << outcome.errors;
}

TEST_F(RestorerTest, ReadsThePlanFromStandardInput) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Resume(Pid(0), Plan::Registers(kExit, 9));
  std::ofstream(folder_ + "/plan.json") << plan.Text();
  const int status = system(("cd " + folder_ + " && " CRRESTORE_BINARY " - < plan.json").c_str());
  EXPECT_EQ(WEXITSTATUS(status), 9);
}

Plan OneProcess(int pid, Json attributes = Json::object()) {
  Plan plan;
  plan.Fork(0, pid);
  plan.MapProgram(pid);
  plan.Resume(pid, Plan::Registers(kPause), std::move(attributes));
  return plan;
}

TEST_F(RestorerTest, APidfileThatCannotBeWrittenIsAFailureBefore) {
  const Plan plan = OneProcess(Pid(0));
  for (const char* path : {"nowhere/pid", "link", "."}) {
    symlink("target", (folder_ + "/link").c_str());
    const Outcome outcome = Run(plan, std::string("--detach --pidfile ") + path);
    EXPECT_EQ(outcome.status, 5) << path;
    EXPECT_NE(outcome.errors.find(std::string("--pidfile ") + path), std::string::npos)
        << outcome.errors;
    EXPECT_TRUE(Left().empty());
    EXPECT_NE(access((folder_ + "/target").c_str(), F_OK), 0);
  }
}

TEST_F(RestorerTest, APidfileIsThereOnlyIfTheTreeIs) {
  std::ofstream(folder_ + "/pid") << "a longer text than the number";
  ASSERT_EQ(Run(OneProcess(Pid(0)), "--detach --pidfile pid").status, 0);
  std::stringstream text;
  text << std::ifstream(folder_ + "/pid").rdbuf();
  EXPECT_EQ(text.str(), std::to_string(Pid(0)) + "\n");
  KillEverybody();

  const Json bad = {{"fs", {{"cwd", folder_ + "/nowhere"}, {"root", "/"}}}};
  EXPECT_NE(Run(OneProcess(Pid(0), bad), "--detach --pidfile other").status, 0);
  EXPECT_NE(access((folder_ + "/other").c_str(), F_OK), 0);
}

TEST_F(RestorerTest, DumpableTwoBecomesNoneAndIsNamed) {
  const Outcome outcome = Run(OneProcess(Pid(0), {{"dumpable", 2}}));
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_NE(
      outcome.errors.find("SET_ATTR pid " + std::to_string(Pid(0)) + ": dumpable 2 becomes 0"),
      std::string::npos)
      << outcome.errors;
  // Who is not dumpable belongs to root in proc(5): to be seen when the process is somebody's.
  KillEverybody();
  const Json user = {{"creds", Credentials(1000, "0x0")}};
  for (const int dumpable : {0, 1, 2}) {
    Json attributes = user;
    attributes["dumpable"] = dumpable;
    ASSERT_EQ(Run(OneProcess(Pid(0), attributes)).status, 0);
    struct stat facts;
    ASSERT_EQ(stat(("/proc/" + std::to_string(Pid(0)) + "/status").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_uid, dumpable == 1 ? 1000u : 0u) << dumpable;
    KillEverybody();
  }
}

TEST_F(RestorerTest, ARootOutlivesTheRestorerInSpiteOfItsParentDeathSignal) {
  const Outcome outcome = Run(OneProcess(Pid(0), {{"pdeath_signal", "SIGKILL"}}));
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_NE(outcome.errors.find("the parent-death signal is left out"), std::string::npos)
      << outcome.errors;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(FactsOf(Pid(0)).state, 'S');
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

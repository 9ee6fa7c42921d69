// Nobody gets more out of a restore than the plan gives: the test plays the attacker.
#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <atomic>

#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

using Plan = PlanBuilder;

constexpr int kUser = 1000;
constexpr std::uint64_t kArenasStart = std::uint64_t{1} << 40;

/// What the attackers have done, in memory that they share with the test.
struct Loot {
  std::atomic<bool> stop;
  std::atomic<int> attempts;
  std::atomic<int> own;       ///< processes that were let go: theirs by right
  std::atomic<int> memories;  ///< with the restorer's script or board in it
  std::atomic<int> folders;   ///< of descriptors, with the restorer's among them
  std::atomic<int> traced;    ///< taken over before they were let go
  std::atomic<int> overwritten;
};

/// Where the restorer has anything but its code in that memory; 0: nowhere.
std::uint64_t ArenaIn(const std::string& folder) {
  std::ifstream maps(folder + "/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::uint64_t start = std::stoull(line, nullptr, 16);
    if (start < kArenasStart || line.find("[v") != std::string::npos) continue;
    if (line.find(" r-x") == std::string::npos) return start;
  }
  return 0;
}

void Attack(int pid, Loot& loot) {
  const std::string folder = "/proc/" + std::to_string(pid);
  ++loot.attempts;
  const int memory = open((folder + "/mem").c_str(), O_RDWR);
  if (memory >= 0) {
    if (const std::uint64_t arena = ArenaIn(folder)) {
      ++loot.memories;
      char byte = 0;
      const auto at = static_cast<off_t>(arena);
      if (pread(memory, &byte, 1, at) == 1 && pwrite(memory, &byte, 1, at) == 1) {
        ++loot.overwritten;
      }
      iovec here = {&byte, 1}, there = {reinterpret_cast<void*>(arena), 1};
      if (process_vm_writev(pid, &here, 1, &there, 1, 0) == 1) ++loot.overwritten;
    } else {
      ++loot.own;
    }
    close(memory);
  }
  const int service = open((folder + "/fd/0").c_str(), O_PATH);  // no plan here has a descriptor
  if (service >= 0) {
    ++loot.folders;
    close(service);
  }
  if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
    if (ArenaIn(folder) != 0) ++loot.traced;
    ptrace(PTRACE_INTERRUPT, pid, 0, 0);
    waitpid(pid, nullptr, __WALL);
    // One that was killed is this tracer's to reap.
    if (ptrace(PTRACE_DETACH, pid, 0, 0) != 0) waitpid(pid, nullptr, __WALL);
  }
}

class RestorerSecurityTest : public RestorerTest {
 protected:
  static constexpr int kVictims = 40;

  /// Processes of the user, each with a second thread, which the user may debug once they run.
  Plan Victims() {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    const Json user = {{"creds", Credentials(kUser, "0x0")}, {"dumpable", 1}};
    for (int i = 1; i <= kVictims; ++i) {
      plan.Fork(Pid(0), Pid(i));
      const int thread = Pid(kVictims + i);
      plan.Add("CREATE_THREAD", Pid(i), {{"tid", thread}});
      Json attributes = {{"creds", Credentials(kUser, "0x0")},
                         {"registers", Plan::Registers(kPause)}};
      plan.Add("SET_ATTR", Pid(i), {{"tid", thread}, {"attributes", attributes}});
    }
    for (int i = 1; i <= kVictims; ++i) plan.Resume(Pid(i), Plan::Registers(kPause), user);
    plan.Resume(Pid(0), Plan::Registers(kPause), {{"dumpable", 1}});
    return plan;
  }

  static pid_t StartAttacker(Loot& loot) {
    const pid_t attacker = fork();
    if (attacker != 0) return attacker;
    if (setgroups(0, nullptr) != 0 || setresgid(kUser, kUser, kUser) != 0 ||
        setresuid(kUser, kUser, kUser) != 0) {
      _exit(1);
    }
    while (!loot.stop) {
      for (int i = 1; i <= 2 * kVictims && !loot.stop; ++i) Attack(Pid(i), loot);
    }
    _exit(0);
  }
};

TEST_F(RestorerSecurityTest, NoUserGetsIntoWhatIsNotLetGo) {
  constexpr int kRounds = 6, kAttackers = 2;
  auto* loot =
      new (mmap(nullptr, sizeof(Loot), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
          Loot();
  std::vector<pid_t> attackers;
  for (int i = 0; i < kAttackers; ++i) attackers.push_back(StartAttacker(*loot));
  for (int round = 0; round < kRounds; ++round) {
    const Outcome outcome = Run(Victims());
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    KillEverybody();
  }
  loot->stop = true;
  for (pid_t attacker : attackers) {
    int status = 0;
    waitpid(attacker, &status, 0);
    EXPECT_EQ(status, 0);
  }
  std::printf("%d attempts, %d of them on what was let go\n", loot->attempts.load(),
              loot->own.load());
  EXPECT_GT(loot->own, 0) << "the attackers never saw their own processes";
  EXPECT_EQ(loot->memories, 0);
  EXPECT_EQ(loot->overwritten, 0);
  EXPECT_EQ(loot->folders, 0);
  EXPECT_EQ(loot->traced, 0);
}

/// Who gets in in spite of all, with the rights of root, can write the board but not the script.
TEST_F(RestorerSecurityTest, NobodyCanWriteTheScript) {
  std::ofstream(folder_ + "/plan.json") << Victims().Text();
  int sealed = 0, tries = 0;
  for (; sealed == 0 && tries < 50; ++tries) {
    const pid_t restorer = fork();
    if (restorer == 0) {
      if (chdir(folder_.c_str()) != 0) _exit(1);
      std::freopen("/dev/null", "w", stderr);
      execl(CRRESTORE_BINARY, "crrestore", "plan.json", "--detach", nullptr);
      _exit(1);
    }
    while (kill(Pid(1), SIGSTOP) != 0 && waitpid(restorer, nullptr, WNOHANG) == 0) {
    }
    const std::string folder = "/proc/" + std::to_string(Pid(1));
    const int memory = open((folder + "/mem").c_str(), O_RDWR);
    std::ifstream maps(folder + "/maps");
    for (std::string line; std::getline(maps, line);) {
      if (line.find("memfd:crrestore") == std::string::npos) continue;
      const std::uint64_t start = std::stoull(line, nullptr, 16);
      char byte = 0;
      if (pread(memory, &byte, 1, static_cast<off_t>(start)) != 1) continue;  // gone by now
      ++sealed;
      EXPECT_EQ(pwrite(memory, &byte, 1, static_cast<off_t>(start)), -1) << line;
    }
    if (memory >= 0) close(memory);
    kill(restorer, SIGTERM);
    waitpid(restorer, nullptr, 0);
    KillEverybody();
  }
  EXPECT_EQ(sealed, 2) << "the executor and the script were not seen in " << tries << " tries";
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

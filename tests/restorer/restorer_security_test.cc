// SPDX-License-Identifier: Apache-2.0
// Nobody gets more out of a restore than the plan gives: the test plays the attacker.
#include <fcntl.h>
#include <grp.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <atomic>
#include <random>

#include "tests/support/restorer_support.h"
#include "tests/support/seed.h"

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

/// "ShdPnd:" and the like of /proc/PID/status.
std::string StatusLine(int pid, const std::string& label) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(label, 0) == 0) return line.substr(label.size() + 1);
  }
  return "";
}

TEST_F(RestorerSecurityTest, APendingSignalOfChildrenIsNeverLost) {
  constexpr int kTries = 25, kThreads = 6;
  // si_signo SIGCHLD, si_code CLD_EXITED; 128 bytes.
  const std::string info = "EQAAAAAAAAABAAAA" + std::string(154, 'A') + "A=";
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Fork(Pid(0), Pid(1));
  plan.Add("EXIT", Pid(1), {{"status", {{"code", 3}}}});
  for (int i = 0; i < kThreads; ++i) {
    plan.Add("CREATE_THREAD", Pid(0), {{"tid", Pid(10 + i)}});
    plan.Add("SET_ATTR", Pid(0),
             {{"tid", Pid(10 + i)},
              {"attributes",
               {{"registers", Plan::Registers(kPause)},
                {"signal_mask", "0x10000"},
                {"creds", "inherit"}}}});
  }
  plan.Resume(
      Pid(0), Plan::Registers(kPause),
      {{"signal_mask", "0x10000"}, {"signal_queue", {{{"signal", "SIGCHLD"}, {"siginfo", info}}}}});
  for (int i = 0; i < kTries; ++i) {
    const Outcome outcome = Run(plan);
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    EXPECT_EQ(StatusLine(Pid(0), "ShdPnd:"), "0000000000010000");
    EXPECT_EQ(FactsOf(Pid(1)).state, 'Z');
    KillEverybody();
  }
}

/// Signals that come from its first moment on are kept, as any later ones.
TEST_F(RestorerSecurityTest, ASignalAtBirthIsKept) {
  constexpr int kTries = 30;
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Resume(Pid(0), Plan::Registers(kPause), {{"signal_mask", "0x80000200"}});
  auto* sent =
      static_cast<std::atomic<int>*>(mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  int reached = 0;
  for (int i = 0; i < kTries; ++i) {
    *sent = 0;
    const pid_t sender = fork();
    if (sender == 0) {
      for (;;) *sent |= kill(Pid(0), i % 2 == 0 ? SIGUSR1 : 32) == 0 ? 1 : 0;
    }
    const Outcome outcome = Run(plan);
    kill(sender, SIGKILL);
    waitpid(sender, nullptr, 0);
    ASSERT_EQ(outcome.status, 0) << outcome.errors;
    reached += *sent;  // a busy machine may not let the sender run
    if (*sent != 0) {
      EXPECT_EQ(StatusLine(Pid(0), "ShdPnd:"),
                i % 2 == 0 ? "0000000000000200" : "0000000080000000");
    }
    KillEverybody();
  }
  EXPECT_GT(reached, 0);
  munmap(sent, sizeof *sent);
}

/// Whatever signal comes to whichever process at whatever moment: all or nothing, and no hang.
TEST_F(RestorerSecurityTest, SignalsAtAnyMomentLeaveAllOrNothing) {
  std::printf("CRGEN_SEED=%u\n", FirstSeed());
  std::mt19937 random(FirstSeed());
  const std::vector<std::vector<int>> bursts = {{SIGSTOP}, {SIGCONT}, {SIGSTOP, SIGCONT}, {SIGKILL},
                                                {SIGTSTP}, {SIGCHLD}, {SIGTERM}};
  std::ofstream(folder_ + "/plan.json") << Victims().Text();
  int done = 0, undone = 0;
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const pid_t restorer = fork();
    if (restorer == 0) {
      if (chdir(folder_.c_str()) != 0) _exit(1);
      std::freopen("/dev/null", "w", stderr);
      execl(CRRESTORE_BINARY, "crrestore", "plan.json", "--detach", nullptr);
      _exit(1);
    }
    const int target = Pid(static_cast<int>(random() % (2 * kVictims + 1)));
    const std::vector<int>& burst = bursts[random() % bursts.size()];
    int status = 0;
    pid_t ended = 0;
    while (kill(target, 0) != 0 && ended == 0) ended = waitpid(restorer, &status, WNOHANG);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 4000));
    for (const int signal : burst) kill(target, signal);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (ended == 0 && std::chrono::steady_clock::now() < deadline) {
      ended = waitpid(restorer, &status, WNOHANG);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_EQ(ended, restorer) << "it hangs after signal " << burst[0] << " to " << target;
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 0) {
      ++done;
      const bool root_hit = target == Pid(0);
      for (int i = root_hit ? 1 : 0; i <= kVictims; ++i) {
        const bool hit = target == Pid(i) || target == Pid(kVictims + i);
        EXPECT_TRUE(hit || FactsOf(Pid(i)).state != 'X') << i;
      }
    } else {
      ++undone;
      EXPECT_EQ(WEXITSTATUS(status), 5);
      EXPECT_TRUE(Left().empty());
    }
    KillEverybody();
  }
  std::printf("%d restored, %d undone\n", done, undone);
}

TEST_F(RestorerSecurityTest, NamesWhoTracesAProcess) {
  std::ofstream(folder_ + "/plan.json") << Victims().Text();
  std::string errors;
  for (int tries = 0; tries < 50 && errors.find("traces") == std::string::npos &&
                      errors.find("traced by") == std::string::npos;
       ++tries) {
    const pid_t restorer = fork();
    if (restorer == 0) {
      if (chdir(folder_.c_str()) != 0) _exit(1);
      std::freopen("errors", "w", stderr);
      execl(CRRESTORE_BINARY, "crrestore", "plan.json", "--detach", nullptr);
      _exit(1);
    }
    while (ptrace(PTRACE_SEIZE, Pid(1), 0, 0) != 0 && kill(restorer, 0) == 0 &&
           FactsOf(restorer).state != 'Z') {
    }
    ptrace(PTRACE_INTERRUPT, Pid(1), 0, 0);
    int status = 0;
    while (waitpid(restorer, &status, WNOHANG) == 0) waitpid(Pid(1), nullptr, WNOHANG | __WALL);
    std::stringstream text;
    text << std::ifstream(folder_ + "/errors").rdbuf();
    errors = text.str();
    KillEverybody();
  }
  EXPECT_NE(errors.find(std::to_string(getpid())), std::string::npos) << errors;
}

/// open(2) waits as long as nobody has answered whether it may (fanotify(7)).
TEST_F(RestorerSecurityTest, NamesWhatItHasWaitedForTooLong) {
  const std::string path = "/dev/shm/crrestore-asked-" + std::to_string(getpid());
  std::ofstream(path) << "x";
  const int asked = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);
  ASSERT_EQ(fanotify_mark(asked, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, path.c_str()), 0)
      << strerror(errno);
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Add(
      "OPEN_FILE", Pid(0),
      {{"fd", 0}, {"file", {{"type", "REG"}, {"id", 1}, {"path", path}, {"flags", {"O_RDONLY"}}}}});
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan, "--detach --timeout 1");
  close(asked);
  unlink(path.c_str());
  EXPECT_EQ(outcome.status, 5);
  EXPECT_NE(outcome.errors.find(
                "OPEN_FILE pid " + std::to_string(Pid(0)) + ": process " + std::to_string(Pid(0)) +
                " has not gone on for 1 s (--timeout): it is in system call openat"),
            std::string::npos)
      << outcome.errors;
  EXPECT_TRUE(Left().empty());
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

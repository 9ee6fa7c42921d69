// SPDX-License-Identifier: Apache-2.0
// tar(1), which fills mounts from the archives of a dump: what it says, and that it never outlives
// the restorer.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include "tests/support/mounts_fixture.h"

namespace crgen::test {
namespace {

class ArchivesTest : public MountsTest {
 protected:
  /// What runs for tar(1), which is `$tar`.
  void UseAsTar(const std::string& script) {
    fs::create_directories(folder_ + "/bin");
    std::ofstream(folder_ + "/bin/tar") << "#!/bin/sh\ntar=$(PATH=/usr/bin:/bin command -v tar)\n"
                                        << script << "\n";
    fs::permissions(folder_ + "/bin/tar", fs::perms::owner_all);
    path_ = "PATH=" + folder_ + "/bin:$PATH";
  }
  /// What it has written into the file `started`; 0: nothing yet.
  pid_t Started() const {
    const std::string text = TextOf(folder_ + "/started");
    return text.ends_with('\n') ? std::stoi(text) : 0;
  }
  static bool EndsSoon(pid_t pid) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (kill(pid, 0) == 0) {
      while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
      }
      if (std::chrono::steady_clock::now() > deadline) return false;
    }
    return true;
  }

  std::string path_;  ///< for the environment
};

TEST_F(ArchivesTest, AnArchiveThatIsNone) {
  std::ofstream(folder_ + "/tmpfs-dev-9.tar.gz.img") << std::string(archive_, 'x');
  const Outcome outcome = Run(PlanWith({{"mounts", Mounts()}}), "--detach " + MountArguments());
  EXPECT_EQ(outcome.status, 5);
  EXPECT_NE(outcome.errors.find("the mount at /tmp: tar cannot extract tmpfs-dev-9.tar.gz.img"),
            std::string::npos)
      << outcome.errors;
}

/// Whoever ignores SIGCHLD has no child that could be asked how it ended: the restorer has.
TEST_F(ArchivesTest, ACallerThatIgnoresItsChildren) {
  constexpr const char* kIgnoring =
      "env --ignore-signal=CHLD --ignore-signal=PIPE " CRRESTORE_BINARY;
  // tar(1) and what it starts ignore nothing.
  UseAsTar("grep SigIgn /proc/self/status >" + folder_ + "/ignored; exec $tar \"$@\"");
  const Plan plan = PlanWith({{"mounts", Mounts()}});
  const Outcome good = Run(plan, "--detach " + MountArguments(), path_, kIgnoring);
  ASSERT_EQ(good.status, 0) << good.errors;
  EXPECT_EQ(TextOf("/proc/" + Process() + "/root/tmp/folder/file"), "of the archive");
  const std::string ignored = TextOf(folder_ + "/ignored");
  const unsigned long mask = std::stoul(ignored.substr(ignored.find('\t') + 1), nullptr, 16);
  for (const int signal : {SIGPIPE, SIGCHLD}) EXPECT_EQ(mask >> (signal - 1) & 1, 0u) << ignored;
  KillEverybody();
  std::ofstream(folder_ + "/tmpfs-dev-9.tar.gz.img") << std::string(archive_, 'x');
  const Outcome bad = Run(plan, "--detach " + MountArguments(), path_, kIgnoring);
  EXPECT_EQ(bad.status, 5) << bad.errors;
  EXPECT_NE(bad.errors.find("tar cannot extract"), std::string::npos) << bad.errors;
  EXPECT_TRUE(Left().empty());
}

TEST_F(ArchivesTest, AnArchiveThatTakesTooLong) {
  UseAsTar("sleep 1000 & echo $! >>" + folder_ + "/started; wait");
  const Plan plan = PlanWith({{"mounts", Mounts()}});
  const Outcome late = Run(plan, "--detach --timeout 1 " + MountArguments(), path_);
  EXPECT_EQ(late.status, 5) << late.errors;
  EXPECT_NE(late.errors.find("no end after 1 s (--timeout)"), std::string::npos) << late.errors;
  EXPECT_TRUE(EndsSoon(Started()));
}

/// What it says is what the archive makes it say.
TEST_F(ArchivesTest, AnArchiveOfManyWords) {
  UseAsTar("head -c 200000000 /dev/zero | tr '\\0' x; exit 2");
  const Outcome outcome =
      Run(PlanWith({{"mounts", Mounts()}}), "--detach " + MountArguments(), path_);
  EXPECT_EQ(outcome.status, 5);
  EXPECT_NE(outcome.errors.find("xxx (and more)"), std::string::npos) << outcome.errors;
  EXPECT_LT(outcome.errors.size(), 5000u);
}

TEST_F(ArchivesTest, WhoeverIsKilledLeavesNoTar) {
  UseAsTar("echo $$ >>" + folder_ + "/started; exec sleep 1000");
  std::ofstream(folder_ + "/plan.json") << PlanWith({{"mounts", Mounts()}}).Text();
  for (const char* who : {"asked", "starter", "restorer", "both"}) {
    SCOPED_TRACE(who);
    fs::remove(folder_ + "/started");
    const pid_t pid = fork();
    if (pid == 0) {
      const std::string command = "cd " + folder_ + "; " + path_ +
                                  " exec " CRRESTORE_BINARY " plan.json --detach --pidfile pid " +
                                  MountArguments() + " 2>errors";
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(127);
    }
    int status = 0;
    while (Started() == 0) {
      ASSERT_EQ(waitpid(pid, &status, WNOHANG), 0) << TextOf(folder_ + "/errors");
    }
    pid_t restorer = 0;
    const std::string task = std::to_string(pid);
    std::ifstream("/proc/" + task + "/task/" + task + "/children") >> restorer;
    const std::string what = who;
    if (what == "asked") kill(pid, SIGTERM);
    if (what == "starter" || what == "both") kill(pid, SIGKILL);
    if (what == "restorer" || what == "both") kill(restorer, SIGKILL);
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    if (what == "asked") {
      EXPECT_EQ(WEXITSTATUS(status), 5);
      EXPECT_NE(TextOf(folder_ + "/errors").find("interrupted"), std::string::npos);
    }
    EXPECT_TRUE(EndsSoon(Started()));
    EXPECT_TRUE(EndsSoon(restorer));
    for (const auto& entry : fs::directory_iterator(folder_)) {
      // Who kills both leaves it.
      const bool is_pidfile = entry.path().filename().string().starts_with("pid");
      EXPECT_TRUE(what == "both" || !is_pidfile) << entry.path();
    }
  }
}

/// A program that tar(1) has started has the number of the root, or of its child, since preflight.
TEST_F(ArchivesTest, ANumberThatIsTakenMeanwhile) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.Add("SET_ATTR", Pid(0), {{"attributes", {{"mounts", Mounts()}}}});
  plan.MapProgram(Pid(0));
  plan.Fork(Pid(0), Pid(1));
  for (const int n : {0, 1}) plan.Resume(Pid(n));
  for (const int n : {0, 1}) {
    const std::string number = std::to_string(Pid(n)), before = std::to_string(Pid(n) - 1);
    std::ofstream("/proc/sys/kernel/ns_last_pid") << 30000;  // nobody else gets it
    UseAsTar("$tar \"$@\" || exit 1; echo " + before +
             " >/proc/sys/kernel/ns_last_pid; sleep 1000 & true");
    const Outcome outcome = Run(plan, "--detach --timeout 2 " + MountArguments(), path_);
    EXPECT_EQ(outcome.status, 5) << outcome.errors;
    EXPECT_NE(outcome.errors.find("; EEXIST: pid " + number +
                                  " is taken on this system, by \"sleep\" (--pidns"),
              std::string::npos)
        << outcome.errors;
    EXPECT_TRUE(Left().empty());
  }
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

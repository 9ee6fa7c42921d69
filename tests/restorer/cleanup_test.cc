// SPDX-License-Identifier: Apache-2.0
// Everybody is killed who descends from a process, and nobody else, whatever /proc says.
#include "restorer/cleanup.h"

#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/pid_space.h"

namespace crgen::restorer {
namespace {

constexpr unsigned kAtMost = 300;  // seconds: it hangs

enum Finding : int { kRight, kNotMade, kStrangerKilled, kChildLeft };

[[noreturn]] void Rest() {
  for (;;) pause();
}

/// A child of this process with that number; or -1.
pid_t StartWith(pid_t number) {
  clone_args arguments = {};
  arguments.exit_signal = SIGCHLD;
  arguments.set_tid = reinterpret_cast<std::uint64_t>(&number);
  arguments.set_tid_size = 1;
  const auto pid = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
  if (pid == 0) Rest();
  return pid;
}

/// Tells its child's number, as /proc has it, and kills when a stranger has that number.
[[noreturn]] void BeParent(int channel) {
  alarm(kAtMost);
  if (!AdoptDescendants()) _exit(kNotMade);
  const pid_t child = fork();
  if (child == 0) {
    if (fork() >= 0) Rest();  // so does a grandchild
    _exit(1);
  }
  pid_t shown = 0, stranger = 0;
  std::ifstream("/proc/thread-self/children") >> shown;
  if (write(channel, &shown, sizeof shown) != sizeof shown ||
      read(channel, &stranger, sizeof stranger) != sizeof stranger || stranger != shown) {
    _exit(kNotMade);
  }
  KillDescendants(false);
  _exit(kill(child, 0) == 0 ? kChildLeft : kRight);
}

/// The init of a pid namespace whose /proc is that of another one.
[[noreturn]] void BeInit() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) _exit(kNotMade);
  const pid_t parent = fork();
  if (parent == 0) {
    close(ends[0]);
    BeParent(ends[1]);
  }
  close(ends[1]);
  pid_t shown = 0;
  if (read(ends[0], &shown, sizeof shown) != sizeof shown || shown <= 0) _exit(kNotMade);
  const pid_t stranger = StartWith(shown);
  if (write(ends[0], &stranger, sizeof stranger) != sizeof stranger) _exit(kNotMade);
  int status = 0;
  if (waitpid(parent, &status, 0) != parent || !WIFEXITED(status)) _exit(kChildLeft);
  if (WEXITSTATUS(status) != kRight) _exit(WEXITSTATUS(status));
  _exit(waitpid(stranger, nullptr, WNOHANG) == 0 ? kRight : kStrangerKilled);
}

TEST(CleanupTest, KillsNobodyByANumberOfAnotherPidNamespace) {
  const pid_t outer = fork();
  if (outer == 0) {
    if (unshare(CLONE_NEWPID) != 0) _exit(99);
    const pid_t init = fork();
    if (init == 0) BeInit();
    int status = 0;
    waitpid(init, &status, 0);
    _exit(WEXITSTATUS(status));
  }
  int status = 0;
  ASSERT_EQ(waitpid(outer, &status, 0), outer);
  if (WEXITSTATUS(status) == 99) GTEST_SKIP() << "no new pid namespace: unshare(2) is refused";
  EXPECT_EQ(WEXITSTATUS(status), kRight);
}

TEST(CleanupTest, KillsAllDescendants) {
  const pid_t parent = fork();
  if (parent == 0) {
    alarm(kAtMost);
    if (!AdoptDescendants()) _exit(kNotMade);
    for (int i = 0; i < 20; ++i) {
      if (fork() != 0) continue;
      // One level below the other, and without one another.
      while (fork() == 0 && ++i < 20) setsid();
      Rest();
    }
    KillDescendants(false);
    _exit(waitpid(-1, nullptr, __WALL) < 0 ? kRight : kChildLeft);
  }
  int status = 0;
  ASSERT_EQ(waitpid(parent, &status, 0), parent);
  EXPECT_EQ(status, kRight);
}

/// The init of a pid namespace that this process has not made would get who is orphaned there.
TEST(CleanupTest, KillsBeforeAnybodyIsOrphanedInAPidNamespaceOfOutside) {
  if (geteuid() != 0) GTEST_SKIP() << "not root";
  const test::PidSpace space;
  const pid_t parent = fork();
  if (parent == 0) {
    alarm(kAtMost);
    if (!AdoptDescendants() || !space.BearChildren(true)) _exit(kNotMade);
    for (int i = 0; i < 5; ++i) {
      if (fork() != 0) continue;
      for (int depth = 0; depth < 5 && fork() == 0; ++depth) setsid();
      // Some have more children all the time.
      for (;;) {
        if (fork() == 0) Rest();
        usleep(1000);
        if (getpid() % 3 != 0) Rest();
      }
    }
    if (!space.BearChildren(false)) _exit(kNotMade);
    KillDescendants(true);
    _exit(waitpid(-1, nullptr, __WALL) < 0 ? kRight : kChildLeft);
  }
  int status = 0;
  ASSERT_EQ(waitpid(parent, &status, 0), parent);
  EXPECT_EQ(status, kRight);
  EXPECT_TRUE(space.Others().empty());
}

/// They are children of another init by then, and in no list of children of this process.
TEST(CleanupTest, KillsWhomItTraces) {
  if (geteuid() != 0) GTEST_SKIP() << "not root";
  const test::PidSpace space;
  const pid_t tracer = fork();
  if (tracer == 0) {
    alarm(kAtMost);
    if (!space.BearChildren(true)) _exit(kNotMade);
    const pid_t parent = fork();
    if (parent == 0) {
      for (int i = 0; i < 3; ++i) {
        if (fork() == 0) Rest();
      }
      Rest();
    }
    if (!space.BearChildren(false)) _exit(kNotMade);
    while (space.Others().size() != 4) continue;
    for (const auto& [there, here] : space.Others()) {
      if (here != parent && ptrace(PTRACE_SEIZE, here, 0, 0) != 0) _exit(kNotMade);
    }
    kill(parent, SIGKILL);
    if (waitpid(parent, nullptr, 0) != parent) _exit(kNotMade);
    KillDescendants(true);
    _exit(waitpid(-1, nullptr, __WALL) < 0 ? kRight : kChildLeft);
  }
  int status = 0;
  ASSERT_EQ(waitpid(tracer, &status, 0), tracer);
  EXPECT_EQ(status, kRight);
  while (!space.Others().empty()) usleep(1000);
}

}  // namespace
}  // namespace crgen::restorer

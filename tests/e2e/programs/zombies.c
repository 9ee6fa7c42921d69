// SPDX-License-Identifier: Apache-2.0
// Zombies with all kinds of ends, two of them leaders; a stopped child, which stays stopped, and
// one that was continued. What wait tells is what they died of.
#include "program.h"

static pid_t root_pid, root_group, root_session;

static int End0(void) { _exit(0); }
static int End77(void) { _exit(77); }
static int End255(void) { _exit(255); }
static int EndKilled(void) { return kill(getpid(), SIGKILL); }
static int EndTerm(void) { return kill(getpid(), SIGTERM); }
static int EndReal(void) { return kill(getpid(), SIGRTMIN + 5); }
static int EndGroupLeader(void) {
  CHECK(setpgid(0, 0));
  _exit(6);
}
static int EndSessionLeader(void) {
  CHECK(setsid());
  _exit(7);
}
static int (*ends[])(void) = {End0,    End77,   End255,         EndKilled,
                              EndTerm, EndReal, EndGroupLeader, EndSessionLeader};
enum { ENDS = sizeof ends / sizeof *ends };

// CRIU itself restores seven bits of an exit status.
static int ExitBits(void) { return RestoredByCriu() ? 0x7f : 0xff; }

static void FillIn(int i, siginfo_t* info) {
  static const int status[] = {0, 77, 255, SIGKILL, SIGTERM, 0, 6, 7};
  info->si_status = i == 5 ? SIGRTMIN + 5 : status[i];
  info->si_code = i >= 3 && i <= 5 ? CLD_KILLED : CLD_EXITED;
}

static char StateOf(pid_t pid) {
  char path[64], text[PAGE];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  ReadFile(path, text, sizeof text);
  return strrchr(text, ')')[2];
}

static pid_t stopped, continued;
static long* beats;  // of the stopped child

static void Last(void) {
  long before = *beats;
  for (int i = 0; i < ENDS; i++) {
    pid_t pid = root_pid + 1 + i;
    EXPECT("state of a zombie", 'Z', StateOf(pid));
    EXPECT("group of a zombie", i >= 6 ? pid : root_group, getpgid(pid));
    EXPECT("session of a zombie", i == 7 ? pid : root_session, getsid(pid));
    siginfo_t info, expected;
    FillIn(i, &expected);
    CHECK(waitid(P_PID, pid, &info, WEXITED));
    EXPECT("how a zombie ended", expected.si_code, info.si_code);
    EXPECT("status of a zombie", expected.si_status & ExitBits(), info.si_status);
    EXPECT("it is gone", -1, kill(pid, 0));
  }
  // A stop that was sent takes effect at the latest before the process would run.
  for (int i = 0; StateOf(stopped) != 'T' && i < 1000; i++) Nap();
  EXPECT("state of the stopped child", 'T', StateOf(stopped));
  EXPECT("it does not run", before, *beats);
  EXPECT("the continued one is no longer stopped", 1, StateOf(continued) != 'T');
  CHECK(kill(stopped, SIGCONT));
  AwaitStep("stopped child ran");
  EXPECT("it runs", 1, *beats > before);
}

static void Beat(void) { ++*beats; }
static void LastOfStopped(void) { Step("stopped child ran"); }
static void Stopped(void) { Live(Beat, LastOfStopped); }
static void Continued(void) { Live(NULL, NULL); }

int main(void) {
  Begin();
  root_pid = getpid();
  root_group = getpgrp();
  root_session = getsid(0);
  beats = MapShared(PAGE);
  for (int i = 0; i < ENDS; i++) {
    if (ForkAs(root_pid + 1 + i, 0) == 0) {
      ends[i]();
      _exit(1);
    }
    siginfo_t info;
    CHECK(waitid(P_PID, root_pid + 1 + i, &info, WEXITED | WNOWAIT));
  }
  stopped = Spawn(root_pid + 20, "stopped", Stopped);
  continued = Spawn(root_pid + 21, "continued", Continued);
  siginfo_t info;
  CHECK(kill(stopped, SIGSTOP));
  CHECK(waitid(P_PID, stopped, &info, WSTOPPED));
  CHECK(kill(continued, SIGSTOP));
  CHECK(waitid(P_PID, continued, &info, WSTOPPED));
  CHECK(kill(continued, SIGCONT));
  CHECK(waitid(P_PID, continued, &info, WCONTINUED));
  Live(NULL, Last);
}

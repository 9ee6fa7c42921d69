// SPDX-License-Identifier: Apache-2.0
// Event descriptors: counters small and beyond 32 bits, masks and what is pending for them, timers
// that run, have expired unread or stand still; shared with a child; owners born later than the
// description, with ids of their own.
#include <linux/kcmp.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "program.h"

enum {
  COUNTER = 10, LARGE, SIGNALS, PERIODIC, EXPIRED, ABSOLUTE, STILL, OWNED, SIGNAL_ONLY,
  LARGE_IN_CHILD = 40
};
static const uint64_t large = 0x123456789aull;
static pid_t root_pid, child_pid;
static struct timespec far;  ///< when ABSOLUTE expires

static void At(int wanted, int fd, int cloexec) {
  if (fd == wanted) return;
  CHECK(dup3(fd, wanted, cloexec));
  CHECK(close(fd));
}

/// The number behind `label` in fdinfo.
static long Info(int fd, const char* label, int base) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  ReadFile(path, text, sizeof text);
  char* found = strstr(text, label);
  return found ? (long)strtoull(found + strlen(label), NULL, base) : -1;
}

static long Left(int fd) {
  struct itimerspec setting;
  CHECK(timerfd_gettime(fd, &setting));
  return setting.it_value.tv_sec;
}

static void Shared(pid_t other) {
  EXPECT("one counter", 0, syscall(SYS_kcmp, getpid(), other, KCMP_FILE, COUNTER, COUNTER));
}

static void LastOfChild(void) {
  Shared(root_pid);
  EXPECT("large counter", large, Info(LARGE_IN_CHILD, "eventfd-count:", 16));
  Step("child_looked");
}

static void Child(void) {
  At(LARGE_IN_CHILD, dup(LARGE), 0);
  close(LARGE);
  Live(NULL, LastOfChild);
}

static void LastOfRoot(void) {
  AwaitStep("child_looked");
  Shared(child_pid);
  EXPECT("counter's flags", O_RDWR | O_NONBLOCK, fcntl(COUNTER, F_GETFL));
  EXPECT("close-on-exec", FD_CLOEXEC, fcntl(LARGE, F_GETFD));
  EXPECT("clock of the absolute timer", CLOCK_REALTIME, Info(ABSOLUTE, "clockid:", 10));
  EXPECT("it is absolute", TFD_TIMER_ABSTIME, Info(ABSOLUTE, "settime flags:", 8));
  struct timespec now;
  CHECK(clock_gettime(CLOCK_REALTIME, &now));
  // A dump keeps the time left, so the restore is later by the time that lay between.
  long early = far.tv_sec - now.tv_sec - Left(ABSOLUTE);
  EXPECT("the absolute timer's end", 1, early >= -60 && early <= 1);
  EXPECT("interval", 1, Left(PERIODIC) == 0);
  EXPECT("a timer that stands still", 0, Left(STILL));

  uint64_t value = 0;
  CHECK((int)read(COUNTER, &value, sizeof value));
  EXPECT("counter", 5, value);
  CHECK((int)read(LARGE, &value, sizeof value));
  EXPECT("large counter", large, value);
  CHECK((int)read(EXPIRED, &value, sizeof value));
  EXPECT("expirations that nobody had read", 1, value);
  EXPECT("nothing more", -1, read(EXPIRED, &value, sizeof value));
  CHECK((int)read(PERIODIC, &value, sizeof value));
  EXPECT("the periodic timer has ticked", 1, value >= 1);
  CHECK((int)read(PERIODIC, &value, sizeof value));  // and goes on

  struct signalfd_siginfo info;
  EXPECT("a signal is there", sizeof info, read(SIGNALS, &info, sizeof info));
  EXPECT("which", SIGUSR1, info.ssi_signo);
  EXPECT("no other", -1, read(SIGNALS, &info, sizeof info));

  struct f_owner_ex owner = {0};
  CHECK(fcntl(OWNED, F_GETOWN_EX, &owner));
  EXPECT("an owner born later", child_pid, owner.pid);
  EXPECT("signal of the owner", SIGUSR2, fcntl(OWNED, F_GETSIG));
  CHECK(fcntl(SIGNAL_ONLY, F_GETOWN_EX, &owner));
  EXPECT("no owner", 0, owner.pid);
  EXPECT("a signal without an owner", SIGRTMIN + 4, fcntl(SIGNAL_ONLY, F_GETSIG));
  uid_t ids[2] = {0};
  CHECK(fcntl(OWNED, 17 /* F_GETOWNER_UIDS */, ids));
  EXPECT("uid that the signal is sent with", 1234, ids[0]);
  EXPECT("euid that the signal is sent with", 1235, ids[1]);
}

int main(void) {
  Begin();
  root_pid = getpid();
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigaddset(&blocked, SIGRTMIN + 2);
  CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL));

  At(COUNTER, CHECK(eventfd(5, EFD_NONBLOCK)), 0);
  At(LARGE, CHECK(eventfd(0, 0)), O_CLOEXEC);
  CHECK((int)write(LARGE, &large, sizeof large));
  At(SIGNALS, CHECK(signalfd(-1, &blocked, SFD_NONBLOCK)), 0);
  CHECK(raise(SIGUSR1));

  struct itimerspec often = {{0, 20000000}, {0, 20000000}};
  At(PERIODIC, CHECK(timerfd_create(CLOCK_MONOTONIC, 0)), 0);
  CHECK(timerfd_settime(PERIODIC, 0, &often, NULL));
  struct itimerspec once = {{0, 0}, {0, 1000000}};
  At(EXPIRED, CHECK(timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK)), 0);
  CHECK(timerfd_settime(EXPIRED, 0, &once, NULL));
  CHECK(clock_gettime(CLOCK_REALTIME, &far));
  far.tv_sec += 100000;
  struct itimerspec absolute = {{0, 0}, far};
  At(ABSOLUTE, CHECK(timerfd_create(CLOCK_REALTIME, 0)), 0);
  CHECK(timerfd_settime(ABSOLUTE, TFD_TIMER_ABSTIME, &absolute, NULL));
  At(STILL, CHECK(timerfd_create(CLOCK_MONOTONIC, 0)), 0);

  At(OWNED, CHECK(open("/dev/null", O_RDWR)), 0);
  At(SIGNAL_ONLY, CHECK(open("/dev/null", O_RDWR)), 0);
  CHECK(fcntl(SIGNAL_ONLY, F_SETSIG, SIGRTMIN + 4));
  child_pid = Spawn(0, "child", Child);
  // The kernel keeps the ids of who names the owner.
  CHECK((int)syscall(SYS_setresuid, 1234, 1235, 0));
  struct f_owner_ex owner = {F_OWNER_PID, child_pid};
  CHECK(fcntl(OWNED, F_SETOWN_EX, &owner));
  CHECK((int)syscall(SYS_setresuid, -1, 0, -1));
  CHECK((int)syscall(SYS_setresuid, 0, 0, 0));
  CHECK(fcntl(OWNED, F_SETSIG, SIGUSR2));
  for (int i = 0; i < 50; i++) Nap();  // ticks that nobody reads
  Live(NULL, LastOfRoot);
}

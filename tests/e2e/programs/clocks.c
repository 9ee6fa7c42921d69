// SPDX-License-Identifier: Apache-2.0
// CLOCK_MONOTONIC and CLOCK_BOOTTIME go on where they were at the dump: what passes until the
// restore is seen by CLOCK_REALTIME alone. Of the vdso and of the system call, in a child too; and
// what waits for a moment of those clocks agrees with them.
#include <linux/futex.h>
#include <sys/timerfd.h>

#include "program.h"

static const clockid_t kClocks[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME};
enum { CLOCKS = 2, SECOND = 1000000000 };

struct Moment {
  long clocks[CLOCKS];
  long real;
};
static struct Moment first, last;

/// Nanoseconds.
static long Now(clockid_t clock) {
  struct timespec now;
  CHECK(clock_gettime(clock, &now));
  return now.tv_sec * SECOND + now.tv_nsec;
}
static long NowOfKernel(clockid_t clock) {
  struct timespec now;
  Call(SYS_clock_gettime, clock, (long)&now);
  return now.tv_sec * SECOND + now.tv_nsec;
}
static void ExpectAtMost(const char* what, long limit, long value) {
  EXPECT(what, 1, value <= limit);
}

/// All clocks at one moment, within a millisecond.
static void Note(struct Moment* moment) {
  const long limit = SECOND / 1000;
  long before;
  do {
    before = Now(CLOCK_MONOTONIC);
    moment->real = Now(CLOCK_REALTIME);
    for (int i = 0; i < CLOCKS; i++) moment->clocks[i] = Now(kClocks[i]);
  } while (moment->clocks[0] - before > limit || Now(CLOCK_MONOTONIC) - before > limit);
}

static void CheckClocks(void) {
  for (int i = 0; i < CLOCKS; i++) {
    const long before = Now(kClocks[i]), between = NowOfKernel(kClocks[i]), after = Now(kClocks[i]);
    ExpectAtMost("the kernel's clock is that of the vdso", between, before);
    ExpectAtMost("the vdso's clock is that of the kernel", after, between);
    ExpectAtMost("a clock goes on", before, last.clocks[i]);
  }
  Note(&last);
}

/// A timer for a moment of the clock, and a wait of futex(2) until one.
static void CheckWaits(void) {
  const int timer = CHECK(timerfd_create(CLOCK_MONOTONIC, 0));
  const long until = Now(CLOCK_MONOTONIC) + 20000000;
  const struct timespec moment = {until / SECOND, until % SECOND};
  const struct itimerspec once = {{0, 0}, moment};
  unsigned word = 0;
  uint64_t ticks = 0;
  CHECK(timerfd_settime(timer, TFD_TIMER_ABSTIME, &once, NULL));
  errno = 0;
  EXPECT("futex", -1,
         syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &moment, NULL, FUTEX_BITSET_MATCH_ANY));
  EXPECT("futex", ETIMEDOUT, errno);
  ExpectAtMost("futex waits until that moment", Now(CLOCK_MONOTONIC), until);
  EXPECT("timerfd", sizeof ticks, read(timer, &ticks, sizeof ticks));
  EXPECT("a timer for that moment", 1, ticks);
  CHECK(close(timer));
}

static void LastOfClocks(void) {
  struct Moment now;
  Note(&now);
  for (int i = 0; i < CLOCKS; i++) {
    // From the dump to the restore the clock of the wall alone has gone on.
    const long passed = now.clocks[i] - first.clocks[i], wall = now.real - first.real;
    ExpectAtMost("the time of the restore is not seen", wall - 4 * (SECOND / 1000), passed);
  }
  CheckWaits();
}

static void Child(void) {
  Note(&first);
  Live(CheckClocks, LastOfClocks);
}

int main(void) {
  Begin();
  Note(&first);
  Spawn(0, "child", Child);
  Live(CheckClocks, LastOfClocks);
}

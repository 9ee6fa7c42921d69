// SPDX-License-Identifier: Apache-2.0
// Interval timers and POSIX timers, with their ids: those far away have the time left that they
// had, those that are near go on ticking.
#include <sys/time.h>

#include "program.h"

struct kernel_sigevent {
  union sigval value;
  int signal, notify, tid, pad[11];
};

enum { FAR = 100000 };
static volatile sig_atomic_t ticks, alarms;
static volatile int tick_value, tick_timer, tick_overrun;
static int ticking, distant, silent, disarmed, absolute, of_process, of_thread;

static void OnTick(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  ticks++;
  tick_value = info->si_value.sival_int;
  tick_timer = info->si_timerid;
  tick_overrun = info->si_overrun;
}
static void OnAlarm(int signal) { alarms += signal == SIGALRM; }

static int Create(clockid_t clock, int notify, int signal, int value) {
  struct kernel_sigevent event = {.signal = signal, .notify = notify, .tid = gettid()};
  event.value.sival_int = value;
  int id;
  CHECK((int)syscall(SYS_timer_create, clock, &event, &id));
  return id;
}
static void Set(int id, long seconds, long nanoseconds, long interval_s, long interval_ns) {
  struct itimerspec spec = {{interval_s, interval_ns}, {seconds, nanoseconds}};
  CHECK((int)syscall(SYS_timer_settime, id, 0, &spec, NULL));
}
static void ExpectTimer(int id, long seconds, long interval_s, long interval_ns) {
  struct itimerspec spec;
  CHECK((int)syscall(SYS_timer_gettime, id, &spec));
  EXPECT("interval of a timer, seconds", interval_s, spec.it_interval.tv_sec);
  EXPECT("interval of a timer, nanoseconds", interval_ns, spec.it_interval.tv_nsec);
  // Time passes, but not hours.
  if (seconds)
    EXPECT("time left", 1,
           spec.it_value.tv_sec <= seconds && spec.it_value.tv_sec > seconds - 4000);
  else
    EXPECT("disarmed", 0, spec.it_value.tv_sec + spec.it_value.tv_nsec);
}
static void ExpectInterval(int which, long seconds, long interval_s, long interval_us) {
  struct itimerval spec;
  CHECK(getitimer(which, &spec));
  EXPECT("interval of an interval timer, seconds", interval_s, spec.it_interval.tv_sec);
  EXPECT("interval of an interval timer, microseconds", interval_us, spec.it_interval.tv_usec);
  if (seconds)
    EXPECT("time left", 1,
           spec.it_value.tv_sec <= seconds && spec.it_value.tv_sec > seconds - 4000);
  else
    EXPECT("disarmed", 0, spec.it_value.tv_sec + spec.it_value.tv_usec);
}

static void Check(void) {
  ExpectTimer(distant, 2 * FAR, 7, 8);
  ExpectTimer(silent, 3 * FAR, 0, 0);
  ExpectTimer(disarmed, 0, 0, 0);
  ExpectTimer(of_process, FAR, 3, 4);
  ExpectTimer(of_thread, 2 * FAR, 0, 0);
  ExpectInterval(ITIMER_VIRTUAL, 4 * FAR, 9, 4000);
  ExpectInterval(ITIMER_PROF, 0, 0, 0);
  if (ticks) {
    EXPECT("value that a timer sends", 4711, tick_value);
    EXPECT("id that a timer sends", ticking, tick_timer);
  }
}

static void AwaitTicks(const char* what, volatile sig_atomic_t* count, int more) {
  int wanted = *count + more;
  for (int i = 0; *count < wanted && i < 1000; i++) Nap();
  EXPECT(what, 1, *count >= wanted);
}

static void Last(void) {
  AwaitTicks("ticks of a POSIX timer after the restore", &ticks, 5);
  AwaitTicks("ticks of the interval timer after the restore", &alarms, 5);
  Check();
  for (int id = 0; id < 12; id++) {
    struct itimerspec spec;
    int there = id == ticking || id == distant || id == silent || id == disarmed ||
                id == absolute || id == of_process || id == of_thread;
    EXPECT("timer ids in use", there ? 0 : -1, syscall(SYS_timer_gettime, id, &spec));
  }
  ExpectTimer(absolute, 5 * FAR, 0, 0);
  for (int i = 0; i < 2; i++) {
    tick_value = 0;
    Set(i ? of_thread : of_process, 0, 1000000, 0, 0);
    while (tick_value != 4713 + i) continue;  // which takes the time that is counted
  }
  Set(disarmed, 0, 1000000, 0, 0);
  tick_value = 0;
  Set(ticking, 0, 0, 0, 0);
  AwaitTicks("tick of a timer armed after the restore", &ticks, 1);
  for (int i = 0; tick_value != 4712 && i < 1000; i++) Nap();
  EXPECT("value that it sends", 4712, tick_value);
  EXPECT("deleting a timer", 0, syscall(SYS_timer_delete, distant));
}

// Dumped when its timer has expired: no time is left, the signal is pending, the next period begins
// when that is taken.
static void LastOfExpired(void) {
  sigset_t pending, none;
  CHECK(sigpending(&pending));
  EXPECT("signal of the expired timer pends", 1, sigismember(&pending, SIGALRM));
  EXPECT("no signal came", 0, alarms);
  sigemptyset(&none);
  CHECK(sigprocmask(SIG_SETMASK, &none, NULL));
  AwaitTicks("ticks of a timer that had expired", &alarms, 5);
}
static void Expired(void) {
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  CHECK(sigprocmask(SIG_SETMASK, &alarm, NULL));
  struct itimerval real = {{0, 7000}, {0, 1}};
  CHECK(setitimer(ITIMER_REAL, &real, NULL));
  Nap();
  Live(NULL, LastOfExpired);
}

int main(void) {
  Begin();
  struct sigaction action = {.sa_sigaction = OnTick, .sa_flags = SA_SIGINFO | SA_RESTART};
  CHECK(sigaction(SIGRTMIN + 1, &action, NULL));
  struct sigaction alarm_action = {.sa_handler = OnAlarm, .sa_flags = SA_RESTART};
  CHECK(sigaction(SIGALRM, &alarm_action, NULL));

  Spawn(0, "expired", Expired);
  int gap = Create(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 0);
  ticking = Create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 1, 4711);
  int gap2 = Create(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 0);
  int gap3 = Create(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 0);
  distant = Create(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 1);
  silent = Create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 2);
  disarmed = Create(CLOCK_MONOTONIC, SIGEV_SIGNAL | SIGEV_THREAD_ID, SIGRTMIN + 1, 4712);
  absolute = Create(CLOCK_BOOTTIME, SIGEV_SIGNAL, SIGUSR1, 3);
  of_process = Create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGRTMIN + 1, 4713);
  of_thread = Create(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, SIGRTMIN + 1, 4714);
  CHECK((int)syscall(SYS_timer_delete, gap));
  CHECK((int)syscall(SYS_timer_delete, gap2));
  CHECK((int)syscall(SYS_timer_delete, gap3));
  Set(ticking, 0, 30000000, 0, 30000000);
  Set(distant, 2 * FAR, 0, 7, 8);
  Set(silent, 3 * FAR, 0, 0, 0);
  Set(absolute, 5 * FAR, 0, 0, 0);
  Set(of_process, FAR, 0, 3, 4);
  Set(of_thread, 2 * FAR, 0, 0, 0);

  struct itimerval real = {{0, 40000}, {0, 40000}}, virtual = {{9, 4000}, {4 * FAR, 0}};
  CHECK(setitimer(ITIMER_REAL, &real, NULL));
  CHECK(setitimer(ITIMER_VIRTUAL, &virtual, NULL));
  Live(Check, Last);
}

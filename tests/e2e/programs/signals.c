// SPDX-License-Identifier: Apache-2.0
// Signal actions, masks, signals pending for the process and for its thread with what they carry; a
// child that is dumped inside of a handler, on its alternate stack, and one inside of sigsuspend.
#include "program.h"

static volatile sig_atomic_t count, order[16];
static volatile int on_stack, resets;
static char stack_memory[16 * PAGE];
static int blocked_inside;

static void Record(int signal, siginfo_t* info, void* context) {
  (void)context;
  order[count++ % 16] = signal * 1000 + (info->si_code == SI_QUEUE ? info->si_value.sival_int : 0);
  char* here = __builtin_frame_address(0);
  on_stack = here > stack_memory && here < stack_memory + sizeof stack_memory;
  sigset_t mask;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  blocked_inside = sigismember(&mask, SIGWINCH) * 2 + sigismember(&mask, signal);
}
static void Plain(int signal) { resets += signal; }

static void ExpectAction(int signal, const struct sigaction* expected) {
  struct sigaction found;
  CHECK(sigaction(signal, NULL, &found));
  EXPECT("handler", (long)expected->sa_handler, (long)found.sa_handler);
  EXPECT("flags of an action", expected->sa_flags, found.sa_flags & ~0x04000000);  // SA_RESTORER
  EXPECT("mask of an action", 0, memcmp(&expected->sa_mask, &found.sa_mask, 8));
}

static struct sigaction full, plain, ignored, no_wait, standard;
static sigset_t blocked;

static void CheckActions(void) {
  ExpectAction(SIGRTMIN + 1, &full);
  ExpectAction(SIGUSR1, &full);
  ExpectAction(SIGUSR2, &plain);
  ExpectAction(SIGPIPE, &ignored);
  ExpectAction(SIGCHLD, &no_wait);
  ExpectAction(SIGTERM, &standard);
  sigset_t mask, pending;
  CHECK(sigprocmask(SIG_SETMASK, NULL, &mask));
  EXPECT("signal mask", 0, memcmp(&blocked, &mask, 8));
  CHECK(sigpending(&pending));
  for (int signal = 1; signal < 65; signal++) {
    int expected = signal == SIGUSR1 || signal == SIGRTMIN + 1 || signal == SIGUSR2;
    if (signal < 32 || signal > 33)
      EXPECT("pending signals", expected, sigismember(&pending, signal));
  }
  EXPECT("signals delivered", 0, count + resets);
}

static void LastOfRoot(void) {
  stack_t stack;
  CHECK(sigaltstack(NULL, &stack));
  EXPECT("alternate stack", stack_memory, stack.ss_sp);
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGUSR2);
  siginfo_t info;
  // The C library's function would change the code.
  const struct timespec at_once = {0};
  EXPECT("rt_sigtimedwait", SIGUSR2, syscall(SYS_rt_sigtimedwait, &one, &info, &at_once, 8));
  EXPECT("sent by tgkill", SI_TKILL, info.si_code);
  EXPECT("sent by", getpid(), info.si_pid);
  EXPECT("only one pends", -1, sigtimedwait(&one, &info, &at_once));

  sigset_t none;
  sigemptyset(&none);
  CHECK(sigprocmask(SIG_SETMASK, &none, NULL));
  EXPECT("signals delivered after unblocking", 4, count);
  EXPECT("first", SIGUSR1 * 1000, order[0]);
  for (int i = 0; i < 3; i++) EXPECT("queued", (SIGRTMIN + 1) * 1000 + 40 + i, order[1 + i]);
  EXPECT("handled on the alternate stack", 1, on_stack);
  EXPECT("blocked in the handler: its mask, itself", 3, blocked_inside);
  CHECK(raise(SIGUSR2));
  EXPECT("plain handler", SIGUSR2, resets);
  struct sigaction after;
  CHECK(sigaction(SIGUSR2, NULL, &after));
  EXPECT("handler with SA_RESETHAND after its signal", (long)SIG_DFL, (long)after.sa_handler);
  if (!*failure) CHECK(raise(SIGPIPE));
}

// Dumped in a handler: returning from it must lead back to where it was interrupted.
static volatile int in_handler;
static void Dwell(int signal) {
  (void)signal;
  double marks[4] = {1.5, 2.5, 3.5, 4.5};
  char* here = (char*)marks;
  in_handler = here > stack_memory && here < stack_memory + sizeof stack_memory;
  Announce("ready", name, "");
  while (!Exists("go")) Nap();
  for (int i = 0; i < 4; i++) EXPECT("on the handler's stack", 1, marks[i] == i + 1.5);
  stack_t stack;
  CHECK(sigaltstack(NULL, &stack));
  EXPECT("the kernel knows that the alternate stack is in use", SS_ONSTACK, stack.ss_flags);
  sigset_t mask;
  CHECK(sigprocmask(SIG_SETMASK, NULL, &mask));
  EXPECT("blocked in the handler", 1, sigismember(&mask, SIGHUP) && sigismember(&mask, SIGUSR1));
}
static void InHandler(void) {
  struct sigaction action = {.sa_handler = Dwell, .sa_flags = SA_ONSTACK};
  sigaddset(&action.sa_mask, SIGUSR1);
  CHECK(sigaction(SIGHUP, &action, NULL));
  stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory};
  CHECK(sigaltstack(&stack, NULL));
  long result, kept = 0x1234567;
  double floating = 3.25;
  __asm__ volatile("syscall"
                   : "=a"(result), "+x"(floating), "+r"(kept)
                   : "0"(SYS_kill), "D"(getpid()), "S"(SIGHUP)
                   : "rcx", "r11", "memory");
  EXPECT("system call that the signal interrupted", 0, result);
  EXPECT("register of the interrupted context", 0x1234567, kept);
  EXPECT("floating point register of the interrupted context", 1, floating == 3.25);
  EXPECT("the handler ran on the alternate stack", 1, in_handler);
  sigset_t mask;
  CHECK(sigprocmask(SIG_SETMASK, NULL, &mask));
  EXPECT("blocked after the handler", 0, sigismember(&mask, SIGHUP) || sigismember(&mask, SIGUSR1));
  Finish();
}

// Dumped in sigsuspend: its mask is in force, and the one from before comes back.
static void Suspended(void) {
  struct sigaction action = {.sa_handler = Plain};
  CHECK(sigaction(SIGHUP, &action, NULL));
  sigset_t hup, none;
  sigemptyset(&none);
  sigemptyset(&hup);
  sigaddset(&hup, SIGHUP);
  CHECK(sigprocmask(SIG_SETMASK, &hup, NULL));
  Announce("ready", name, "");
  while (!Exists("go")) {
    EXPECT("sigsuspend", -1, sigsuspend(&none));
    EXPECT("errno of sigsuspend", EINTR, errno);
    sigset_t mask;
    CHECK(sigprocmask(SIG_SETMASK, NULL, &mask));
    EXPECT("mask after sigsuspend", 1, sigismember(&mask, SIGHUP));
  }
  EXPECT("the signal was handled", 1, resets >= SIGHUP);
  Finish();
}

static pid_t suspended;
static void Wake(void) {
  CHECK(kill(suspended, SIGHUP));
  LastOfRoot();
}

int main(void) {
  Begin();
  Spawn(0, "in handler", InHandler);
  suspended = Spawn(0, "suspended", Suspended);
  for (int i = 0; i < 10; i++) Nap();  // until it sleeps

  full =
      (struct sigaction){.sa_sigaction = Record, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
  sigaddset(&full.sa_mask, SIGWINCH);
  sigaddset(&full.sa_mask, SIGUSR1);
  sigaddset(&full.sa_mask, SIGRTMIN + 1);
  CHECK(sigaction(SIGRTMIN + 1, &full, NULL));
  CHECK(sigaction(SIGUSR1, &full, NULL));
  plain = (struct sigaction){.sa_handler = Plain, .sa_flags = SA_RESETHAND | SA_NODEFER};
  CHECK(sigaction(SIGUSR2, &plain, NULL));
  ignored.sa_handler = SIG_IGN;
  CHECK(sigaction(SIGPIPE, &ignored, NULL));
  no_wait = (struct sigaction){.sa_handler = Plain, .sa_flags = SA_NOCLDSTOP | SA_RESTART};
  CHECK(sigaction(SIGCHLD, &no_wait, NULL));
  stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory};
  CHECK(sigaltstack(&stack, NULL));
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigaddset(&blocked, SIGUSR2);
  sigaddset(&blocked, SIGRTMIN + 1);
  sigaddset(&blocked, SIGRTMAX);
  CHECK(sigprocmask(SIG_SETMASK, &blocked, NULL));
  CHECK(kill(getpid(), SIGUSR1));
  CHECK(kill(getpid(), SIGUSR1));  // pends once
  for (int i = 0; i < 3; i++)
    CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 40 + i}));
  CHECK((int)syscall(SYS_tgkill, getpid(), gettid(), SIGUSR2));
  Live(CheckActions, Wake);
}

// SPDX-License-Identifier: Apache-2.0
// What belongs to each thread alone, though images or calls treat it as the process's: seccomp
// filters (one process whose threads share a chain, one whose threads have their own, one that adds
// to a shared one), personality, securebits, policy. Compared with /proc/PID/task/TID/status as it
// was before the dump.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/personality.h>

#include "program.h"

enum { THREADS = 4, STATUS = 8192 };  // and the main one

static pid_t tids[THREADS + 1];
static char before[THREADS + 1][STATUS];
static volatile int set_up, checking;
static pthread_barrier_t together;

/// Lines of a status that must come back, without those that count or measure.
static void ReadStatus(pid_t tid, char* to) {
  static const char* const kKept[] = {
      "Name:",       "Umask:",  "Uid:",    "Gid:",        "Groups:",  "SigPnd:",
      "ShdPnd:",     "SigBlk:", "SigIgn:", "SigCgt:",     "CapInh:",  "CapPrm:",
      "CapEff:",     "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:", "Seccomp_filters:",
      "THP_enabled:"};
  char path[100], text[STATUS];
  snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
  ReadFile(path, text, sizeof text);
  *to = 0;
  for (char* line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    for (size_t i = 0; i < sizeof kKept / sizeof *kKept; i++) {
      if (strncmp(line, kKept[i], strlen(kKept[i])) == 0) strcat(strcat(to, line), "\n");
    }
  }
}

static char loginuid[20];  // of audit: of each thread, though the image has the leader's

static void ReadLoginuid(pid_t tid, char* to) {
  char path[100];
  snprintf(path, sizeof path, "/proc/self/task/%d/loginuid", tid);
  ReadFile(path, to, sizeof loginuid);
}

/// System call `number` fails with `error`.
static void InstallFilter(int number, int error, int flags) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {4, filter};
  EXPECT("seccomp", 0, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

static void ExpectFiltered(const char* what, int number, int error) {
  errno = 0;
  EXPECT(what, -1, syscall(number, 0, 0, 0, 0));
  EXPECT(what, error, errno);
}

static void (*of_thread)(int), (*check_thread)(int);

static void* RunThread(void* argument) {
  int number = (int)(long)argument;
  tids[number] = gettid();
  if (of_thread) of_thread(number);
  __atomic_add_fetch(&set_up, 1, __ATOMIC_SEQ_CST);
  while (!checking) Nap();
  check_thread(number);
  pthread_barrier_wait(&together);
  return NULL;
}

static void LastOfThreads(void) {
  char now[STATUS];
  for (int i = 0; i <= THREADS; i++) {
    ReadStatus(tids[i], now);
    EXPECT_TEXT("status of a thread", before[i], now);
    ReadLoginuid(tids[i], now);
    EXPECT_TEXT("loginuid of a thread", loginuid, now);
  }
  checking = 1;
  check_thread(0);
  pthread_barrier_wait(&together);
}

static void LiveWithThreads(void) {
  pthread_t thread;
  pthread_barrier_init(&together, NULL, THREADS + 1);
  tids[0] = gettid();
  for (long i = 1; i <= THREADS; i++) {
    EXPECT("pthread_create", 0, pthread_create(&thread, NULL, RunThread, (void*)i));
    while (set_up != i) Nap();
  }
  if (of_thread) of_thread(0);
  ReadLoginuid(tids[0], loginuid);
  for (int i = 0; i <= THREADS; i++) ReadStatus(tids[i], before[i]);
  Live(NULL, LastOfThreads);
}

// One chain for all, installed by the main thread before there were others, and with TSYNC after.
static void ShareFilter(int number) {
  if (number == 0) InstallFilter(SYS_swapoff, EL2HLT, SECCOMP_FILTER_FLAG_TSYNC);
}
static void CheckShared(int number) {
  ExpectFiltered("first filter", SYS_reboot, EXDEV);
  ExpectFiltered("second filter", SYS_swapoff, EL2HLT);
  if (number != 0) return;
  // Only where all still have one chain can another filter be given to all.
  InstallFilter(SYS_acct, EL3HLT, SECCOMP_FILTER_FLAG_TSYNC);
}
static void Shared(void) {
  of_thread = ShareFilter;
  check_thread = CheckShared;
  InstallFilter(SYS_reboot, EXDEV, 0);
  LiveWithThreads();
}

// A chain of its own for each: thread n has n + 1 filters, the last with errno 100 + n.
static void OwnFilters(int number) {
  for (int i = 0; i < number; i++) InstallFilter(SYS_swapoff, 100 + number - i, 0);
}
static void CheckOwn(int number) {
  ExpectFiltered("first filter", SYS_reboot, EXDEV);
  if (number != 0) ExpectFiltered("own filter", SYS_swapoff, 101);
}
static void Own(void) {
  of_thread = OwnFilters;
  check_thread = CheckOwn;
  InstallFilter(SYS_reboot, EXDEV, 0);
  LiveWithThreads();
}

// What calls set for a process, and the kernel keeps for each thread.
static void CheckOthers(int number) {
  (void)number;
  EXPECT("secure bits of a thread", SECBIT_KEEP_CAPS, prctl(PR_GET_SECUREBITS));
  EXPECT("no_new_privs of a thread", 1, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  EXPECT("policy of a thread", SCHED_BATCH, sched_getscheduler(0));
  if (!RestoredByCriu()) {
    EXPECT("personality of a thread", ADDR_NO_RANDOMIZE, personality(0xffffffff));
  }
}
static void Others(void) {
  struct sched_param batch = {0};
  check_thread = CheckOthers;
  int fd = CHECK(open("/proc/self/loginuid", O_WRONLY));
  CHECK(write(fd, "1234", 4));
  CHECK(close(fd));
  CHECK(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS));
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  CHECK(sched_setscheduler(0, SCHED_BATCH, &batch));
  CHECK(personality(ADDR_NO_RANDOMIZE));
  LiveWithThreads();
}

int main(void) {
  Begin();
  Spawn(0, "shared", Shared);
  Spawn(0, "own", Own);
  Spawn(0, "others", Others);
  Live(NULL, NULL);
}

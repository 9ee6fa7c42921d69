// SPDX-License-Identifier: Apache-2.0
// Eight threads, each with thread-local data, name, signal mask, alternate stack, niceness, a
// pending signal and counters of its own; they wait for a mutex that one of them holds, and for a
// condition. After the restore they go on, are joined, and new ones are made. A child dies with a
// robust mutex.
#include <pthread.h>
#include <sys/resource.h>

#include "program.h"

enum { THREADS = 7 };  // and the main one

static __thread long local = 5;
static __thread char local_zeroed[PAGE];
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER, own = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int waiters, signalled, entered;
static volatile int set_up, restored, checked;
static pthread_mutex_t* robust;  // shared with the child
static __thread volatile sig_atomic_t delivered;
static __thread void* delivered_on;

static void OnSignal(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  delivered = info->si_value.sival_int;
  delivered_on = __builtin_frame_address(0);
}

struct Life {
  int number;
  pid_t tid;
  pthread_t thread;
  char comm[16];
  sigset_t mask;
  stack_t stack;
};
static struct Life lives[THREADS + 1];

static void SetUp(struct Life* life) {
  life->tid = gettid();
  local = 100 + life->number;
  memset(local_zeroed, life->number, sizeof local_zeroed);
  snprintf(life->comm, sizeof life->comm, "thread %d)", life->number);
  CHECK(prctl(PR_SET_NAME, life->comm));
  sigemptyset(&life->mask);
  sigaddset(&life->mask, SIGRTMIN + 10);
  sigaddset(&life->mask, SIGRTMIN + 11 + life->number);
  pthread_sigmask(SIG_SETMASK, &life->mask, NULL);
  life->stack = (stack_t){.ss_size = (8 + life->number) * PAGE};
  life->stack.ss_sp = MapPrivate(life->stack.ss_size);
  CHECK(sigaltstack(&life->stack, NULL));
  CHECK(setpriority(PRIO_PROCESS, life->tid, life->number));
  union sigval value = {.sival_int = 500 + life->number};
  EXPECT("pthread_sigqueue", 0, pthread_sigqueue(pthread_self(), SIGRTMIN + 10, value));
}

static void CheckThread(const struct Life* life) {
  EXPECT("tid", life->tid, gettid());
  EXPECT("thread-local variable", 100 + life->number, local);
  EXPECT_BYTES("thread-local memory", local_zeroed, sizeof local_zeroed, life->number);
  EXPECT("pthread_self", life->thread, pthread_self());
  char comm[20] = "";
  CHECK(prctl(PR_GET_NAME, comm));
  EXPECT_TEXT("name of a thread", life->comm, comm);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  EXPECT("signal mask of a thread", 0, memcmp(&life->mask, &mask, 8));
  stack_t stack;
  CHECK(sigaltstack(NULL, &stack));
  EXPECT("alternate stack of a thread", life->stack.ss_sp, stack.ss_sp);
  EXPECT("size of that stack", life->stack.ss_size, stack.ss_size);
  EXPECT("niceness of a thread", life->number, getpriority(PRIO_PROCESS, life->tid));
  EXPECT("no signal came", 0, delivered);
}

static void TakeSignal(const struct Life* life) {
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGRTMIN + 10);
  pthread_sigmask(SIG_UNBLOCK, &one, NULL);
  EXPECT("pending signal of a thread", 500 + life->number, delivered);
  EXPECT("handled on the alternate stack", 1,
         delivered_on > life->stack.ss_sp &&
             delivered_on < (void*)((char*)life->stack.ss_sp + life->stack.ss_size));
}

static void* RunThread(void* argument) {
  struct Life* life = argument;
  SetUp(life);
  __atomic_add_fetch(&set_up, 1, __ATOMIC_SEQ_CST);
  if (life->number == 1) {  // holds the mutex until all others were checked
    pthread_mutex_lock(&held);
    __atomic_add_fetch(&set_up, 1, __ATOMIC_SEQ_CST);
    while (!restored) CheckThread(life), Nap();
    EXPECT("nobody gets a mutex that is held", 0, entered);
    EXPECT("the mutex is held", EBUSY, pthread_mutex_trylock(&held));
    pthread_mutex_unlock(&held);
  } else if (life->number <= 4) {  // wait for it
    while (set_up < THREADS + 1) Nap();
    pthread_mutex_lock(&held);
    entered++;
    pthread_mutex_unlock(&held);
  } else {  // wait for a condition
    pthread_mutex_lock(&own);
    waiters++;
    while (!signalled) pthread_cond_wait(&condition, &own);
    pthread_mutex_unlock(&own);
  }
  CheckThread(life);
  TakeSignal(life);
  __atomic_add_fetch(&checked, 1, __ATOMIC_SEQ_CST);
  return (void*)(long)(life->number * 11);
}

// A child that holds a robust mutex, and whose list of them the kernel has to know at its death.
static void Child(void) {
  EXPECT("lock", 0, pthread_mutex_lock(robust));
  Announce("ready", name, "");
  while (!Exists("go")) Nap();
  Report();
  _exit(0);
}

static void CheckMain(void) { CheckThread(&lives[0]); }

static void* Double(void* argument) { return (void*)((long)argument * 2); }

static void LastOfMain(void) {
  struct timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_sec += 3;
  EXPECT("lock after the owner died", EOWNERDEAD, pthread_mutex_timedlock(robust, &deadline));
  EXPECT("consistent again", 0, pthread_mutex_consistent(robust));
  EXPECT("unlock", 0, pthread_mutex_unlock(robust));
  EXPECT("threads that wait for the condition", THREADS - 4, waiters);
  restored = 1;
  pthread_mutex_lock(&own);
  signalled = 1;
  pthread_cond_broadcast(&condition);
  pthread_mutex_unlock(&own);
  for (int i = 1; i <= THREADS; i++) {
    void* result;
    EXPECT("pthread_join", 0, pthread_join(lives[i].thread, &result));
    EXPECT("what a joined thread returned", i * 11, result);
  }
  EXPECT("threads that were checked", THREADS, checked);
  EXPECT("threads that got the mutex", 3, entered);
  TakeSignal(&lives[0]);
  for (long i = 0; i < 20; i++) {
    pthread_t thread;
    void* result;
    EXPECT("pthread_create", 0, pthread_create(&thread, NULL, Double, (void*)i));
    EXPECT("pthread_join", 0, pthread_join(thread, &result));
    EXPECT("what a new thread returned", 2 * i, result);
  }
}

int main(void) {
  Begin();
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  robust = MapShared(PAGE);
  pthread_mutex_init(robust, &attributes);
  Spawn(0, "child", Child);
  struct sigaction action = {.sa_sigaction = OnSignal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  CHECK(sigaction(SIGRTMIN + 10, &action, NULL));
  lives[0].thread = pthread_self();
  SetUp(&lives[0]);
  for (int i = 1; i <= THREADS; i++) {
    lives[i].number = i;
    int before = set_up;
    EXPECT("pthread_create", 0, pthread_create(&lives[i].thread, NULL, RunThread, &lives[i]));
    while (set_up == before || (i == 1 && set_up < 2)) Nap();
  }
  for (int i = 0; i < 10; i++) Nap();  // until the others are in their futexes
  Live(CheckMain, LastOfMain);
}

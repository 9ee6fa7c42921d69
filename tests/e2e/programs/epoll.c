// SPDX-License-Identifier: Apache-2.0
// Sets of epoll(7) with events that nobody has collected: all ways to watch, sets in sets, a set
// that a child shares, a target that has moved to another number, one that the child has closed,
// one that the child has added by its own number, one of two numbers of a file, one of which may be
// closed since; what has fired once stays quiet.
#include <linux/kcmp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "program.h"

enum {
  SET = 10,
  READY,
  QUIET,
  SHOT,
  EDGE,
  EXCLUSIVE,
  SIGNALS,
  TIMER,
  MOVED,
  INNER = 20,
  OUTER,
  OUTERMOST,
  EMPTY,
  OTHER_NUMBER,
  OF_CHILD = 30,
  IN_CHILD,
  OLD_NUMBER = 40,
  BY_CHILD = 50,
  HERE,
  THERE,
  TWICE,
  KEPT,
  CLOSED
};
static const uint64_t mark = 0xfedcba9876540000ull;
static pid_t root_pid, child_pid;
static char watched[2048];  ///< by SET, as the kernel says it

static void At(int wanted, int fd) {
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}
static void Watch(int set, int fd, uint32_t events) {
  struct epoll_event event = {events, {.u64 = mark + fd}};
  CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
}
static int NewEvent(int wanted, unsigned counter) {
  At(wanted, CHECK(eventfd(counter, EFD_NONBLOCK)));
  return wanted;
}
static void NewSet(int wanted) { At(wanted, CHECK(epoll_create1(0))); }

/// The targets of a set in fdinfo, each as number, events and data, in the order of numbers.
static void Targets(int set, char* text, size_t size) {
  char path[64], info[8192];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", set);
  ReadFile(path, info, sizeof info);
  *text = 0;
  for (int fd = 0; fd < 64; fd++) {
    for (char* line = strstr(info, "tfd:"); line; line = strstr(line + 1, "tfd:")) {
      unsigned events;
      unsigned long data;
      int number;
      if (sscanf(line, "tfd: %d events: %x data: %lx", &number, &events, &data) != 3) continue;
      size_t used = strlen(text);
      if (number == fd) snprintf(text + used, size - used, "%d %x %lx\n", number, events, data);
    }
  }
}

/// Which targets of a set have something, as bits of their numbers.
static uint64_t Ready(int set, int wait) {
  struct epoll_event events[32];
  uint64_t ready = 0;
  const int count = CHECK(epoll_wait(set, events, 32, wait));
  for (int i = 0; i < count; i++) ready |= 1ull << (events[i].data.u64 - mark);
  return ready;
}
static uint64_t Bit(int fd) { return 1ull << fd; }

static void LastOfChild(void) {
  EXPECT("one set", 0, syscall(SYS_kcmp, getpid(), root_pid, KCMP_FILE, SET, SET));
  EXPECT("what the child closed", -1, fcntl(READY, F_GETFD));
  char text[200];
  Targets(OF_CHILD, text, sizeof text);
  EXPECT_TEXT("its target", "31 40002019 fedcba987654001f\n", text);
  EXPECT("the child's own set", Bit(IN_CHILD), Ready(OF_CHILD, 0));
  EXPECT("it fires once", 0, Ready(OF_CHILD, 0));
  Step("child_looked");
}

static void Child(void) {
  close(READY);
  CHECK(dup2(HERE, THERE));
  close(HERE);
  Watch(BY_CHILD, THERE, EPOLLIN);
  NewSet(OF_CHILD);
  Watch(OF_CHILD, NewEvent(IN_CHILD, 1), EPOLLIN | EPOLLRDHUP | EPOLLONESHOT);
  Live(NULL, LastOfChild);
}

static void LastOfRoot(void) {
  AwaitStep("child_looked");
  char text[2048];
  Targets(SET, text, sizeof text);
  EXPECT_TEXT("what the set watches", watched, text);
  EXPECT("the child has it too", 0, syscall(SYS_kcmp, root_pid, child_pid, KCMP_FILE, SET, SET));
  const uint64_t levels = Bit(READY) | Bit(EXCLUSIVE) | Bit(SIGNALS) | Bit(MOVED);
  uint64_t ready = Ready(SET, 0);
  EXPECT("events that nobody has collected", levels | Bit(EDGE), ready & ~Bit(TIMER));
  EXPECT("edges come once", levels, Ready(SET, 0) & ~Bit(TIMER));
  struct epoll_event again = {EPOLLIN | EPOLLONESHOT, {.u64 = mark + SHOT}};
  CHECK(epoll_ctl(SET, EPOLL_CTL_MOD, SHOT, &again));
  EXPECT("what had fired is armed again", Bit(SHOT), Ready(SET, 0) & Bit(SHOT));
  EXPECT("and fires once", 0, Ready(SET, 0) & Bit(SHOT));

  EXPECT("a set in a set in a set", Bit(OUTER), Ready(OUTERMOST, 0));
  EXPECT("a set in a set", Bit(INNER), Ready(OUTER, 0));
  EXPECT("the inner set", Bit(READY) | Bit(OTHER_NUMBER), Ready(INNER, 0));
  CHECK(epoll_ctl(INNER, EPOLL_CTL_DEL, OTHER_NUMBER, NULL));
  EXPECT("one of two numbers", Bit(READY), Ready(INNER, 0));
  EXPECT("an empty set", 0, Ready(EMPTY, 0));
  EXPECT("what the child has added", Bit(THERE), Ready(BY_CHILD, 0));
  EXPECT("by two numbers", Bit(KEPT) | Bit(CLOSED), Ready(TWICE, 0));
  CHECK(epoll_ctl(TWICE, EPOLL_CTL_DEL, KEPT, NULL));
  EXPECT("by the closed one", Bit(CLOSED), Ready(TWICE, 0));
  EXPECT("which is closed", -1, fcntl(CLOSED, F_GETFD));
  uint64_t value = 0;
  CHECK((int)read(READY, &value, sizeof value));
  EXPECT("nothing is left", 0, Ready(OUTERMOST, 0));
  CHECK(eventfd_write(QUIET, 1));
  EXPECT("the watch goes on", Bit(QUIET), Ready(OUTER, 0));
  EXPECT("in the outer set too", Bit(OUTER), Ready(OUTERMOST, 0));
  CHECK(epoll_ctl(SET, EPOLL_CTL_DEL, MOVED, NULL));
  for (ready = 0; !(ready & Bit(TIMER));) ready = Ready(SET, 5000);
}

int main(void) {
  Begin();
  root_pid = getpid();
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL));

  NewSet(SET);
  Watch(SET, NewEvent(READY, 1), EPOLLIN);
  Watch(SET, NewEvent(QUIET, 0), EPOLLIN | EPOLLPRI);
  Watch(SET, NewEvent(SHOT, 1), EPOLLIN | EPOLLONESHOT);
  EXPECT("both", Bit(READY) | Bit(SHOT), Ready(SET, 0));
  Watch(SET, NewEvent(EDGE, 1), EPOLLIN | EPOLLET | EPOLLRDHUP);
  Watch(SET, NewEvent(EXCLUSIVE, 1), EPOLLIN | EPOLLEXCLUSIVE);
  At(SIGNALS, CHECK(signalfd(-1, &blocked, SFD_NONBLOCK)));
  Watch(SET, SIGNALS, EPOLLIN);
  CHECK(raise(SIGUSR1));
  const struct itimerspec often = {{0, 50000000}, {0, 50000000}};
  At(TIMER, CHECK(timerfd_create(CLOCK_MONOTONIC, 0)));
  CHECK(timerfd_settime(TIMER, 0, &often, NULL));
  Watch(SET, TIMER, EPOLLIN);
  // The kernel keeps the number by which it was added, CRIU tells the one that it has now.
  struct epoll_event moved = {EPOLLIN, {.u64 = mark + MOVED}};
  NewEvent(OLD_NUMBER, 1);
  CHECK(epoll_ctl(SET, EPOLL_CTL_ADD, OLD_NUMBER, &moved));
  At(MOVED, OLD_NUMBER);

  // Outer sets first, so that numbers of files tell no order.
  NewSet(OUTERMOST);
  NewSet(OUTER);
  NewSet(INNER);
  NewSet(EMPTY);
  CHECK(dup2(READY, OTHER_NUMBER));
  Watch(INNER, READY, EPOLLIN);
  Watch(INNER, OTHER_NUMBER, EPOLLIN);
  Watch(OUTER, INNER, EPOLLIN);
  Watch(OUTER, QUIET, EPOLLIN);
  Watch(OUTERMOST, OUTER, EPOLLIN);
  Watch(OUTERMOST, EMPTY, EPOLLIN);
  Targets(SET, watched, sizeof watched);
  char* old = strstr(watched, "40 19");
  EXPECT("the old number is the last", 1, old != NULL);
  const char* at = strstr(watched, "17 19");
  char text[sizeof watched];
  if (old && at) {  // in its new place: behind 17
    *old = 0;
    const char* rest = strchr(at, '\n') + 1;
    snprintf(text, sizeof text, "%.*s18 19 fedcba9876540012\n%s", (int)(rest - watched), watched,
             rest);
    memcpy(watched, text, sizeof text);
  }
  NewSet(BY_CHILD);
  NewEvent(HERE, 1);
  NewSet(TWICE);
  NewEvent(KEPT, 1);
  CHECK(dup2(KEPT, CLOSED));
  Watch(TWICE, KEPT, EPOLLIN);
  Watch(TWICE, CLOSED, EPOLLIN);
  CHECK(close(CLOSED));
  child_pid = Spawn(0, "child", Child);
  Live(NULL, LastOfRoot);
}

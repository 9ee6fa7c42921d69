// SPDX-License-Identifier: Apache-2.0
// Sets of epoll(7) that nobody has: one in two messages that wait in a socket that it watches, as
// it does a pipe and an eventfd; one that a child has filled with what only the child has.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "program.h"

enum {
  IN = 10,
  OUT,
  READ,
  WRITE,
  EVENT,
  OF_CHILD_IN,
  OF_CHILD_OUT,
  CHILDS_READ = 20,
  CHILDS_WRITE
};

static void At(int wanted, int fd) {
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}
static void Watch(int set, int fd) {
  struct epoll_event event = {EPOLLIN, {.u64 = 0xfedcba9876540000ull + fd}};
  CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
}
static void Pipe(int in, int out) {
  int ends[2];
  CHECK(pipe(ends));
  At(in, ends[0]);
  At(out, ends[1]);
}
static void Pair(int in, int out) {
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
  At(in, ends[0]);
  At(out, ends[1]);
}

static void Send(int to, int fd) {
  char byte = 0, control[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec bytes = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  CHECK(sendmsg(to, &message, 0));
}
static int Receive(int from) {
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec bytes = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  CHECK(recvmsg(from, &message, MSG_DONTWAIT));
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

/// Numbers of what is ready, one bit each.
static long Ready(int set) {
  struct epoll_event events[8];
  const int count = CHECK(epoll_wait(set, events, 8, 0));
  long ready = 0;
  for (int i = 0; i < count; i++) {
    EXPECT("data", 0xfedcba987654, (long)(events[i].data.u64 >> 16));
    ready |= 1l << (events[i].data.u64 & 63);
  }
  return ready;
}

static void LastOfChild(void) {
  CHECK(write(CHILDS_WRITE, "x", 1));
  Step("written");
  AwaitStep("looked");
}
static void Child(void) {
  Pipe(CHILDS_READ, CHILDS_WRITE);
  const int set = CHECK(epoll_create1(0));
  Watch(set, CHILDS_READ);
  Send(OF_CHILD_OUT, set);
  CHECK(close(set));
  Live(NULL, LastOfChild);
}

static void LastOfRoot(void) {
  const int set = Receive(IN);
  EXPECT("another message", 1l << IN, Ready(set));
  const int again = Receive(IN);
  EXPECT("the same set", Ready(set), Ready(again));
  EXPECT("nothing", 0, Ready(set));
  CHECK(write(WRITE, "x", 1));
  EXPECT("the pipe", 1l << READ, Ready(set));
  CHECK(close(set));
  CHECK(eventfd_write(EVENT, 1));
  EXPECT("the eventfd too", 1l << READ | 1l << EVENT, Ready(again));
  const int of_child = Receive(OF_CHILD_IN);
  AwaitStep("written");
  EXPECT("the child's pipe", 1l << CHILDS_READ, Ready(of_child));
  Step("looked");
}

int main(void) {
  Begin();
  Pair(OF_CHILD_IN, OF_CHILD_OUT);
  Spawn(0, "child", Child);
  Pair(IN, OUT);
  Pipe(READ, WRITE);
  At(EVENT, CHECK(eventfd(0, EFD_NONBLOCK)));
  const int set = CHECK(epoll_create1(0));
  Watch(set, IN);
  Watch(set, READ);
  Watch(set, EVENT);
  Send(OUT, set);
  Send(OUT, set);
  CHECK(close(set));
  Live(NULL, LastOfRoot);
}

// SPDX-License-Identifier: Apache-2.0
// Connections of TCP that nobody has: messages on their way carry one end of the first, of which a
// child has the other one, with bytes in its queues; both ends of the second; and one that is half
// closed. They are received, and go on.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "program.h"

enum { IN = 10, OUT, OF_CHILD = 20, HALF };

static void At(int wanted, int fd) {
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}
/// Both ends of a new connection.
static void Connect(int ends[2]) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  const int listener = CHECK(socket(AF_INET, SOCK_STREAM, 0));
  CHECK(bind(listener, (struct sockaddr*)&address, sizeof address));
  CHECK(getsockname(listener, (struct sockaddr*)&address, &size));
  CHECK(listen(listener, 1));
  ends[0] = CHECK(socket(AF_INET, SOCK_STREAM, 0));
  CHECK(connect(ends[0], (struct sockaddr*)&address, sizeof address));
  ends[1] = CHECK(accept(listener, NULL, NULL));
  CHECK(close(listener));
}

static void Send(int to, int fd, char byte) {
  char control[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec bytes = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  CHECK(sendmsg(to, &message, 0));
  CHECK(close(fd));
}
static int Receive(int from, char expected) {
  char byte = 0, control[CMSG_SPACE(sizeof(int))];
  struct iovec bytes = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  CHECK(recvmsg(from, &message, MSG_DONTWAIT));
  EXPECT("a message", expected, byte);
  const struct cmsghdr* rights = CMSG_FIRSTHDR(&message);
  CHECK(rights == NULL ? -1 : 0);
  int fd;
  memcpy(&fd, CMSG_DATA(rights), sizeof fd);
  return fd;
}

static void ExpectRead(int fd, const char* expected) {
  char text[40] = "";
  const size_t size = strlen(expected);
  for (size_t got = 0; got < size;) got += (size_t)CHECK(recv(fd, text + got, size - got, 0));
  EXPECT_TEXT("what has come", expected, text);
}
static void Talk(int one, int other) {
  CHECK(send(one, "there", 5, 0));
  ExpectRead(other, "there");
  CHECK(send(other, "and back", 8, 0));
  ExpectRead(one, "and back");
}
static void ExpectEnd(int fd) {
  char byte;
  EXPECT("the end", 0, CHECK(recv(fd, &byte, 1, 0)));
}

static void LastOfChild(void) {
  ExpectRead(OF_CHILD, "to the child");
  CHECK(send(OF_CHILD, "answer", 6, 0));
  ExpectEnd(OF_CHILD);
  CHECK(send(HALF, "late", 4, 0));
  ExpectEnd(HALF);
  CHECK(close(HALF));
}
static void Child(void) {
  CHECK(close(IN));
  CHECK(close(OUT));
  Live(NULL, LastOfChild);
}

static void LastOfRoot(void) {
  const int first = Receive(IN, '1'), one = Receive(IN, '2'), other = Receive(IN, '3');
  const int half = Receive(IN, '4');
  ExpectRead(first, "to the root");
  ExpectRead(first, "answer");
  CHECK(close(first));
  ExpectRead(other, "on its way");
  Talk(one, other);
  CHECK(close(one));
  ExpectEnd(other);
  CHECK(close(other));
  ExpectRead(half, "late");
  ExpectEnd(half);
  CHECK(close(half));
}

int main(void) {
  Begin();
  int ends[2], first[2], half[2];
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
  At(IN, ends[0]);
  At(OUT, ends[1]);
  Connect(first);
  CHECK(send(first[0], "to the child", 12, 0));
  CHECK(send(first[1], "to the root", 11, 0));
  At(OF_CHILD, first[1]);
  At(30, first[0]);
  Connect(half);
  CHECK(shutdown(half[0], SHUT_WR));
  At(HALF, half[1]);
  At(31, half[0]);
  Connect(ends);
  CHECK(send(ends[0], "on its way", 10, 0));
  At(32, ends[0]);
  At(33, ends[1]);
  const pid_t child = ForkAs(0, 0);
  if (child == 0) {
    name = "child";
    for (int fd = 30; fd < 34; fd++) CHECK(close(fd));
    Child();
  }
  AwaitReady("child");
  CHECK(close(OF_CHILD));
  CHECK(close(HALF));
  Send(OUT, 30, '1');
  Send(OUT, 32, '2');
  Send(OUT, 33, '3');
  Send(OUT, 31, '4');
  Live(NULL, LastOfRoot);
}

// SPDX-License-Identifier: Apache-2.0
// Unix sockets: pairs with bytes and messages on their way in both directions, half-closed ones, one
// whose peer is gone; listeners, what they have accepted and what waits; names that are abstract,
// relative and unlinked; options; descriptors in flight, also of what nobody else holds.
#include <linux/kcmp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "program.h"

enum {
  ONE = 10, OTHER, WRITER, READER, GONE, DGRAM_ONE, DGRAM_OTHER, SEQ_ONE, SEQ_OTHER, LISTENER,
  CLIENT, ACCEPTED, PENDING, RELATIVE, FROM_CHILD, ABSTRACT, TO_ABSTRACT, UNLINKED, TO_UNLINKED,
  LARGE, LARGE_PEER, CARRIER, CARRIED_TO, DEAF, HEARD, LATER, EMPTY, EMPTY_PEER,
  IN_CHILD = 60
};
static pid_t root_pid, child_pid;
static char listener_path[PATH_MAX];
static const char large_text[] = "a large buffer";

static void At(int wanted, int fd) {
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}
static void Pair(int type, int one, int other) {
  int ends[2];
  CHECK(socketpair(AF_UNIX, type, 0, ends));
  int moved = CHECK(fcntl(ends[1], F_DUPFD, 80));
  close(ends[1]);
  At(one, ends[0]);
  At(other, moved);
}
static socklen_t Address(struct sockaddr_un* address, const char* path, size_t size) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, size);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}
static void Bound(int fd, int type, const char* path, size_t size) {
  struct sockaddr_un address;
  socklen_t length = Address(&address, path, size);
  At(fd, CHECK(socket(AF_UNIX, type, 0)));
  CHECK(bind(fd, (struct sockaddr*)&address, length));
}
static void Connected(int fd, int type, const char* path, size_t size) {
  struct sockaddr_un address;
  socklen_t length = Address(&address, path, size);
  At(fd, CHECK(socket(AF_UNIX, type, 0)));
  CHECK(connect(fd, (struct sockaddr*)&address, length));
}
static void Say(int fd, const char* text) { CHECK((int)send(fd, text, strlen(text), 0)); }

static void Hear(int line, int fd, const char* expected) {
  char text[200] = {0};
  ssize_t got = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
  if (got < 0) snprintf(text, sizeof text, "errno %d", errno);
  if (strcmp(text, expected) == 0 || *failure) return;
  snprintf(failure, sizeof failure, "line %d: fd %d: expected \"%s\", heard \"%s\"", line, fd,
           expected, text);
}
#define HEAR(fd, expected) Hear(__LINE__, fd, expected)
#define NOTHING "errno 11"

static void Send(int fd, const char* text, const int* rights, int count) {
  char control[CMSG_SPACE(sizeof(int) * 8)] = {0};
  struct iovec bytes = {(void*)text, strlen(text)};
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control,
                           .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * count);
  memcpy(CMSG_DATA(header), rights, sizeof(int) * count);
  CHECK((int)sendmsg(fd, &message, 0));
}
static int Receive(int fd, char* text, size_t size, int* rights) {
  char control[CMSG_SPACE(sizeof(int) * 8)] = {0};
  struct iovec bytes = {text, size - 1};
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control,
                           .msg_controllen = sizeof control};
  memset(text, 0, size);
  if (recvmsg(fd, &message, MSG_DONTWAIT) < 0) return -1;
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == NULL) return 0;
  memcpy(rights, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
  return (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
}

static void ExpectName(int line, int fd, const char* expected, size_t size) {
  struct sockaddr_un address = {0};
  socklen_t length = sizeof address;
  CHECK(getsockname(fd, (struct sockaddr*)&address, &length));
  size_t found = length - offsetof(struct sockaddr_un, sun_path);
  if (found > 0 && address.sun_path[0] != 0) found--;  // the NUL
  if (found == size && memcmp(address.sun_path, expected, size) == 0) return;
  FailAt(line, "length of the name", (long)size, (long)found);
  FailAt(line, "first letter of the name", size ? expected[size - 1] : 0, address.sun_path[0]);
}
#define NAME(fd, expected, size) ExpectName(__LINE__, fd, expected, size)

static long Option(int fd, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  CHECK(getsockopt(fd, SOL_SOCKET, option, &value, &size));
  return value;
}
static int AtEnd(int fd) {
  struct pollfd poll_fd = {fd, POLLRDHUP, 0};
  poll(&poll_fd, 1, 0);
  return (poll_fd.revents & (POLLRDHUP | POLLHUP)) != 0;
}

/// A file at position 5, the socket that it waits in, and an end of a pair: these nobody else holds.
static void SendRights(void) {
  int file = CHECK(open("in_flight", O_RDWR | O_CREAT, 0600)), inner[2];
  CHECK((int)write(file, "12345678", 8));
  CHECK((int)lseek(file, 5, SEEK_SET));
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, inner));
  Say(inner[0], "deep");
  Send(inner[0], "self", inner + 1, 1);  // an end that is in flight to itself
  int rights[] = {file, CARRIED_TO, inner[1], ONE};
  Send(CARRIER, "four", rights, 4);
  Say(CARRIER, "behind");
  close(file);
  close(inner[0]);
  close(inner[1]);
}

static void LookAtRights(void) {
  char text[20];
  int rights[8], inner[8];
  EXPECT("descriptors in flight", 4, Receive(CARRIED_TO, text, sizeof text, rights));
  EXPECT_TEXT("what they came with", "four", text);
  EXPECT("position of the file", 5, lseek(rights[0], 0, SEEK_CUR));
  EXPECT("a socket that carried itself", 0,
         syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, rights[1], CARRIED_TO));
  EXPECT("one that others hold", 0,
         syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, rights[3], ONE));
  EXPECT("what is in flight in flight", 1, Receive(rights[2], text, sizeof text, inner));
  EXPECT("it is the same", 0,
         syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, rights[2], inner[0]));
  EXPECT("its peer is gone", 1, AtEnd(rights[2]));
  HEAR(CARRIED_TO, "behind");
}

static void LastOfChild(void) {
  EXPECT("one socket", 0, syscall(SYS_kcmp, getpid(), root_pid, KCMP_FILE, OTHER, OTHER));
  HEAR(IN_CHILD, "to the child");
  Say(IN_CHILD, "answer");
  Step("child_spoke");
}

static void Child(void) {
  for (int fd = ONE; fd <= EMPTY_PEER; fd++) {
    if (fd != OTHER) close(fd);
  }
  Connected(IN_CHILD, SOCK_STREAM, "relative", 8);
  Live(NULL, LastOfChild);
}

static void LookAtPairs(void) {
  HEAR(OTHER, "forward");
  HEAR(ONE, "backward");
  HEAR(ONE, NOTHING);
  HEAR(READER, "last words");
  HEAR(READER, "");
  EXPECT("it writes no more", -1, send(WRITER, "x", 1, MSG_NOSIGNAL));
  EXPECT("and still reads", 1, send(READER, "y", 1, MSG_NOSIGNAL));
  HEAR(WRITER, "y");
  HEAR(GONE, "heritage");
  HEAR(GONE, "");
  EXPECT("nobody is there", -1, send(GONE, "x", 1, MSG_NOSIGNAL));
  EXPECT("why", EPIPE, errno);
  HEAR(DGRAM_OTHER, "first");
  HEAR(DGRAM_OTHER, "second");
  HEAR(DGRAM_OTHER, NOTHING);
  HEAR(DGRAM_ONE, "third");
  HEAR(SEQ_OTHER, "one");
  HEAR(SEQ_OTHER, "two");
  HEAR(SEQ_OTHER, NOTHING);
  HEAR(EMPTY, NOTHING);
  EXPECT("a pair that is idle", 0, AtEnd(EMPTY));
}

static void LookAtListeners(void) {
  struct stat status;
  CHECK(stat(listener_path, &status));
  EXPECT("mode of the socket file", S_IFSOCK | 0640, status.st_mode);
  EXPECT("it listens", 1, Option(LISTENER, SO_ACCEPTCONN));
  NAME(LISTENER, listener_path, strlen(listener_path));
  NAME(ACCEPTED, listener_path, strlen(listener_path));
  NAME(CLIENT, "", 0);
  HEAR(ACCEPTED, "from the client");
  int waiting = CHECK(accept(LISTENER, NULL, NULL));
  Say(PENDING, "at last");
  HEAR(waiting, "at last");
  Connected(LATER, SOCK_STREAM, listener_path, strlen(listener_path));
  CHECK(accept(LISTENER, NULL, NULL));
  NAME(RELATIVE, "relative", 8);
  AwaitStep("child_spoke");
  HEAR(FROM_CHILD, "answer");
}

static void LookAtNames(void) {
  NAME(ABSTRACT, "\0crgen e2e", 10);
  HEAR(ABSTRACT, "in the abstract");
  Say(TO_ABSTRACT, "more");
  HEAR(ABSTRACT, "more");
  NAME(UNLINKED, "unlinked", 8);
  EXPECT("no file", -1, access("unlinked", F_OK));
  HEAR(UNLINKED, "without a name");
  Say(TO_UNLINKED, "more");
  HEAR(UNLINKED, "more");
  EXPECT("who was deaf before", 1, AtEnd(DEAF));
  EXPECT("its peer does not know", 0, AtEnd(HEARD));
}

static void LookAtOptions(void) {
  struct timeval time;
  socklen_t size = sizeof time;
  EXPECT("send buffer", 300000, Option(LARGE, SO_SNDBUF));
  EXPECT("receive buffer", 20000, Option(LARGE, SO_RCVBUF));
  EXPECT("the other's", Option(ONE, SO_SNDBUF), Option(LARGE_PEER, SO_SNDBUF));
  CHECK(getsockopt(LARGE, SOL_SOCKET, SO_RCVTIMEO, &time, &size));
  EXPECT("timeout", 7, time.tv_sec);
  EXPECT("its fraction", 200000, time.tv_usec);
  EXPECT("SO_PASSCRED", 1, Option(LARGE, SO_PASSCRED));
  EXPECT("SO_KEEPALIVE", 1, Option(LARGE, SO_KEEPALIVE));
  EXPECT("SO_RCVLOWAT", 3, Option(LARGE_PEER, SO_RCVLOWAT));
  EXPECT("O_NONBLOCK", O_RDWR | O_NONBLOCK, fcntl(LARGE, F_GETFL));
  HEAR(LARGE_PEER, large_text);
}

static void LastOfRoot(void) {
  LookAtRights();
  LookAtPairs();
  LookAtListeners();
  LookAtNames();
  LookAtOptions();
}

static void SetUpListeners(void) {
  snprintf(listener_path, sizeof listener_path, "%s/listener", home);
  size_t size = strlen(listener_path);
  Bound(LISTENER, SOCK_STREAM, listener_path, size);
  CHECK(chmod(listener_path, 0640));
  CHECK(listen(LISTENER, 5));
  Connected(CLIENT, SOCK_STREAM, listener_path, size);
  At(ACCEPTED, CHECK(accept(LISTENER, NULL, NULL)));
  Say(CLIENT, "from the client");
  At(DEAF, CHECK(socket(AF_UNIX, SOCK_STREAM, 0)));
  CHECK(shutdown(DEAF, SHUT_RD));
  struct sockaddr_un address;
  socklen_t length = Address(&address, listener_path, size);
  CHECK(connect(DEAF, (struct sockaddr*)&address, length));
  At(HEARD, CHECK(accept(LISTENER, NULL, NULL)));
  Connected(PENDING, SOCK_STREAM, listener_path, size);
  Bound(RELATIVE, SOCK_STREAM, "relative", 8);
  CHECK(listen(RELATIVE, 2));
}

static void SetUpNames(void) {
  Bound(ABSTRACT, SOCK_DGRAM, "\0crgen e2e", 10);
  Connected(TO_ABSTRACT, SOCK_DGRAM, "\0crgen e2e", 10);
  Say(TO_ABSTRACT, "in the abstract");
  Bound(UNLINKED, SOCK_DGRAM, "unlinked", 8);
  Connected(TO_UNLINKED, SOCK_DGRAM, "unlinked", 8);
  Say(TO_UNLINKED, "without a name");
  CHECK(unlink("unlinked"));
}

static void SetUpOptions(void) {
  int send_size = 150000, receive_size = 10000, on = 1, low = 3;
  struct timeval time = {7, 200000};
  Pair(SOCK_STREAM, LARGE, LARGE_PEER);
  Say(LARGE, large_text);
  CHECK(setsockopt(LARGE, SOL_SOCKET, SO_SNDBUF, &send_size, sizeof send_size));
  CHECK(setsockopt(LARGE, SOL_SOCKET, SO_RCVBUF, &receive_size, sizeof receive_size));
  CHECK(setsockopt(LARGE, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
  CHECK(setsockopt(LARGE, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  CHECK(setsockopt(LARGE, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on));
  CHECK(setsockopt(LARGE_PEER, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low));
  CHECK(fcntl(LARGE, F_SETFL, O_NONBLOCK));
}

int main(void) {
  Begin();
  root_pid = getpid();
  Pair(SOCK_STREAM, ONE, OTHER);
  Say(ONE, "forward");
  Say(OTHER, "backward");
  Pair(SOCK_STREAM, WRITER, READER);
  Say(WRITER, "last words");
  CHECK(shutdown(WRITER, SHUT_WR));
  Pair(SOCK_STREAM, GONE, LATER);
  Say(LATER, "heritage");
  close(LATER);
  Pair(SOCK_DGRAM, DGRAM_ONE, DGRAM_OTHER);
  Say(DGRAM_ONE, "first");
  Say(DGRAM_ONE, "second");
  Say(DGRAM_OTHER, "third");
  Pair(SOCK_SEQPACKET, SEQ_ONE, SEQ_OTHER);
  Say(SEQ_ONE, "one");
  Say(SEQ_ONE, "two");
  Pair(SOCK_STREAM, EMPTY, EMPTY_PEER);
  SetUpListeners();
  SetUpNames();
  SetUpOptions();
  Pair(SOCK_STREAM, CARRIER, CARRIED_TO);
  SendRights();
  child_pid = Spawn(10001, "child", Child);
  At(FROM_CHILD, CHECK(accept(RELATIVE, NULL, NULL)));
  Say(FROM_CHILD, "to the child");
  Live(NULL, LastOfRoot);
}

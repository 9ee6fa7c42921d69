// SPDX-License-Identifier: Apache-2.0
// Descriptors of processes that were passed to those who are older than these: of a younger
// brother, to several and to who is the target itself; files below its /proc as well.
#include <linux/kcmp.h>
#include <poll.h>
#include <sys/socket.h>

#include "program.h"

enum { YOUNGER = 10, FILE_OF, AGAIN, OWN };
static pid_t root_pid, younger_pid;
static int to_root[2], to_elder[2];  ///< a pair each: the end to send, the one to receive

static void At(int wanted, int fd) {
  CHECK(dup2(fd, wanted));
  if (fd != wanted) CHECK(close(fd));
}

static void Send(const int* to, int fd) {
  char byte = 0, control[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec bytes = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  CHECK(sendmsg(to[0], &message, 0));
}
static int Receive(const int* from) {
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec bytes = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  CHECK(recvmsg(from[1], &message, 0));
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}
static void NoMorePassing(void) {
  for (int end = 0; end < 2; end++) {
    CHECK(close(to_root[end]));
    CHECK(close(to_elder[end]));
  }
}

static long Target(int fd) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  ReadFile(path, text, sizeof text);
  char* found = strstr(text, "NSpid:");
  return found ? strtol(found + 6, NULL, 10) : -2;
}
static void ExpectSame(const char* what, int own, int of_root) {
  EXPECT(what, 0, syscall(SYS_kcmp, getpid(), root_pid, KCMP_FILE, own, of_root));
}

static void LastOfElder(void) {
  ExpectSame("the elder has that of the root", YOUNGER, YOUNGER);
  ExpectSame("also at another number", AGAIN, YOUNGER);
  ExpectSame("the file in /proc is one", FILE_OF, FILE_OF);
  EXPECT("the younger", 1, Target(YOUNGER) > 0);
  EXPECT("close-on-exec", FD_CLOEXEC, fcntl(AGAIN, F_GETFD));
  EXPECT("none", 0, fcntl(YOUNGER, F_GETFD));
  EXPECT("position", 3, lseek(FILE_OF, 0, SEEK_CUR));
  Step("elder_looked");
}
static void Elder(void) {
  Step("elder");
  At(YOUNGER, Receive(to_elder));
  At(FILE_OF, Receive(to_elder));
  CHECK(dup3(YOUNGER, AGAIN, O_CLOEXEC));
  NoMorePassing();
  Live(NULL, LastOfElder);
}

static void LastOfYounger(void) {
  EXPECT("its own", getpid(), Target(OWN));
  ExpectSame("its own is that of the root", OWN, YOUNGER);
  ExpectSame("what it has inherited", YOUNGER, YOUNGER);
  Step("younger_looked");
}
static void Younger(void) {
  At(OWN, CHECK((int)syscall(SYS_pidfd_open, getpid(), 0)));
  CHECK(dup2(OWN, YOUNGER));
  Send(to_root, OWN);
  At(FILE_OF, CHECK(open("/proc/self/comm", O_RDONLY)));
  CHECK(lseek(FILE_OF, 3, SEEK_SET));
  Send(to_root, FILE_OF);
  close(FILE_OF);
  NoMorePassing();
  Live(NULL, LastOfYounger);
}

static void LastOfRoot(void) {
  AwaitStep("elder_looked");
  AwaitStep("younger_looked");
  EXPECT("the younger", younger_pid, Target(YOUNGER));
  EXPECT("flags", O_RDWR, fcntl(YOUNGER, F_GETFL));
  char text[20];
  CHECK(lseek(FILE_OF, 0, SEEK_SET));
  EXPECT("its name", 14, read(FILE_OF, text, sizeof text));
}

int main(void) {
  Begin();
  root_pid = getpid();
  CHECK(prctl(PR_SET_NAME, "passed_pidfds"));
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, to_root));
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, to_elder));
  const pid_t elder = CHECK(fork());
  if (elder == 0) {
    name = "elder";
    Elder();
  }
  AwaitStep("elder");
  younger_pid = Spawn(0, "younger", Younger);
  At(YOUNGER, Receive(to_root));
  At(FILE_OF, Receive(to_root));
  Send(to_elder, YOUNGER);
  Send(to_elder, FILE_OF);
  AwaitReady("elder");
  NoMorePassing();
  Live(NULL, LastOfRoot);
}

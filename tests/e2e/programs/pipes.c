// SPDX-License-Identifier: Apache-2.0
// Pipes: bytes in flight, capacities, several descriptions of one end, ends that nobody has, both
// ends in one process, ends of siblings and of a grandchild, an owner of O_ASYNC. No packets (O_DIRECT):
// CRIU does not dump them.
#include <linux/kcmp.h>
#include <sys/ioctl.h>

#include "program.h"

enum { LARGE_FILE = 0100000, QUEUED = 300000, CAPACITY = 1 << 19 };
enum {
  TO_CHILD = 10, FROM_CHILD, OWN_READS, OWN_WRITES, END_OF_FILE, BROKEN, AGAIN, BOTH, ONLY_OPENED,
  OWNED, OWNED_WRITES, SIBLING = 30, FAR = 40
};
static pid_t root_pid, child_pid;
static char bytes[QUEUED], got[QUEUED];

static void At(int wanted, int fd, int cloexec) {
  if (fd == wanted) return;
  CHECK(dup3(fd, wanted, cloexec));
  CHECK(close(fd));
}

static int Reopened(int fd, int flags) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return CHECK(open(path, flags));
}

static void ExpectPipe(int fd, int flags, int capacity, int queued) {
  int found = -1;
  EXPECT("flags", flags, fcntl(fd, F_GETFL));
  EXPECT("capacity", capacity, fcntl(fd, F_GETPIPE_SZ));
  CHECK(ioctl(fd, FIONREAD, &found));
  EXPECT("bytes in flight", queued, found);
}

static void ExpectSame(int same, int fd, pid_t other, int other_fd) {
  int result = CHECK((int)syscall(SYS_kcmp, getpid(), other, KCMP_FILE, fd, other_fd));
  EXPECT("one description behind two descriptors", same, result == 0);
}

/// Reads all that is queued, which must be the pattern.
static void ExpectQueued(int fd) {
  for (size_t at = 0; at < sizeof got;) {
    ssize_t more = CHECK(read(fd, got + at, sizeof got - at));
    if (more == 0) break;
    at += (size_t)more;
  }
  EXPECT_FILLED("what was queued", got, sizeof got / 8 * 8, 5);
}

// ---- a grandchild whose parent never had these ends open for long

static void LastOfGrandchild(void) {
  ExpectPipe(FAR, O_WRONLY, 65536, 0);
  CHECK((int)write(FAR, "far", 3));
  Step("far");
}
static void Grandchild(void) {
  for (int fd = 3; fd < FAR; fd++) close(fd);
  Live(NULL, LastOfGrandchild);
}

static void LastOfSibling(void) {
  char text[8] = "";
  ExpectPipe(SIBLING, O_RDONLY, 4096, 7);
  EXPECT("between siblings", 7, read(SIBLING, text, sizeof text));
  EXPECT_TEXT("what the other one wrote", "sibling", text);
  Step("sibling_read");
  AwaitStep("child_wrote");
  EXPECT("and now", 3, read(SIBLING, text, sizeof text));
  EXPECT("its end", 0, read(SIBLING, text, sizeof text));
}
static void Sibling(void) {
  for (int fd = 3; fd < SIBLING; fd++) close(fd);
  close(SIBLING + 1);
  close(FAR);
  Live(NULL, LastOfSibling);
}

static void LastOfChild(void) {
  ExpectPipe(TO_CHILD, O_RDONLY, CAPACITY, QUEUED);
  ExpectQueued(TO_CHILD);
  CHECK((int)write(FROM_CHILD, "answer", 6));
  AwaitStep("sibling_read");
  CHECK((int)write(SIBLING + 1, "end", 3));
  CHECK(close(SIBLING + 1));
  Step("child_wrote");
}
static void Child(void) {
  for (int fd = 3; fd < SIBLING; fd++)
    if (fd != TO_CHILD && fd != FROM_CHILD) close(fd);
  close(SIBLING);
  Spawn(0, "grandchild", Grandchild);
  close(FAR);
  Live(NULL, LastOfChild);
}

static void LastOfRoot(void) {
  char text[64] = "";
  AwaitStep("child_wrote");
  EXPECT("the child's answer", 6, read(FROM_CHILD, text, sizeof text));
  EXPECT("nobody else writes to the child", EPIPE,
         write(BROKEN, "x", 1) < 0 ? errno : 0);  // SIGPIPE is ignored

  ExpectPipe(OWN_READS, O_RDONLY | O_NONBLOCK, 65536, 3);
  EXPECT("close-on-exec", FD_CLOEXEC, fcntl(OWN_WRITES, F_GETFD));
  EXPECT("of itself", 3, read(OWN_READS, text, sizeof text));
  CHECK((int)write(OWN_WRITES, "more", 4));
  EXPECT("it goes on", 4, read(OWN_READS, text, sizeof text));
  EXPECT("empty, and somebody writes", EAGAIN, read(OWN_READS, text, 1) < 0 ? errno : 0);

  ExpectPipe(END_OF_FILE, O_RDONLY, 8192, 4);
  EXPECT("before the end", 4, read(END_OF_FILE, text, sizeof text));
  EXPECT("the end", 0, read(END_OF_FILE, text, sizeof text));

  EXPECT("opened anew", O_RDONLY | O_NONBLOCK | LARGE_FILE, fcntl(AGAIN, F_GETFL));
  EXPECT("opened for both", O_RDWR | LARGE_FILE, fcntl(BOTH, F_GETFL));
  ExpectSame(0, AGAIN, root_pid, OWN_READS);
  CHECK((int)write(BOTH, "both", 4));
  EXPECT("one pipe behind all", 4, read(AGAIN, text, sizeof text));
  ExpectPipe(ONLY_OPENED, O_RDWR | LARGE_FILE, 65536, 5);
  EXPECT("of one that was opened only", 5, read(ONLY_OPENED, text, sizeof text));

  struct f_owner_ex owner = {0};
  CHECK(fcntl(OWNED, F_GETOWN_EX, &owner));
  EXPECT("owner", child_pid, owner.pid);
  EXPECT("O_ASYNC", O_RDONLY | O_ASYNC, fcntl(OWNED, F_GETFL));

  AwaitStep("far");
  EXPECT("from far away", 3, read(FAR - 1, text, sizeof text));
}

static void Pipe(int reads, int writes, int flags) {
  int ends[2];
  CHECK(pipe2(ends, flags));
  int away = CHECK(fcntl(ends[1], F_DUPFD, 100));
  close(ends[1]);
  At(reads, ends[0], flags & O_CLOEXEC);
  At(writes, away, flags & O_CLOEXEC);
}

int main(void) {
  Begin();
  root_pid = getpid();
  signal(SIGPIPE, SIG_IGN);
  Fill(bytes, sizeof bytes, 5);

  Pipe(50, 51, 0);  // from here to the child
  CHECK(fcntl(51, F_SETPIPE_SZ, CAPACITY));
  CHECK((int)write(51, bytes, sizeof bytes));
  Pipe(52, 53, 0);  // and back
  Pipe(SIBLING, SIBLING + 1, 0);
  CHECK(fcntl(SIBLING, F_SETPIPE_SZ, 4096));
  CHECK((int)write(SIBLING + 1, "sibling", 7));
  Pipe(FAR - 1, FAR, 0);
  Pipe(OWNED, OWNED_WRITES, 0);

  Pipe(OWN_READS, 60, O_NONBLOCK);
  CHECK((int)write(60, "own", 3));
  CHECK(fcntl(60, F_SETFL, 0));
  At(OWN_WRITES, 60, O_CLOEXEC);
  Pipe(END_OF_FILE, 60, 0);
  CHECK(fcntl(60, F_SETPIPE_SZ, 8192));
  CHECK((int)write(60, "last", 4));
  close(60);
  Pipe(60, BROKEN, 0);
  close(60);
  At(AGAIN, Reopened(OWN_READS, O_RDONLY | O_NONBLOCK), 0);
  At(BOTH, Reopened(OWN_WRITES, O_RDWR), 0);
  Pipe(60, 61, 0);
  CHECK((int)write(61, "fifth", 5));
  At(ONLY_OPENED, Reopened(60, O_RDWR), 0);
  close(60);
  close(61);

  // The children keep what they need at numbers of their own.
  CHECK(dup2(50, TO_CHILD));
  CHECK(dup2(53, FROM_CHILD));
  child_pid = Spawn(0, "child", Child);
  Spawn(0, "sibling", Sibling);
  for (int fd = SIBLING; fd <= SIBLING + 1; fd++) close(fd);
  CHECK(dup2(51, TO_CHILD));
  CHECK(dup2(52, FROM_CHILD));
  for (int fd = 50; fd <= 53; fd++) close(fd);
  close(FAR);
  struct f_owner_ex owner = {F_OWNER_PID, child_pid};
  CHECK(fcntl(OWNED, F_SETOWN_EX, &owner));
  CHECK(fcntl(OWNED, F_SETFL, O_ASYNC));
  Live(NULL, LastOfRoot);
}

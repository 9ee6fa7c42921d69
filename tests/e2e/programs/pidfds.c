// SPDX-License-Identifier: Apache-2.0
// Descriptors of processes: of itself, a child, a zombie, processes that are gone, of which one has
// two; inherited by a child that is born later. CRIU refuses those of threads.
#include <linux/kcmp.h>
#include <poll.h>

#include "program.h"

enum { SELF = 10, CHILD, ZOMBIE, DEAD, DEAD_AGAIN, OTHER_DEAD, SECOND };
static pid_t root_pid, child_pid, second_pid, zombie_pid;

static void At(int wanted, int fd) {
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}
static int Open(pid_t pid, int flags) { return CHECK((int)syscall(SYS_pidfd_open, pid, flags)); }

static long Target(int fd) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  ReadFile(path, text, sizeof text);
  char* found = strstr(text, "NSpid:");
  return found ? strtol(found + 6, NULL, 10) : -2;
}
static unsigned long Inode(int fd) {
  struct stat it;
  CHECK(fstat(fd, &it));
  return it.st_ino;
}
static int Ended(int fd) {
  struct pollfd wait = {fd, POLLIN, 0};
  CHECK(poll(&wait, 1, 0));
  return wait.revents & POLLIN;
}

static void LastOfSecond(void) {
  EXPECT("the sibling", child_pid, Target(CHILD));
  EXPECT("one description", 0, syscall(SYS_kcmp, getpid(), root_pid, KCMP_FILE, CHILD, CHILD));
  Step("second_looked");
}
static void Second(void) { Live(NULL, LastOfSecond); }
static void Child(void) { Live(NULL, NULL); }

static void LastOfRoot(void) {
  AwaitStep("second_looked");
  EXPECT("itself", root_pid, Target(SELF));
  EXPECT("the child", child_pid, Target(CHILD));
  EXPECT("the zombie", zombie_pid, Target(ZOMBIE));
  EXPECT("the second child", second_pid, Target(SECOND));
  EXPECT("who is gone", -1, Target(DEAD));
  EXPECT("again", -1, Target(DEAD_AGAIN));
  EXPECT("another", -1, Target(OTHER_DEAD));
  EXPECT("the same process", Inode(DEAD), Inode(DEAD_AGAIN));
  EXPECT("another process", 1, Inode(DEAD) != Inode(OTHER_DEAD));
  EXPECT("two descriptions", 1,
         syscall(SYS_kcmp, root_pid, root_pid, KCMP_FILE, DEAD, DEAD_AGAIN) != 0);
  EXPECT("flags of the child's", O_RDWR | O_NONBLOCK, fcntl(CHILD, F_GETFL));
  EXPECT("close-on-exec", FD_CLOEXEC, fcntl(SECOND, F_GETFD));
  EXPECT("none", 0, fcntl(SELF, F_GETFD));
  EXPECT("who is gone has ended", POLLIN, Ended(DEAD));
  EXPECT("the zombie has", POLLIN, Ended(ZOMBIE));
  EXPECT("the child has not", 0, Ended(CHILD));
  EXPECT("a signal to who is gone", -1, syscall(SYS_pidfd_send_signal, DEAD, 0, NULL, 0));
  EXPECT("a signal to the child", 0, syscall(SYS_pidfd_send_signal, CHILD, 0, NULL, 0));
  siginfo_t info = {0};
  CHECK(waitid(P_PIDFD, ZOMBIE, &info, WEXITED));
  EXPECT("the zombie's status", 5, info.si_status);
}

/// A child that is a zombie.
static pid_t Dies(int status) {
  const pid_t pid = CHECK(fork());
  if (pid == 0) _exit(status);
  siginfo_t info;
  CHECK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
  return pid;
}

int main(void) {
  Begin();
  root_pid = getpid();
  At(SELF, Open(root_pid, 0));
  child_pid = Spawn(0, "child", Child);
  At(CHILD, Open(child_pid, O_NONBLOCK));
  second_pid = Spawn(0, "second", Second);
  CHECK(dup3(Open(second_pid, 0), SECOND, O_CLOEXEC));
  zombie_pid = Dies(5);
  At(ZOMBIE, Open(zombie_pid, 0));
  const pid_t dead = Dies(0);
  At(DEAD, Open(dead, 0));
  At(DEAD_AGAIN, Open(dead, O_NONBLOCK));
  CHECK(waitpid(dead, NULL, 0));
  const pid_t other = Dies(0);
  At(OTHER_DEAD, Open(other, 0));
  CHECK(waitpid(other, NULL, 0));
  Live(NULL, LastOfRoot);
}

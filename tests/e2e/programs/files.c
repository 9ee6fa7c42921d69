// SPDX-License-Identifier: Apache-2.0
// Open files: descriptions shared across fork and dup, at other numbers and with one position;
// several openings of one file; flags, close-on-exec, owners of signals; directories; a shared
// table.
#include <dirent.h>
#include <linux/kcmp.h>

#include "program.h"

static pid_t root_pid, cousin_pid, sharer_pid;

static void OpenAt(int fd, const char* path, int flags) {
  int got = CHECK(open(path, flags, 0644));
  if (got == fd) return;
  CHECK(dup3(got, fd, flags & O_CLOEXEC));
  CHECK(close(got));
}
static void MoveFd(int from, int to) {
  CHECK(dup2(from, to));
  CHECK(close(from));
}

static void ExpectFd(int fd, const char* path, long position, int flags, int cloexec) {
  char link[64], target[PATH_MAX] = "", wanted[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  snprintf(wanted, sizeof wanted, "%s%s%s", *path == '/' ? "" : home, *path == '/' ? "" : "/",
           path);
  readlink(link, target, sizeof target - 1);
  EXPECT_TEXT("what is open", wanted, target);
  if (!(flags & O_PATH)) EXPECT("position", position, lseek(fd, 0, SEEK_CUR));
  // The kernel adds O_LARGEFILE (0100000) by itself.
  EXPECT("status flags", flags, fcntl(fd, F_GETFL) & ~0100000);
  EXPECT("close-on-exec", cloexec, fcntl(fd, F_GETFD));
}

// The descriptors that are open, as a list of numbers.
static void ExpectOpen(const char* expected) {
  char found[300] = "";
  int number[100], count = 0;
  DIR* folder = opendir("/proc/self/fd");
  for (struct dirent* entry; (entry = readdir(folder));)
    if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(folder))
      number[count++] = atoi(entry->d_name);
  closedir(folder);
  for (int i = 0; i < count; i++)
    for (int j = i + 1; j < count; j++)
      if (number[j] < number[i])
        number[i] ^= number[j], number[j] ^= number[i], number[i] ^= number[j];
  for (int i = 0; i < count; i++) sprintf(found + strlen(found), "%d ", number[i]);
  EXPECT_TEXT("open descriptors", expected, found);
}

static void ExpectSame(int same, int fd, pid_t other, int other_fd) {
  int result = CHECK((int)syscall(SYS_kcmp, getpid(), other, KCMP_FILE, fd, other_fd));
  EXPECT("one description behind two descriptors", same, result == 0);
}

static void LastOfRoot(void) {
  ExpectOpen("0 1 2 5 6 7 8 9 10 11 12 13 14 15 ");
  ExpectFd(0, "/dev/null", 0, O_RDWR, 0);
  ExpectFd(5, "data", 7, O_RDWR, 0);
  ExpectFd(6, "data", 100, O_RDONLY, FD_CLOEXEC);
  ExpectFd(7, "data", 7, O_RDWR, FD_CLOEXEC);
  ExpectFd(8, "log", 4, O_WRONLY | O_APPEND | O_NONBLOCK, 0);
  ExpectFd(9, "folder", 0, O_RDONLY, 0);
  ExpectFd(10, "data", 0, O_PATH, 0);
  ExpectFd(11, "/dev/zero", 0, O_RDONLY, 0);
  ExpectFd(12, "beyond", 1L << 40, O_RDWR, 0);
  ExpectFd(13, "data", 0, O_WRONLY | O_SYNC | O_NOATIME, 0);
  ExpectFd(14, "data", 5, O_ACCMODE, 0);
  char byte;
  EXPECT("for ioctl(2) alone", -1, read(14, &byte, 1));
  ExpectFd(15, "/dev/zero", 0, O_ACCMODE | O_NONBLOCK, 0);
  ExpectSame(1, 5, getpid(), 7);
  ExpectSame(0, 5, getpid(), 6);
  ExpectSame(1, 0, getpid(), 2);
  struct f_owner_ex owner = {0};
  CHECK(fcntl(5, F_GETOWN_EX, &owner));
  EXPECT("owner of a file's signals", root_pid, owner.pid);
  EXPECT("kind of owner", F_OWNER_PID, owner.type);
  EXPECT("signal of a file", SIGRTMIN + 3, fcntl(5, F_GETSIG));
  struct stat status;
  CHECK(fstatat(9, "inside", &status, 0));

  char text[8] = "";
  CHECK(read(5, text, 3));
  EXPECT_TEXT("read at the position", "hij", text);
  Step("root read");
  AwaitStep("cousin wrote");
  EXPECT("position that a child moved", 12, lseek(7, 0, SEEK_CUR));
  EXPECT("position of another opening", 100, lseek(6, 0, SEEK_CUR));
  // Appended where the file ends, after what the child appended.
  CHECK(write(8, "root", 4));
  char log[20];
  ReadFile("log", log, sizeof log);
  EXPECT_TEXT("what was appended", "log\nchildroot", log);

  AwaitStep("sharer opened");
  Step("done");
}

// Holds what root has at other numbers, two of them exchanged, and one that only itself has.
static void LastOfCousin(void) {
  ExpectOpen("0 5 6 20 21 30 ");
  ExpectSame(1, 5, root_pid, 6);
  ExpectSame(1, 6, root_pid, 5);
  ExpectSame(1, 20, root_pid, 8);
  ExpectSame(1, 21, sharer_pid, 21);
  ExpectSame(0, 30, root_pid, 8);
  ExpectFd(30, "data", 3, O_RDONLY, 0);
  ExpectFd(21, "log", 2, O_RDONLY, 0);
  AwaitStep("root read");
  EXPECT("position that the parent moved", 10, lseek(6, 0, SEEK_CUR));
  CHECK(lseek(6, 2, SEEK_CUR));
  CHECK(write(20, "child", 5));
  Step("cousin wrote");
  AwaitStep("done");
}

// Shares its table with its child for good (CLONE_FILES); 21 with its sibling alone.
static void LastOfSharer(void) {
  ExpectOpen("0 4 21 ");
  EXPECT("one table for two processes", 0,
         syscall(SYS_kcmp, getpid(), cousin_pid, KCMP_FILES, 0, 0));
  Step("sharer checked");
  AwaitStep("table opened");
  char text[8] = "";
  CHECK(pread(77, text, 3, 0));
  EXPECT_TEXT("read from what the other opened", "abc", text);
  Step("sharer opened");
  AwaitStep("done");
}
static void LastOfTable(void) {
  AwaitStep("sharer checked");
  OpenAt(77, "data", O_RDONLY);
  Step("table opened");
  AwaitStep("done");
}
static void Table(void) { Live(NULL, LastOfTable); }

static void Cousin(void) {
  MoveFd(5, 50);
  MoveFd(6, 5);
  MoveFd(50, 6);
  MoveFd(8, 20);
  MoveFd(3, 21);
  OpenAt(30, "data", O_RDONLY);
  CHECK(lseek(30, 3, SEEK_SET));
  close_range(1, 4, 0);
  close_range(7, 19, 0);
  CHECK(fcntl(5, F_SETFD, 0));
  Live(NULL, LastOfCousin);
}
static void Sharer(void) {
  MoveFd(3, 21);
  close_range(1, 20, 0);
  OpenAt(4, "log", O_RDONLY);
  cousin_pid = SpawnWith(0, CLONE_FILES, "table", Table);
  Live(NULL, LastOfSharer);
}

int main(void) {
  Begin();
  root_pid = getpid();
  int fd = CHECK(open("data", O_RDWR | O_CREAT, 0644));
  for (int i = 0; i < 10; i++) CHECK(write(fd, "abcdefghijklmnopqrstuvwxyz", 26));
  CHECK(close(fd));
  CHECK(mkdir("folder", 0755));
  CHECK(close(CHECK(open("folder/inside", O_CREAT | O_WRONLY, 0644))));
  OpenAt(5, "data", O_RDWR);
  OpenAt(6, "data", O_RDONLY | O_CLOEXEC);
  CHECK(dup3(5, 7, O_CLOEXEC));
  OpenAt(8, "log", O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK);
  CHECK(write(8, "log\n", 4));
  OpenAt(9, "folder", O_RDONLY);
  OpenAt(10, "data", O_PATH);
  OpenAt(11, "/dev/zero", O_RDONLY);
  OpenAt(12, "beyond", O_RDWR | O_CREAT);
  CHECK(lseek(12, 1L << 40, SEEK_SET));
  OpenAt(13, "data", O_WRONLY | O_SYNC | O_NOATIME);
  OpenAt(14, "data", O_ACCMODE);
  CHECK(lseek(14, 5, SEEK_SET));
  OpenAt(15, "/dev/zero", O_ACCMODE | O_NONBLOCK);
  OpenAt(3, "log", O_RDONLY);
  CHECK(lseek(3, 2, SEEK_SET));
  CHECK(lseek(5, 7, SEEK_SET));
  CHECK(lseek(6, 100, SEEK_SET));
  struct f_owner_ex owner = {F_OWNER_PID, root_pid};
  CHECK(fcntl(5, F_SETOWN_EX, &owner));
  CHECK(fcntl(5, F_SETSIG, SIGRTMIN + 3));
  sharer_pid = Spawn(0, "sharer", Sharer);
  Spawn(0, "cousin", Cousin);
  CHECK(close(3));
  Live(NULL, LastOfRoot);
}

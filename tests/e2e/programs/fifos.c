// SPDX-License-Identifier: Apache-2.0
// FIFOs: bytes in flight, one side only, both sides in one description, a child at the other side.
#include <sys/ioctl.h>

#include "program.h"

enum { LARGE_FILE = 0100000, READS = 10, WRITES, BOTH, ALONE };

static void At(int wanted, int fd) {
  if (fd == wanted) return;
  CHECK(dup2(fd, wanted));
  CHECK(close(fd));
}

static void Open(int wanted, const char* path, int flags) {
  At(wanted, CHECK(open(path, flags)));
}

static void ExpectFifo(int fd, const char* path, int flags, int capacity, int queued) {
  char link[64], target[PATH_MAX] = "", wanted[PATH_MAX];
  int found = -1;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  snprintf(wanted, sizeof wanted, "%s/%s", home, path);
  readlink(link, target, sizeof target - 1);
  EXPECT_TEXT("which", wanted, target);
  EXPECT("flags", flags | LARGE_FILE, fcntl(fd, F_GETFL));
  EXPECT("capacity", capacity, fcntl(fd, F_GETPIPE_SZ));
  CHECK(ioctl(fd, FIONREAD, &found));
  EXPECT("bytes in flight", queued, found);
}

static void LastOfChild(void) {
  ExpectFifo(WRITES, "fifo", O_WRONLY, 16384, 9);
  CHECK((int)write(WRITES, " and more", 9));
  CHECK(close(WRITES));
  Step("child_wrote");
}
static void Child(void) {
  for (int fd = READS; fd <= ALONE; fd++)
    if (fd != WRITES) close(fd);
  Live(NULL, LastOfChild);
}

static void LastOfRoot(void) {
  char text[64] = "";
  AwaitStep("child_wrote");
  EXPECT("what was queued, and what came", 18, read(READS, text, sizeof text));
  EXPECT_TEXT("what", "in flight and more", text);
  EXPECT("nobody writes any more", 0, read(READS, text, sizeof text));
  ExpectFifo(BOTH, "both", O_RDWR, 65536, 4);
  EXPECT("of itself", 4, read(BOTH, text, sizeof text));
  ExpectFifo(ALONE, "alone", O_RDONLY | O_NONBLOCK, 65536, 0);
  EXPECT("nobody has ever written", 0, read(ALONE, text, sizeof text));
}

int main(void) {
  Begin();
  char path[PATH_MAX];
  const char* const all[] = {"fifo", "both", "alone"};
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s/%s", home, all[i]);
    CHECK(mkfifo(path, 0600));
  }
  Open(BOTH, "both", O_RDWR);
  CHECK((int)write(BOTH, "both", 4));
  Open(ALONE, "alone", O_RDONLY | O_NONBLOCK);
  Open(READS, "fifo", O_RDONLY | O_NONBLOCK);
  Open(WRITES, "fifo", O_WRONLY);
  CHECK(fcntl(READS, F_SETFL, 0));
  CHECK(fcntl(WRITES, F_SETPIPE_SZ, 16384));
  CHECK((int)write(WRITES, "in flight", 9));
  Spawn(0, "child", Child);
  close(WRITES);
  Live(NULL, LastOfRoot);
}

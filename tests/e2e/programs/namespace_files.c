// SPDX-License-Identifier: Apache-2.0
// Descriptors of the namespaces that the process is in.
#include "program.h"

enum { FIRST = 10 };
static const char* const kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void Last(void) {
  for (int i = 0; i < KINDS; i++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
    struct stat own, opened;
    CHECK(stat(path, &own));
    CHECK(fstat(FIRST + i, &opened));
    EXPECT(kinds[i], own.st_ino, opened.st_ino);
    EXPECT("file system", own.st_dev, opened.st_dev);
    EXPECT("flags", O_RDONLY, fcntl(FIRST + i, F_GETFL) & O_ACCMODE);
  }
  EXPECT("close-on-exec", FD_CLOEXEC, fcntl(FIRST, F_GETFD));
  EXPECT("of the second", 0, fcntl(FIRST + 1, F_GETFD));
}

int main(void) {
  Begin();
  for (int i = 0; i < KINDS; i++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
    int fd = CHECK(open(path, O_RDONLY));
    CHECK(dup3(fd, FIRST + i, i == 0 ? O_CLOEXEC : 0));
    CHECK(close(fd));
  }
  Live(NULL, Last);
}

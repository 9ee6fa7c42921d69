// SPDX-License-Identifier: Apache-2.0
// A memfd that was created, and never opened, has no writer: it can be executed, and leased. So
// after a restore, of the process that made it and of the one that inherited it.
#include <linux/memfd.h>

#include "program.h"

static int created;
static int leases;  // one of them: it is the description that has the lease

static void LastOfMemfd(void) {
  if (leases) {
    EXPECT("a lease for reading", 0, fcntl(created, F_SETLEASE, F_RDLCK));
    EXPECT("no lease", 0, fcntl(created, F_SETLEASE, F_UNLCK));
  }
  char* const arguments[] = {"memfd_exec", "again", NULL};
  char* const environment[] = {NULL};
  struct stat status_of_file;
  CHECK(fstat(created, &status_of_file));
  EXPECT("owner", 1000, status_of_file.st_uid);
  EXPECT("mode", S_IFREG | 06755, status_of_file.st_mode);
  const pid_t child = CHECK(fork());
  if (child == 0) {
    syscall(SYS_execveat, created, "", arguments, environment, AT_EMPTY_PATH);
    _exit(errno);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0));
  EXPECT("what the executed memfd returns", 77, WEXITSTATUS(status));
  EXPECT("flags of its description", O_RDWR | O_APPEND | 0100000 /* O_LARGEFILE */,
         fcntl(created, F_GETFL));
}

static void Child(void) { Live(NULL, LastOfMemfd); }

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "again") == 0) return 77;
  Begin();
  created = CHECK(memfd_create("program", MFD_ALLOW_SEALING));
  const int own = CHECK(open("/proc/self/exe", O_RDONLY));
  static char part[1 << 16];
  for (ssize_t size; (size = CHECK(read(own, part, sizeof part))) > 0;) {
    EXPECT("write", size, write(created, part, size));
  }
  CHECK(close(own));
  CHECK(fchown(created, 1000, 1000));
  CHECK(fchmod(created, 06755));
  CHECK(fcntl(created, F_SETFL, O_APPEND));
  Spawn(0, "child", Child);
  leases = 1;
  Live(NULL, LastOfMemfd);
}

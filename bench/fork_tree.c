// SPDX-License-Identifier: Apache-2.0
/* Forks a process tree and ends: the program that strace and perf look at.
 * usage: fork_tree children|jobs PROCESSES    (the trees that make_dump has under these names)
 *
 * Every process says that it stands by a byte in a pipe, and goes when nobody holds another pipe
 * for writing any more, so that all of them live at once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kGroup = 8 }; /* processes of one job */

static int ready[2], go[2];

static void Fail(const char* what) {
  fprintf(stderr, "fork_tree: %s: %s\n", what, strerror(errno));
  _exit(1);
}

/* A fork whose child holds no end that would keep the others waiting. */
static pid_t Fork(void) {
  pid_t pid = fork();
  if (pid < 0) Fail("fork");
  if (pid == 0) close(go[1]);
  return pid;
}

static void StandAndExit(void) {
  char byte = 0;
  if (write(ready[1], &byte, 1) != 1) Fail("write");
  if (read(go[0], &byte, 1) != 0) Fail("read");
  _exit(0);
}

/* A leader, workers in a group of their own, and orphans of that group. */
static void Job(void) {
  if (Fork() != 0) return;
  if (setsid() < 0) Fail("setsid");
  pid_t group = 0;
  for (int i = 0; i < kGroup / 2; ++i) {
    pid_t worker = Fork();
    if (worker == 0) StandAndExit();
    if (group == 0) group = worker;
    if (setpgid(worker, group) != 0) Fail("setpgid");
  }
  pid_t gone = Fork();
  if (gone == 0) {
    if (setpgid(0, group) != 0) Fail("setpgid");
    for (int i = kGroup / 2 + 1; i < kGroup; ++i) {
      if (Fork() == 0) StandAndExit();
    }
    _exit(0);
  }
  if (waitpid(gone, NULL, 0) != gone) Fail("waitpid");
  StandAndExit();
}

int main(int argc, char** argv) {
  int processes = argc == 3 ? atoi(argv[2]) : 0;
  int jobs = argc == 3 && strcmp(argv[1], "jobs") == 0;
  if (processes < 1 || (!jobs && strcmp(argv[1], "children") != 0)) {
    fprintf(stderr, "usage: fork_tree children|jobs PROCESSES\n");
    return 2;
  }
  if (pipe(ready) != 0 || pipe(go) != 0) Fail("pipe");
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) Fail("prctl");
  int standing = 1;
  while (standing + (jobs ? kGroup : 1) <= processes) {
    if (jobs) {
      Job();
      standing += kGroup;
    } else {
      if (Fork() == 0) StandAndExit();
      ++standing;
    }
  }
  char bytes[4096];
  for (int left = standing - 1; left > 0;) {
    ssize_t got = read(ready[0], bytes, sizeof bytes);
    if (got <= 0) Fail("read");
    left -= (int)got;
  }
  close(go[1]);
  while (wait(NULL) > 0 || errno == EINTR) {
  }
  return 0;
}

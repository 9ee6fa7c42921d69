// SPDX-License-Identifier: Apache-2.0
/* Descriptors to restore: PROCESSES processes with EACH of KIND each:
 *   pipes  both ends of a pipe; a few have something queued: CRIU dumps 1024 of these
 *   pairs  both ends of a pair of unix sockets, with something queued in both
 *   sets   pipes, and one set of epoll(7) that waits for them
 *   events of eventfd(2), and one such set
 *   unlinked  files with something in them and no name
 *   locks     files that are locked: by fcntl(2), by the description, by flock(2) in turn
 * usage: descriptors KIND PROCESSES EACH READY; the file READY appears when all are there, and has
 * the seconds that making them took. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kFullPipes = 8 }; /* of each process */
static const char kQueued[64] = "what nobody has read yet";

static int MakeFiles(int locked, int each) {
  for (int i = 0; i < each; ++i) {
    char name[64];
    snprintf(name, sizeof name, "file-%d-%d", (int)getpid(), i);
    const int file = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (file < 0 || write(file, kQueued, sizeof kQueued) != sizeof kQueued) return -1;
    struct flock whole = {.l_type = F_WRLCK};
    if (!locked && unlink(name) != 0) return -1;
    if (locked && i % 3 == 2 && flock(file, LOCK_EX) != 0) return -1;
    if (locked && i % 3 < 2 && fcntl(file, i % 3 == 0 ? F_SETLK : F_OFD_SETLK, &whole) != 0) {
      return -1;
    }
  }
  return 0;
}

static int Make(const char* kind, int each) {
  const int locked = strcmp(kind, "locks") == 0;
  if (locked || strcmp(kind, "unlinked") == 0) return MakeFiles(locked, each);
  const int pairs = strcmp(kind, "pairs") == 0;
  const int events = strcmp(kind, "events") == 0;
  const int set = events || strcmp(kind, "sets") == 0 ? epoll_create1(0) : -1;
  for (int i = 0; i < each; ++i) {
    int ends[2];
    if (events) {
      ends[0] = eventfd(0, 0);
      if (ends[0] < 0) return -1;
    } else if ((pairs ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends)) != 0)
      return -1;
    const int full = pairs || (!events && i < kFullPipes);
    if (full && write(ends[1], kQueued, sizeof kQueued) != sizeof kQueued) return -1;
    if (pairs && write(ends[0], kQueued, sizeof kQueued) != sizeof kQueued) return -1;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)i};
    if (set >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) != 0) return -1;
  }
  return 0;
}

static double Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
  const int processes = atoi(argv[2]), each = atoi(argv[3]);
  int done[2];
  if (pipe(done) != 0) return 1;
  const double begin = Now();
  for (int i = 1; i < processes; ++i) {
    const pid_t child = fork();
    if (child < 0) return 1;
    if (child != 0) continue;
    close(done[0]);
    if (Make(argv[1], each) != 0 || write(done[1], "", 1) != 1) return 1;
    close(done[1]);
    for (;;) pause();
  }
  close(done[1]);
  if (Make(argv[1], each) != 0) return 1;
  char byte;
  int ready = 1;
  while (read(done[0], &byte, 1) == 1) ++ready;
  close(done[0]);
  if (ready != processes) return 1;
  const double took = Now() - begin;
  char unfinished[4096];
  snprintf(unfinished, sizeof unfinished, "%s.new", argv[4]);
  FILE* file = fopen(unfinished, "w");
  if (file == NULL || fprintf(file, "%.6f\n", took) < 0 || fclose(file) != 0) return 1;
  if (rename(unfinished, argv[4]) != 0) return 1;
  for (;;) pause();
}

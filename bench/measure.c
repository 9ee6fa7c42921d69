// SPDX-License-Identifier: Apache-2.0
/* Runs a command and prints what the whole of it took, as one line of JSON.
 * usage: measure OUTPUT SECONDS COMMAND [ARGUMENT...]
 * The command's standard output goes to OUTPUT; after SECONDS its process group is killed.
 *
 * Small, because the peak memory that the kernel accounts to a command is at least that of the
 * program that started it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t late;
static pid_t child;

static void Kill(int number) {
  (void)number;
  late = 1;
  kill(-child, SIGKILL);
}

static double Seconds(struct timeval time) { return (double)time.tv_sec + time.tv_usec / 1e6; }

int main(int argc, char** argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: measure OUTPUT SECONDS COMMAND [ARGUMENT...]\n");
    return 2;
  }
  int output = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (output < 0) {
    perror(argv[1]);
    return 1;
  }
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  child = fork();
  if (child < 0) {
    perror("fork");
    return 1;
  }
  if (child == 0) {
    setpgid(0, 0);
    dup2(output, STDOUT_FILENO);
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    _exit(127);
  }
  setpgid(child, child);
  signal(SIGALRM, Kill);
  alarm((unsigned)atoi(argv[2]));
  int status;
  struct rusage usage;
  while (wait4(child, &status, 0, &usage) < 0) {
    if (errno != EINTR) {
      perror("wait4");
      return 1;
    }
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf(
      "{\"wall\": %.6f, \"user\": %.6f, \"system\": %.6f, \"peak_kb\": %ld, \"exit\": %d, "
      "\"late\": %s}\n",
      (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9,
      Seconds(usage.ru_utime), Seconds(usage.ru_stime), usage.ru_maxrss,
      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), late ? "true" : "false");
  return 0;
}

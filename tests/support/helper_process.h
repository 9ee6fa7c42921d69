// SPDX-License-Identifier: Apache-2.0
// Somebody outside of a plan.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace crgen::test {

/// A process that lives until the test ends, when `made` has been called in it.
template <typename Function>
int Helper(Function&& made) {
  int ready[2];
  if (pipe(ready) != 0) return -1;
  const int pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const bool fine = made();
    if (fine && write(ready[1], "", 1) == 1) pause();
    _exit(1);
  }
  close(ready[1]);
  char byte;
  const bool fine = read(ready[0], &byte, 1) == 1;
  close(ready[0]);
  return fine ? pid : -1;
}
inline void EndHelper(int pid) {
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

}  // namespace crgen::test

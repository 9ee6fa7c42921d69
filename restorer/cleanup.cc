// SPDX-License-Identifier: Apache-2.0
#include "restorer/cleanup.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <string>

namespace crgen::restorer {
namespace {

volatile sig_atomic_t asked_to_stop = 0;
constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : kStopSignals) sigaddset(&set, signal);
  return set;
}

constexpr pid_t kNumbersAtMost = 1 << 22;  // PID_MAX_LIMIT

/// False: it is no child of this process, and is left alone. A child keeps its number until it is
/// reaped.
bool KillChild(pid_t pid) {
  siginfo_t info;
  return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 &&
         kill(pid, SIGKILL) == 0;
}

}  // namespace

void ListenForStop() {
  struct sigaction action = {};
  action.sa_handler = [](int) { asked_to_stop = 1; };
  for (int signal : kStopSignals) sigaction(signal, &action, nullptr);
}

bool AskedToStop() { return asked_to_stop != 0; }

void BlockStop() {
  sigset_t set = StopSignals();
  sigprocmask(SIG_BLOCK, &set, nullptr);
}

void UnblockStop() {
  sigset_t set = StopSignals();
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

bool StopIsAsked() {
  sigset_t waiting;
  sigemptyset(&waiting);
  sigpending(&waiting);
  bool any = AskedToStop();
  for (int signal : kStopSignals) any |= sigismember(&waiting, signal) == 1;
  return any;
}

void DieOfStop() {
  for (int signal : kStopSignals) std::signal(signal, SIG_DFL);
  UnblockStop();
}

bool AdoptDescendants() { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0; }

void KillDescendants() {
  // The children of a killed child become children of this process, which the next round kills.
  for (;;) {
    std::ifstream children("/proc/thread-self/children");
    bool any = false;
    for (pid_t pid = 0; children >> pid;) any |= KillChild(pid);
    const pid_t reaped = waitpid(-1, nullptr, __WALL | (any ? 0 : WNOHANG));
    if (reaped < 0 && errno == ECHILD) return;
    if (reaped == 0) {  // this /proc is not of this pid namespace
      for (pid_t pid = 1; pid < kNumbersAtMost; ++pid) any |= KillChild(pid);
      if (any) waitpid(-1, nullptr, __WALL);
    }
    while (waitpid(-1, nullptr, __WALL | WNOHANG) > 0) {
    }
  }
}

}  // namespace crgen::restorer

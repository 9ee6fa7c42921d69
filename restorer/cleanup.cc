// SPDX-License-Identifier: Apache-2.0
#include "restorer/cleanup.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "preflight/numbered_folder.h"
#include "preflight/numbers.h"
#include "restorer/descriptor_limit.h"
#include "restorer/momentary_name.h"
#include "restorer/proc_files.h"

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
constexpr std::size_t kOtherDescriptors = 1000;

/// False: it is no child of this process, and is left alone. A child keeps its number until it is
/// reaped.
bool KillChild(pid_t pid) {
  siginfo_t info;
  return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 &&
         kill(pid, SIGKILL) == 0;
}

constexpr unsigned kLookEvery = 1000;  // µs
constexpr int kLooksAtMost = 5000;

/// Whom no list of children has: those that this process traces and whose parent has died, where
/// another init has got them; and all, if this /proc is not of this pid namespace. Whether there
/// was anybody.
bool KillUnlisted() {
  bool any = false;
  if (preflight::IsOwnProc()) {
    preflight::ForEachNumberIn("/proc", [&](pid_t pid) { any |= KillChild(pid); });
  } else {
    for (pid_t pid = 1; pid < kNumbersAtMost; ++pid) any |= KillChild(pid);
  }
  return any;
}

struct Descendant {
  pid_t pid = 0, parent = 0;
};

/// Parents come before their children.
std::vector<Descendant> FindDescendants() {
  std::vector<Descendant> all = {{getpid(), 0}};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const pid_t parent = all[i].pid;
    for (const pid_t pid : ChildrenOf(parent)) all.push_back({pid, parent});
  }
  all.erase(all.begin());
  return all;
}

/// A pidfd of it, while it is that parent's child; -1: it is not, or is gone, and is left alone.
ScopedFd OpenChild(const Descendant& it) {
  ScopedFd process(static_cast<int>(syscall(SYS_pidfd_open, it.pid, 0)));
  if (process.get() < 0 || ParentOf(it.pid) != it.parent) return ScopedFd();
  return process;
}

bool Rests(pid_t pid) { return std::string_view("TtZX").find(StateOf(pid)) != std::string::npos; }

/// They are stopped, so that nobody has further children, and then killed from the last to the
/// first. Whoever was stopped is killed whatever his parent is by then: it may have died.
void KillFromBelow() {
  if (!preflight::IsOwnProc()) return;  // its numbers are others'
  std::vector<std::pair<pid_t, ScopedFd>> stopped;
  std::set<pid_t> known;
  for (int looks = 0; looks < kLooksAtMost; ++looks) {
    const std::vector<Descendant> all = FindDescendants();
    (void)AllowDescriptors(all.size() + kOtherDescriptors);
    bool all_rest = true;
    for (const Descendant& it : all) {
      if (!known.contains(it.pid)) {
        ScopedFd process = OpenChild(it);
        if (process.get() < 0) {
          all_rest = false;  // it has another parent by now, or there are no more descriptors
          continue;
        }
        known.insert(it.pid);
        (void)syscall(SYS_pidfd_send_signal, process.get(), SIGSTOP, nullptr, 0);
        stopped.emplace_back(it.pid, std::move(process));
      }
      all_rest = all_rest && Rests(it.pid);
    }
    // Whoever was there before the others rested may have had one more.
    if (all_rest && FindDescendants().size() == all.size()) break;
    usleep(kLookEvery);
  }
  for (auto it = stopped.rbegin(); it != stopped.rend(); ++it) {
    if (syscall(SYS_pidfd_send_signal, it->second.get(), SIGKILL, nullptr, 0) != 0) continue;
    for (int looks = 0; looks < kLooksAtMost && !IsDead(it->first); ++looks) {
      usleep(kLookEvery / 10);
    }
  }
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

void KillDescendants(bool orphans_leave) {
  if (orphans_leave) KillFromBelow();
  // Now the children of a killed child become children of this process, which the next round kills.
  for (;;) {
    std::ifstream children("/proc/thread-self/children");
    bool any = false;
    for (pid_t pid = 0; children >> pid;) any |= KillChild(pid);
    const pid_t reaped = waitpid(-1, nullptr, __WALL | (any ? 0 : WNOHANG));
    if (reaped < 0 && errno == ECHILD) return;
    if (reaped == 0) {
      if (KillUnlisted()) {
        waitpid(-1, nullptr, __WALL);
      } else {
        usleep(kLookEvery);
      }
    }
    while (waitpid(-1, nullptr, __WALL | WNOHANG) > 0) {
    }
  }
}

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
#include "restorer/redraw.h"

#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <unordered_set>
#include <vector>

#include "restorer/deadline.h"
#include "restorer/proc_files.h"

namespace crgen::restorer {
namespace {

constexpr std::uint64_t kComputes = 50;  // milliseconds

struct Leader {
  pid_t number;
  std::uint64_t ran;  ///< RunTimeOf() at first

  /// To a wait, which a CPU that others have, or a disk, keeps it from. Who computes will look
  /// later.
  bool IsOnItsWay() const {
    const char state = StateOf(number);
    return state == 'D' || (state == 'R' && RunTimeOf(number) < ran + kComputes);
  }
};

}  // namespace

void Redraw(const Script& script, const ForegroundGroups& groups) {
  constexpr unsigned kPatience = 10;  // seconds
  const Deadline deadline(kPatience);
  std::unordered_set<pid_t> shown(groups.of_outside.begin(), groups.of_outside.end());
  shown.insert(groups.of_ptys.begin(), groups.of_ptys.end());
  if (shown.empty()) return;
  std::vector<Leader> leaders;
  for (const ThreadStart& start : script.threads) {
    const bool leads = start.thread->tid == start.thread->process->pid;
    if (!leads || !shown.contains(getpgid(start.number))) continue;
    leaders.push_back({start.number, RunTimeOf(start.number)});
  }
  // Once more for who was just on his way into a wait, after his last look at what handlers note: a
  // child's SIGCHLD may have called him out of it.
  constexpr int kTimes = 2;
  for (int time = 0; time < kTimes; ++time) {
    for (const auto* signalled : {&groups.of_outside, &groups.of_ptys}) {
      if (signalled->empty()) continue;
      for (const Leader& leader : leaders) {
        while (leader.IsOnItsWay() && !deadline.Passed()) usleep(1000);
      }
      for (const pid_t group : *signalled) kill(-group, SIGWINCH);
    }
  }
}

}  // namespace crgen::restorer

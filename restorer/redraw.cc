// SPDX-License-Identifier: Apache-2.0
#include "restorer/redraw.h"

#include <unistd.h>

#include <csignal>
#include <unordered_set>

#include "restorer/deadline.h"
#include "restorer/proc_files.h"

namespace crgen::restorer {
namespace {

bool IsOnItsWay(char state) { return state == 'R' || state == 'D'; }

}  // namespace

void Redraw(const Script& script, const std::vector<pid_t>& groups) {
  if (groups.empty()) return;
  constexpr unsigned kPatience = 1;  // seconds: who computes will look later
  const Deadline deadline(kPatience);
  const std::unordered_set<pid_t> shown(groups.begin(), groups.end());
  for (const ThreadStart& start : script.threads) {
    const bool leads = start.thread->tid == start.thread->process->pid;
    if (!leads || !shown.contains(getpgid(start.number))) continue;
    while (IsOnItsWay(StateOf(start.number)) && !deadline.Passed()) usleep(1000);
  }
  for (const pid_t group : groups) kill(-group, SIGWINCH);
}

}  // namespace crgen::restorer

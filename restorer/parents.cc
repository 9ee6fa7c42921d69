// SPDX-License-Identifier: Apache-2.0
#include <linux/sched.h>

#include <unordered_map>

#include "restorer/compile.h"

namespace crgen::restorer {

void FindParents(const Program& program, const Schedule& schedule,
                 const std::vector<Process*>& processes) {
  std::unordered_map<std::uint32_t, std::uint32_t> parents;  // by index of the process
  for (std::size_t i = 0; i < program.size(); ++i) {
    const auto* fork = std::get_if<Fork>(&program[i].body);
    if (fork == nullptr) continue;
    std::uint32_t parent = schedule.executor[i];
    if (fork->flags.Has(CLONE_PARENT)) parent = parents[parent];
    parents[schedule.child[i]] = parent;
    const bool stays = parent == 0 || schedule.processes[parent].resumes;
    processes[schedule.child[i]]->parent = stays ? processes[parent]->pid : kParentExits;
  }
}

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
#include "restorer/mount_spaces.h"

namespace crgen::restorer {

MountSpaces FindMountSpaces(const Program& program, const Schedule& schedule,
                            const Services& services) {
  MountSpaces found;
  found.of_process.resize(schedule.processes.size(), 0);
  if (services.spaces.size() < 2) return found;
  found.of_command.resize(program.size());
  for (std::size_t i = 0; i < program.size(); ++i) {
    std::int32_t& space = found.of_process[schedule.executor[i]];
    const auto* set = std::get_if<SetAttr>(&program[i].body);
    if (set != nullptr && set->attributes->setns) {
      const std::int32_t entered = services.spaces.at(set->attributes->setns->mnt);
      if (entered != space) found.moves.insert(i);
      space = entered;
    }
    found.of_command[i] = space;
    if (std::holds_alternative<Fork>(program[i].body)) {
      found.of_process[schedule.child[i]] = space;
    }
  }
  return found;
}

}  // namespace crgen::restorer

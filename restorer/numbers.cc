// SPDX-License-Identifier: Apache-2.0
#include <linux/sched.h>

#include <algorithm>

#include "restorer/compile.h"

namespace crgen::restorer {

bool HasOwnNumbers(const Program& program) {
  return std::any_of(program.begin(), program.end(), [](const Command& command) {
    const auto* fork = std::get_if<Fork>(&command.body);
    return fork != nullptr &&
           (fork->flags.Has(CLONE_NEWPID) || fork->child_pid == 1 || fork->pid_namespace);
  });
}

}  // namespace crgen::restorer

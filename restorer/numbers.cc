// SPDX-License-Identifier: Apache-2.0
// Numbers that a program uses.
#include <linux/sched.h>

#include <algorithm>

#include "dsl/references.h"
#include "restorer/compile.h"

namespace crgen::restorer {

bool HasOwnNumbers(const Program& program) {
  return std::any_of(program.begin(), program.end(), [](const Command& command) {
    const auto* fork = std::get_if<Fork>(&command.body);
    return fork != nullptr && (fork->flags.Has(CLONE_NEWPID) || fork->child_pid == 1);
  });
}

Fd FirstUnusedFd(const Program& program) {
  Fd first = 0;
  const auto use = [&](Fd fd) { first = std::max(first, fd + 1); };
  for (const Command& command : program) {
    if (const auto* open = std::get_if<OpenFile>(&command.body)) {
      ForEachOpened(*open, [&](Fd fd, const File&, bool) { use(fd); });
    } else if (const auto* dup = std::get_if<DupFd>(&command.body)) {
      use(dup->new_fd);
    }
  }
  return first;
}

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "restorer/compile.h"
#include "restorer/files/files.h"

namespace crgen::restorer {

ArenaSizes SizesFor(const Program& program, const Schedule& schedule, std::uint64_t text_size,
                    bool timed) {
  ArenaSizes sizes;
  // A script is about four times as large as its text; pages are there only when written.
  sizes.script = (std::uint64_t{1} << 20) + 64 * text_size;
  std::size_t all_threads = 0;
  std::vector<std::size_t> threads(schedule.processes.size());
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (!std::holds_alternative<CreateThread>(program[i].body)) continue;
    sizes.threads = std::max(sizes.threads, ++threads[schedule.executor[i]]);
    ++all_threads;
  }
  sizes.board =
      sizeof(MadeFile) * NumberSocketFiles(program).size() + sizeof(Board) +
      sizeof(ProcessWords) * schedule.processes.size() +
      sizeof(Word) * (2 * schedule.steps.size() + schedule.processes.size() + all_threads);
  if (timed) {
    sizes.board += sizeof(StepTimes) * (schedule.steps.size() + schedule.processes.size() + 1);
  }
  return sizes;
}

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include "restorer/schedule.h"

namespace crgen::restorer {
namespace {

void AddTo(const std::string& what, std::string* text) {
  *text += (text->empty() ? "" : ", ") + what;
}

/// What `step`, of another process, is.
std::string NameOf(const Program& program, const Step& step) {
  const std::string by = " of " + std::to_string(program[step.command].pid);
  if (step.watched == 0) return std::to_string(step.command) + by;
  return "the end of " + std::to_string(step.watched) + ", as a child" + by;
}

}  // namespace

std::map<std::size_t, std::string> WaitsOf(const Program& program, const Schedule& schedule) {
  std::map<std::size_t, std::string> waits;
  for (const ScheduledProcess& process : schedule.processes) {
    std::string before;  // the next command
    std::size_t last = 0;
    for (const std::uint32_t number : process.steps) {
      const Step& step = schedule.steps[number];
      for (const std::uint32_t earlier : step.await) {
        AddTo(NameOf(program, schedule.steps[earlier]), &before);
      }
      if (step.watched != 0) {
        AddTo("the end of " + std::to_string(step.watched), &before);
        continue;
      }
      last = step.command;
      if (!before.empty()) waits[last] = std::exchange(before, {});
    }
    if (!before.empty()) AddTo("then " + before, &waits[last]);
  }
  return waits;
}

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include "restorer/schedule.h"

namespace crgen::restorer {
namespace {

std::string NameOf(const Program& program, const Step& step) {
  const std::string index = "commands[" + std::to_string(step.command) + "] ";
  if (step.watched != 0) return index + "sees process " + std::to_string(step.watched) + " end";
  std::string text;
  std::visit([&](const auto& body) { text = body.kName; }, program[step.command].body);
  return index + text;
}

}  // namespace

std::string DescribeSchedule(const Program& program, const Schedule& schedule) {
  std::string text;
  for (std::size_t i = 0; i < schedule.processes.size(); ++i) {
    const ScheduledProcess& process = schedule.processes[i];
    text += i == 0 ? "restorer\n" : "process " + std::to_string(process.pid) + "\n";
    for (std::uint32_t number : process.steps) {
      const Step& step = schedule.steps[number];
      text += "  " + NameOf(program, step);
      for (std::uint32_t earlier : step.await) {
        text += (earlier == step.await.front() ? ", after " : ", ") +
                NameOf(program, schedule.steps[earlier]) + " pid " +
                std::to_string(program[schedule.steps[earlier].command].pid);
      }
      text += "\n";
    }
  }
  return text;
}

}  // namespace crgen::restorer

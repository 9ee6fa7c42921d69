// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "restorer/schedule.h"

namespace crgen::restorer {
namespace {

void AddTo(const std::string& what, std::string* text) {
  *text += (text->empty() ? "" : ", ") + what;
}

/// What `step`, of another process, is.
std::string NameOf(const Step& step, Pid executor) {
  const std::string by = executor == 0 ? " of the restorer" : " of " + std::to_string(executor);
  if (step.watched == 0) return std::to_string(step.command) + by;
  return "the end of " + std::to_string(step.watched) + ", as a child" + by;
}

}  // namespace

std::vector<std::vector<std::uint32_t>> OrderOf(const Program& program, const Schedule& schedule) {
  std::vector<std::vector<std::uint32_t>> order(schedule.steps.size());
  std::vector<std::uint32_t> birth(schedule.processes.size());
  std::unordered_map<Pid, std::uint32_t> exits;
  for (std::uint32_t number = 0; number < schedule.steps.size(); ++number) {
    const Step& step = schedule.steps[number];
    order[number] = step.await;
    const auto after_exit = [&](Pid child) {
      std::vector<std::uint32_t>& before = order[number];
      const std::uint32_t exit = exits.at(child);
      if (std::ranges::find(before, exit) == before.end()) before.push_back(exit);
    };
    if (step.watched != 0) {
      after_exit(step.watched);
      continue;
    }
    const Command& command = program[step.command];
    if (std::holds_alternative<Exit>(command.body)) exits[command.pid] = number;
    if (std::holds_alternative<Fork>(command.body)) birth[schedule.child[step.command]] = number;
    if (const auto* wait = std::get_if<Wait>(&command.body)) after_exit(wait->child_pid);
  }
  for (std::size_t process = 1; process < schedule.processes.size(); ++process) {
    const std::vector<std::uint32_t>& steps = schedule.processes[process].steps;
    if (steps.empty()) continue;
    std::vector<std::uint32_t>& before = order[steps[0]];
    if (std::ranges::find(before, birth[process]) == before.end()) {
      before.insert(before.begin(), birth[process]);
    }
  }
  return order;
}

std::vector<Pid> ExecutorsOf(const Schedule& schedule) {
  std::vector<Pid> executors(schedule.steps.size());
  for (const ScheduledProcess& process : schedule.processes) {
    for (const std::uint32_t step : process.steps) executors[step] = process.pid;
  }
  return executors;
}

std::map<std::size_t, std::string> WaitsOf(const Program& program, const Schedule& schedule) {
  std::map<std::size_t, std::string> waits;
  const std::vector<std::vector<std::uint32_t>> order = OrderOf(program, schedule);
  const std::vector<Pid> executors = ExecutorsOf(schedule);
  for (const ScheduledProcess& process : schedule.processes) {
    std::string before;  // the next command
    std::size_t last = 0;
    for (const std::uint32_t number : process.steps) {
      const Step& step = schedule.steps[number];
      for (const std::uint32_t earlier : order[number]) {
        AddTo(NameOf(schedule.steps[earlier], executors[earlier]), &before);
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

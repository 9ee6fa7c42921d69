// SPDX-License-Identifier: Apache-2.0
#include "restorer/step_times.h"

#include <unistd.h>

#include "restorer/files/unix_socket.h"

namespace crgen::restorer {
namespace {

std::string NameOf(const Program& program, const Step& step) {
  if (step.watched != 0) return "sees process " + std::to_string(step.watched) + " end";
  std::string text;
  std::visit([&](const auto& body) { text = body.kName; }, program[step.command].body);
  if (const auto* fork = std::get_if<Fork>(&program[step.command].body))
    text += " " + std::to_string(fork->child_pid);
  if (const auto* open = std::get_if<OpenFile>(&program[step.command].body))
    text += " fd " + std::to_string(open->fd);
  return text;
}

}  // namespace

std::vector<StepTimes> ReadTimes(const Program& program, const Schedule& schedule, int board) {
  std::vector<StepTimes> times(schedule.steps.size());
  const std::size_t before = sizeof(MadeFile) * NumberSocketFiles(program).size();
  const std::size_t at =
      (before + alignof(StepTimes) - 1) / alignof(StepTimes) * alignof(StepTimes);
  const std::size_t size = times.size() * sizeof(StepTimes);
  char* to = reinterpret_cast<char*>(times.data());
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = pread(board, to + done, size - done, static_cast<off_t>(at + done));
    if (got <= 0) return {};
    done += static_cast<std::size_t>(got);
  }
  return times;
}

Timeline TimelineOf(const Program& program, const Schedule& schedule,
                    const std::vector<StepTimes>& times) {
  Timeline timeline;
  timeline.steps.resize(times.size());
  for (std::size_t i = 0; i < schedule.processes.size(); ++i) {
    const ScheduledProcess& process = schedule.processes[i];
    timeline.processes.push_back({process.pid, {}, {}});
    for (const std::uint32_t number : process.steps) {
      if (number >= times.size() || times[number].reached == 0) continue;  // it had nothing to do
      const Step& step = schedule.steps[number];
      TimedStep& timed = timeline.steps[number];
      timed = {NameOf(program, step), step.command,       i,         times[number].reached,
               times[number].begun,   times[number].done, step.await};
      timeline.processes[i].steps.push_back(number);
      const bool forks =
          step.watched == 0 && std::holds_alternative<Fork>(program[step.command].body);
      if (forks) timed.makes = schedule.child[step.command];
    }
  }
  Straighten(&timeline);
  return timeline;
}

}  // namespace crgen::restorer

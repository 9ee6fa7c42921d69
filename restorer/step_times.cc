// SPDX-License-Identifier: Apache-2.0
#include "restorer/step_times.h"

#include <unistd.h>

#include <ctime>
#include <utility>

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

class TimelineMaker {
 public:
  TimelineMaker(const Program& program, const Schedule& schedule,
                const std::vector<StepTimes>& times)
      : program_(program), schedule_(schedule), times_(times) {
    timeline_.steps.resize(schedule.steps.size() + schedule.processes.size());
  }

  Timeline Make() {
    for (std::size_t i = 0; i < schedule_.processes.size(); ++i) {
      timeline_.processes.push_back({schedule_.processes[i].pid, {}, {}});
      for (const std::uint32_t number : schedule_.processes[i].steps) {
        if (!IsLeftToEnd(i, number)) AddStep(i, number);
      }
    }
    const auto built = LastOfAll(&StepTimes::reached);
    for (std::size_t i = 0; i < schedule_.processes.size(); ++i) AddEnd(i, built);
    const auto ready = LastOfAll(&StepTimes::done);
    for (std::size_t i = 0; i < schedule_.processes.size(); ++i) AddResume(i, ready);
    Straighten(&timeline_);
    return std::move(timeline_);
  }

 private:
  bool IsLeftToEnd(std::size_t process, std::uint32_t number) const {
    const Step& step = schedule_.steps[number];
    return schedule_.processes[process].resumes && step.watched == 0 &&
           std::holds_alternative<Resume>(program_[step.command].body);
  }

  std::vector<std::uint32_t>& StepsOf(std::size_t process) {
    return timeline_.processes[process].steps;
  }

  void AddStep(std::size_t process, std::uint32_t number) {
    const Step& step = schedule_.steps[number];
    if (times_[number].reached == 0) return;  // nobody came so far
    if (times_[number].reached == kWithTheOneBefore) {
      if (!StepsOf(process).empty())
        timeline_.steps[StepsOf(process).back()].with.push_back(step.command);
      return;
    }
    Add(process, number, step.command, step.await);
    timeline_.steps[number].name = NameOf(program_, step);
    const bool forks =
        step.watched == 0 && std::holds_alternative<Fork>(program_[step.command].body);
    if (forks) timeline_.steps[number].makes = schedule_.child[step.command];
  }

  void Add(std::size_t process, std::uint32_t number, std::uint32_t command,
           std::vector<std::uint32_t> await) {
    const StepTimes& times = times_[number];
    timeline_.steps[number] = {
        "", command, process, times.reached, times.begun, times.done, std::move(await), {}, {}};
    StepsOf(process).push_back(number);
  }

  std::uint32_t EndOf(std::size_t process) const {
    return static_cast<std::uint32_t>(schedule_.steps.size() + process);
  }

  /// Of the processes that resume, who comes last to a point of the end: its last step before.
  std::optional<std::uint32_t> LastOfAll(std::uint64_t StepTimes::*time) {
    std::optional<std::size_t> last;
    for (std::size_t i = 0; i < schedule_.processes.size(); ++i) {
      if (!schedule_.processes[i].resumes || StepsOf(i).empty()) continue;
      if (!last || times_[EndOf(i)].*time > times_[EndOf(*last)].*time) last = i;
    }
    if (!last) return std::nullopt;
    return StepsOf(*last).back();
  }

  std::vector<std::uint32_t> Others(std::size_t process, std::optional<std::uint32_t> step) {
    if (!step || timeline_.steps[*step].process == process) return {};
    return {*step};
  }

  /// All attributes that are left: of one process together.
  void AddEnd(std::size_t process, std::optional<std::uint32_t> built) {
    if (!schedule_.processes[process].resumes || times_[EndOf(process)].reached == 0) return;
    std::vector<std::uint32_t> commands;
    for (const std::uint32_t number : schedule_.processes[process].steps) {
      const Step& step = schedule_.steps[number];
      if (step.watched != 0 || !std::holds_alternative<SetAttr>(program_[step.command].body))
        continue;
      commands.push_back(step.command);
    }
    if (commands.empty()) return;
    Add(process, EndOf(process), commands.front(), Others(process, built));
    TimedStep& step = timeline_.steps[EndOf(process)];
    step.name = SetAttr::kName;
    step.with.assign(commands.begin() + 1, commands.end());
  }

  void AddResume(std::size_t process, std::optional<std::uint32_t> ready) {
    if (!schedule_.processes[process].resumes) return;
    const std::uint32_t number = schedule_.processes[process].steps.back();
    if (!IsLeftToEnd(process, number) || times_[number].begun == 0) return;
    Add(process, number, schedule_.steps[number].command, Others(process, ready));
    timeline_.steps[number].name = Resume::kName;
  }

  const Program& program_;
  const Schedule& schedule_;
  const std::vector<StepTimes>& times_;
  Timeline timeline_;
};

}  // namespace

std::uint64_t TimeNow() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

bool IsOfTheEnd(const Command& command) {
  return std::holds_alternative<SetAttr>(command.body) ||
         std::holds_alternative<Resume>(command.body);
}

std::vector<StepTimes> ReadTimes(const Program& program, const Schedule& schedule, int board) {
  std::vector<StepTimes> times(schedule.steps.size() + schedule.processes.size());
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
  if (times.size() == schedule.steps.size() + schedule.processes.size())
    return TimelineMaker(program, schedule, times).Make();
  const std::vector<StepTimes> none(schedule.steps.size() + schedule.processes.size());
  return TimelineMaker(program, schedule, none).Make();
}

}  // namespace crgen::restorer

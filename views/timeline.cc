// SPDX-License-Identifier: Apache-2.0
#include "views/timeline.h"

#include <algorithm>
#include <cstdio>

namespace crgen {
namespace {

constexpr std::size_t kMostNamed = 10;

std::string NameOf(const Timeline& timeline, std::size_t process) {
  const Pid pid = timeline.processes[process].pid;
  return pid == 0 ? "the restorer" : std::to_string(pid);
}

bool IsKnown(const Timeline& timeline, std::uint32_t number) {
  return !timeline.steps[number].name.empty();
}

/// Microseconds, as the format has them.
std::string Micro(std::uint64_t nanoseconds) {
  char text[40];
  std::snprintf(text, sizeof text, "%llu.%03llu",
                static_cast<unsigned long long>(nanoseconds / 1000),
                static_cast<unsigned long long>(nanoseconds % 1000));
  return text;
}

}  // namespace

std::string Milliseconds(std::uint64_t nanoseconds) {
  char text[40];
  std::snprintf(text, sizeof text, "%.3f ms", static_cast<double>(nanoseconds) / 1e6);
  return text;
}

std::string NameOf(const TimedStep& step) {
  if (step.with.empty()) return step.name;
  return step.name + ", with " + std::to_string(step.with.size()) + " more";
}

std::string StepText(const Timeline& timeline, std::uint32_t number) {
  const TimedStep& step = timeline.steps[number];
  return "commands[" + std::to_string(step.command) + "] " + NameOf(step) + " of " +
         NameOf(timeline, step.process);
}

std::optional<std::uint32_t> AwaitedBy(const Timeline& timeline, const TimedStep& step) {
  std::optional<std::uint32_t> last;
  for (const std::uint32_t number : step.await) {
    if (!IsKnown(timeline, number)) continue;
    if (!last || timeline.steps[number].done > timeline.steps[*last].done) last = number;
  }
  return last;
}

bool Waited(const Timeline& timeline, const TimedStep& step) {
  const auto awaited = AwaitedBy(timeline, step);
  return awaited && timeline.steps[*awaited].done > step.reached;
}

std::string WaitText(const Timeline& timeline, std::uint32_t number) {
  const TimedStep& step = timeline.steps[number];
  const auto awaited = AwaitedBy(timeline, step);
  return NameOf(timeline, step.process) + " waits " + Milliseconds(step.begun - step.reached) +
         " with commands[" + std::to_string(step.command) + "] " + NameOf(step) +
         (awaited ? " for " + StepText(timeline, *awaited) : "");
}

void Straighten(Timeline* timeline) {
  std::uint64_t first = ~std::uint64_t{0};
  for (const TimedProcess& process : timeline->processes) {
    for (const std::uint32_t number : process.steps)
      first = std::min(first, timeline->steps[number].reached);
  }
  for (std::size_t i = 0; i < timeline->processes.size(); ++i) {
    std::uint64_t now = 0;
    for (const std::uint32_t number : timeline->processes[i].steps) {
      TimedStep& step = timeline->steps[number];
      const auto next = [&](std::uint64_t* time) {
        // Nothing of a step that its process has not survived is later than it.
        *time = std::max(now, *time < first ? 0 : *time - first);
        now = *time;
      };
      next(&step.reached);
      next(&step.begun);
      next(&step.done);
      if (step.makes && *step.makes < timeline->processes.size())
        timeline->processes[*step.makes].birth = number;
    }
  }
}

std::vector<ChainLink> LongestChain(const Timeline& timeline) {
  std::optional<std::uint32_t> last;
  std::vector<std::uint32_t> place(timeline.steps.size());  // of a step in its process
  for (const TimedProcess& process : timeline.processes) {
    for (std::size_t i = 0; i < process.steps.size(); ++i) {
      const std::uint32_t number = process.steps[i];
      place[number] = static_cast<std::uint32_t>(i);
      if (!last || timeline.steps[number].done > timeline.steps[*last].done) last = number;
    }
  }
  std::vector<ChainLink> chain;
  std::vector<bool> seen(timeline.steps.size());  // times that lie cannot lead round
  std::uint64_t end = last ? timeline.steps[*last].done : 0;
  while (last && !seen[*last]) {
    seen[*last] = true;
    const TimedStep& step = timeline.steps[*last];
    const TimedProcess& process = timeline.processes[step.process];
    if (chain.empty() || chain.back().process != step.process || chain.back().waits_with)
      chain.push_back({step.process, std::nullopt, *last, step.begun, std::max(end, step.begun)});
    chain.back().from = step.begun;
    if (Waited(timeline, step)) {
      const auto awaited = AwaitedBy(timeline, step);
      chain.push_back({step.process, *last, *awaited, step.reached, step.begun});
      end = std::min(step.begun, timeline.steps[*awaited].done);
      last = awaited;
    } else if (place[*last] != 0) {
      last = process.steps[place[*last] - 1];
    } else {
      last = process.birth;
      if (last) end = std::min(step.reached, timeline.steps[*last].done);
    }
  }
  std::ranges::reverse(chain);
  return chain;
}

std::vector<std::string> ChainText(const Timeline& timeline) {
  const std::vector<ChainLink> chain = LongestChain(timeline);
  std::vector<ChainLink> waits;
  for (const ChainLink& link : chain) {
    if (link.waits_with) waits.push_back(link);
  }
  std::vector<std::string> text;
  if (chain.empty()) return text;
  const std::uint64_t end = timeline.steps[chain.back().until].done;
  text.push_back("it took " + Milliseconds(end) + "; the longest chain of waits has " +
                 (waits.empty()
                      ? "none: who was done last waited for nobody"
                      : std::to_string(waits.size()) + (waits.size() == 1 ? " link" : " links")));
  std::ranges::stable_sort(
      waits, [](const ChainLink& a, const ChainLink& b) { return a.to - a.from > b.to - b.from; });
  const std::size_t more = waits.size() - std::min(waits.size(), kMostNamed);
  waits.resize(waits.size() - more);
  std::ranges::stable_sort(waits, {}, &ChainLink::from);
  for (const ChainLink& link : waits) {
    text.push_back("at " + Milliseconds(link.from) + " " + WaitText(timeline, *link.waits_with));
  }
  if (more != 0) text.push_back("and " + std::to_string(more) + " shorter ones");
  return text;
}

std::string TraceJson(const Timeline& timeline) {
  // Names are ours, and numbers: nothing of them is to be escaped.
  Pid restorer = 1;
  for (const TimedProcess& process : timeline.processes)
    restorer = std::max(restorer, process.pid + 1);
  const auto pid_of = [&](std::size_t process) {
    const Pid pid = timeline.processes[process].pid;
    return std::to_string(pid == 0 ? restorer : pid);  // viewers take 0 for the kernel's own
  };
  std::string text = "{\"displayTimeUnit\": \"ns\", \"otherData\": {";
  const std::vector<std::string> chain = ChainText(timeline);
  for (std::size_t i = 0; i < chain.size(); ++i)
    text += (i == 0 ? "" : ", ") + ("\"chain " + std::to_string(i) + "\": \"" + chain[i] + "\"");
  text += "}, \"traceEvents\": [";
  bool first = true;
  const auto event = [&](const std::string& members, std::size_t process) {
    text += (first ? "\n{" : ",\n{") + members + ", \"pid\": " + pid_of(process) +
            ", \"tid\": " + pid_of(process) + "}";
    first = false;
  };
  for (std::size_t i = 0; i < timeline.processes.size(); ++i) {
    event("\"ph\": \"M\", \"name\": \"process_name\", \"args\": {\"name\": \"" +
              std::string(i == 0 ? "the restorer" : "process") + "\"}",
          i);
    event("\"ph\": \"M\", \"name\": \"process_sort_index\", \"args\": {\"sort_index\": " +
              std::to_string(i) + "}",
          i);
  }
  for (const TimedProcess& process : timeline.processes) {
    for (const std::uint32_t number : process.steps) {
      const TimedStep& step = timeline.steps[number];
      const auto slice = [&](const std::string& name, const char* kind, std::uint64_t from,
                             std::uint64_t to, const std::string& arguments) {
        event("\"ph\": \"X\", \"name\": \"" + name + "\", \"cat\": \"" + kind +
                  "\", \"ts\": " + Micro(from) + ", \"dur\": " + Micro(to - from) +
                  ", \"args\": {" + arguments + "}",
              step.process);
      };
      if (Waited(timeline, step)) {
        const auto awaited = AwaitedBy(timeline, step);
        slice("waits", "wait", step.reached, step.begun,
              "\"for\": \"" + StepText(timeline, *awaited) + "\"");
        const std::string flow =
            "\"name\": \"awaited\", \"cat\": \"wait\", \"id\": " + std::to_string(number) +
            ", \"ts\": ";
        event("\"ph\": \"s\", " + flow + Micro(timeline.steps[*awaited].done),
              timeline.steps[*awaited].process);
        event("\"ph\": \"f\", \"bp\": \"e\", " + flow + Micro(step.begun), step.process);
      }
      std::string with;
      for (const std::uint32_t command : step.with)
        with += (with.empty() ? "" : ", ") + std::to_string(command);
      slice(NameOf(step), "command", step.begun, step.done,
            "\"command\": " + std::to_string(step.command) +
                (with.empty() ? ""
                              : ", \"more\": " + std::to_string(step.with.size()) +
                                    ", \"with\": [" + with + "]"));
    }
  }
  return text + "\n]}\n";
}

}  // namespace crgen

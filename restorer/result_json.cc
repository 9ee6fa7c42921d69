// SPDX-License-Identifier: Apache-2.0
#include "restorer/result_json.h"

#include "dsl/json/findings.h"

namespace crgen::restorer {
namespace {

/// A command, or (`sees_end`) that this child has become a zombie.
void WriteStep(const Step& step, Pid executor, JsonWriter& json) {
  json.Key("command");
  json.Number(std::uint64_t{step.command});
  json.Key("pid");
  json.Number(std::int64_t{executor});
  if (step.watched == 0) return;
  json.Key("sees_end");
  json.Number(std::int64_t{step.watched});
}

void WriteSchedule(const Outcome& outcome, JsonWriter& json) {
  const Schedule& schedule = *outcome.schedule;
  const std::vector<std::vector<std::uint32_t>> order = OrderOf(outcome.program, schedule);
  const std::vector<Pid> executors = ExecutorsOf(schedule);
  json.BeginArray();
  for (const ScheduledProcess& process : schedule.processes) {
    json.BeginObject();
    json.Key("pid");
    json.Number(std::int64_t{process.pid});
    json.Key("steps");
    json.BeginArray();
    for (const std::uint32_t number : process.steps) {
      json.BeginObject();
      WriteStep(schedule.steps[number], process.pid, json);
      if (!order[number].empty()) {
        json.Key("after");
        json.BeginArray();
        for (const std::uint32_t earlier : order[number]) {
          json.BeginObject();
          WriteStep(schedule.steps[earlier], executors[earlier], json);
          json.EndObject();
        }
        json.EndArray();
      }
      json.EndObject();
    }
    json.EndArray();
    json.EndObject();
  }
  json.EndArray();
}

}  // namespace

std::string OutcomeJson(const Outcome& outcome) {
  std::string text;
  JsonWriter json(&text, JsonWriter::Style::kIndented);
  json.BeginObject();
  json.Key("findings");
  WriteFindings(outcome.findings, outcome.program, json);
  if (outcome.root != 0) {
    json.Key("root");
    json.Number(std::int64_t{outcome.root});
  }
  if (outcome.exit_status) {
    json.Key("exit_status");
    json.Number(std::int64_t{*outcome.exit_status});
  }
  if (outcome.schedule) {
    json.Key("processes");
    WriteSchedule(outcome, json);
  }
  json.EndObject();
  return text + "\n";
}

}  // namespace crgen::restorer

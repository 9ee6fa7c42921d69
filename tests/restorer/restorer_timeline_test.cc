// SPDX-License-Identifier: Apache-2.0
// A restore over time: the longest chain of waits, and what is drawn of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "dsl/json/program_json.h"
#include "restorer/step_times.h"
#include "tests/support/trace_schema.h"

namespace crgen::restorer {
namespace {

/// Two processes: 20 forks 21 and goes on; 21 works, and 20 waits for what it does.
Timeline TwoProcesses() {
  Timeline timeline;
  timeline.processes = {{0, {0}, {}}, {20, {1, 2, 3}, {}}, {21, {4, 5}, {}}};
  timeline.steps = {
      {"FORK 20", 0, 0, 1000, 1000, 2000, {}, 1}, {"FORK 21", 1, 1, 2500, 2500, 3000, {}, 2},
      {"SET_SID", 2, 1, 3000, 3000, 3500, {}},    {"RESUME", 5, 1, 3500, 9500, 9600, {5}},
      {"SET_SID", 3, 2, 3600, 3600, 4000, {}},    {"SET_PGID", 4, 2, 4000, 4000, 8900, {}}};
  Straighten(&timeline);
  return timeline;
}

TEST(Timeline, LongestChainFollowsWaitsAndBirths) {
  const Timeline timeline = TwoProcesses();
  EXPECT_EQ(timeline.steps[0].reached, 0U);
  EXPECT_EQ(timeline.processes[2].birth, 1U);
  const std::vector<ChainLink> chain = LongestChain(timeline);
  std::string text;
  for (const ChainLink& link : chain)
    text += std::to_string(timeline.processes[link.process].pid) + (link.waits_with ? "w " : " ");
  EXPECT_EQ(text, "0 20 21 20w 20 ");
  EXPECT_EQ(chain[3].until, 5U);
  EXPECT_EQ(chain[3].to - chain[3].from, 6000U);
  const std::vector<std::string> words = ChainText(timeline);
  ASSERT_EQ(words.size(), 2U);
  EXPECT_EQ(words[0], "it took 0.009 ms; the longest chain of waits has 1 link");
  EXPECT_EQ(words[1],
            "at 0.003 ms 20 waits 0.006 ms with commands[5] RESUME for commands[4] SET_PGID of 21");
}

TEST(Timeline, TraceHasTheFormOfTraceEvents) {
  auto trace = nlohmann::json::parse(TraceJson(TwoProcesses()));
  EXPECT_EQ(test::WrongWithTrace(trace), "");
  std::size_t slices = 0, waits = 0;
  for (const auto& event : trace["traceEvents"]) {
    const std::string kind = event["ph"];
    EXPECT_TRUE(event["pid"].is_number_integer() && event["tid"].is_number_integer());
    EXPECT_NE(event["pid"], 0);  // the kernel's own
    if (kind != "X") continue;
    ++slices;
    waits += event["cat"] == "wait";
    EXPECT_GE(event["dur"].get<double>(), 0);
  }
  EXPECT_EQ(slices, 7U);
  EXPECT_EQ(waits, 1U);
  trace["traceEvents"][4].erase("pid");
  EXPECT_NE(test::WrongWithTrace(trace), "");
}

TEST(Timeline, WhoComesAfterwardsHasNotWaited) {
  Timeline timeline = TwoProcesses();
  const std::uint64_t done = timeline.steps[5].done;
  TimedStep& late = timeline.steps[3];
  late.reached = done + 10, late.begun = done + 12,
  late.done = done + 20;  // it looked, and went on
  for (const nlohmann::json& event : nlohmann::json::parse(TraceJson(timeline))["traceEvents"])
    EXPECT_NE(event.value("cat", ""), "wait") << event;
  EXPECT_EQ(GanttSvg(timeline).find("waits 0."), std::string::npos);
}

TEST(Timeline, TimesThatLieDoNoHarm) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 300; ++round) {
    Timeline timeline = TwoProcesses();
    for (TimedStep& step : timeline.steps) {
      for (std::uint64_t* time : {&step.reached, &step.begun, &step.done}) {
        const std::uint64_t values[] = {0, 1, ~std::uint64_t{0}, random(), random() % 5000};
        *time = values[random() % 5];
      }
    }
    Straighten(&timeline);
    for (const TimedProcess& process : timeline.processes) {
      std::uint64_t now = 0;
      for (const std::uint32_t number : process.steps) {
        const TimedStep& step = timeline.steps[number];
        EXPECT_TRUE(now <= step.reached && step.reached <= step.begun && step.begun <= step.done);
        now = step.done;
      }
    }
    EXPECT_LE(LongestChain(timeline).size(), 2 * timeline.steps.size());
    EXPECT_TRUE(nlohmann::json::accept(TraceJson(timeline)));
    EXPECT_TRUE(GanttSvg(timeline).ends_with("</svg>\n"));
  }
}

TEST(Timeline, OfNothingIsEmpty) {
  Timeline timeline;
  timeline.processes = {{0, {}, {}}};
  Straighten(&timeline);
  EXPECT_TRUE(LongestChain(timeline).empty());
  EXPECT_TRUE(ChainText(timeline).empty());
  EXPECT_TRUE(nlohmann::json::accept(TraceJson(timeline)));
  EXPECT_TRUE(GanttSvg(timeline).ends_with("</svg>\n"));
}

Program GoldenPlan(const std::string& name) {
  std::ifstream file(std::string(CRGEN_GOLDEN) + "/" + name + ".json");
  Program program;
  std::vector<std::uint32_t> lines;
  Diagnostics diag;
  const auto read = [&](std::span<char> out) {
    file.read(out.data(), static_cast<std::streamsize>(out.size()));
    return static_cast<std::size_t>(file.gcount());
  };
  EXPECT_TRUE(Succeeded(ReadProgram(read, name, &program, &lines, diag)));
  return program;
}

/// Each step takes some microseconds, whoever executes it, as soon as what it awaits is done.
std::vector<StepTimes> MadeUpTimes(const Program& program, const Schedule& schedule) {
  std::vector<StepTimes> times(schedule.steps.size() + schedule.processes.size());
  std::vector<std::uint64_t> now(schedule.processes.size(), 1000);
  // Steps are numbered in an order in which they can be executed.
  std::vector<std::size_t> process_of(schedule.steps.size());
  for (std::size_t i = 0; i < schedule.processes.size(); ++i) {
    for (const std::uint32_t number : schedule.processes[i].steps) process_of[number] = i;
  }
  for (std::size_t i = 0; i < schedule.steps.size(); ++i) {
    const Step& step = schedule.steps[i];
    std::uint64_t& at = now[process_of[i]];
    times[i].reached = at;
    for (const std::uint32_t earlier : step.await) at = std::max(at, times[earlier].done);
    times[i].begun = at;
    at += 1000 + 700 * (step.command % 7);
    times[i].done = at;
    const bool forks =
        step.watched == 0 && std::holds_alternative<Fork>(program[step.command].body);
    if (forks) now[schedule.child[step.command]] = at;
  }
  const std::uint64_t built = std::ranges::max(now);
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (!schedule.processes[i].resumes) continue;
    const std::uint64_t done = built + 1000 * i;
    times[schedule.steps.size() + i] = {now[i], built, done};
    times[schedule.processes[i].steps.back()] = {done, built + 1000 * now.size(), done + 90000};
  }
  return times;
}

/// What a bar says: each line of each title.
std::vector<std::string> LinesOfTitles(const std::string& picture) {
  std::vector<std::string> lines;
  const std::string begin = "><title>", end = "</title>";
  for (std::size_t at = 0; (at = picture.find(begin, at)) != picture.npos;) {
    at += begin.size();
    std::stringstream title(picture.substr(at, picture.find(end, at) - at));
    for (std::string line; std::getline(title, line);) lines.push_back(line);
  }
  return lines;
}

TEST(Timeline, PictureNamesEachCommandAndForWhomEachWaits) {
  const Program program = GoldenPlan("deep_tree");
  const Schedule schedule = MakeSchedule(program);
  const Timeline timeline = TimelineOf(program, schedule, MadeUpTimes(program, schedule));
  const std::string picture = GanttSvg(timeline);
  const std::vector<std::string> lines = LinesOfTitles(picture);
  std::size_t waits = 0, elsewhere = 0;
  for (const TimedProcess& process : timeline.processes) {
    EXPECT_NE(picture.find(">" + (process.pid == 0 ? "restorer" : std::to_string(process.pid))),
              picture.npos);
    for (const std::uint32_t number : process.steps) {
      const TimedStep& step = timeline.steps[number];
      const std::string work = StepText(timeline, number) + ": ";
      const auto says = [&](const std::string& text) {
        return [&text](const std::string& line) { return line.starts_with(text); };
      };
      EXPECT_TRUE(std::ranges::any_of(lines, says(work))) << work;
      if (!Waited(timeline, step)) continue;
      const std::string wait = WaitText(timeline, number);
      EXPECT_TRUE(std::ranges::any_of(lines, says(wait))) << wait;
      EXPECT_NE(wait.find(" for commands["), wait.npos) << wait;
      ++waits;
    }
  }
  for (const ChainLink& link : LongestChain(timeline)) elsewhere += link.waits_with ? 1 : 0;
  EXPECT_GT(waits, elsewhere);  // not only those of the chain
  std::size_t arrows = 0;
  for (std::size_t at = 0; (at = picture.find("<path d=", at)) != picture.npos; ++at) ++arrows;
  EXPECT_GE(arrows, waits - elsewhere);
}

TEST(Timeline, NarrowNeighboursAreOneBarThatListsThem) {
  Timeline timeline;
  timeline.processes = {{0, {}, {}}, {20, {}, {}}};
  for (std::uint32_t i = 0; i < 30; ++i) {
    timeline.processes[1].steps.push_back(i);
    timeline.steps.push_back({"CLOSE_FD", i, 1, 1000 + i, 1000 + i, 1001 + i, {}});
  }
  timeline.processes[1].steps.push_back(30);
  timeline.steps.push_back({"RESUME", 30, 1, 1030, 1030, 90000, {}});
  Straighten(&timeline);
  const std::vector<std::string> lines = LinesOfTitles(GanttSvg(timeline));
  std::size_t named = 0, more = 0;
  for (const std::string& line : lines) {
    if (line.starts_with("and ")) more += std::stoul(line.substr(4));
    if (line.starts_with("commands[")) ++named;
  }
  EXPECT_EQ(named + more, 31U);
  EXPECT_LT(named, 31U);
  EXPECT_TRUE(lines[0].starts_with("commands[0] CLOSE_FD of 20: 0.000 ms from ")) << lines[0];
}

TEST(Timeline, PictureOfManyProcessesIsBounded) {
  Timeline timeline;
  timeline.processes.push_back({0, {}, {}});
  for (std::uint32_t i = 0; i < 5000; ++i) {
    timeline.processes.push_back({static_cast<Pid>(100 + i), {i}, {}});
    timeline.steps.push_back({"SET_SID", i, i + 1, 1000 + i, 1000 + i, 2000 + i, {}});
  }
  Straighten(&timeline);
  const std::string picture = GanttSvg(timeline);
  EXPECT_LT(picture.size(), 60000U);
  EXPECT_NE(picture.find("4941 more"), picture.npos);
}

}  // namespace
}  // namespace crgen::restorer

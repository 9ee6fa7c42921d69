// SPDX-License-Identifier: Apache-2.0
// The restorer's schedule: any order of the steps that keeps each process's own order and what a
// step awaits is a program that the checker accepts and that ends in the same state.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "checker/check.h"
#include "dsl/json/program_json.h"
#include "generator/tree/analyzer.h"
#include "generator/tree_commands.h"
#include "restorer/schedule.h"
#include "tests/support/random_world.h"
#include "tests/support/seed.h"
#include "tests/support/state_text.h"

namespace crgen::test {
namespace {

using restorer::MakeSchedule;
using restorer::Schedule;

unsigned Seed() {
  std::printf("CRGEN_SEED=%u\n", FirstSeed());
  return FirstSeed();
}

/// The state that a program ends in, as text; the checker's first objection if it has one.
std::string StateOf(const Program& program) {
  SimulatedState state;
  Diagnostics diag;
  if (Failed(CheckProgram(program, &state, diag))) {
    return "refused: " + diag.entries()[0].where + ": " + diag.entries()[0].what;
  }
  return test::StateText(state, {}).Write();
}

/// A step may come as soon as the one before it in its process, and all that it awaits, have come.
Program RandomOrder(const Program& program, const Schedule& schedule, std::mt19937& random) {
  std::vector<bool> done(schedule.steps.size());
  std::vector<std::size_t> next(schedule.processes.size());
  std::vector<bool> born(schedule.processes.size());
  born[0] = true;
  Program order;
  for (std::size_t left = schedule.steps.size(); left > 0; --left) {
    std::vector<std::size_t> ready;
    for (std::size_t p = 0; p < schedule.processes.size(); ++p) {
      const auto& steps = schedule.processes[p].steps;
      if (!born[p] || next[p] == steps.size()) continue;
      const auto& await = schedule.steps[steps[next[p]]].await;
      if (std::all_of(await.begin(), await.end(), [&](std::uint32_t step) { return done[step]; })) {
        ready.push_back(p);
      }
    }
    // A zombie can be seen, and reaped, only after its end: the kernel makes its parent wait.
    std::erase_if(ready, [&](std::size_t p) {
      const auto& step = schedule.steps[schedule.processes[p].steps[next[p]]];
      const auto* wait = std::get_if<Wait>(&program[step.command].body);
      const Pid child = step.watched != 0 ? step.watched : wait != nullptr ? wait->child_pid : 0;
      for (std::size_t c = 0; child != 0 && c < schedule.processes.size(); ++c) {
        const bool waits = born[c] && next[c] < schedule.processes[c].steps.size();
        if (schedule.processes[c].pid == child && waits) return true;
      }
      return false;
    });
    if (ready.empty()) return {};
    const std::size_t p = ready[random() % ready.size()];
    const std::uint32_t number = schedule.processes[p].steps[next[p]++];
    done[number] = true;
    const restorer::Step& step = schedule.steps[number];
    if (step.watched != 0) continue;
    order.push_back(program[step.command]);
    if (std::holds_alternative<Fork>(order.back().body)) born[schedule.child[step.command]] = true;
  }
  return order;
}

std::string FirstDifference(const std::string& a, const std::string& b) {
  std::istringstream left(a), right(b);
  std::string l, r;
  while (std::getline(left, l) && std::getline(right, r)) {
    if (l != r) break;
  }
  return l.substr(0, 200) + "\ninstead of\n" + r.substr(0, 200);
}

void ExpectAnyOrderServes(const Program& program, int orders, std::mt19937& random) {
  const std::string expected = StateOf(program);
  ASSERT_EQ(expected.find("refused: "), std::string::npos) << expected;
  const Schedule schedule = MakeSchedule(program);
  for (std::size_t i = 0; i < schedule.steps.size(); ++i) {
    for (std::uint32_t earlier : schedule.steps[i].await) {
      ASSERT_LT(earlier, i);
    }
  }
  for (int i = 0; i < orders; ++i) {
    const Program order = RandomOrder(program, schedule, random);
    ASSERT_EQ(order.size(), program.size()) << "a deadlock";
    const std::string state = StateOf(order);
    if (state == expected) continue;
    std::ofstream("schedule-order.json") << WriteProgram(order, Layout::kLines);
    FAIL() << FirstDifference(state, expected) << "\nthe order is in schedule-order.json";
  }
}

/// Programs in which one rule decides.
TEST(RestorerScheduleTest, EachRule) {
  const std::string begin =
      R"([{"command": "FORK", "pid": 0, "child_pid": 9}, {"command": "SET_SID", "pid": 9},
          {"command": "SET_ATTR", "pid": 9, "attributes": {"child_subreaper": true}},
          {"command": "OPEN_FILE", "pid": 9, "fd": 0, "file": {"type": "REG", "id": 1, "path": "/x",
           "flags": ["O_RDONLY"]}},
          {"command": "FORK", "pid": 9, "child_pid": 10},)";
  const std::pair<const char*, std::string> rules[] = {
      {"a group's name is free for a session when all have left it",
       R"({"command": "FORK", "pid": 9, "child_pid": 11},
          {"command": "SET_PGID", "pid": 10, "pgid": 10}, {"command": "SET_PGID", "pid": 11, "pgid": 10},
          {"command": "SET_PGID", "pid": 10, "pgid": 9}, {"command": "SET_PGID", "pid": 11, "pgid": 11},
          {"command": "SET_SID", "pid": 10},
          {"command": "RESUME", "pid": 9}, {"command": "RESUME", "pid": 10},
          {"command": "RESUME", "pid": 11}])"},
      {"a number is free when it is reaped",
       R"({"command": "EXIT", "pid": 10, "status": {"code": 0}},
          {"command": "FORK", "pid": 9, "child_pid": 11}, {"command": "WAIT", "pid": 9, "child_pid": 10},
          {"command": "FORK", "pid": 11, "child_pid": 10},
          {"command": "RESUME", "pid": 9}, {"command": "RESUME", "pid": 10},
          {"command": "RESUME", "pid": 11}])"},
      {"an orphan is waited for when it is adopted",
       R"({"command": "FORK", "pid": 10, "child_pid": 11}, {"command": "FORK", "pid": 11, "child_pid": 12},
          {"command": "EXIT", "pid": 12, "status": {"code": 0}},
          {"command": "EXIT", "pid": 11, "status": {"code": 0}},
          {"command": "WAIT", "pid": 9, "child_pid": 12}, {"command": "WAIT", "pid": 10, "child_pid": 11},
          {"command": "RESUME", "pid": 9}, {"command": "RESUME", "pid": 10}])"},
      {"a parent's exit comes after the births for it",
       R"({"command": "FORK", "pid": 10, "child_pid": 11},
          {"command": "FORK", "pid": 11, "child_pid": 12, "flags": ["CLONE_PARENT"]},
          {"command": "EXIT", "pid": 10, "status": {"code": 0}},
          {"command": "EXIT", "pid": 12, "status": {"code": 0}},
          {"command": "WAIT", "pid": 9, "child_pid": 12}, {"command": "WAIT", "pid": 9, "child_pid": 10},
          {"command": "RESUME", "pid": 9}, {"command": "RESUME", "pid": 11}])"},
      {"what is taken from another process is there, and not yet closed",
       R"({"command": "FORK", "pid": 9, "child_pid": 11},
          {"command": "OPEN_FILE", "pid": 10, "fd": 5, "file": {"type": "PIDFD", "id": 2, "target": 11,
           "flags": ["O_RDWR"]}},
          {"command": "OPEN_FILE", "pid": 9, "fd": 5, "file": {"type": "PIDFD", "id": 2, "target": 11,
           "flags": ["O_RDWR"]}, "from": {"pid": 10, "fd": 5}},
          {"command": "OPEN_FILE", "pid": 11, "fd": 7, "file": {"type": "PIDFD", "id": 2, "target": 11,
           "flags": ["O_RDWR"]}, "from": {"pid": 9, "fd": 5}},
          {"command": "CLOSE_FD", "pid": 9, "fd": 5}, {"command": "DUP_FD", "pid": 10, "old_fd": 0, "new_fd": 5},
          {"command": "RESUME", "pid": 9}, {"command": "EXIT", "pid": 10, "status": {"code": 0}},
          {"command": "RESUME", "pid": 11}])"},
      {"sharers of a table keep their order",
       R"({"command": "FORK", "pid": 9, "child_pid": 11, "flags": ["CLONE_FILES"]},
          {"command": "DUP_FD", "pid": 11, "old_fd": 0, "new_fd": 5},
          {"command": "DUP_FD", "pid": 9, "old_fd": 5, "new_fd": 6},
          {"command": "CLOSE_FD", "pid": 11, "fd": 5}, {"command": "FORK", "pid": 9, "child_pid": 12},
          {"command": "CLOSE_FD", "pid": 9, "fd": 6},
          {"command": "RESUME", "pid": 9}, {"command": "RESUME", "pid": 10},
          {"command": "RESUME", "pid": 11}, {"command": "RESUME", "pid": 12}])"},
  };
  std::mt19937 random(Seed());
  for (const auto& [rule, rest] : rules) {
    SCOPED_TRACE(rule);
    Program program;
    Diagnostics diag;
    ASSERT_EQ(ReadProgram(begin + rest, rule, &program, diag), Result::kOk)
        << diag.entries()[0].where << diag.entries()[0].what;
    ExpectAnyOrderServes(program, 200, random);
  }
}

/// Who is in another place for the moment of a socket's name takes the sharers of `fs` along.
TEST(RestorerScheduleTest, SharersOfFsOpenOneAfterAnother) {
  const std::string open =
      R"("fd": 3, "file": {"type": "REG", "id": 1, "path": "/x", "flags": ["O_RDONLY"]}})";
  const std::string text =
      R"([{"command": "FORK", "pid": 0, "child_pid": 9},
          {"command": "FORK", "pid": 9, "child_pid": 10, "flags": ["CLONE_FS"]},
          {"command": "FORK", "pid": 9, "child_pid": 11},
          {"command": "OPEN_FILE", "pid": 9, )" +
      open + R"(, {"command": "OPEN_FILE", "pid": 10, )" + open +
      R"(, {"command": "OPEN_FILE", "pid": 11, )" + open +
      R"(, {"command": "RESUME", "pid": 9}, {"command": "RESUME", "pid": 10},
          {"command": "RESUME", "pid": 11}])";
  Program program;
  Diagnostics diag;
  ASSERT_EQ(ReadProgram(text, "sharers", &program, diag), Result::kOk);
  const Schedule schedule = MakeSchedule(program);
  std::vector<std::vector<std::uint32_t>> awaited;
  for (const restorer::Step& step : schedule.steps) {
    if (step.command >= 3 && step.command <= 5) awaited.push_back(step.await);
  }
  EXPECT_EQ(awaited, (std::vector<std::vector<std::uint32_t>>{{}, {3}, {}}));
}

TEST(RestorerScheduleTest, PlansOfRealDumps) {
  std::mt19937 random(Seed());
  int plans = 0;
  for (const auto& entry : std::filesystem::directory_iterator(CRGEN_GOLDEN)) {
    if (entry.path().extension() != ".json") continue;
    SCOPED_TRACE(entry.path());
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    Program program;
    Diagnostics diag;
    ASSERT_EQ(ReadProgram(text.str(), entry.path().string(), &program, diag), Result::kOk);
    ExpectAnyOrderServes(program, 20, random);
    ++plans;
  }
  EXPECT_GT(plans, 10);
}

TEST(RestorerScheduleTest, RandomTrees) {
  const unsigned seed = Seed();
  std::mt19937 random(seed);
  constexpr int kTrees = 3000;
  int rebuilt = 0;
  for (int i = 0; i < kTrees; ++i) {
    SCOPED_TRACE("tree " + std::to_string(i));
    const TreeSnapshot snapshot = RandomWorld(seed + static_cast<unsigned>(i), {.all = i % 2 == 0})
                                      .Run(5 + static_cast<int>(random() % 60));
    TreePlan plan;
    TreeRefusal refusal;
    if (Failed(AnalyzeTree(snapshot, &plan, &refusal))) continue;
    Program program;
    for (const TreeOp& op : plan.ops) program.push_back(TreeCommand(op));
    for (const TreeNode& node : snapshot.nodes) {
      if (!node.zombie) program.push_back({node.pid, Resume{}});
    }
    ExpectAnyOrderServes(program, 3, random);
    if (HasFatalFailure()) return;
    ++rebuilt;
  }
  std::printf("%d trees\n", rebuilt);
  EXPECT_GT(rebuilt, kTrees / 2);
}

}  // namespace
}  // namespace crgen::test

// The restorer's schedule: any order of the steps that keeps each process's own order and what a
// step awaits is a program that the checker accepts and that ends in the same state.
#include "restorer/schedule.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "dsl/check.h"
#include "dsl/program_json.h"
#include "generator/tree/analyzer.h"
#include "generator/tree_commands.h"
#include "tests/random_world.h"
#include "tests/state_text.h"

namespace crgen::test {
namespace {

using restorer::MakeSchedule;
using restorer::Schedule;

unsigned Seed() {
  const char* given = std::getenv("CRGEN_SEED");
  const unsigned seed =
      given != nullptr ? static_cast<unsigned>(std::atoi(given)) : std::random_device()();
  std::printf("seed %u\n", seed);
  return seed;
}

/// The state that a program ends in, as text; the checker's first objection if it has one.
std::string StateOf(const Program& program) {
  SimulatedState state;
  Diagnostics diag;
  if (Failed(CheckProgram(program, &state, diag))) {
    return "refused: " + diag.entries()[0].where + ": " + diag.entries()[0].what;
  }
  return testing::StateText(state, {}).Write();
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
        if (schedule.processes[c].pid == child && next[c] < schedule.processes[c].steps.size()) {
          return true;
        }
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
    const TreeSnapshot snapshot =
        RandomWorld(seed + static_cast<unsigned>(i), i % 2 == 0).Run(5 + static_cast<int>(random() % 60));
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

// SPDX-License-Identifier: Apache-2.0
// The kernel as judge: programs of the tree analyzer run for real, each in a fresh pid namespace,
// and /proc is compared with the snapshot. Needs root; says so where it cannot run.
// CRGEN_SEED=n or =random makes another random choice.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "generator/tree/analyzer.h"
#include "model/tree_text.h"
#include "tests/support/kernel_pool.h"
#include "tests/support/print_tree.h"
#include "tests/support/random_world.h"
#include "tests/support/seed.h"
#include "tests/support/tree_enumerator.h"
#include "tests/support/tree_kernel_case.h"

namespace crgen {
namespace {

using test::Enumerator;
using test::KernelPool;
using test::PrintTree;
using test::RandomWorld;
using test::Verdict;
using Kind = test::Verdict::Kind;

constexpr int kSeconds = 240;  // of a test that hangs; one that does not needs a tenth
constexpr Pid kNotInit = 100;

struct TreeAndPlan {
  TreeSnapshot snapshot;
  std::vector<TreeOp> ops;
};

TreeSnapshot Tree(const std::string& text) {
  TreeSnapshot snapshot;
  Diagnostics diag;
  EXPECT_TRUE(Succeeded(ParseTree(text, &snapshot, diag))) << text;
  return snapshot;
}

class TreeKernelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static const Verdict probe = Probe();
    if (probe.kind == Kind::kNotPossible) {
      GTEST_SKIP() << "this machine does not run programs in a pid namespace: " << probe.text;
    }
    ASSERT_EQ(probe.kind, Kind::kSame) << probe.text;
  }

  /// The least that all other tests need: a namespace, a process with a chosen pid, its /proc.
  static Verdict Probe() {
    if (geteuid() != 0) return {Kind::kNotPossible, "not root"};
    Verdict verdict = RunOne(Tree("1 1 1 [ 77 1 1 [] ]"), {{TreeOp::Kind::kFork, false, 0, 1},
                                                           {TreeOp::Kind::kSetSid, false, 1, 0},
                                                           {TreeOp::Kind::kFork, false, 1, 77}});
    if (verdict.kind == Kind::kRefused) verdict.kind = Kind::kNotPossible;
    return verdict;
  }

  static Verdict RunOne(const TreeSnapshot& snapshot, const std::vector<TreeOp>& ops) {
    return KernelPool(
               1, [&](std::size_t) { return test::TreeCase(snapshot, ops); }, kSeconds)
        .At(0);
  }

  static void Add(const TreeRules& rules, const TreeSnapshot& snapshot) {
    TreePlan plan;
    TreeRefusal refusal;
    if (Succeeded(AnalyzeTreeWith(rules, snapshot, &plan, &refusal))) {
      cases_.push_back({snapshot, std::move(plan.ops)});
    } else {
      ++refused_;
    }
  }

  /// `count` of the trees that `options` reach, at random.
  static void AddSample(const TreeRules& rules, const Enumerator::Options& options, Pid root,
                        std::size_t count) {
    std::vector<std::string> reached;
    for (const auto& [text, least] : Enumerator(options).Run()) reached.push_back(text);
    std::sort(reached.begin(), reached.end());
    std::mt19937 random(test::FirstSeed());
    std::vector<std::string> sample;
    std::sample(reached.begin(), reached.end(), std::back_inserter(sample), count, random);
    for (const std::string& text : sample) Add(rules, test::ToSnapshot(text, root));
  }

  static void RunAll(const char* name) {
    malloc_trim(0);  // what the workers need not copy
    const KernelPool pool(
        cases_.size(),
        [](std::size_t i) { return test::TreeCase(cases_[i].snapshot, cases_[i].ops); }, kSeconds);
    std::size_t same = 0, commands = 0;
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      const Verdict verdict = pool.At(i);
      commands += cases_[i].ops.size();
      if (verdict.kind == Kind::kSame) {
        ++same;
      } else {
        ADD_FAILURE() << PrintTree(cases_[i].snapshot) << ": "
                      << (verdict.kind == Kind::kNone ? "not run" : verdict.text);
      }
    }
    std::printf("%s: %zu of %zu trees are what /proc shows after %zu commands; seed %u\n", name,
                same, cases_.size(), commands, test::FirstSeed());
    EXPECT_EQ(refused_, 0u);
    cases_.clear();
    refused_ = 0;
  }

  static constexpr TreeRules kBasic{.clone_parent = false, .attempts = 0};
  static inline std::vector<TreeAndPlan> cases_;
  static inline std::size_t refused_ = 0;
};

TEST_F(TreeKernelTest, SeesWhatIsWrong) {
  using K = TreeOp::Kind;
  const std::vector<TreeOp> root = {{K::kFork, false, 0, 1}, {K::kSetSid, false, 1, 0}};
  auto run = [&](const std::string& tree, std::vector<TreeOp> rest) {
    rest.insert(rest.begin(), root.begin(), root.end());
    return RunOne(Tree(tree), rest).text;
  };
  const TreeOp fork{K::kFork, false, 1, 2}, exit{K::kExit, false, 2, 0};
  EXPECT_EQ(run("1 1 1 [ 2 1 1 [] ]", {fork}), "");
  EXPECT_EQ(run("1 1 1 [ 2 2 1 [] ]", {fork}), "process 2 has pgid 1, not 2");
  EXPECT_EQ(run("1 1 1 [ 2 1 1 z [] ]", {fork}), "process 2 has a zombie's state: 0, not 1");
  EXPECT_EQ(run("1 1 1 [ 2 1 1 r [] ]", {fork}), "process 2 has child_subreaper 0, not 1");
  EXPECT_EQ(run("1 1 1 []", {fork}), "process 2 is left");
  EXPECT_EQ(run("1 1 1 [ 3 1 1 [] ]", {fork}), "process 3 is missing");
  EXPECT_EQ(run("1 1 1 []", {fork, exit}), "process 2 is left");
  EXPECT_EQ(run("1 1 1 []", {fork, exit, {K::kWait, false, 1, 2}}), "");
  EXPECT_EQ(run("1 1 1 [ 2 9 1 [] ]", {fork, {K::kSetPgid, false, 2, 9}}),
            "commands[3] SET_PGID pid 2: EPERM, not success");
  EXPECT_EQ(run("1 1 1 [ 2 1 1 [] ]", {fork, fork}), "commands[3] FORK pid 1: EEXIST, not success");
  EXPECT_EQ(run("1 1 1 [ 2 1 1 [] ]", {fork, {K::kWait, false, 1, 2}}),
            "commands[3] WAIT pid 1: EAGAIN, not success");
}

TEST_F(TreeKernelTest, HardCases) {
  for (const char* text : {
           // Groups whose founder moved on, and cycles of them.
           "1 1 1 [ 2 1 1 [ 3 2 1 [] ] ]",
           "1 1 1 [ 5 6 1 [] 6 5 1 [] ]",
           "1 1 1 [ 5 6 1 [] 6 7 1 [] 7 5 1 [ 8 8 8 [] ] ]",
           "1 1 1 [ 5 6 1 z [] 6 5 1 z [] ]",
           "1 1 1 [ 5 6 1 [ 6 7 1 [ 7 8 1 [ 8 5 1 [] ] ] ] ]",
           // Births before setsid, nested.
           "1 1 1 [ 2 2 2 [ 3 1 1 [] 4 2 2 [] ] ]",
           "1 1 1 [ 2 2 2 [ 3 3 3 [ 4 4 4 [ 5 1 1 [] ] ] ] ]",
           "1 1 1 [ 2 2 2 [ 3 3 3 [ 4 4 4 z [] 5 1 1 [] ] 6 2 2 [] ] ]",
           // Leaders of sessions and groups that are gone, or zombies.
           "1 1 1 [ 5 4 3 [] 3 3 3 [ 4 4 3 [] 9 3 3 [] ] ]",
           "1 1 1 [ 2 7 7 [] 3 7 7 [] ]",
           "1 1 1 [ 2 9 1 [] 3 9 1 [] ]",
           "1 1 1 [ 2 9 7 [] 3 7 7 [] ]",
           "1 1 1 [ 2 7 7 [ 3 8 8 [] ] 4 7 7 [] ]",
           "1 1 1 [ 2 2 2 z [] 3 2 2 [] ]",
           "1 1 1 [ 2 2 2 z [] 3 3 2 z [] 4 3 2 [] 5 2 2 z [] ]",
           "1 1 1 [ 2 2 2 [ 3 3 3 [ 4 4 4 z [] ] ] 5 4 4 [] ]",
           // Orphans that others than the reaper hold, and foreign sessions below a leader.
           "1 1 1 [ 2 2 2 [ 3 1 1 [] 4 5 5 [] ] ]",
           "1 1 1 [ 2 2 2 r [ 5 3 3 [] ] 3 3 3 [] ]",
           "1 1 1 [ 2 1 1 r [ 5 3 3 [] ] 3 3 3 [] ]",
           "1 1 1 [ 2 2 2 [ 5 9 9 [] ] 3 3 3 [ 6 9 9 [] ] ]",
           "1 1 1 [ 2 1 1 [ 5 9 9 [] 3 1 1 [ 6 9 9 [] ] ] ]",
           "1 1 1 [ 2 1 1 [ 3 3 3 [] 4 3 3 [] ] ]",
           "1 1 1 [ 2 1 1 [ 3 3 3 [] 4 3 3 z [] 5 4 3 [] ] ]",
           // Roots that are not init, and sessions from outside.
           "5 5 5 [ 6 9 9 [] ]",
           "5 0 0 [ 6 6 0 [ 7 0 0 [] ] 8 8 8 [] ]",
           "1 1 1 [ 2 0 0 [] ]",
           "77 0 0 r [ 6 2 0 z [] 7 2 0 z [] 8 2 0 z [] 11 0 0 [] ]",
           "100 100 100 [ 101 102 103 [] 102 104 103 [] 105 102 103 [] ]",
           "100 0 0 [ 101 101 101 [ 102 103 101 z [] ] 103 104 101 [ 104 102 101 z [] ] ]",
           "7 7 7 r [ 8 8 7 z [] ]",
       }) {
    Add({}, Tree(text));
  }
  RunAll("hard cases");
}

TEST_F(TreeKernelTest, SmallTrees) {
  AddSample(kBasic, {.births = 4}, 1, 2500);
  AddSample(kBasic, {.births = 3, .outside_root = true}, kNotInit, 300);
  AddSample({}, {.births = 3, .clone_parent = true, .subreapers = true}, kNotInit, 400);
  AddSample({}, {.births = 3, .clone_parent = true, .subreapers = true, .outside_root = true},
            kNotInit, 400);
  RunAll("small trees");
}

TEST_F(TreeKernelTest, SmallTreesWithSubreapersAndCloneParent) {
#ifdef CRGEN_SANITIZED
  constexpr int kBirths = 3;  // ten times slower
#else
  constexpr int kBirths = 4;
#endif
  AddSample({}, {.births = kBirths, .clone_parent = true, .subreapers = true}, 1, 1500);
  RunAll("small trees with subreapers and CLONE_PARENT");
}

TEST_F(TreeKernelTest, RandomTrees) {
  std::mt19937 random(test::FirstSeed());
  const auto world = [&](bool all) {
    const bool not_init = random() % 4 == 0;  // an init that does not lead may never die
    return RandomWorld(random(), {.all = all,
                                  .outside_root = not_init && random() % 2 == 0,
                                  .root = not_init ? kNotInit : 1});
  };
  for (int i = 0; i < 200; ++i) Add(kBasic, world(false).Run(10 + 2 * i));
  RunAll("random trees");
  for (int i = 0; i < 200; ++i) Add({}, world(true).Run(10 + i / 2));
  refused_ = 0;  // a search within a bound; another test counts what it finds
  RunAll("random trees with subreapers and CLONE_PARENT");
}

}  // namespace
}  // namespace crgen

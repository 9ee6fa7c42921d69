// SPDX-License-Identifier: Apache-2.0
// All shortest derivations of small trees, held against a search that tries every command and lets
// the simulation of plans judge it.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "generator/tree/alternatives.h"
#include "generator/tree/simulate.h"
#include "model/tree_text.h"
#include "tests/support/tree_enumerator.h"

namespace crgen::test {
namespace {

using Kind = TreeOp::Kind;

TreeSnapshot Parsed(const std::string& text) {
  TreeSnapshot tree;
  Diagnostics diag;
  EXPECT_EQ(ParseTree(text, &tree, diag), Result::kOk) << text;
  return tree;
}

TreePlan PlanOf(const TreeSnapshot& snapshot, const TreeRules& rules = {}) {
  TreePlan plan;
  TreeRefusal refusal;
  EXPECT_EQ(AnalyzeTreeWith(rules, snapshot, &plan, &refusal), Result::kOk) << refusal.reason;
  return plan;
}

/// Every sequence of so many commands, with the numbers of the snapshot and one more.
class BruteForce {
 public:
  BruteForce(const TreeSnapshot& snapshot, bool siblings)
      : snapshot_(snapshot), siblings_(siblings) {
    for (const TreeNode& node : snapshot.nodes) {
      for (const Pid number : {node.pid, node.pgid, node.sid}) numbers_.insert(number);
    }
    numbers_.erase(0);
    numbers_.insert(*numbers_.rbegin() + 1);
  }

  std::set<std::string> Run(std::size_t commands) {
    commands_ = commands;
    ops_ = {{Kind::kFork, false, 0, snapshot_.nodes[0].pid}};
    Extend();
    return std::move(keys_);
  }

 private:
  void Extend() {
    SimulationError error;
    const bool reached = Succeeded(SimulateTree(snapshot_, ops_, &error));
    if (!reached && error.op < ops_.size()) return;
    // Whoever is not born yet takes a command.
    const auto unborn = std::ranges::count_if(snapshot_.nodes, [&](const TreeNode& node) {
      return std::ranges::none_of(
          ops_, [&](const TreeOp& op) { return op.kind == Kind::kFork && op.arg == node.pid; });
    });
    if (static_cast<std::size_t>(unborn) > commands_ - ops_.size()) return;
    if (ops_.size() == commands_) {
      if (reached) keys_.insert(DerivationKey(snapshot_, ops_));
      return;
    }
    for (const Pid pid : numbers_) {
      Try({Kind::kSetSid, false, pid, 0});
      Try({Kind::kExit, false, pid, 0});
      for (const Pid number : numbers_) {
        const bool again = std::ranges::any_of(ops_, [&](const TreeOp& op) {
          return op.kind == Kind::kFork && op.arg == number;  // one process a number
        });
        if (!again) Try({Kind::kFork, false, pid, number});
        if (!again && siblings_) Try({Kind::kFork, true, pid, number});
        Try({Kind::kSetPgid, false, pid, number});
        Try({Kind::kWait, false, pid, number});
      }
    }
    for (const Pid number : numbers_) Try({Kind::kWait, false, 0, number});
  }

  void Try(const TreeOp& op) {
    ops_.push_back(op);
    Extend();
    ops_.pop_back();
  }

  const TreeSnapshot& snapshot_;
  const bool siblings_;
  std::set<Pid> numbers_;
  std::size_t commands_ = 0;
  std::vector<TreeOp> ops_;
  std::set<std::string> keys_;
};

std::set<std::string> KeysOf(const TreeSnapshot& snapshot, const Derivations& derivations) {
  std::set<std::string> keys;
  for (const std::vector<TreeOp>& ops : derivations.found) {
    SimulationError error;
    EXPECT_EQ(SimulateTree(snapshot, ops, &error), Result::kOk) << error.what;
    EXPECT_EQ(ops.size(), derivations.commands);
    EXPECT_TRUE(keys.insert(DerivationKey(snapshot, ops)).second);
  }
  return keys;
}

TEST(TreeAlternatives, AreThoseOfBruteForce) {
  constexpr std::size_t kMost = 5;  // commands
  std::size_t trees = 0, several = 0;
  for (const auto& [text, least] : Enumerator({.births = 3}).Run()) {
    const TreeSnapshot snapshot = ToSnapshot(text);
    const TreePlan plan = PlanOf(snapshot, {.clone_parent = false});
    const Derivations derivations = FindDerivations(snapshot, plan);
    ASSERT_TRUE(derivations.whole);
    // The enumerator begins with a root that leads its session.
    ASSERT_EQ(derivations.commands, static_cast<std::size_t>(least) + 2) << DrawTree(snapshot);
    const std::set<std::string> keys = KeysOf(snapshot, derivations);
    if (plan.ops.size() == derivations.commands) {
      EXPECT_TRUE(keys.contains(DerivationKey(snapshot, plan.ops))) << DrawTree(snapshot);
    }
    if (derivations.commands > kMost) continue;
    ++trees;
    several += keys.size() > 1 ? 1 : 0;
    EXPECT_EQ(keys, BruteForce(snapshot, false).Run(derivations.commands)) << DrawTree(snapshot);
  }
  EXPECT_GT(trees, 20U);
  EXPECT_GT(several, 3U);
}

TEST(TreeAlternatives, WithSiblings) {
  for (const char* text : {"1 1 1 [ 2 2 2 [] 3 2 2 [] ]", "1 1 1 [ 2 2 2 [] 3 3 2 [] ]"}) {
    const TreeSnapshot snapshot = Parsed(text);
    const TreePlan plan = PlanOf(snapshot);
    const Derivations derivations = FindDerivations(snapshot, plan);
    const bool siblings = std::ranges::any_of(plan.ops, &TreeOp::clone_parent);
    EXPECT_EQ(KeysOf(snapshot, derivations),
              BruteForce(snapshot, siblings).Run(derivations.commands))
        << text;
  }
}

/// What siblings do side by side is one derivation.
TEST(TreeAlternatives, OrdersOfIndependentCommandsAreOne) {
  // Each leader is forked before or after its parent's setsid.
  const TreeSnapshot leaders = Parsed("1 1 1 [ 2 2 2 [] 3 3 3 [] 4 4 4 [] 5 5 5 [] ]");
  EXPECT_EQ(FindDerivations(leaders, PlanOf(leaders)).found.size(), 16U);
  const TreeSnapshot workers = Parsed("1 1 1 [ 2 1 1 [] 3 1 1 [] 4 1 1 [] 5 1 1 [] ]");
  const Derivations one = FindDerivations(workers, PlanOf(workers));
  EXPECT_EQ(one.found.size(), 1U);
  EXPECT_TRUE(one.whole);
  EXPECT_EQ(DescribeAlternatives(workers, PlanOf(workers), one),
            "other derivations of as many commands: 0\n");
}

TEST(TreeAlternatives, SayWhomTheyInvent) {
  const TreeSnapshot tree = Parsed("1 1 1 [ 5 4 3 [] 3 3 3 [ 4 4 3 [] 9 3 3 [] ] ]");
  const TreePlan plan = PlanOf(tree, {.subreapers = false, .clone_parent = false});
  ASSERT_EQ(plan.invented.size(), 1U);
  const std::string text = DescribeAlternatives(tree, plan, FindDerivations(tree, plan));
  EXPECT_NE(text.find("processes: 5, commands: 11, invented: 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\ninvented 10: born and gone"), std::string::npos) << text;
  EXPECT_EQ(text.find("invented: 0"), std::string::npos) << text;
  EXPECT_EQ(text.find("Heuristics"), std::string::npos) << text;
}

/// The worst case of the rules (docs/process-trees.md): 11 commands, where 8 do.
TEST(TreeAlternatives, SayWhatTheRulesDoNotFind) {
  const TreeSnapshot tree = Parsed("1 1 1 [ 2 2 2 [ 3 3 3 [ 4 4 4 z [] ] ] 5 2 2 [] ]");
  const TreePlan plan = PlanOf(tree, {.clone_parent = false});
  ASSERT_EQ(plan.ops.size(), 13U);
  const Derivations derivations = FindDerivations(tree, plan);
  EXPECT_EQ(derivations.commands, 10U);
  EXPECT_FALSE(KeysOf(tree, derivations).empty());
  const std::string text = DescribeAlternatives(tree, plan, derivations);
  EXPECT_TRUE(text.starts_with("shorter derivations, which the rules do not find: ")) << text;
}

TEST(TreeAlternatives, AreBounded) {
  std::string text = "1 1 1 [ ";
  for (int pid = 2; pid < 30; ++pid) text += std::to_string(pid) + " 1 1 [] ";
  const TreeSnapshot wide = Parsed(text + "]");
  const Derivations none = FindDerivations(wide, PlanOf(wide));
  EXPECT_EQ(none.commands, 0U);
  EXPECT_FALSE(none.whole);
  EXPECT_NE(DescribeAlternatives(wide, PlanOf(wide), none).find("too many to look at"),
            std::string::npos);
  const TreeSnapshot groups =
      Parsed("1 1 1 [ 2 2 1 [] 3 2 1 [] 4 4 1 [] 5 4 1 [] 6 6 1 [] 7 6 1 [] 8 8 1 [] 9 8 1 [] ]");
  const Derivations some = FindDerivations(groups, PlanOf(groups));
  EXPECT_FALSE(some.whole);
  EXPECT_LE(some.found.size(), Derivations::kMostFound);
  const TreeSnapshot many =
      Parsed("1 1 1 [ 2 2 2 [] 3 3 3 [] 4 4 4 [] 5 5 5 [] 6 6 6 [] 7 7 7 [] ]");
  const std::string shown =
      DescribeAlternatives(many, PlanOf(many), FindDerivations(many, PlanOf(many)));
  EXPECT_TRUE(shown.starts_with("other derivations of as many commands: 63\n")) << shown;
  EXPECT_TRUE(shown.ends_with("\nand 53 more\n")) << shown;
}

}  // namespace
}  // namespace crgen::test

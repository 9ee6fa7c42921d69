// SPDX-License-Identifier: Apache-2.0
// Every small process tree: the analyzer against a search that knows nothing of it.
// CRGEN_BIRTHS=5 makes the searches long ones, of several minutes.
// CRGEN_PRINT_ALL=n prints the n worst trees of each run instead of five.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "generator/tree/analyzer.h"
#include "model/tree_text.h"
#include "tests/support/print_tree.h"
#include "tests/support/tree_enumerator.h"

namespace crgen {
namespace {

using test::Enumerator;
using test::PrintTree;
using test::ToSnapshot;

constexpr Pid kNotInit = 100;

struct Figures {
  std::size_t reached = 0;
  std::size_t rebuilt = 0;
  std::size_t commands = 0;
  std::size_t least = 0;
  std::size_t optimal = 0;
  std::vector<std::tuple<double, std::string, int, int>> worst;  ///< ratio, tree, least, commands
  std::vector<std::string> refused;

  double Ratio() const { return static_cast<double>(commands) / static_cast<double>(least); }
};

using Reached = std::unordered_map<std::string, int>;

Figures Measure(const TreeRules& rules, const Reached& reached, bool outside_root, Pid root = 1) {
  Figures figures;
  for (const auto& [text, least] : reached) {
    TreeSnapshot snapshot = ToSnapshot(text, root);
    TreePlan plan;
    TreeRefusal refusal;
    ++figures.reached;
    if (Failed(AnalyzeTreeWith(rules, snapshot, &plan, &refusal))) {
      figures.refused.push_back(PrintTree(snapshot) + "  # " + std::to_string(refusal.pid) + ": " +
                                refusal.reason);
      continue;
    }
    ++figures.rebuilt;
    // The search begins after the root's fork, and its setsid if it leads.
    int commands = static_cast<int>(plan.ops.size()) - (outside_root ? 1 : 2);
    if (least == 0) continue;
    figures.commands += static_cast<std::size_t>(commands);
    figures.least += static_cast<std::size_t>(least);
    if (commands <= least) ++figures.optimal;
    if (commands > least) {
      figures.worst.push_back(
          {static_cast<double>(commands) / least, PrintTree(snapshot), least, commands});
    }
  }
  std::sort(figures.worst.rbegin(), figures.worst.rend());
  std::sort(figures.refused.begin(), figures.refused.end());
  return figures;
}

void Print(const char* name, const Figures& figures) {
  std::printf(
      "%s: %zu of %zu trees rebuilt, %zu with the fewest commands; commands %zu, least %zu, "
      "ratio %.4f\n",
      name, figures.rebuilt, figures.reached, figures.optimal, figures.commands, figures.least,
      figures.Ratio());
  const char* all = std::getenv("CRGEN_PRINT_ALL");
  std::size_t limit = all != nullptr ? static_cast<std::size_t>(std::atoi(all)) : 5;
  for (std::size_t i = 0; i < std::min(limit, figures.worst.size()); ++i) {
    const auto& [ratio, tree, least, commands] = figures.worst[i];
    std::printf("  %.2f: %d commands, least %d: %s\n", ratio, commands, least, tree.c_str());
  }
  for (std::size_t i = 0; i < std::min(limit, figures.refused.size()); ++i) {
    std::printf("  refused: %s\n", figures.refused[i].c_str());
  }
}

Figures Measure(const TreeRules& rules, const Enumerator::Options& options, Pid root = 1) {
  return Measure(rules, Enumerator(options).Run(), options.outside_root, root);
}

#ifdef CRGEN_SANITIZED
constexpr int kBirthsOfAll = 3;  // ten times slower
#else
constexpr int kBirthsOfAll = 4;
#endif

/// Births of the search with fork, setsid, setpgid, exit and wait.
int BirthsOfBasic() {
  const char* births = std::getenv("CRGEN_BIRTHS");
  return births != nullptr ? std::atoi(births) : 4;
}

const Reached& ReachedByBasic() {
  static const Reached reached = Enumerator({.births = BirthsOfBasic()}).Run();
  return reached;
}

/// What all system calls reach; half of this test's time, so it is made once.
const Reached& ReachedByAll() {
  static const Reached reached =
      Enumerator({.births = kBirthsOfAll, .clone_parent = true, .subreapers = true}).Run();
  return reached;
}

TreeRules Basic() { return {.clone_parent = false, .attempts = 0}; }

TEST(TreeExhaustiveTest, EveryTreeOfBasicCallsIsRebuilt) {
  Figures figures = Measure(Basic(), ReachedByBasic(), false);
  const std::string births = std::to_string(BirthsOfBasic());
  Print(("fork, setsid, setpgid, exit, wait, " + births + " births").c_str(), figures);
  EXPECT_EQ(figures.rebuilt, figures.reached);
  EXPECT_LE(figures.Ratio(), 1.02);
}

TEST(TreeExhaustiveTest, CloneParentNeverTakesMoreCommands) {
  for (const auto& [text, least] : ReachedByBasic()) {
    const TreeSnapshot snapshot = ToSnapshot(text);
    TreePlan basic, all;
    TreeRefusal refusal;
    ASSERT_TRUE(Succeeded(AnalyzeTreeWith(Basic(), snapshot, &basic, &refusal)));
    ASSERT_TRUE(Succeeded(AnalyzeTree(snapshot, &all, &refusal))) << PrintTree(snapshot);
    EXPECT_LE(all.ops.size(), basic.ops.size()) << PrintTree(snapshot);
  }
}

/// What a root that is not init can reach: it needs no search of its own. If such a root is a
/// subreaper all the time and exits last, whatever the restorer would adopt is the root's instead,
/// and as it must be gone at the end, it can be gone here too. So it reaches what an init reaches;
/// only the number of commands differs.
void ExpectRebuiltBelowNotInit(const TreeRules& rules, const Reached& reached) {
  const Figures figures = Measure(rules, reached, true, kNotInit);
  std::printf("the same, not init: %zu of %zu trees rebuilt\n", figures.rebuilt, figures.reached);
  for (const std::string& refused : figures.refused) ADD_FAILURE() << refused;
}

TEST(TreeExhaustiveTest, RootsFromAnOutsideSession) {
  const Reached reached = Enumerator({.births = BirthsOfBasic(), .outside_root = true}).Run();
  Figures figures = Measure(Basic(), reached, true);
  const std::string births = std::to_string(BirthsOfBasic());
  Print(("init from an outside session, basic calls, " + births + " births").c_str(), figures);
  EXPECT_EQ(figures.rebuilt, figures.reached);
  EXPECT_LE(figures.Ratio(), 1.02);
  ExpectRebuiltBelowNotInit(Basic(), reached);
}

TEST(TreeExhaustiveTest, SubreapersAndCloneParentBelowRootsFromAnOutsideSession) {
  const int births = BirthsOfBasic() > 4 ? 4 : 3;
  const Reached reached =
      Enumerator({.births = births, .clone_parent = true, .subreapers = true, .outside_root = true})
          .Run();
  Figures figures = Measure({}, reached, true);
  Print(("init from an outside session, all system calls, " + std::to_string(births) + " births")
            .c_str(),
        figures);
  EXPECT_EQ(figures.rebuilt, figures.reached);
  ExpectRebuiltBelowNotInit({}, reached);
}

TEST(TreeExhaustiveTest, RootsThatAreNotInit) {
  Figures figures = Measure(
      {},
      {.births = 3, .clone_parent = true, .subreapers = true, .outside_root = true, .init = false},
      kNotInit);
  Print("root that is not init, from an outside session, all system calls, 3 births", figures);
  EXPECT_EQ(figures.rebuilt, figures.reached);
}

TEST(TreeExhaustiveTest, SubreapersAndCloneParent) {
  Figures figures = Measure({}, ReachedByAll(), false);
  Print(kBirthsOfAll == 4 ? "all system calls, 4 births" : "all system calls, 3 births", figures);
  EXPECT_EQ(figures.rebuilt, figures.reached);
}

/// Every assignment of parents, groups, sessions and states to a root and `count` others.
/// Calls check(tree) for each; numbers are below `numbers`.
template <typename Check>
void ForEachAssignment(int count, int numbers, Check check) {
  int per_task = numbers * numbers * 2;
  int parents = count == 2 ? 2 : 6;
  long total = parents;
  for (int i = 0; i < count; ++i) total *= per_task;
  for (long code = 0; code < total; ++code) {
    long rest = code;
    auto digit = [&](long base) {
      long value = rest % base;
      rest /= base;
      return static_cast<std::uint8_t>(value);
    };
    test::TinyTree tree;
    tree.count = count + 1;
    for (int i = 1; i <= count; ++i) {
      auto& task = tree.tasks[static_cast<std::size_t>(i)];
      task.pid = static_cast<std::uint8_t>(i);
      task.pgid = digit(numbers);
      task.sid = digit(numbers);
      task.zombie = digit(2) != 0;
      task.parent = digit(i);
    }
    check(tree);
  }
}

struct Refusals {
  std::size_t accepted = 0;
  std::size_t refused = 0;
  std::size_t wrong = 0;
};

/// Beside the processes themselves a tree needs at most one birth for each dead number, one for
/// each session with orphans whose leader lives, and one for each cycle of groups: for a root and
/// two others with numbers up to 5, or three others with numbers up to 4, no more than five in all,
/// so that the search with five births is conclusive. The analyzer and the search must agree on
/// each assignment; a tree whose plan needs more births than the search made is proven by its
/// simulation.
Refusals CheckRefusals(const TreeRules& rules, const Reached& reached, int births, int count,
                       int numbers) {
  Refusals refusals;
  test::Canonicalizer canonicalizer;
  ForEachAssignment(count, numbers, [&](const test::TinyTree& tree) {
    std::string text = canonicalizer.Run(tree);
    TreePlan plan;
    TreeRefusal refusal;
    bool accepted = Succeeded(AnalyzeTreeWith(rules, ToSnapshot(text), &plan, &refusal));
    ++(accepted ? refusals.accepted : refusals.refused);
    auto forks = std::count_if(plan.ops.begin(), plan.ops.end(),
                               [](const TreeOp& op) { return op.kind == TreeOp::Kind::kFork; });
    if (accepted && forks - 1 > births) return;
    if (accepted == reached.contains(text)) return;
    if (++refusals.wrong <= 5) {
      ADD_FAILURE() << (accepted ? "accepted: " : "refused: ") << PrintTree(ToSnapshot(text)) << " "
                    << refusal.reason;
    }
  });
  std::printf("root + %d, numbers 1 to %d: %zu accepted, %zu refused, %zu wrong\n", count, numbers,
              refusals.accepted, refusals.refused, refusals.wrong);
  return refusals;
}

TEST(TreeExhaustiveTest, RefusalsAreExact) {
  EXPECT_EQ(CheckRefusals(Basic(), ReachedByBasic(), BirthsOfBasic(), 2, 5).wrong, 0u);
  EXPECT_EQ(CheckRefusals(Basic(), ReachedByBasic(), BirthsOfBasic(), 3, 4).wrong, 0u);
  EXPECT_EQ(CheckRefusals({}, ReachedByAll(), kBirthsOfAll, 2, 5).wrong, 0u);
  EXPECT_EQ(CheckRefusals({}, ReachedByAll(), kBirthsOfAll, 3, 4).wrong, 0u);
}

}  // namespace
}  // namespace crgen

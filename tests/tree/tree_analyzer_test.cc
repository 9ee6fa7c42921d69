// SPDX-License-Identifier: Apache-2.0
// The tree analyzer on named cases: the worked example, the hard cases, and what it must refuse.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "generator/tree/analyzer.h"
#include "generator/tree/simulate.h"
#include "model/tree_text.h"
#include "tests/support/print_tree.h"
#include "tests/support/random_world.h"

namespace crgen {
namespace {

using test::PrintTree;
using test::RandomWorld;

TreeSnapshot Tree(const std::string& text) {
  TreeSnapshot snapshot;
  Diagnostics diag;
  EXPECT_TRUE(Succeeded(ParseTree(text, &snapshot, diag))) << text;
  return snapshot;
}

std::string Short(const TreePlan& plan) {
  static const char* const kNames[] = {"fork", "setsid", "setpgid", "exit", "wait", "subreaper"};
  std::string text;
  for (const TreeOp& op : plan.ops) {
    if (!text.empty()) text += " | ";
    text += std::to_string(op.pid) + " " + kNames[static_cast<int>(op.kind)];
    if (op.clone_parent) text += "+parent";
    if (op.kind != TreeOp::Kind::kSetSid && op.kind != TreeOp::Kind::kExit) {
      text += " " + std::to_string(op.arg);
    }
  }
  return text;
}

constexpr TreeRules kBasic{.clone_parent = false, .attempts = 0};

std::string Analyzed(const std::string& text, const TreeRules& rules = {}) {
  TreePlan plan;
  TreeRefusal refusal;
  if (Failed(AnalyzeTreeWith(rules, Tree(text), &plan, &refusal))) {
    return "refused " + std::to_string(refusal.pid) + ": " + refusal.reason;
  }
  return Short(plan);
}

/// The plan is right, and has this many commands.
void ExpectCommands(const std::string& text, std::size_t commands, const TreeRules& rules = {}) {
  TreeSnapshot snapshot = Tree(text);
  TreePlan plan;
  TreeRefusal refusal;
  ASSERT_TRUE(Succeeded(AnalyzeTreeWith(rules, snapshot, &plan, &refusal)))
      << text << ": " << refusal.reason;
  SimulationError error;
  EXPECT_TRUE(Succeeded(SimulateTree(snapshot, plan.ops, &error))) << text << ": " << error.what;
  EXPECT_EQ(plan.ops.size(), commands) << text << ": " << Short(plan);
}

TEST(TreeAnalyzerTest, WorkedExample) {
  const char* tree = "1 1 1 [ 5 4 3 []  3 3 3 [ 4 4 3 []  9 3 3 [] ] ]";
  EXPECT_EQ(Analyzed(tree, kBasic),
            "0 fork 1 | 1 setsid | 1 fork 3 | 3 setsid | 3 fork 4 | 4 setpgid 4 | 4 fork 10 | "
            "10 fork 5 | 10 exit | 4 wait 10 | 3 fork 9");
  EXPECT_EQ(Analyzed(tree),
            "0 fork 1 | 1 setsid | 1 fork 3 | 3 setsid | 3 fork+parent 5 | 3 fork 4 | "
            "4 setpgid 4 | 5 setpgid 4 | 3 fork 9");
}

TEST(TreeAnalyzerTest, ChildrenBornBeforeTheirParentsSetsid) {
  EXPECT_EQ(Analyzed("1 1 1 [ 2 2 2 [ 3 1 1 [] 4 2 2 [] ] ]"),
            "0 fork 1 | 1 setsid | 1 fork 2 | 2 fork 3 | 2 setsid | 2 fork 4");
  EXPECT_EQ(Analyzed("1 1 1 [ 2 2 2 [ 3 3 3 [ 4 4 4 [ 5 1 1 [] ] ] ] ]"),
            "0 fork 1 | 1 setsid | 1 fork 2 | 2 fork 3 | 3 fork 4 | 4 fork 5 | 4 setsid | "
            "3 setsid | 2 setsid");
}

TEST(TreeAnalyzerTest, GroupsAreInherited) {
  EXPECT_EQ(Analyzed("1 1 1 [ 3 3 1 [ 4 1 1 [] 5 3 1 [] ] ]"),
            "0 fork 1 | 1 setsid | 1 fork 3 | 3 fork 4 | 3 setpgid 3 | 3 fork 5");
}

TEST(TreeAnalyzerTest, DeadLeaders) {
  ExpectCommands("1 1 1 [ 2 7 7 [] 3 7 7 [] ]", 8);
  ExpectCommands("1 1 1 [ 2 9 1 [] 3 9 1 [] ]", 8);
  ExpectCommands("1 1 1 [ 2 9 7 [] 3 7 7 [] ]", 12);
}

TEST(TreeAnalyzerTest, ZombiesServeAsParentsOfOrphans) {
  EXPECT_EQ(Analyzed("1 1 1 [ 2 2 2 z [] 3 2 2 [] ]"),
            "0 fork 1 | 1 setsid | 1 fork 2 | 2 setsid | 2 fork 3 | 2 exit");
}

TEST(TreeAnalyzerTest, GroupsWhoseFounderMovedOn) {
  ExpectCommands("1 1 1 [ 2 1 1 [ 3 2 1 [] ] ]", 6);
  ExpectCommands("1 1 1 [ 5 6 1 [] 6 5 1 [] ]", 11);
  ExpectCommands("1 1 1 [ 5 6 1 [] 6 7 1 [] 7 5 1 [ 8 8 8 [] ] ]", 13);
}

TEST(TreeAnalyzerTest, InventedPidsAvoidAllNumbers) {
  EXPECT_EQ(Analyzed("1 1 1 [ 3 3 3 t=4,5,6 [] 2 3 3 [] ]", kBasic),
            "0 fork 1 | 1 setsid | 1 fork 3 | 3 setsid | 3 fork 7 | 7 fork 2 | 7 exit | 3 wait 7");
  EXPECT_EQ(Analyzed("1 1 1 [ 3 3 3 t=32767 [] 2 3 3 [] ]", kBasic),
            "0 fork 1 | 1 setsid | 1 fork 3 | 3 setsid | 3 fork 4 | 4 fork 2 | 4 exit | 3 wait 4");
}

TEST(TreeAnalyzerTest, OutsideSessionAndGroup) {
  EXPECT_EQ(Analyzed("5 0 0 [ 6 6 0 [ 7 0 0 [] ] 8 8 8 [] ]"),
            "0 fork 5 | 5 fork 6 | 6 fork 7 | 6 setpgid 6 | 5 fork 8 | 8 setsid");
  EXPECT_EQ(Analyzed("1 1 1 [ 2 0 0 [] ]"), "0 fork 1 | 1 fork 2 | 1 setsid");
}

TEST(TreeAnalyzerTest, NobodyComesBackToTheGroupOutside) {
  ExpectCommands("77 0 0 r [ 6 2 0 z [] 7 2 0 z [] 8 2 0 z [] 11 0 0 [] ]", 16);
  ExpectCommands("1 0 0 [ 3 0 0 [ 4 2 0 [] 5 2 0 [] 6 2 0 [] ] ]", 12);
}

TEST(TreeAnalyzerTest, RootThatIsNotInitAdoptsAsASubreaper) {
  EXPECT_EQ(Analyzed("5 5 5 [ 6 9 9 [] ]", kBasic),
            "0 fork 5 | 5 setsid | 5 fork 9 | 9 setsid | 9 fork 6 | 5 subreaper 1 | 9 exit | "
            "5 wait 9 | 5 subreaper 0");
  EXPECT_EQ(Analyzed("5 5 5 [ 6 9 9 [] ]"),
            "0 fork 5 | 5 setsid | 5 fork 9 | 9 setsid | 9 fork+parent 6 | 9 exit | 5 wait 9");
}

TEST(TreeAnalyzerTest, RootThatIsNotInitAdoptsInventedProcessesThatHaveChildrenLater) {
  ExpectCommands("100 100 100 [ 101 102 103 [] 102 104 103 [] 105 102 103 [] ]", 19, kBasic);
  ExpectCommands("100 0 0 [ 101 101 101 [ 102 103 101 z [] ] 103 104 101 [ 104 102 101 z [] ] ]",
                 19, kBasic);
}

TEST(TreeAnalyzerTest, FinalFlags) {
  EXPECT_EQ(Analyzed("1 1 1 [ 2 1 1 r [] ]"), "0 fork 1 | 1 setsid | 1 fork 2 | 2 subreaper 1");
}

TEST(TreeAnalyzerTest, SiblingsForkSiblingsBelowOthersThanTheReaper) {
  EXPECT_EQ(Analyzed("1 1 1 [ 2 1 1 [ 3 3 3 [] 4 3 3 [] ] ]"),
            "0 fork 1 | 1 setsid | 1 fork 2 | 2 fork 3 | 3 setsid | 3 fork+parent 4");
}

TEST(TreeAnalyzerTest, SiblingsForkOrphansOfTheReaper) {
  EXPECT_EQ(Analyzed("1 1 1 [ 2 2 2 [] 3 2 2 [] ]"),
            "0 fork 1 | 1 setsid | 1 fork 2 | 2 setsid | 2 fork+parent 3");
  // The founder of group 4 comes first, and forks the others, who inherit it.
  EXPECT_EQ(Analyzed("1 1 1 [ 2 2 2 [] 3 4 2 [] 4 4 2 [] 5 4 2 [] ]"),
            "0 fork 1 | 1 setsid | 1 fork 2 | 2 setsid | 2 fork+parent 4 | 4 setpgid 4 | "
            "4 fork+parent 3 | 4 fork+parent 5");
}

/// Commands with siblings, and without.
void ExpectCommandsOfBoth(const std::string& text, std::size_t with, std::size_t without) {
  ExpectCommands(text, with);
  ExpectCommands(text, without, {.clone_parent = false});
}

TEST(TreeAnalyzerTest, OrphansOfSubreapers) {
  // A leader with children in two foreign sessions.
  const char* tree = "1 1 1 [ 2 2 2 [ 3 1 1 [] 4 5 5 [] ] ]";
  EXPECT_EQ(Analyzed(tree, {.clone_parent = false}),
            "0 fork 1 | 1 setsid | 1 fork 2 | 2 fork 3 | 2 setsid | 2 fork 5 | 5 setsid | "
            "5 fork 4 | 2 subreaper 1 | 5 exit | 2 wait 5 | 2 subreaper 0");
  EXPECT_EQ(Analyzed(tree),
            "0 fork 1 | 1 setsid | 1 fork 2 | 2 fork 3 | 2 setsid | 2 fork 5 | 5 setsid | "
            "5 fork+parent 4 | 5 exit | 2 wait 5");
  // An orphan below a subreaper in the middle, of a session elsewhere.
  ExpectCommandsOfBoth("1 1 1 [ 2 2 2 r [ 5 3 3 [] ] 3 3 3 [] ]", 8, 11);
  ExpectCommandsOfBoth("1 1 1 [ 2 1 1 r [ 5 3 3 [] ] 3 3 3 [] ]", 15, 15);
  // Orphans of one dead session below different ancestors.
  ExpectCommandsOfBoth("1 1 1 [ 2 2 2 [ 5 9 9 [] ] 3 3 3 [ 6 9 9 [] ] ]", 12, 12);
  ExpectCommandsOfBoth("1 1 1 [ 2 1 1 [ 5 9 9 [] 3 1 1 [ 6 9 9 [] ] ] ]", 12, 17);
  ExpectCommandsOfBoth("1 1 1 [ 2 1 1 [ 3 4 4 [] ] 5 4 4 [] ]", 9, 14);
}

/// The same with processes that are gone, and are there while something is opened.
std::string AnalyzedWith(std::vector<Pid> gone, const std::string& text) {
  TreeSnapshot snapshot = Tree(text);
  snapshot.gone = std::move(gone);
  TreePlan plan;
  TreeRefusal refusal;
  if (Failed(AnalyzeTree(snapshot, &plan, &refusal))) {
    return "refused " + std::to_string(refusal.pid) + ": " + refusal.reason;
  }
  EXPECT_EQ(plan.last, 2 * snapshot.gone.size());
  return Short(plan);
}

TEST(TreeAnalyzerTest, WhoIsGoneIsThereUntilAllIsOpen) {
  EXPECT_EQ(AnalyzedWith({5, 7}, "1 1 1 [ 2 1 1 [] ]"),
            "0 fork 1 | 1 fork 5 | 1 fork 7 | 1 setsid | 1 fork 2 | 5 exit | 1 wait 5 | 7 exit | "
            "1 wait 7");
  // Nobody who is invented gets such a number.
  EXPECT_EQ(AnalyzedWith({10}, "1 1 1 [ 5 4 3 []  3 3 3 [ 4 4 3 []  9 3 3 [] ] ]").find("10 fork"),
            std::string::npos);
  // The leader of a group, and of a session, that still has members.
  EXPECT_EQ(AnalyzedWith({5}, "1 1 1 [ 2 5 1 [] ]"),
            "0 fork 1 | 1 setsid | 1 fork 5 | 5 setpgid 5 | 1 fork 2 | 2 setpgid 5 | 5 exit | "
            "1 wait 5");
  EXPECT_EQ(AnalyzedWith({5}, "1 1 1 [ 2 5 5 [] ]"),
            "0 fork 1 | 1 setsid | 1 fork 5 | 5 setsid | 5 fork+parent 2 | 5 exit | 1 wait 5");
  EXPECT_EQ(AnalyzedWith({2}, "1 1 1 [ 2 1 1 [] ]"),
            "refused 2: has the number of a process that is gone, of which files are open");
}

TEST(TreeAnalyzerTest, DescriptionsNameRulesAndReasons) {
  TreeSnapshot snapshot = Tree("1 1 1 [ 2 7 7 [] ]");
  TreePlan plan;
  TreeRefusal refusal;
  ASSERT_TRUE(Succeeded(AnalyzeTree(snapshot, &plan, &refusal)));
  EXPECT_EQ(
      DescribeDerivation(snapshot, plan),
      "processes: 2, commands: 7, invented: 1\n"
      "  restorer fork: the root 1\n"
      "  1        setsid: leads session and group 1\n"
      "  1        fork: child 7\n"
      "  7        setsid: leads session and group 7\n"
      "  7        fork: child 2\n"
      "  7        exit: its children go to the nearest subreaper above, else to the reaper\n"
      "  1        wait: 7 is gone\n"
      "invented 7: leader of session 7, gone (heuristic 1)\n"
      "Heuristics find who is gone by what is left: 1, a session or group whose leader is not "
      "there had\none; 2, who lives in a session that no ancestor is in was born to somebody "
      "who was, and died;\n3, one such parent serves all. They are as few as are found, and "
      "gone when all is done.\n");
}

TEST(TreeAnalyzerTest, DrawsTrees) {
  EXPECT_EQ(DrawTree(Tree("1 1 1 [ 5 4 3 [ 6 4 3 z [] ]  3 3 3 r [ 4 4 3 t=8,9 [] ] ]")),
            "1 group 1 session 1\n"
            "├─ 5 group 4 session 3\n"
            "│ └─ 6 group 4 session 3 zombie\n"
            "└─ 3 group 3 session 3 subreaper\n"
            "  └─ 4 group 4 session 3, further threads: 2\n");
  // A chain takes no more room than as many processes beside each other.
  std::string chain = "1 1 1 [";
  for (int i = 2; i < 20000; ++i) chain += std::to_string(i) + " 1 1 [";
  chain += "20000 1 1 []" + std::string(19999, ']');
  EXPECT_LT(DrawTree(Tree(chain)).size(), std::size_t{20000} * 100);
}

TEST(TreeAnalyzerTest, RefusalsNameTheProcessAndTheRule) {
  EXPECT_EQ(Analyzed("1 1 1 [ 2 2 3 [ 3 3 3 [] ] ]"),
            "refused 2: it must be born in session 3, whose leader descends from it");
  EXPECT_EQ(
      Analyzed("1 1 1 [ 2 1 2 [] ]"),
      "refused 2: it leads its session but is in group 1; a session leader's group is its own "
      "pid");
  EXPECT_EQ(Analyzed("1 1 1 [ 2 2 2 [ 3 9 2 [] ] 4 9 1 [] ]"),
            "refused 4: group 9 spans sessions 2 and 1");
  EXPECT_EQ(Analyzed("1 1 1 [ 2 2 2 [] 3 2 1 [] ]"), "refused 3: group 2 spans sessions 2 and 1");
  EXPECT_EQ(Analyzed("1 1 1 [ 2 2 1 z [ 3 1 1 [] ] ]"),
            "refused 3: its parent is a zombie; an exit gives all children away");
  EXPECT_EQ(Analyzed("1 1 1 [ 2 1 1 [] 2 1 1 [] ]"), "refused 2: two processes have this pid");
  EXPECT_EQ(Analyzed("1 1 1 [ 2 1 1 t=3 [] 4 3 1 [] ]"),
            "refused 4: group 3 has the number of a thread");
  EXPECT_EQ(
      Analyzed("1 1 1 [ 2 2 2 [ 3 3 2 [ 4 1 1 [] ] ] ]"),
      "refused 4: it must be born in session 1, but its parent 3 never is in it, and the session "
      "is from above that parent, so nobody below it is");
  EXPECT_EQ(Analyzed("1 1 1 [ 2 1 1 [ 3 5 5 [ 5 5 5 [] ] ] ]"),
            "refused 3: it must be born in session 5, whose leader descends from it");
  EXPECT_EQ(
      Analyzed("1 0 0 [ 2 0 0 [] 3 2 0 [] ]"),
      "refused 2: it must have founded group 2, but is in the group outside, which nobody can "
      "come back to");
  EXPECT_EQ(Analyzed("4 3 3 []"),
            "refused 4: the root is in session 3, which it neither leads nor inherits from outside "
            "(0)");
  EXPECT_EQ(Analyzed("71 71 71 [ 73 1 71 [] ]"),
            "refused 73: it is in group 1, of the init of its pid namespace, which is not in the "
            "tree");
  EXPECT_EQ(Analyzed("71 71 71 [ 73 1 1 [] ]"),
            "refused 73: it is in session 1, of the init of its pid namespace, which is not in the "
            "tree");
}

TEST(TreeAnalyzerTest, DeepChainsNeedNoStack) {
  constexpr int kDepth = 100000;
  TreeSnapshot snapshot;
  for (int i = 0; i < kDepth; ++i) {
    TreeNode node;
    node.pid = i + 1;
    node.pgid = node.sid = i % 3 == 0 ? node.pid : snapshot.nodes.back().sid;
    node.parent = ProcessIndex(i - 1);
    snapshot.nodes.push_back(node);
  }
  TreePlan plan;
  TreeRefusal refusal;
  ASSERT_TRUE(Succeeded(AnalyzeTree(snapshot, &plan, &refusal))) << refusal.reason;
  TreeSnapshot again;
  Diagnostics diag;
  ASSERT_TRUE(Succeeded(ParseTree(PrintTree(snapshot), &again, diag)));
  EXPECT_EQ(again.nodes.size(), snapshot.nodes.size());
}

/// Roots that random trees have: init or not, from an outside session or not.
constexpr RandomWorld::Options kRoots[] = {
    {}, {.outside_root = true}, {.root = 77}, {.outside_root = true, .root = 77}};

/// Analyzes `trees` random ones of each kind of root; prints and counts those that are refused.
int CountRefused(const TreeRules& rules, bool all, int trees, unsigned steps) {
  int refused = 0;
  for (RandomWorld::Options options : kRoots) {
    options.all = all;
    for (unsigned seed = 1; seed <= static_cast<unsigned>(trees); ++seed) {
      TreeSnapshot snapshot = RandomWorld(seed, options).Run(static_cast<int>(10 + seed % steps));
      TreePlan plan;
      TreeRefusal refusal;
      if (Succeeded(AnalyzeTreeWith(rules, snapshot, &plan, &refusal))) continue;
      ++refused;
      std::printf("seed %u, pid %d: %s: %s\n", seed, refusal.pid, refusal.reason.c_str(),
                  PrintTree(snapshot).c_str());
    }
  }
  return refused;
}

TEST(TreeAnalyzerTest, RandomReachableTreesAreRebuilt) {
  EXPECT_EQ(CountRefused(kBasic, false, 3000, 300), 0);
}

TEST(TreeAnalyzerTest, RandomTreesWithSubreapersAndCloneParent) {
  constexpr int kTrees = 3000;
  const int refused = CountRefused({}, true, kTrees, 100);
  std::printf("random trees of all system calls: %d of %zu refused\n", refused,
              kTrees * std::size(kRoots));
  EXPECT_LE(refused, kTrees / 100);
}

}  // namespace
}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Warnings: what is legal in a program, but has no effect on where it ends.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "checker/warnings.h"
#include "dsl/json/program_json.h"
#include "generator/generate.h"
#include "generator/tree_commands.h"
#include "images/dump.h"
#include "model/tree_text.h"
#include "tests/support/check_support.h"
#include "tests/support/print_tree.h"
#include "tests/support/tree_enumerator.h"

namespace crgen::test {
namespace {

/// The warnings about `program`, which must be right.
std::vector<std::string> Warnings(const Program& program, const Snapshot* snapshot = nullptr) {
  SimulatedState state;
  Diagnostics diag;
  EXPECT_EQ(CheckProgram(program, &state, diag), Result::kOk);
  if (diag.HasErrors()) return Lines(diag);
  FindSuspects(program, state, snapshot, diag);
  EXPECT_FALSE(diag.HasErrors());
  return Lines(diag);
}

using Expected = std::vector<std::string>;

const Program kRoot = {ForkOf(0, 10), SidOf(10)};

TEST(Unreaped, OfTheRestorer) {
  // 11 leaves 12 to the restorer, and then it is 12 that is never reaped.
  const Program program = kRoot + Program{ForkOf(10, 11), ForkOf(11, 12), ExitOf(11),
                                          WaitOf(10, 11), ExitOf(12),     ResumeOf(10)};
  EXPECT_EQ(Warnings(program),
            (Expected{"commands[6] EXIT pid 12: no WAIT follows, and it is left to the restorer, "
                      "outside the tree",
                      "end of program: 3 FORK where 2 may do, 3 EXIT or RESUME where 2 may do"}));
}

TEST(Unreaped, AZombieOfTheTreeMayBeMeant) {
  EXPECT_EQ(Warnings(kRoot + Program{ForkOf(10, 11), ExitOf(11), ResumeOf(10)}), Expected{});
  EXPECT_EQ(Warnings({ForkOf(0, 10), ExitOf(10)}), Expected{});
}

TEST(Unreaped, AgainstASnapshot) {
  const Program program =
      kRoot + Program{ForkOf(10, 11), ForkOf(10, 12), ExitOf(11), ExitOf(12), ResumeOf(10)};
  Snapshot snapshot;
  Diagnostics diag;
  ASSERT_EQ(ParseTree("10 10 10 [ 11 10 10 z [] ]", &snapshot.tree, diag), Result::kOk);
  EXPECT_EQ(Warnings(program, &snapshot),
            (Expected{"commands[5] EXIT pid 12: no WAIT follows, and the dump has no zombie 12"}));
  ASSERT_EQ(ParseTree("10 10 10 [ 11 10 10 z [] 12 10 10 [] ]", &snapshot.tree, diag), Result::kOk);
  EXPECT_EQ(Warnings(program, &snapshot).size(), 1u);
  ASSERT_EQ(ParseTree("10 10 10 [ 11 10 10 z [] 12 10 10 z [] ]", &snapshot.tree, diag),
            Result::kOk);
  EXPECT_EQ(Warnings(program, &snapshot), Expected{});
}

/// What is said of process 10, between its SET_SID and its RESUME, but for what it ends in.
Expected OfDescriptors(const Program& commands) {
  Expected warnings = Warnings(kRoot + commands + Program{ResumeOf(10)});
  std::erase_if(warnings, [](const std::string& it) { return it.starts_with("end of program"); });
  return warnings;
}

TEST(UnusedDescriptor, IsClosed) {
  EXPECT_EQ(OfDescriptors({OpenOf(10, 3, RegFile(1)), CloseOf(10, 3)}),
            (Expected{"commands[3] CLOSE_FD pid 10: closes fd 3, which nobody has mapped, "
                      "duplicated or inherited since commands[2]"}));
  EXPECT_EQ(OfDescriptors({OpenOf(10, 3, RegFile(1)), DupOf(10, 3, 4), CloseOf(10, 4)}),
            (Expected{"commands[4] CLOSE_FD pid 10: closes fd 4, which nobody has mapped, "
                      "duplicated or inherited since commands[3]"}));
  EXPECT_EQ(OfDescriptors({OpenOf(10, 3, NewMemfd(1, 5, 4096)), CloseOf(10, 3)}).size(), 1u);
  EXPECT_EQ(
      OfDescriptors({OpenOf(10, 3, RegFile(1)), DupOf(10, 3, 3, true), CloseOf(10, 3)}).size(), 1u)
      << "to set a flag is no use";
}

TEST(UnusedDescriptor, IsLostByExit) {
  EXPECT_EQ(
      OfDescriptors({ForkOf(10, 11), OpenOf(11, 3, RegFile(1)), ExitOf(11), WaitOf(10, 11)}),
      (Expected{"commands[4] EXIT pid 11: closes fd 3, which nobody has mapped, duplicated or "
                "inherited since commands[3]"}));
  EXPECT_EQ(OfDescriptors({ForkOf(10, 11, CLONE_FILES), OpenOf(11, 3, RegFile(1)), ExitOf(11),
                           WaitOf(10, 11)}),
            Expected{})
      << "10 has it too";
}

TEST(UnusedDescriptor, IsReplaced) {
  EXPECT_EQ(
      OfDescriptors({OpenOf(10, 3, RegFile(1)), OpenOf(10, 4, RegFile(2)), DupOf(10, 3, 4)}),
      (Expected{"commands[4] DUP_FD pid 10: replaces fd 4, which nobody has mapped, duplicated "
                "or inherited since commands[3]"}));
  EXPECT_EQ(OfDescriptors({OpenPair(10, 3, OtherOf(1), 4, OtherOf(2)), DupOf(10, 3, 4)}).size(),
            1u);
  EXPECT_EQ(OfDescriptors({OpenOf(10, 3, RegFile(1)), OpenOf(10, 4, RegFile(2)), ForkOf(10, 11),
                           DupOf(11, 3, 4), ResumeOf(11)}),
            Expected{})
      << "an inherited one may be in the way";
}

TEST(UnusedDescriptor, IsNoneThatWasUsed) {
  EXPECT_EQ(OfDescriptors({OpenOf(10, 3, RegFile(1))}), Expected{}) << "it stays";
  EXPECT_EQ(
      OfDescriptors({OpenOf(10, 3, RegFile(1)), MapFd(10, 0x1000, 0x2000, 3), CloseOf(10, 3)}),
      Expected{});
  EXPECT_EQ(
      OfDescriptors({OpenOf(10, 3, RegFile(1)), ForkOf(10, 11), CloseOf(10, 3), ResumeOf(11)}),
      Expected{});
  EXPECT_EQ(OfDescriptors({OpenOf(10, 3, RegFile(1)), DupOf(10, 3, 4), CloseOf(10, 3)}),
            Expected{});
  EXPECT_EQ(OfDescriptors({OpenPair(10, 3, OtherOf(1), 4, OtherOf(2)), CloseOf(10, 4)}), Expected{})
      << "one end is wanted";
}

TEST(UnusedDescriptor, MayHaveMadeAMemfdThatIsUsed) {
  EXPECT_EQ(OfDescriptors({OpenOf(10, 3, NewMemfd(1, 5, 4096)), OpenOf(10, 4, OldMemfd(2, 5)),
                           CloseOf(10, 3)}),
            Expected{});
  EXPECT_EQ(OfDescriptors({OpenOf(10, 3, NewMemfd(1, 5, 4096)), ForkOf(10, 11), ResumeOf(11),
                           OpenOf(10, 4, OldMemfd(2, 5, F_SEAL_WRITE)), CloseOf(10, 4)}),
            Expected{});
}

CommandBound BoundOf(const Program& program) {
  SimulatedState state;
  Diagnostics diag;
  EXPECT_EQ(CheckProgram(program, &state, diag), Result::kOk);
  return BoundCommands(program, state);
}

TEST(Bound, CountsWhatIsLeft) {
  const CommandBound bound = BoundOf(
      kRoot + Program{ThreadOf(10, 20), ForkOf(10, 11), PgidOf(11, 11), OpenOf(11, 3, RegFile(1)),
                      OpenPair(11, 4, OtherOf(2), 5, OtherOf(3)), CloseOf(11, 5),
                      OpenOf(11, 6, RegFile(4)), MapFd(11, 0x1000, 0x2000, 6), CloseOf(11, 6),
                      OpenOf(11, 7, NewMemfd(5, 9, 4096)), OpenOf(11, 8, OldMemfd(6, 9)),
                      CloseOf(11, 7), ResumeOf(11), ForkOf(10, 12), ExitOf(12), ResumeOf(10)});
  const std::size_t expected[] = {3, 1, 1, 1, 3, 5};
  for (std::size_t kind = 0; kind < CommandBound::kKinds; ++kind) {
    EXPECT_EQ(bound.kinds[kind].count, expected[kind]) << kind;
    EXPECT_EQ(bound.kinds[kind].least, expected[kind]) << kind;
  }
  EXPECT_EQ(bound.Count(), 14u);
  EXPECT_EQ(bound.Least(), 14u);
}

TEST(Bound, CountsWhoGaveASessionOrGroupItsNumber) {
  // Of 11 the session is left, of 12 the group.
  const Program program =
      kRoot +
      Program{SubreaperOf(10, true), ForkOf(10, 11), SidOf(11),      ForkOf(11, 12), PgidOf(12, 12),
              ForkOf(12, 13),        ExitOf(12),     WaitOf(11, 12), ExitOf(11),     WaitOf(10, 11),
              ResumeOf(13),          ResumeOf(10)};
  EXPECT_EQ(Warnings(program), Expected{});
}

TEST(Bound, CountsWhoDiedForAnOrphan) {
  // 12 is of session 11, which lives, but a child of 10.
  const Program invented =
      kRoot + Program{SubreaperOf(10, true), ForkOf(10, 11), SidOf(11),      ForkOf(11, 13),
                      ForkOf(13, 12),        ExitOf(13),     WaitOf(11, 13), ResumeOf(11),
                      ResumeOf(12),          ResumeOf(10)};
  EXPECT_EQ(BoundOf(invented).kinds[CommandBound::kFork].least, 4u);
  EXPECT_EQ(Warnings(invented), Expected{});
  const Program siblings =
      kRoot + Program{ForkOf(10, 11), SidOf(11),    ForkOf(11, 12, CLONE_PARENT),
                      ResumeOf(11),   ResumeOf(12), ResumeOf(10)};
  EXPECT_EQ(BoundOf(siblings).kinds[CommandBound::kFork].least, 3u);
}

TEST(Bound, NamesEveryExcess) {
  EXPECT_EQ(
      Warnings(kRoot + Program{OpenOf(10, 3, RegFile(1)), ForkOf(10, 11), SidOf(11), CloseOf(11, 3),
                               ExitOf(11), WaitOf(10, 11), CloseOf(10, 3), ResumeOf(10)}),
      (Expected{"end of program: 2 FORK where 1 may do, 2 SET_SID where 1 may do, 2 EXIT or "
                "RESUME where 1 may do, 1 OPEN_FILE where 0 may do"}));
}

/// Checked against a search for the fewest commands that knows nothing of the bound.
TEST(Bound, IsNotAboveTheFewestCommandsOfAnySmallTree) {
  test::Enumerator::Options options;
  options.births = 3;
  options.subreapers = true;
  std::size_t trees = 0, above = 0;
  for (const auto& [text, fewest] : test::Enumerator(options).Run()) {
    const TreeSnapshot tree = test::ToSnapshot(text);
    TreePlan plan;
    TreeRefusal refusal;
    ASSERT_EQ(AnalyzeTreeWith({.clone_parent = false}, tree, &plan, &refusal), Result::kOk);
    Program program;
    for (const TreeOp& op : plan.ops) program.push_back(TreeCommand(op));
    std::size_t resumed = 0;
    for (const TreeNode& node : tree.nodes) {
      if (node.zombie) continue;
      program.push_back(ResumeOf(node.pid));
      ++resumed;
    }
    const CommandBound bound = BoundOf(program);
    // The search begins after the root's FORK and SET_SID.
    ASSERT_LE(bound.Least() - resumed - 2, static_cast<std::size_t>(fewest)) << PrintTree(tree);
    ++trees;
    above += bound.Count() > bound.Least();
  }
  std::printf("%zu trees, %zu programs above their bound\n", trees, above);
  EXPECT_GT(trees, 9000u);
  EXPECT_LT(above, trees / 40);
}

std::string ReadFileText(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(Warnings, AreNotAboutWhatCrgenWrites) {
  std::size_t programs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(CRGEN_GOLDEN)) {
    if (entry.path().extension() != ".json") continue;
    Program program;
    Diagnostics diag;
    ASSERT_EQ(ReadProgram(ReadFileText(entry.path()), "golden", &program, diag), Result::kOk);
    EXPECT_EQ(Warnings(program), Expected{}) << entry.path();
    ++programs;
  }
  EXPECT_GT(programs, 10u);
}

}  // namespace
}  // namespace crgen::test

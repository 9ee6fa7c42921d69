// SPDX-License-Identifier: Apache-2.0
// Pipes: typical cases and the exact commands for them; and all small snapshots: none too many for
// two processes, hardly more for three, where a table would have to take its final form before its
// last fork.
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "tests/support/fewest.h"
#include "tests/support/snapshot_builder.h"

namespace crgen::test {
namespace {

PlanVerdict VerdictOf(const std::string& tree, const std::string& text) {
  return PlanVerdict(SnapshotBuilder::Build(tree, text));
}

/// The program for a snapshot, after it was checked.
std::string Generated(const std::string& tree, const std::string& text) {
  const PlanVerdict verdict = VerdictOf(tree, text);
  EXPECT_EQ(verdict.problems, "");
  return "\n" + ProgramText::Of(verdict.program);
}

TEST(GeneratePipesTest, ParentWritesAndChildReads) {
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [] ]", R"(
fd 1: 4=p>
fd 2: 0=p<
pipe p: 4096 7)"),
            R"(
0 FORK 1
1 SET_SID
1 OPEN_FILE 4 pipe 70> capacity 4096 data 7, 0 pipe 70<
1 FORK 2
1 CLOSE_FD 0
1 SET_ATTR, RESUME
2 CLOSE_FD 4
2 SET_ATTR, RESUME
)");
}

TEST(GeneratePipesTest, BothEndsInOneProcess) {
  EXPECT_EQ(Generated("1 1 1 []", R"(
fd 1: 3=p< 4=p>+c 5=p<)"),
            R"(
0 FORK 1
1 SET_SID
1 OPEN_FILE 3 pipe 70<, 4 pipe 70> cloexec
1 DUP_FD 3 5
1 SET_ATTR, RESUME
)");
}

TEST(GeneratePipesTest, AnEndThatNobodyHas) {
  EXPECT_EQ(Generated("1 1 1 []", R"(
fd 1: 3=p< 4=q>
pipe p: 65536 3)"),
            R"(
0 FORK 1
1 SET_SID
1 OPEN_FILE 3 pipe 70< capacity 65536 data 3
1 OPEN_FILE 4 pipe 71>
1 SET_ATTR, RESUME
)");
}

TEST(GeneratePipesTest, SiblingsGetTheirsFromTheParent) {
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [] 3 1 1 [] ]", R"(
fd 2: 1=p>
fd 3: 0=p<)"),
            R"(
0 FORK 1
1 SET_SID
1 OPEN_FILE 1 pipe 70>, 0 pipe 70<
1 FORK 2
1 CLOSE_FD 1
1 FORK 3
1 CLOSE_FD 0
1 SET_ATTR, RESUME
2 CLOSE_FD 0
2 SET_ATTR, RESUME
3 SET_ATTR, RESUME
)");
}

TEST(GeneratePipesTest, WhatIsReopenedComesAfterThePipe) {
  // The reader is of the second child, and who has opened it anew comes first.
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [] 3 1 1 [] ]", R"(
fd 2: 0=p<<
fd 3: 0=p<)"),
            R"(
0 FORK 1
1 SET_SID
1 FORK 2
1 FORK 3
3 OPEN_FILE 0 pipe 70<
2 OPEN_FILE 0 pipe 70<<
1 SET_ATTR, RESUME
2 SET_ATTR, RESUME
3 SET_ATTR, RESUME
)");
}

TEST(GeneratePipesTest, WhatIsNeededEarlyIsOpenedEarly) {
  // Everybody inherits p<<, and only the last child has the end that pipe(2) made.
  const PlanVerdict verdict = VerdictOf("1 1 1 [ 2 1 1 [] 3 1 1 [] ]", R"(
fd 1: 0=p<<
fd 2: 0=p<<
fd 3: 0=p<< 1=p<)");
  EXPECT_EQ(verdict.problems, "");
}

TEST(GeneratePipesTest, TablesThatWaitForEachOther) {
  const PlanVerdict verdict = VerdictOf("1 1 1 [ 2 1 1 [] 3 1 1 [] ]", R"(
fd 2: 0=p<< 1=q>
fd 3: 0=q>> 1=p<)");
  EXPECT_EQ(verdict.problems, "");
}

TEST(GeneratePipesTest, OnlyReopenedOnes) {
  EXPECT_EQ(Generated("1 1 1 []", R"(
fd 1: 3=p<> 4=p>>
pipe p: - 5)"),
            R"(
0 FORK 1
1 SET_SID
1 OPEN_FILE 3 pipe 70<> data 5
1 OPEN_FILE 4 pipe 70>>
1 SET_ATTR, RESUME
)");
}

TEST(GeneratePipesTest, Fifos) {
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [] ]", R"(
fd 1: 3=f/<
fd 2: 4=f/>)"),
            R"(
0 FORK 1
1 SET_SID
1 FORK 2
1 OPEN_FILE 3 FIFO /f
2 OPEN_FILE 4 FIFO /f
1 SET_ATTR, RESUME
2 SET_ATTR, RESUME
)");
}

// ---- all small snapshots

/// No more than `slack` above the fewest, for every snapshot of the tree whose processes have the
/// first numbers filled with nothing, the ends of a pipe, and, `with_opened`, a description of it
/// that was opened.
void ExpectFewest(const std::string& tree, std::array<int, 3> creators, int processes,
                  bool with_opened, int slack) {
  const Fewest with_plain(creators, processes, true), without(creators, processes, false);
  const char* const kNames[] = {"", "p<", "p>", "p<>"};
  const int kinds = with_opened ? 4 : 3, slots = processes * (kNumbers - 1);
  int cases = 1, wrong = 0;
  for (int i = 0; i < slots; ++i) cases *= kinds;
  for (int number = 0; number < cases && wrong < 5; ++number) {
    State state;
    state.born = (1 << processes) - 1;
    std::string text;
    int rest = number;
    for (int p = 0; p < processes; ++p) {
      text += "\nfd " + std::to_string(p + 1) + ":";
      for (int fd = 0; fd < kNumbers - 1; ++fd, rest /= kinds) {
        const int what = rest % kinds;
        state.tables[p][fd] = what;
        if (what != kNothing) text += " " + std::to_string(fd) + "=" + kNames[what];
      }
    }
    state.opened = state.Has(kOpened);
    state.made = state.Has(kReads) || state.Has(kWrites);
    const int fewest = (state.made ? with_plain : without).To(state);
    const PlanVerdict verdict = VerdictOf(tree, text);
    ASSERT_EQ(verdict.problems, "") << text;
    const auto count = static_cast<int>(DescriptorCommands(verdict.program));
    if (fewest >= 0 && count <= fewest + slack) continue;
    ++wrong;
    ADD_FAILURE() << text << "\n" << fewest << " may do:\n" << ProgramText::Of(verdict.program);
  }
}

TEST(GeneratePipesTest, NoneTooManyForParentAndChild) {
  ExpectFewest("1 1 1 [ 2 1 1 [] ]", {0, 0, 0}, 2, true, 0);
}
TEST(GeneratePipesTest, HardlyMoreForSiblings) {
  ExpectFewest("1 1 1 [ 2 1 1 [] 3 1 1 [] ]", {0, 0, 0}, 3, false, 3);
}
TEST(GeneratePipesTest, HardlyMoreForThreeGenerations) {
  ExpectFewest("1 1 1 [ 2 1 1 [ 3 1 1 [] ] ]", {0, 0, 1}, 3, false, 2);
}

}  // namespace
}  // namespace crgen::test

// SPDX-License-Identifier: Apache-2.0
// Dumps and their plans, compared with themselves and each other: no difference.
#include <gtest/gtest.h>

#include <memory>

#include "generator/generate.h"
#include "images/dump.h"
#include "tests/support/diff_text.h"
#include "tests/support/image_support.h"

namespace crgen::test {
namespace {

class DiffFixtureTest : public ::testing::TestWithParam<std::string> {
 protected:
  DiffFixtureTest() : source_(OpenMemory(ReadFixture(GetParam()))) {
    LoadOptions options;
    options.unplanned = &unplanned_;
    Diagnostics diag;
    EXPECT_EQ(LoadDump(*source_, &snapshot_, diag, options), Result::kOk) << TextOf(diag);
    EXPECT_EQ(GenerateProgram(snapshot_, {}, Reader(), &program_, diag), GenerateOutcome::kOk);
    state_ = StateOf(program_);
  }
  PageReader Reader() { return PageReaderOf(*source_); }

  std::unique_ptr<ImageSource> source_;
  Snapshot snapshot_;
  Unplanned unplanned_;
  Program program_;
  SimulatedState state_;
};

TEST_P(DiffFixtureTest, FindsNothingInItself) {
  EXPECT_EQ(DiffLines(snapshot_, snapshot_, {}, Reader(), Reader()), "no difference\n");
  const Snapshot end = SnapshotOf(state_);
  EXPECT_EQ(DiffLines(end, end, {}, Reader(), Reader()), "no difference\n");
}

TEST_P(DiffFixtureTest, FindsNothingInItsOwnPlan) {
  const Snapshot end = SnapshotOf(state_);
  Diagnostics outside;
  ASSERT_EQ(PrepareTree(snapshot_.tree, &snapshot_.tree, outside), Result::kOk);
  for (const bool same_meaning : {false, true}) {
    DiffOptions options;
    options.same_meaning = same_meaning;
    EXPECT_EQ(DiffLines(snapshot_, end, options, Reader(), Reader()), "no difference\n");
    EXPECT_EQ(DiffLines(end, snapshot_, options, Reader(), Reader()), "no difference\n");
  }
}

/// The judge of programs finds in a state what the snapshot of that state has.
TEST_P(DiffFixtureTest, HasAllThatTheStateHas) {
  Diagnostics diag;
  EXPECT_EQ(CompareWithSnapshot(state_, SnapshotOf(state_), Reader(), diag), Result::kOk)
      << TextOf(diag);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, DiffFixtureTest, ::testing::ValuesIn(FixtureNames()),
                         [](const auto& fixture) { return fixture.param; });

}  // namespace
}  // namespace crgen::test

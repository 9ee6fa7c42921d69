// SPDX-License-Identifier: Apache-2.0
// Small snapshots whose programs were wrong once.
#include <gtest/gtest.h>

#include "tests/support/snapshot_builder.h"

namespace crgen::test {
namespace {

void ExpectRight(const std::string& tree, const std::string& text) {
  const MadeDump dump = SnapshotBuilder::Build(tree, text);
  const PlanVerdict verdict(dump);
  EXPECT_EQ(verdict.problems, "") << ProgramText::Of(verdict.program);
}

TEST(GenerateRegressionTest, CarriedViewBeginsWhereAnotherFills) {
  ExpectRight("1 1 1 [ 2 1 1 [] 3 1 1 [] ]", R"(
shm x: 3 0-2=1
mem 1: 10-13 rw shm:x
mem 2: 10-11 rw shm:x
mem 3: 10-11 rw shm:x)");
}

TEST(GenerateRegressionTest, ViewIsOfUseAfterItWasHandedOn) {
  ExpectRight("1 1 1 [ 2 1 1 [ 4 1 1 [] ] 3 1 1 [] ]", R"(
shm x: 2
mem 1: 10-11 rw shm:x
mem 2: 10-12 rw shm:x
mem 4: 10-12 rw shm:x)");
}

TEST(GenerateRegressionTest, VdsoIsOfUseAfterItWasHandedOn) {
  ExpectRight("1 1 1 [ 2 1 1 [ 4 1 1 [] ] 3 1 1 [] ]", R"(
mem 1: 20-22 rx vdso
mem 2: 30-32 rx vdso
mem 4: 30-32 rx vdso)");
}

TEST(GenerateRegressionTest, ViewWithDontfork) {
  for (const char* one : {"dontfork", ""}) {
    for (const char* other : {"dontfork", "dontdump", ""}) {
      ExpectRight("1 1 1 [ 2 1 1 [ 3 1 1 [] ] ]",
                  "shm x: 4 1=1\nmem 1: 10-14 rw shm:x " + std::string(one) +
                      "\nmem 2: 13-14 rw shm:x+3 " + other + "\nmem 3: 10-14 rw shm:x " + other);
    }
  }
}

TEST(GenerateRegressionTest, VsyscallStaysWhereItIs) {
  // 2 is there for the sake of its session and hands the page on to 3 only.
  ExpectRight("1 1 1 [ 3 2 2 [] 4 2 2 z [] ]", R"(
mem 1: 10-12 rw anon
mem 1: ffffffffff600-ffffffffff601 x vsyscall
mem 3: 10-12 rw anon
mem 3: ffffffffff600-ffffffffff601 x vsyscall)");
}

TEST(GenerateRegressionTest, SealsAreAddedThroughWhatCanWrite) {
  ExpectRight("1 1 1 []", R"(
memfd m: 2 seals=e 0=1
mem 1: 10-12 r memfd:m)");
  ExpectRight("1 1 1 []", R"(
memfd m: 2 seals=8 0=1
fd 1: 0=m
mem 1: 10-12 r smemfd:m)");
}

TEST(GenerateRegressionTest, RootIsInTheGroupOfItsChild) {
  ExpectRight("7 9 0 r [ 9 9 0 [] ]", "");
}

TEST(GenerateRegressionTest, MovesThatWaitForACycle) {
  // 2: x is to go where y is, y and z are to change places.
  ExpectRight("1 1 1 [ 2 1 1 [] ]", R"(
shm x: 1 0=1
shm y: 1 0=2
shm z: 1 0=3
mem 1: 10 rw shm:x
mem 1: 11 rw shm:y
mem 1: 12 rw shm:z
mem 2: 11 rw shm:x
mem 2: 12 rw shm:y
mem 2: 13 rw shm:z)");
  ExpectRight("1 1 1 [ 2 1 1 [] ]", R"(
shm x: 2 0=1
shm y: 2 0=2
shm z: 1 0=3
mem 1: 10-12 rw shm:x
mem 1: 12-14 rw shm:y
mem 1: 14-15 rw shm:z
mem 2: 10-11 rw shm:z
mem 2: 11-13 rw shm:y
mem 2: 13-15 rw shm:x)");
}

TEST(GenerateRegressionTest, OneFileMappedThroughDifferentOpenings) {
  ExpectRight("1 1 1 [ 2 1 1 [] ]", R"(
mem 1: 10-12 r file:a rdwr
mem 2: 10-12 r file:a)");
}

TEST(GenerateRegressionTest, SomethingInTheWayFarBelow) {
  const MadeDump dump = SnapshotBuilder::Build("1 1 1 [ 2 1 1 [] 4 3 3 [] 5 3 3 [] 6 3 3 [] ]", R"(
mem 1: 10-14 rw anon 10=1
mem 2: 10-14 rw anon 10=1
mem 4: 11-13 rx vdso
mem 5: 10-14 rw anon 10=1
mem 6: 11-13 rx vdso)");
  const PlanVerdict verdict(dump);
  EXPECT_EQ(verdict.problems, "");
  // 2 inherits what 1 has, whatever 3, which made the session, hands on.
  EXPECT_EQ(ProgramText::Of(verdict.program).find("2 MAP_REGION"), std::string::npos);
}

// proc(5): they are there with their processes and threads.
TEST(GenerateRegressionTest, FilesOfProcAreOpenedWhenTheirProcessIsThere) {
  ExpectRight("1 1 1 [ 2 1 1 [] 3 1 1 t=4,5 [] ]", R"(
fd 1: 3=proc/2/stat 4=proc/3/task/5/stat 5=proc/1 6=proc/77/stat
fd 2: 3=proc/3/task/4/stat
fd 3: 3=proc/3/task/4/comm)");
  ExpectRight("1 1 1 [ 2 1 1 [ 3 1 1 [] ] ]", R"(
fd 2: 3=proc/2/stat
fd 3: 3=proc/2/stat)");
  ExpectRight("1 1 1 t=5 [ 2 1 1 t=6 [ 3 1 1 [] ] ]", R"(
fd 1: 3=proc/1/task/5/stat
fd 2: 3=proc/1/task/5/stat 4=proc/2/task/6/stat
fd 3: 3=proc/1/task/5/stat 4=proc/2/task/6/stat)");
}

TEST(GenerateRegressionTest, AThreadHasAFolderInProcToo) {
  ExpectRight("1 1 1 t=5,6 [ 2 1 1 t=7 [] 3 1 1 [] ]", R"(
fd 1: 3=proc/5/stat 4=proc/6/task/5/stat 5=proc/7/stat
fd 2: 3=proc/5/stat 4=proc/7/task/7/stat
fd 3: 3=proc/6/task/1/stat 4=proc/7/task/2/stat)");
}

// The process is there until all of it is open, and the checker asks for it.
TEST(GenerateRegressionTest, FilesOfProcOfProcessesThatAreGone) {
  MadeDump dump = SnapshotBuilder::Build("1 1 1 [ 2 1 1 [] 4 9 1 [] ]", R"(
fd 1: 3=proc/7/stat 5=proc/9
fd 2: 3=proc/7/stat 4=proc/7/task/7/maps
fd 4: 5=proc/9)");
  dump.snapshot.tree.gone = {7, 9};
  const PlanVerdict verdict(dump);
  EXPECT_EQ(verdict.problems, "");
  const std::string text = ProgramText::Of(verdict.program);
  EXPECT_LT(text.find("1 FORK 7"), text.find("1 FORK 2")) << text;
  EXPECT_LT(text.find("2 OPEN_FILE"), text.find("7 EXIT")) << text;
  EXPECT_LT(text.find("1 WAIT 9"), text.find("1 RESUME")) << text;

  dump = SnapshotBuilder::Build("1 1 1 []", "fd 1: 3=proc/7/stat");
  const PlanVerdict without(dump);
  EXPECT_EQ(without.problems, "");
  dump.snapshot.tree.gone = {7};
  Diagnostics differences;
  EXPECT_EQ(CompareWithSnapshot(without.state, dump.snapshot, dump.images.Reader(), differences),
            Result::kError);
  ASSERT_EQ(differences.entries().size(), 1u);
  EXPECT_EQ(differences.entries().front().where, "process 7");
  EXPECT_EQ(differences.entries().front().what,
            "files of its directory in /proc are open, and nobody had its number");
}

TEST(GenerateRegressionTest, AFileOfProcThatIsInheritedTooEarlyIsTakenFromWhoOpensIt) {
  const PlanVerdict verdict(SnapshotBuilder::Build("1 1 1 [ 2 1 1 [] ]", R"(
fd 1: 3=proc/2/stat
fd 2: 3=proc/2/stat)"));
  EXPECT_EQ(verdict.outcome, GenerateOutcome::kOk);
  EXPECT_EQ(verdict.problems, "");
  EXPECT_EQ(std::ranges::count_if(verdict.program,
                                  [](const Command& command) {
                                    const auto* open = std::get_if<OpenFile>(&command.body);
                                    return open != nullptr && open->from.has_value();
                                  }),
            1);
}

}  // namespace
}  // namespace crgen::test

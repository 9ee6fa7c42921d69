// SPDX-License-Identifier: Apache-2.0
// Typical small cases and the exact commands for them: none too many.
#include <gtest/gtest.h>

#include "tests/support/snapshot_builder.h"

namespace crgen::test {
namespace {

/// The program for a snapshot, after it was checked.
std::string Generated(const std::string& tree, const std::string& text) {
  const MadeDump dump = SnapshotBuilder::Build(tree, text);
  const PlanVerdict verdict(dump);
  EXPECT_EQ(verdict.problems, "");
  return "\n" + ProgramText::Of(verdict.program);
}

TEST(GenerateEconomyTest, ThreeProcessesShareTheirStandardStreams) {
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [ 3 1 1 [] ] ]", R"(
fd 1: 0=a 1=b 2=b
fd 2: 0=a 1=b 2=b
fd 3: 0=a 1=b 2=b)"),
            R"(
0 FORK 1
1 SET_SID
1 OPEN_FILE 1 /b
1 OPEN_FILE 0 /a
1 DUP_FD 1 2
1 FORK 2
2 FORK 3
1 SET_ATTR, RESUME
2 SET_ATTR, RESUME
3 SET_ATTR, RESUME
)");
}

TEST(GenerateEconomyTest, ChildSwapsTwoDescriptors) {
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [] ]", R"(
fd 1: 0=a 1=b
fd 2: 0=b 1=a)"),
            R"(
0 FORK 1
1 SET_SID
1 OPEN_FILE 0 /b
1 OPEN_FILE 1 /a
1 FORK 2
1 DUP_FD 1 2
1 DUP_FD 0 1
1 DUP_FD 2 0
1 CLOSE_FD 2
1 SET_ATTR, RESUME
2 SET_ATTR, RESUME
)");
}

TEST(GenerateEconomyTest, Pipeline) {
  EXPECT_EQ(Generated("1 1 1 [ 2 2 1 [] 3 2 1 [] ]", R"(
fd 1: 0=t 1=t 2=t 255=t+c
fd 2: 0=t 1=p 2=t
fd 3: 0=p 1=t 2=t)"),
            R"(
0 FORK 1
1 SET_SID
1 OPEN_FILE 2 /t
1 OPEN_FILE 0 /p
1 FORK 2
2 SET_PGID 2
1 DUP_FD 2 1
1 FORK 3
3 SET_PGID 2
1 DUP_FD 1 0
1 DUP_FD 1 255 cloexec
1 SET_ATTR, RESUME
2 DUP_FD 0 1
2 DUP_FD 2 0
2 SET_ATTR, RESUME
3 SET_ATTR, RESUME
)");
}

TEST(GenerateEconomyTest, GrandchildrenShareADescription) {
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [ 4 1 1 [] ] 3 1 1 [ 5 1 1 [] ] ]", R"(
fd 1: 0=t
fd 2: 0=t
fd 3: 0=t
fd 4: 0=t 3=s
fd 5: 0=t 4=s)"),
            R"(
0 FORK 1
1 SET_SID
1 OPEN_FILE 0 /t
1 OPEN_FILE 3 /s
1 FORK 2
2 FORK 4
1 FORK 3
3 FORK 5
1 CLOSE_FD 3
1 SET_ATTR, RESUME
2 CLOSE_FD 3
2 SET_ATTR, RESUME
4 SET_ATTR, RESUME
3 CLOSE_FD 3
3 SET_ATTR, RESUME
5 DUP_FD 3 4
5 CLOSE_FD 3
5 SET_ATTR, RESUME
)");
}

TEST(GenerateEconomyTest, SharedTableAndAForkedChild) {
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [ 3 1 1 [] ] ]", R"(
fd 1,2: 0=a 1=b
fd 3: 0=a 2=c)"),
            R"(
0 FORK 1
1 SET_SID
1 FORK 2 CLONE_FILES
2 OPEN_FILE 0 /a
2 FORK 3
1 OPEN_FILE 1 /b
1 SET_ATTR, RESUME
2 SET_ATTR, RESUME
3 OPEN_FILE 2 /c
3 SET_ATTR, RESUME
)");
}

TEST(GenerateEconomyTest, SharedMemoryAtDifferentAddresses) {
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [] ]", R"(
shm x: 4 0=1 2-4=2
mem 1: 10-14 rw shm:x
mem 2: 20-24 rw shm:x)"),
            R"(
0 FORK 1
1 SET_SID
1 MAP_REGION 10-14 rw shared shmem 100+0 of 4
1 LOAD_PAGES 10 1 of shm-x.img at 0
1 LOAD_PAGES 12 2 of shm-x.img at 1
1 FORK 2
1 SET_ATTR, RESUME
2 MOVE_REGION 10-14 to 20
2 SET_ATTR, RESUME
)");
}

TEST(GenerateEconomyTest, PartOfSharedMemoryInTheChild) {
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [] ]", R"(
shm x: 4 1=1
mem 1: 10-14 rw shm:x
mem 2: 12-14 r shm:x+2)"),
            R"(
0 FORK 1
1 SET_SID
1 MAP_REGION 10-14 rw shared shmem 100+0 of 4
1 LOAD_PAGES 11 1 of shm-x.img at 0
1 FORK 2
1 SET_ATTR, RESUME
2 MOVE_REGION 10-14 to 14
2 MAP_REGION 12-14 r shared shmem 100+2
2 UNMAP_REGION 14-18
2 SET_ATTR, RESUME
)");
}

TEST(GenerateEconomyTest, VdsoMoved) {
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [] 3 1 1 [] ]", R"(
mem 1: 70-72 rx vdso
mem 2: 70-72 rx vdso
mem 3: 80-82 rx vdso)"),
            R"(
0 FORK 1
1 SET_SID
1 MAP_REGION 70-72 rx private vdso
1 FORK 2
1 FORK 3
1 SET_ATTR, RESUME
2 SET_ATTR, RESUME
3 MOVE_REGION 70-72 to 80
3 SET_ATTR, RESUME
)");
}

TEST(GenerateEconomyTest, SiblingWorkersOfAParentThatIsAnotherProgram) {
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [] 3 1 1 [] ]", R"(
exe 1: shell
exe 2: worker
exe 3: worker
mem 1: 10-12 rx file:shell
mem 1: 20-24 rw anon 20=9
mem 2: 10-12 rx file:worker
mem 2: 20-24 rw anon 20-23=2
mem 3: 10-12 rx file:worker
mem 3: 20-24 rw anon 20-22=2 22=4)"),
            R"(
0 FORK 1
1 SET_SID
1 OPEN_FILE 0 /worker
1 MAP_REGION 10-12 rx private fd 0+0
1 CLOSE_FD 0
1 MAP_REGION 20-24 rw private
1 LOAD_PAGES 20 3 of pages-2.img at 0
1 FORK 2
1 FORK 3
1 UNMAP_REGION 10-24
1 OPEN_FILE 0 /shell
1 MAP_REGION 10-12 rx private fd 0+0
1 CLOSE_FD 0
1 MAP_REGION 20-24 rw private
1 LOAD_PAGES 20 1 of pages-1.img at 0
1 SET_ATTR, RESUME
2 SET_ATTR, RESUME
3 LOAD_PAGES 22 1 of pages-3.img at 2
3 SET_ATTR, RESUME
)");
}

TEST(GenerateEconomyTest, ChildLacksPagesOfItsParent) {
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [] ]", R"(
mem 1: 10-20 rw anon 10-18=2
mem 2: 10-20 rw anon 10=2 13=2 15=4)"),
            R"(
0 FORK 1
1 SET_SID
1 MAP_REGION 10-20 rw private
1 LOAD_PAGES 10 8 of pages-1.img at 0
1 FORK 2
1 SET_ATTR, RESUME
2 PROTECT_REGION 11-13 MADV_DONTNEED
2 PROTECT_REGION 14-18 MADV_DONTNEED
2 LOAD_PAGES 15 1 of pages-2.img at 2
2 SET_ATTR, RESUME
)");
}

TEST(GenerateEconomyTest, ChildIsEqualToItsParent) {
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [] ]", R"(
fd 1: 0=a
fd 2: 0=a
mem 1: 10-12 rx file:prog
mem 1: 12-13 r file:prog+2 12=3
mem 1: 20-30 rw anon 20-28=2
mem 2: 10-12 rx file:prog
mem 2: 12-13 r file:prog+2 12=3
mem 2: 20-30 rw anon 20-28=2)"),
            R"(
0 FORK 1
1 SET_SID
1 OPEN_FILE 0 /a
1 OPEN_FILE 1 /prog
1 MAP_REGION 10-12 rx private fd 1+0
1 MAP_REGION 12-13 rw private fd 1+2
1 CLOSE_FD 1
1 MAP_REGION 20-30 rw private
1 LOAD_PAGES 12 1 of pages-1.img at 0
1 LOAD_PAGES 20 8 of pages-1.img at 1
1 PROTECT_REGION 12-13 r
1 FORK 2
1 SET_ATTR, RESUME
2 SET_ATTR, RESUME
)");
}

TEST(GenerateEconomyTest, SealedMemfd) {
  EXPECT_EQ(Generated("1 1 1 [ 2 1 1 [] ]", R"(
memfd m: 4 seals=8 0-2=1
fd 1: 3=m
fd 2: 3=m
mem 2: 10-14 r memfd:m)"),
            R"(
0 FORK 1
1 SET_SID
1 OPEN_FILE 0 memfd 50 new
1 MAP_REGION 14-16 rw shared fd 0+0
1 LOAD_PAGES 14 2 of memfd-m.img at 0
1 UNMAP_REGION 14-16
1 OPEN_FILE 3 memfd 50 sealed
1 CLOSE_FD 0
1 FORK 2
1 SET_ATTR, RESUME
2 OPEN_FILE 0 memfd 50
2 MAP_REGION 10-14 r private fd 0+0
2 CLOSE_FD 0
2 SET_ATTR, RESUME
)");
}

}  // namespace
}  // namespace crgen::test

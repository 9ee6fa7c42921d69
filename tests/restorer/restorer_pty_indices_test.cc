// SPDX-License-Identifier: Apache-2.0
// Indices of ptys that are free, or not.
#include "tests/support/helper_process.h"
#include "tests/support/terminal_plans.h"

namespace crgen::test {
namespace {

class RestorerPtyIndicesTest : public RestorerTerminalsTest {};

TEST_F(RestorerPtyIndicesTest, AnIndexThatIsTaken) {
  const int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  unsigned index = 0;
  ASSERT_EQ(ioctl(master, TIOCGPTN, &index), 0);
  index_ = static_cast<int>(index);
  Plan plan = Session();
  ResumeBoth(plan);
  const Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("pty " + std::to_string(index) + " is taken: process 1 ("),
            std::string::npos)
      << outcome.errors;
  close(master);
}

/// Who ignores SIGHUP keeps the index when his terminal is gone, with its name.
TEST_F(RestorerPtyIndicesTest, AnIndexThatSomebodyWithoutItHas) {
  const int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  unsigned index = 0;
  ASSERT_EQ(ioctl(master, TIOCGPTN, &index), 0);
  const int holder = Helper([&] {
    const int unlocked = 0;
    const bool has = ioctl(master, TIOCSPTLCK, &unlocked) == 0 &&
                     ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY) >= 0;
    return close(master) == 0 && has;
  });
  ASSERT_GT(holder, 0);
  close(master);
  index_ = static_cast<int>(index);
  ASSERT_TRUE(IsGone("/dev/pts/" + std::to_string(index)));
  Plan plan = Session();
  ResumeBoth(plan);
  const Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("pty " + std::to_string(index) + " is taken: process " +
                                std::to_string(holder) + " ("),
            std::string::npos)
      << outcome.errors;
  EXPECT_NE(outcome.errors.find(") has it, hung up"), std::string::npos) << outcome.errors;
  EndHelper(holder);
}

/// A container has its own ptys with the same indices.
TEST_F(RestorerPtyIndicesTest, AnIndexThatAnotherInstanceHasToo) {
  const auto open_until = [](int fd_of_ptmx, unsigned wanted) {
    for (unsigned index = 0;; fd_of_ptmx = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY)) {
      if (fd_of_ptmx < 0 || ioctl(fd_of_ptmx, TIOCGPTN, &index) != 0) return false;
      if (index >= wanted) return index == wanted;
    }
  };
  const int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  unsigned index = 0;
  ASSERT_EQ(ioctl(master, TIOCGPTN, &index), 0);
  const int other = Helper([&] {
    close(master);
    return unshare(CLONE_NEWNS) == 0 &&
           mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666") == 0 &&
           open_until(open("/dev/pts/ptmx", O_RDWR | O_NOCTTY), index);
  });
  ASSERT_GT(other, 0);
  index_ = static_cast<int>(index);
  Plan plan = Session();
  ResumeBoth(plan);
  const int holder = Helper([] { return true; });
  ASSERT_GT(holder, other);
  close(master);
  Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("is taken: process " + std::to_string(holder) + " ("),
            std::string::npos)
      << outcome.errors;
  EndHelper(holder);
  ASSERT_TRUE(IsGone("/dev/pts/" + std::to_string(index)));
  ASSERT_NO_FATAL_FAILURE(ExpectRestored(plan));
  EndHelper(other);
}

/// Those below are made on the way to the first one, and not kept.
TEST_F(RestorerPtyIndicesTest, InAnyOrder) {
  Plan plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  int fd = 3;
  for (const int index : {index_ + 5, index_ + 2, index_ + 7}) {
    Open(plan, Pid(0), fd++, End("ptm", {{"tty_id", index}, {"index", index}}));
  }
  plan.Resume(Pid(0));
  ASSERT_NO_FATAL_FAILURE(ExpectRestored(plan));
  for (int i = 0; i < 9; ++i) {
    const std::string slave = "/dev/pts/" + std::to_string(index_ + i);
    const bool wanted = i == 5 || i == 2 || i == 7;
    EXPECT_TRUE(wanted ? access(slave.c_str(), F_OK) == 0 : IsGone(slave)) << i;
  }
}

TEST_F(RestorerPtyIndicesTest, AnIndexThatThereCannotBe) {
  std::ifstream("/proc/sys/kernel/pty/max") >> index_;
  Plan plan = Session();
  ResumeBoth(plan);
  const Outcome outcome = Run(plan);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("kernel.pty.max"), std::string::npos) << outcome.errors;
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

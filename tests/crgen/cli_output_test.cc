// SPDX-License-Identifier: Apache-2.0
// Where results go, and what is left of them when crgen is ended.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>
#include <vector>

#include "tests/support/cli_fixture.h"
#include "tests/support/tar_maker.h"

namespace crgen::test {
namespace {

using std::chrono::milliseconds;

class CliOutputTest : public CliTest {
 protected:
  std::vector<std::string> Names(const fs::path& folder) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder))
      names.push_back(entry.path().filename());
    return names;
  }

  /// Whether the folder gets so many names before long.
  bool Has(const fs::path& folder, std::size_t count) const {
    for (int i = 0; i < 500; ++i) {
      if (Names(folder).size() == count) return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }

  /// `crgen host-facts -`, which waits for a plan and writes to a file in `folder`, is ended by
  /// `signal` once its temporary file is there. What waitpid(2) says.
  int EndedBy(int signal, const fs::path& folder) {
    int input[2];
    if (pipe2(input, O_CLOEXEC) != 0) return -1;
    const std::string output = folder / "facts.json";
    const pid_t child = fork();
    if (child == 0) {
      dup2(input[0], STDIN_FILENO);
      execl(CRGEN_BINARY, "crgen", "host-facts", "-", "-o", output.c_str(), nullptr);
      _exit(127);
    }
    EXPECT_TRUE(Has(folder, 1));
    std::this_thread::sleep_for(milliseconds(100));
    kill(child, signal);
    int status = 0;
    waitpid(child, &status, 0);
    close(input[0]);
    close(input[1]);
    return status;
  }

  /// In a shell whose working directory is the test's own.
  int Shell(const std::string& command) const {
    return std::system(("cd " + folder_.string() + " && crgen=" CRGEN_BINARY " && " + command +
                        " 2>>" + (folder_ / "err").string())
                           .c_str());
  }
};

TEST_F(CliOutputTest, SignalsLeaveNoTemporaryFile) {
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGXCPU}) {
    const fs::path folder = folder_ / std::to_string(signal);
    fs::create_directory(folder);
    const int status = EndedBy(signal, folder);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << signal << ": " << status;
    EXPECT_TRUE(Names(folder).empty()) << signal;
  }
}

/// What removes it is another process.
TEST_F(CliOutputTest, NorDoesAKill) {
  const fs::path folder = folder_ / "killed";
  fs::create_directory(folder);
  EXPECT_EQ(WTERMSIG(EndedBy(SIGKILL, folder)), SIGKILL);
  EXPECT_TRUE(Has(folder, 0));
}

TEST_F(CliOutputTest, AReplacedFileKeepsModeAndOwner) {
  if (geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  const std::string plan = folder_ / "plan.json";
  std::ofstream(plan) << "old";
  ASSERT_EQ(chmod(plan.c_str(), 0640), 0);
  ASSERT_EQ(chown(plan.c_str(), 12, 34), 0);
  EXPECT_EQ(Crgen(Dump("threads") + " -o " + plan).code, 0);
  struct stat status;
  ASSERT_EQ(stat(plan.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
  EXPECT_EQ(status.st_uid, 12u);
  EXPECT_EQ(status.st_gid, 34u);
  EXPECT_EQ(ReadFileText(plan), Golden("threads"));
}

TEST_F(CliOutputTest, RelativeNamesAreThoseOfTheCaller) {
  const std::string dump = Dump("pipeline");
  fs::copy(dump, folder_ / "dump", fs::copy_options::recursive);
  fs::create_directory(folder_ / "into");
  EXPECT_EQ(Shell("$crgen dump -o into/../plan.json && $crgen validate plan.json --against dump"),
            0);
  EXPECT_EQ(Shell("cd into && $crgen report ../dump -o report.html && $crgen host-facts ../dump -o "
                  "facts.json && $crgen why --host-facts facts.json ../dump >/dev/null"),
            0);
  EXPECT_EQ(ReadFileText(folder_ / "plan.json"), Golden("pipeline"));
  EXPECT_EQ(Names(folder_ / "into").size(), 2u) << ReadFileText(folder_ / "err");
  EXPECT_EQ(Shell("cat plan.json | bash -c \"$crgen plan <(cat)\" >/dev/null"), 0);
  EXPECT_EQ(Shell("$crgen diff plan.json dump --images dump </dev/null >/dev/null"), 0)
      << ReadFileText(folder_ / "err");
}

TEST_F(CliOutputTest, ParentsOfADumpMayBeAnywhere) {
  const fs::path dump = CopyOf("incremental");
  if (!fs::exists(dump / "parent")) GTEST_SKIP() << "the fixture has no parent";
  const fs::path parent = fs::canonical(dump / "parent");
  fs::copy(parent, folder_ / "far", fs::copy_options::recursive);
  fs::remove_all(dump / "parent");
  fs::create_directory_symlink("../far", dump / "parent");
  EXPECT_EQ(Crgen(dump.string()).out, Golden("incremental"));
  EXPECT_EQ(Shell("$crgen show memory incremental >/dev/null"), 0) << ReadFileText(folder_ / "err");
}

TEST_F(CliOutputTest, ANewFolderIsFilledOrGone) {
  const std::string tar = TarOf(ReadFixture("cow_memory"), "checkpoint/") + TarEnd();
  std::ofstream(folder_ / "good.tar", std::ios::binary) << tar;
  std::ofstream(folder_ / "cut.tar", std::ios::binary) << tar.substr(0, tar.size() / 2);
  EXPECT_EQ(Shell("$crgen good.tar --extract images -o plan.json"), 0)
      << ReadFileText(folder_ / "err");
  EXPECT_FALSE(fs::is_empty(folder_ / "images"));
  EXPECT_EQ(fs::status(folder_ / "images").permissions(), static_cast<fs::perms>(0700));
  EXPECT_NE(Shell("$crgen cut.tar --extract none -o none.json"), 0);
  EXPECT_FALSE(fs::exists(folder_ / "none"));
  EXPECT_FALSE(fs::exists(folder_ / "none.json"));
}

}  // namespace
}  // namespace crgen::test

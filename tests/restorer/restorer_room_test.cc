// SPDX-License-Identifier: Apache-2.0
// File systems that are full, and no room for descriptors: refused before anything is made.
#include <sys/mount.h>

#include <filesystem>

#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

class RestorerRoomTest : public RestorerTest {
 protected:
  void SetUp() override {
    RestorerTest::SetUp();
    std::filesystem::create_directory(folder_ + "/files");
    std::ofstream(folder_ + "/ghost-file-1.img") << std::string(20'000, 'x');
  }
  void TearDown() override {
    KillEverybody();
    if (!folder_.empty()) umount2((folder_ + "/files").c_str(), MNT_DETACH);
    RestorerTest::TearDown();
  }

  /// `files` of 10,000 bytes, the first of which has had two names, on a tmpfs.
  Outcome RunOn(const std::string& options, int files) {
    const std::string place = folder_ + "/files";
    umount2(place.c_str(), MNT_DETACH);
    EXPECT_EQ(mount("none", place.c_str(), "tmpfs", 0, options.c_str()), 0);
    PlanBuilder plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    const Json data = {
        {"at", 0}, {"source", {{"image", "ghost-file-1.img"}, {"offset", 0}}}, {"bytes", 10'000}};
    for (int id = 1; id <= files; ++id) {
      Open(plan, id,
           {{"id", id},
            {"mode", 0100600},
            {"uid", 0},
            {"gid", 0},
            {"size", 10'000},
            {"content", Json::array({data})}});
    }
    Open(plan, files + 1, {{"id", files + 1}, {"link_of", 1}});
    plan.Resume(Pid(0));
    const Outcome outcome = Run(plan);
    EXPECT_EQ(outcome.status == 0, !Left().empty());
    EXPECT_TRUE(std::filesystem::is_empty(place));
    KillEverybody();
    return outcome;
  }
  void Open(PlanBuilder& plan, int n, const Json& unlinked) const {
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", 10 + n},
              {"file",
               {{"type", "REG"},
                {"id", n},
                {"path", folder_ + "/files/gone-" + std::to_string(n)},
                {"flags", {"O_RDWR"}},
                {"unlinked", unlinked}}}});
  }
};

TEST_F(RestorerRoomTest, ForBytes) {
  Outcome outcome = RunOn("size=16k", 2);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find(" has 16384 bytes left, and the unlinked files take 20000"),
            std::string::npos)
      << outcome.errors;
  outcome = RunOn("size=24k", 2);
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
}

/// The root of the file system is one.
TEST_F(RestorerRoomTest, ForFiles) {
  Outcome outcome = RunOn("nr_inodes=3", 3);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find(" has room for 2 more files (inodes), and the plan has more that "
                                "are unlinked"),
            std::string::npos)
      << outcome.errors;
  outcome = RunOn("nr_inodes=4", 3);
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  outcome = RunOn("nr_inodes=0", 3);  // as many as you like
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
}

/// One cause, one line: not one for each file that cannot be opened then.
TEST_F(RestorerRoomTest, ForDescriptors) {
  PlanBuilder plan;
  plan.Fork(0, Pid(0));
  plan.MapProgram(Pid(0));
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan, "--detach", "ulimit -n 12;", CRRESTORE_BINARY);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(outcome.errors,
            "crrestore: error: RLIMIT_NOFILE: 12 descriptors at most, expected 32 or more: raise "
            "it (ulimit -Hn)\n");
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

// SPDX-License-Identifier: Apache-2.0
// Files without a name: made for the moment of an opening, and nothing of that is left, whatever
// fails.
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "tests/support/restorer_support.h"

namespace crgen::test {
namespace {

namespace fs = std::filesystem;
using Plan = PlanBuilder;

class RestorerUnlinkedTest : public RestorerTest {
 protected:
  void SetUp() override {
    RestorerTest::SetUp();
    fs::create_directory(Path("files"));
    std::ofstream(folder_ + "/ghost-file-1.img") << "headhello world";
  }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  Json New(int id, std::uint64_t size = 11) const {
    return {
        {"id", id},
        {"mode", 0100640},
        {"uid", 1234},
        {"gid", 1235},
        {"size", size},
        {"times",
         {{"access", {{"sec", 5}, {"nsec", 0}}},
          {"modification", {{"sec", 1000000000}, {"nsec", 7}}}}},
        {"content",
         {{{"at", 0}, {"source", {{"image", "ghost-file-1.img"}, {"offset", 4}}}, {"bytes", 11}}}}};
  }
  void Open(Plan& plan, int fd, const std::string& name, Json unlinked,
            Json flags = {"O_RDWR"}) const {
    plan.Add("OPEN_FILE", Pid(0),
             {{"fd", fd},
              {"file",
               {{"type", "REG"},
                {"id", fd},
                {"path", Path("files/" + name)},
                {"flags", flags},
                {"unlinked", std::move(unlinked)}}}});
  }
  Plan Begin() const {
    Plan plan;
    plan.Fork(0, Pid(0));
    plan.MapProgram(Pid(0));
    return plan;
  }
  /// Two descriptions, and a second name.
  Plan Rich() const {
    Plan plan = Begin();
    Open(plan, 3, "gone", New(1));
    Open(plan, 4, "gone", {{"id", 1}}, {"O_RDONLY"});
    Open(plan, 5, "other", {{"id", 2}, {"link_of", 1}}, {"O_WRONLY", "O_APPEND"});
    plan.Resume(Pid(0));
    return plan;
  }
  std::string Link(int fd) const {
    return fs::read_symlink("/proc/" + std::to_string(Pid(0)) + "/fd/" + std::to_string(fd));
  }
  struct stat Facts(int fd) const {
    struct stat facts = {};
    stat(("/proc/" + std::to_string(Pid(0)) + "/fd/" + std::to_string(fd)).c_str(), &facts);
    return facts;
  }
  std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(Path("files"))) {
      names.insert(entry.path().filename());
    }
    return names;
  }
  void ExpectRefused(const Plan& plan, const std::string& message, int status = 3) {
    const std::set<std::string> before = Names();
    const Outcome outcome = Run(plan);
    EXPECT_EQ(outcome.status, status) << outcome.errors;
    EXPECT_NE(outcome.errors.find(message), std::string::npos) << message << "\n" << outcome.errors;
    EXPECT_TRUE(Left().empty());
    EXPECT_EQ(Names(), before);
  }
};

TEST_F(RestorerUnlinkedTest, HasItsOldPathAndNoName) {
  const Outcome outcome = Run(Rich());
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(Link(3), Path("files/gone") + " (deleted)");
  EXPECT_EQ(Link(4), Path("files/gone") + " (deleted)");
  EXPECT_EQ(Link(5), Path("files/other") + " (deleted)");
  const struct stat facts = Facts(3);
  EXPECT_EQ(facts.st_nlink, 0u);
  EXPECT_EQ(facts.st_mode, 0100640u);
  EXPECT_EQ(facts.st_uid, 1234u);
  EXPECT_EQ(facts.st_gid, 1235u);
  EXPECT_EQ(facts.st_size, 11);
  EXPECT_EQ(facts.st_mtim.tv_sec, 1000000000);
  EXPECT_EQ(facts.st_mtim.tv_nsec, 7);
  EXPECT_EQ(Facts(4).st_ino, facts.st_ino);
  EXPECT_EQ(Facts(5).st_ino, facts.st_ino);
  std::string text;
  std::getline(std::ifstream("/proc/" + std::to_string(Pid(0)) + "/fd/4"), text);
  EXPECT_EQ(text, "hello world");
  EXPECT_TRUE(Names().empty());
}

TEST_F(RestorerUnlinkedTest, TakesNobodysName) {
  std::ofstream(Path("files/other")) << "live";
  ExpectRefused(Rich(), Path("files/other") + " is another file now, 4 bytes, mode 0100644");
  std::string text;
  std::getline(std::ifstream(Path("files/other")), text);
  EXPECT_EQ(text, "live");
  fs::remove(Path("files/other"));
  fs::create_symlink("/nowhere", Path("files/gone"));
  ExpectRefused(Rich(), Path("files/gone") + " is another file now");
}

TEST_F(RestorerUnlinkedTest, IsRefusedWhereItCannotBeMade) {
  fs::resize_file(folder_ + "/ghost-file-1.img", 10);
  ExpectRefused(Rich(), "ghost-file-1.img has 10 bytes: not 11 from 4");
  fs::remove(Path("files"));
  const Outcome outcome = Run(Rich());
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.errors.find("the folder of " + Path("files/gone") + ": No such file"),
            std::string::npos)
      << outcome.errors;
  fs::create_directory(Path("files"));
}

/// One file of two: when the second cannot be made, the first is gone, too.
TEST_F(RestorerUnlinkedTest, NothingIsLeftOfAFailure) {
  Plan plan = Begin();
  Open(plan, 3, "first", New(1));
  Open(plan, 4, "second", New(2, ~std::uint64_t{0} >> 1));  // larger than file systems take
  plan.Resume(Pid(0));
  ExpectRefused(plan, "the unlinked file " + Path("files/second") + ": File too large", 5);
  EXPECT_TRUE(Names().empty());
}

TEST_F(RestorerUnlinkedTest, TheDumpersLinkGoesWithTheHandOver) {
  std::ofstream(Path("files/kept")) << "linked";
  fs::create_hard_link(Path("files/kept"), Path("files/link_remap.1"));
  const auto plan = [&] {
    Plan it = Begin();
    it.Add("OPEN_FILE", Pid(0),
           {{"fd", 3},
            {"file",
             {{"type", "REG"},
              {"id", 3},
              {"path", Path("files/gone")},
              {"opened_by", Path("files/link_remap.1")},
              {"size", 6},
              {"flags", {"O_RDWR"}}}}});
    it.Resume(Pid(0));
    return it;
  };
  const Outcome failed =
      Run(plan(), "--detach", "CRRESTORE_FAILING_CALL=10", CRRESTORE_FAULTY_BINARY);
  EXPECT_EQ(failed.status, 5) << failed.errors;
  EXPECT_EQ(Names(), (std::set<std::string>{"kept", "link_remap.1"}));
  const Outcome outcome = Run(plan());
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(Link(3), Path("files/gone") + " (deleted)");
  EXPECT_EQ(Names(), (std::set<std::string>{"kept"}));
  EXPECT_EQ(Facts(3).st_nlink, 1u);
}

/// The caller's limit of descriptors holds for who is restored, not for the restorer.
TEST_F(RestorerUnlinkedTest, MoreFilesThanTheCallerMayHaveOpen) {
  Plan plan = Begin();
  constexpr int kFiles = 60;
  for (int i = 0; i < kFiles; ++i) Open(plan, 3 + i, "gone" + std::to_string(i), New(1 + i));
  plan.Resume(Pid(0));
  const Outcome outcome = Run(plan, "--detach", "ulimit -Sn 30 &&");
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(Facts(2 + kFiles).st_size, 11);
  std::ifstream limits("/proc/" + std::to_string(Pid(0)) + "/limits");
  std::string line, soft;
  while (std::getline(limits, line)) {
    if (line.starts_with("Max open files")) std::istringstream(line.substr(14)) >> soft;
  }
  EXPECT_EQ(soft, "30");
  std::ifstream status("/proc/" + std::to_string(Pid(0)) + "/status");
  std::string ignored;
  while (std::getline(status, line)) {
    if (line.starts_with("SigIgn:")) std::istringstream(line.substr(7)) >> ignored;
  }
  EXPECT_EQ(ignored, "0000000000000000");
}

TEST_F(RestorerUnlinkedTest, AFileThatMayNotBecomeSoLargeIsAnErrorByName) {
  Plan plan = Begin();
  Open(plan, 3, "gone", New(1, 100'000));
  plan.Resume(Pid(0));
  // In units of 512 bytes, or of 1024.
  const Outcome outcome = Run(plan, "--detach", "ulimit -f 20 &&");
  EXPECT_EQ(outcome.status, 5) << outcome.errors;
  EXPECT_NE(outcome.errors.find("gone: "), std::string::npos) << outcome.errors;
  EXPECT_NE(outcome.errors.find("File too large"), std::string::npos) << outcome.errors;
  EXPECT_TRUE(Left().empty());
  EXPECT_TRUE(Names().empty());
}

}  // namespace
}  // namespace crgen::test

int main(int argc, char** argv) { return crgen::test::MainInNewPidNamespace(argc, argv); }

// SPDX-License-Identifier: Apache-2.0
// `crgen why`: what CRIU is known to refuse, damaged dumps, what is not restored, and how much of
// it is told.
#include "views/why.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tests/support/cli_fixture.h"
#include "tests/support/image_builder.h"
#include "tests/support/tar_maker.h"

namespace crgen::test {
namespace {

using nlohmann::json;

std::shared_ptr<const File> FileAt(const std::string& path, std::uint32_t mode) {
  RegularFile file;
  file.path.bytes = path;
  file.mode = mode;
  return std::make_shared<File>(File{{1}, {}, file});
}

Snapshot OneProcess() {
  Snapshot snapshot;
  snapshot.tree.nodes = {{10, 10, 10, {}, false, false, {12}}};
  snapshot.processes.emplace_back().attributes = std::make_shared<Attributes>();
  return snapshot;
}

void ExpectNo(const Verdict& verdict, const std::string& message) {
  ASSERT_EQ(verdict.answer, Answer::kNo) << message;
  EXPECT_EQ(verdict.causes.front().message, message);
  EXPECT_NE(verdict.causes.front().advice, "");
}

TEST(Why, KnowsExecutablesThatNobodyMayExecute) {
  Snapshot snapshot = OneProcess();
  snapshot.files = {FileAt("/bin/program", S_IFREG | 0644)};
  snapshot.processes[0].memory.exe = FileIndex(0);
  ExpectNo(AskCriu(snapshot), "sys_prctl(PR_SET_MM, PR_SET_MM_MAP) failed with -13");
  snapshot.files = {FileAt("/bin/program", S_IFREG | 0755)};
  EXPECT_EQ(AskCriu(snapshot).answer, Answer::kYes);
}

TEST(Why, KnowsFilesOfThreadsThatHaveEnded) {
  Snapshot snapshot = OneProcess();
  snapshot.files = {FileAt("/proc/10/task/13/stat", S_IFREG | 0444)};
  ExpectNo(AskCriu(snapshot),
           "Can't open file proc/10/task/13/stat on restore: No such file or directory");
  for (const char* path : {"/proc/10/task/12/stat", "/proc/10/task/10/stat", "/proc/11/stat"}) {
    snapshot.files = {FileAt(path, S_IFREG | 0444)};
    EXPECT_EQ(AskCriu(snapshot).answer, Answer::kYes) << path;
  }
}

TEST(Why, KnowsTimersOfThreadsThatHaveEnded) {
  Diagnostics findings;
  findings.Warning("core-10.img[0].tc.timers.posix[0].notify_thread_id", "13 is no thread");
  ExpectNo(AskCriu(OneProcess(), findings), "Can't create posix timer");
}

TEST(Why, KnowsRegistersThatNoImageHas) {
  Diagnostics findings;
  findings.Unsupported("core-10.img[0].thread_info.fpregs.xsave.xstate_bv",
                       "components 0x60000, whose content the image lacks");
  ExpectNo(AskCriu(OneProcess(), findings), "nothing: it restores the thread without them");
}

TEST(Why, KnowsLocks) {
  Snapshot snapshot = OneProcess();
  LockSetting setting;
  setting.locks.resize(2);
  snapshot.late.push_back({});
  snapshot.late.back().state = setting;
  const Verdict verdict = AskCriu(snapshot);
  EXPECT_EQ(verdict.answer, Answer::kOnlyWith);
  EXPECT_EQ(verdict.causes.front().advice, "criu restore --file-locks");
  EXPECT_NE(verdict.causes.front().message.find("Some file locks are hold by dumping tasks!"),
            std::string::npos);
}

TEST(Why, TellsManyCausesOfOneShapeAsOne) {
  Verdict verdict = {"host", Answer::kNo, {}};
  for (int pid = 1; pid <= 1000; ++pid) {
    verdict.causes.push_back({"FORK", "pid " + std::to_string(pid) + " is taken"});
  }
  verdict.causes.push_back({"fd 3", "no such file"});
  const std::string text = WhyText({verdict}, {});
  EXPECT_NE(text.find("host   no, for 2 causes\n"), text.npos) << text;
  EXPECT_NE(text.find("pid 1 is taken, and 999 more like that\n"), text.npos) << text;
  EXPECT_EQ(json::parse(WhyJson({verdict}))["host"]["causes"].size(), 1001U);
}

class WhyCliTest : public CliTest {
 protected:
  json Why(const fs::path& dump) {
    const Ran run = Crgen("why --json " + dump.string());
    EXPECT_EQ(run.code, 0) << run.err;
    return json::parse(run.out);
  }
  /// A copy of a dump without its images of that beginning, or with an end of them cut off.
  fs::path Damaged(const std::string& name, const std::string& begin, bool cut) {
    fs::remove_all(folder_ / name);
    const fs::path dump = CopyOf(name);
    std::size_t images = 0;
    for (const auto& image : fs::directory_iterator(dump)) {
      if (!image.path().filename().string().starts_with(begin)) continue;
      ++images;
      if (cut) fs::resize_file(image.path(), fs::file_size(image.path()) / 2);
      if (!cut) fs::remove(image.path());
    }
    EXPECT_NE(images, 0U) << begin;
    return dump;
  }
};

TEST_F(WhyCliTest, DamagedDumpsAreNeverRestorable) {
  for (const bool cut : {false, true}) {
    for (const char* begin :
         {"core-", "files.", "mm-", "pages-", "inventory.", "fdinfo-", "ids-"}) {
      if (!cut && begin == std::string_view("fdinfo-")) continue;  // it has no descriptors, then
      const fs::path dump = Damaged("threads", begin, cut);
      const json why = Why(dump);
      EXPECT_EQ(why["criu"]["answer"], "unknown") << begin << cut << why;
      EXPECT_EQ(why["crgen"]["answer"], "no") << begin << cut;
      EXPECT_EQ(why["host"]["answer"], "unknown") << begin << cut;
      for (const char* who : {"criu", "crgen", "host"}) {
        ASSERT_FALSE(why[who]["causes"].empty()) << begin << cut << who;
        for (const json& cause : why[who]["causes"]) {
          EXPECT_TRUE(cause.contains("advice")) << cause;
          EXPECT_EQ(cause.dump().find("--partial"), std::string::npos) << cause;
        }
      }
    }
  }
}

TEST_F(WhyCliTest, AMissingImageIsTheCause) {
  const fs::path dump = Damaged("shared_fds", "files.", false);
  const json why = Why(dump);
  EXPECT_EQ(why["crgen"]["causes"][0]["where"], "files.img");
  EXPECT_EQ(why["crgen"]["causes"][0]["what"], "is missing");
  EXPECT_EQ(why["criu"]["causes"][0]["where"], "files.img");
  const std::string text = Crgen("why " + dump.string()).out;
  EXPECT_NE(text.find(" more like that"), text.npos) << text;
  EXPECT_LT(std::ranges::count(text, '\n'), 40) << text;
}

TEST_F(WhyCliTest, SaysWhatIsNotRestored) {
  // generate warns of it; nothing else is in the way.
  const Ran generated = Crgen(Dump("pipeline") + " -o /dev/null");
  const json why = Why(Dump("pipeline"));
  EXPECT_EQ(why["crgen"].contains("losses"), generated.err.find("warning: ") != std::string::npos)
      << generated.err << why["crgen"];
}

TEST_F(WhyCliTest, AskedForARootItIsACondition) {
  const json without = Why(Dump("pidns"));
  const bool own_root =
      json::parse(Crgen("check --json " + Dump("pidns")).out)["authority"].contains("mounts");
  for (const json& cause : without["host"]["causes"]) {
    EXPECT_EQ(cause["what"].get<std::string>().find("the plan has a mount namespace of its own"),
              std::string::npos);
  }
  const json with = json::parse(Crgen("why --json --root / " + Dump("pidns")).out);
  EXPECT_NE(with["host"]["answer"], own_root ? "unknown" : "yes");
}

TEST_F(WhyCliTest, PartialIsAdvisedWhereItHelps) {
  const fs::path dump = WithUnsupported();
  const json why = Why(dump);
  const bool helps = Crgen("-q --partial " + dump.string() + " -o /dev/null").code == 0;
  for (const json& cause : why["crgen"]["causes"]) {
    EXPECT_EQ(cause["advice"].get<std::string>().starts_with("crgen --partial"), helps) << cause;
  }
}

/// In a pid namespace in which the number of a made dump's process is free.
class WhyHereTest : public WhyCliTest {
 protected:
  void SetUp() override {
    WhyCliTest::SetUp();
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    test::Dump made;
    for (pb::file_entry& file : made.files) {
      if (file.reg().name() == "/bin/program") file.mutable_reg()->set_name("/bin/sh");
    }
    // Limits that nobody needs rights for.
    for (pb::rlimit_entry& limit :
         *made.cores[10].mutable_tc()->mutable_rlimits()->mutable_rlimits()) {
      limit.set_cur(0);
      limit.set_max(0);
    }
    files_ = made.Build();
    fs::create_directory(folder_ / "made");
    for (const auto& [name, content] : files_) Write("made/" + name, content);
  }

  void Write(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }
  Ran Alone(const std::string& command) {
    const std::string script = "cd " + folder_.string() + " && " + command + " >out 2>err";
    Write("script", script);
    const int status = std::system(
        ("unshare --pid --fork --mount-proc sh " + (folder_ / "script").string()).c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, ReadFileText(folder_ / "out"),
            ReadFileText(folder_ / "err")};
  }
  json WhyAlone(const std::string& dump) {
    const Ran run = Alone(CRGEN_BINARY " why --json " + dump);
    EXPECT_EQ(run.code, 0) << run.err;
    return json::parse(run.out)["host"];
  }

  Files files_;
};

/// Of a dump that can be restored: what crgen takes from itself is nothing of this host's.
TEST_F(WhyHereTest, SaysWhatPreflightSays) {
  const json host = WhyAlone("made");
  ASSERT_EQ(Crgen((folder_ / "made").string() + " -o " + (folder_ / "plan.json").string()).code, 0);
  const Ran preflight = Alone(CRRESTORE_BINARY " --preflight plan.json --images made");
  EXPECT_EQ(preflight.code, 0) << preflight.err << host;
  EXPECT_EQ(host["causes"].size(), std::ranges::count(preflight.err, '\n'))
      << preflight.err << host;
  EXPECT_EQ(host["answer"], preflight.err.empty() ? "yes" : "with") << preflight.err << host;
  for (const json& cause : host["causes"]) {
    EXPECT_NE(preflight.err.find(cause["what"].get<std::string>()), std::string::npos) << cause;
  }
}

TEST_F(WhyHereTest, AsksForArchives) {
  Write("made.tar", TarOf(files_, "checkpoint/") + TarEnd());
  const json folder = WhyAlone("made"), archive = WhyAlone("made.tar");
  EXPECT_EQ(archive["answer"], "with");
  ASSERT_EQ(archive["causes"].size(), folder["causes"].size() + 1);
  EXPECT_EQ(archive["causes"].back()["what"], "it is an archive, and crrestore reads none");
  EXPECT_EQ(archive["causes"].back()["advice"], "unpack it: `crgen made.tar --extract DIR > PLAN`");
}

TEST_F(WhyCliTest, NamesOfAnArchiveWhatIsMissingHere) {
  const fs::path archive = folder_ / "dump.tar";
  std::ofstream(archive, std::ios::binary) << TarOf(ReadFixture("shared_fds"), "") + TarEnd();
  EXPECT_EQ(Why(archive)["host"], Why(Dump("shared_fds"))["host"]);
}

}  // namespace
}  // namespace crgen::test

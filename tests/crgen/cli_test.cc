// The program as a user meets it: arguments, exit codes, what goes where.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace crgen {
namespace {

namespace fs = std::filesystem;

struct Ran {
  int code;
  std::string out;
  std::string err;
};

std::string ReadFileText(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class CliTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "crgen-cli-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// Runs `crgen arguments` through the shell.
  Ran Crgen(const std::string& arguments) {
    const std::string command = std::string(CRGEN_BINARY) + " " + arguments + " >" +
                                (folder_ / "out").string() + " 2>" + (folder_ / "err").string();
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, ReadFileText(folder_ / "out"),
            ReadFileText(folder_ / "err")};
  }

  static std::string Dump(const std::string& name) { return CRGEN_FIXTURES "/dumps/" + name; }
  static std::string Golden(const std::string& name) {
    return ReadFileText(fs::path(CRGEN_GOLDEN) / (name + ".json"));
  }

  /// A copy of a dump that a test may spoil.
  fs::path CopyOf(const std::string& name) {
    fs::copy(Dump(name), folder_ / name, fs::copy_options::recursive);
    return folder_ / name;
  }

  fs::path folder_;
};

TEST_F(CliTest, PrintsThePlanOfADump) {
  const Ran run = Crgen(Dump("sessions"));
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out, Golden("sessions"));
  EXPECT_EQ(run.err, "");
  EXPECT_EQ(Crgen("generate " + Dump("sessions")).out, run.out);
  EXPECT_EQ(Crgen("-q " + Dump("sessions")).out, run.out);
}

TEST_F(CliTest, IndentsWhenAsked) {
  const Ran run = Crgen(Dump("sessions") + " --pretty");
  EXPECT_EQ(run.code, 0);
  EXPECT_TRUE(run.out.starts_with("[\n  {\n    \"command\": \"FORK\",\n    \"pid\": 0,\n"));
}

TEST_F(CliTest, AnswersTheSameWithAnyNumberOfThreads) {
  // Broken: one image is cut, one is missing.
  const fs::path broken = CopyOf("threads");
  for (const auto& image : fs::directory_iterator(broken)) {
    const std::string name = image.path().filename().string();
    if (name.starts_with("mm-")) fs::resize_file(image, 100);
    if (name.starts_with("fs-")) fs::remove(image);
  }
  std::vector<fs::path> dumps{broken};
  for (const auto& dump : fs::directory_iterator(CRGEN_FIXTURES "/dumps")) {
    dumps.push_back(dump.path());
  }
  ASSERT_GT(dumps.size(), 10U);
  for (const fs::path& dump : dumps) {
    const Ran one = Crgen("--partial --threads 1 " + dump.string());
    EXPECT_EQ(one.code != 0, one.out.empty()) << dump;
    for (const char* threads : {"2", "8"}) {
      const Ran more = Crgen("--partial --threads " + std::string(threads) + " " + dump.string());
      EXPECT_EQ(more.code, one.code) << dump;
      EXPECT_EQ(more.out, one.out) << dump;
      EXPECT_EQ(more.err, one.err) << dump;
    }
  }
  EXPECT_NE(Crgen("--threads 2 " + broken.string()).code, 0);
}

TEST_F(CliTest, SaysWhatItDoesOnStderr) {
  const Ran run = Crgen("-v " + Dump("sessions"));
  EXPECT_EQ(run.out, Golden("sessions"));
  EXPECT_NE(run.err.find("15 processes"), std::string::npos) << run.err;
}

TEST_F(CliTest, WritesAFileWholeOrNotAtAll) {
  const fs::path plan = folder_ / "plan.json";
  EXPECT_EQ(Crgen(Dump("threads") + " -o " + plan.string()).code, 0);
  EXPECT_EQ(ReadFileText(plan), Golden("threads"));
  // A refused dump leaves what was there, and nothing else.
  EXPECT_EQ(Crgen(Dump("pipeline") + " -o " + plan.string()).code, 4);
  EXPECT_EQ(ReadFileText(plan), Golden("threads"));
  EXPECT_EQ(Crgen(Dump("threads") + " -o " + (folder_ / "no/plan.json").string()).code, 3);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder_)) ++files;
  EXPECT_EQ(files, 3u);  // plan.json, out, err
}

TEST_F(CliTest, ReportsAFullDisk) {
  const std::string command = std::string(CRGEN_BINARY) + " " + Dump("threads") + " >/dev/full 2>" +
                              (folder_ / "err").string();
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 3);
  EXPECT_NE(ReadFileText(folder_ / "err").find("No space left on device"), std::string::npos);
}

TEST_F(CliTest, RefusesUnsupportedThingsByName) {
  const Ran run = Crgen(Dump("pipeline"));
  EXPECT_EQ(run.code, 4);
  EXPECT_EQ(run.out, "");
  for (const char* name :
       {"PIPE", "UNIXSK", "EVENTPOLL", "INOTIFY", "FIFO", "flock lock of pid", "is unlinked"}) {
    EXPECT_NE(run.err.find(name), std::string::npos) << name;
  }
}

TEST_F(CliTest, PlansTheRestOnRequest) {
  const Ran run = Crgen(Dump("pipeline") + " --partial");
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out, Golden("pipeline"));
  EXPECT_NE(run.err.find("warning"), std::string::npos);
  EXPECT_NE(run.err.find("EVENTPOLL"), std::string::npos);
}

TEST_F(CliTest, LeavesOutWhatIsNamed) {
  const Ran some = Crgen(Dump("pipeline") + " --without=locks,unlinked");
  EXPECT_EQ(some.code, 4);
  EXPECT_EQ(some.out, "");
  EXPECT_NE(some.err.find("warning: filelocks.img[0]: left out: a flock"), std::string::npos);
  EXPECT_NE(some.err.find("error: files.img[2]: unsupported: "), std::string::npos) << some.err;
  const Ran all =
      Crgen(Dump("pipeline") + " --without=locks,unlinked,descriptors --without queues");
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_EQ(all.out, Golden("pipeline"));
  const Ran wrong = Crgen(Dump("pipeline") + " --without=lock");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.err.find("\"lock\""), std::string::npos) << wrong.err;
  EXPECT_NE(Crgen("generate --help").out.find("  locks "), std::string::npos);
}

TEST_F(CliTest, TellsAPartialPlanFromAWholeOne) {
  const std::string golden = std::string(CRGEN_GOLDEN) + "/pipeline.json";
  const Ran partial = Crgen("validate " + golden + " --against " + Dump("pipeline"));
  EXPECT_EQ(partial.code, 0) << partial.err;
  EXPECT_NE(partial.err.find("warning: filelocks.img[0]: left out, as the plan says"),
            std::string::npos)
      << partial.err;
  // The same plan without a word of that.
  std::string silent = ReadFileText(golden);
  const std::size_t start = silent.find(", \"left_out\": [");
  ASSERT_NE(start, std::string::npos);
  silent.erase(start, silent.find("}]", start) + 2 - start);
  std::ofstream(folder_ / "silent.json") << silent;
  const Ran run =
      Crgen("validate " + (folder_ / "silent.json").string() + " --against " + Dump("pipeline"));
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("error: filelocks.img[0]: expected, neither restored nor left out"),
            std::string::npos)
      << run.err;
}

TEST_F(CliTest, RefusesALanguageThatItDoesNotKnow) {
  const auto plan = [&](const std::string& version) {
    std::ofstream(folder_ / "plan.json")
        << R"([{"command": "FORK", "pid": 0, "child_pid": 10, "about": {"version": ")" + version +
               R"("}}, {"command": "LEAP", "pid": 10}])";
    return Crgen("validate " + (folder_ / "plan.json").string());
  };
  const Ran other = plan("2.0");
  EXPECT_EQ(other.code, 3);
  EXPECT_NE(other.err.find("/0/about/version: expected a version 1.n"), std::string::npos);
  EXPECT_EQ(other.err.find("LEAP"), std::string::npos) << other.err;
  EXPECT_NE(plan("1.7").err.find("there is no command \"LEAP\""), std::string::npos);
}

TEST_F(CliTest, SaysWhatReachesOutside) {
  const Ran planned = Crgen(Dump("shell_job"));
  EXPECT_EQ(planned.code, 0);
  EXPECT_EQ(planned.out, Golden("shell_job"));
  EXPECT_NE(planned.err.find("not of the tree"), std::string::npos) << planned.err;
  EXPECT_NE(planned.err.find("--shell-job"), std::string::npos) << planned.err;
  EXPECT_NE(planned.out.find("\"external\": [{\"kind\": \"session\""), std::string::npos);
  EXPECT_EQ(Crgen("--shell-job " + Dump("shell_job")).out, planned.out);
}

TEST_F(CliTest, WritesIntoWhatIsNoRegularFile) {
  const std::string full = (folder_ / "full").string();
  ASSERT_EQ(std::system(("mknod " + full + " c 1 7 2>/dev/null || mkfifo " + full).c_str()), 0);
  struct stat before, after;
  ASSERT_EQ(stat(full.c_str(), &before), 0);
  if (S_ISCHR(before.st_mode)) {
    EXPECT_EQ(Crgen(Dump("threads") + " -o " + full).code, 3);
  }
  const std::string fifo = (folder_ / "fifo").string();
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const std::string reader = "cat " + fifo + " >" + (folder_ / "read").string() + " & " +
                             CRGEN_BINARY + " " + Dump("threads") + " -o " + fifo + "; wait";
  EXPECT_EQ(std::system(reader.c_str()), 0);
  EXPECT_EQ(ReadFileText(folder_ / "read"), Golden("threads"));
  ASSERT_EQ(stat(full.c_str(), &after), 0);
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_TRUE(fs::is_fifo(fifo));
}

TEST_F(CliTest, FollowsLinksAndKeepsModes) {
  const fs::path plan = folder_ / "plan.json", link = folder_ / "link", dangling = folder_ / "far";
  EXPECT_EQ(Crgen(Dump("threads") + " -o " + plan.string()).code, 0);
  EXPECT_EQ(fs::status(plan).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  fs::permissions(plan, static_cast<fs::perms>(0644));
  fs::create_symlink("plan.json", link);
  EXPECT_EQ(Crgen(Dump("sessions") + " -o " + link.string()).code, 0);
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(ReadFileText(plan), Golden("sessions"));
  EXPECT_EQ(fs::status(plan).permissions(), static_cast<fs::perms>(0644));
  fs::create_symlink("new.json", dangling);
  EXPECT_EQ(Crgen(Dump("threads") + " -o " + dangling.string()).code, 0);
  EXPECT_TRUE(fs::is_symlink(dangling));
  EXPECT_EQ(ReadFileText(folder_ / "new.json"), Golden("threads"));
}

/// SIGXFSZ comes when the file is begun.
TEST_F(CliTest, LeavesNothingBehindOnASignal) {
  const std::string plan = (folder_ / "plan.json").string();
  const std::string command = "bash -c 'ulimit -c 0 -f 1; " + std::string(CRGEN_BINARY) + " " +
                              Dump("threads") + " -o " + plan + "' >/dev/null 2>&1";
  EXPECT_NE(std::system(command.c_str()), 0);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(CliTest, SaysWhatWasGivenForADump) {
  const std::string file = std::string(CRGEN_GOLDEN) + "/threads.json";
  const Ran archive = Crgen(file);
  EXPECT_EQ(archive.code, 3);
  EXPECT_NE(archive.err.find("is a file, expected the folder of a dump"), std::string::npos);
  CopyOf("threads");
  const Ran above = Crgen(folder_.string());
  EXPECT_EQ(above.code, 3);
  EXPECT_NE(above.err.find("is no dump, but " + (folder_ / "threads").string() + " is one"),
            std::string::npos)
      << above.err;
  EXPECT_NE(Crgen("validate " + folder_.string()).err.find("is a folder, expected a file"),
            std::string::npos);
  EXPECT_NE(Crgen("validate - </dev/null").err.find("standard input: is empty"), std::string::npos);
}

TEST_F(CliTest, EscapesNames) {
  const std::string name =
      "pl\x1b[2J\xc2\x9b\xe2\x80\xae\xff"
      "\xc3\xa9.json";
  const Ran run = Crgen("validate '" + (folder_ / name).string() + "'");
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("pl\\x1b[2J\\u009b\\u202e\\xff\xc3\xa9.json: No such file"),
            std::string::npos)
      << run.err;
  std::ofstream(folder_ / "plan.json") << R"([
    {"command": "FORK", "pid": 0, "child_pid": 10},
    {"command": "OPEN_FILE", "pid": 10, "fd": 3,
     "file": {"type": "REG", "id": 1, "path": "/\u001b[2J\u202e", "flags": ["O_RDWR"]}},
    {"command": "LOAD_PAGES", "pid": 10, "start": "0x1000", "pages": 1,
     "source": {"image": "/\u001b\u202e", "offset": 0}}])";
  const std::string plan = (folder_ / "plan.json").string();
  for (const char* view : {"validate --state ", "validate --json "}) {
    const Ran shown = Crgen(view + plan);
    EXPECT_EQ(shown.code, 3);
    EXPECT_EQ((shown.out + shown.err).find('\x1b'), std::string::npos) << view;
    EXPECT_EQ((shown.out + shown.err).find("\xe2\x80\xae"), std::string::npos) << view;
  }
}

TEST_F(CliTest, AFragmentIsLegal) {
  std::ofstream(folder_ / "plan.json") << R"([{"command": "FORK", "pid": 0, "child_pid": 10},
    {"command": "SET_SID", "pid": 10}])";
  const std::string plan = (folder_ / "plan.json").string();
  const Ran run = Crgen("validate " + plan);
  EXPECT_EQ(run.code, 0);
  EXPECT_NE(run.err.find("a fragment: process 10 is still in the restorer's hands"),
            std::string::npos)
      << run.err;
  const Ran complete = Crgen("validate --complete " + plan);
  EXPECT_EQ(complete.code, 3);
  EXPECT_NE(complete.err.find("process 10 (commands[0]) neither resumes nor exits"),
            std::string::npos);
}

/// The trees in the help and the documents, and some more.
TEST_F(CliTest, ValidatesTheProgramsOfTrees) {
  std::vector<std::string> trees = {"1 1 1 t=2,3 [ 5 1 1 t=6 [] ]", "7 7 7 r [ 8 8 7 z [] ]"};
  std::istringstream pages(Crgen("tree --help").out +
                           ReadFileText(CRGEN_SOURCE "/docs/process-trees.md") +
                           ReadFileText(CRGEN_SOURCE "/README.md"));
  for (std::string line; std::getline(pages, line);) {
    if (line.find("crgen tree '") == line.npos &&
        line.find("crgen tree --program '") == line.npos) {
      continue;
    }
    const std::size_t start = line.find('\'') + 1;
    trees.push_back(line.substr(start, line.find('\'', start) - start));
  }
  EXPECT_GT(trees.size(), 4u);
  for (const std::string& tree : trees) {
    const Ran printed = Crgen("tree --program '" + tree + "'");
    EXPECT_EQ(printed.code, 0) << tree << printed.err;
    std::ofstream(folder_ / "plan.json") << printed.out;
    const Ran run = Crgen("validate " + (folder_ / "plan.json").string());
    EXPECT_EQ(run.code, 0) << tree << run.err;
    EXPECT_NE(run.err.find("a fragment"), std::string::npos);
  }
  const Ran threads = Crgen("tree --program '" + trees[0] + "'");
  EXPECT_NE(threads.out.find("\"CREATE_THREAD\", \"pid\": 5, \"tid\": 6"), std::string::npos);
  EXPECT_NE(threads.out.find("\"flags\": [\"CLONE_NEWPID\"]"), std::string::npos);
}

/// Every whole block of JSON in the documents is a program; what is shortened ("…") shows lines of
/// a plan.
TEST_F(CliTest, ValidatesTheProgramsOfTheDocuments) {
  std::vector<fs::path> pages = {CRGEN_SOURCE "/README.md"};
  for (const auto& page : fs::directory_iterator(CRGEN_SOURCE "/docs")) pages.push_back(page);
  std::size_t programs = 0;
  for (const fs::path& page : pages) {
    const std::string text = ReadFileText(page);
    for (std::size_t at = 0; (at = text.find("```json\n", at)) != text.npos;) {
      at += 8;
      const std::size_t end = text.find("```", at);
      const std::string block = text.substr(at, end - at);
      at = end + 3;
      const std::size_t next = text.find("```", at);
      const bool shown_wrong =
          next != text.npos && text.compare(next, 10, "```console") == 0 &&
          text.substr(next, text.find("```", next + 3) - next).find("crgen: error") != text.npos;
      if (block.find("…") != block.npos || shown_wrong) continue;
      ++programs;
      std::ofstream(folder_ / "plan.json") << block;
      const Ran run = Crgen("validate " + (folder_ / "plan.json").string());
      EXPECT_EQ(run.code, 0) << page << block << run.err;
    }
  }
  EXPECT_GE(programs, 4u);
  std::istringstream readme(ReadFileText(CRGEN_SOURCE "/README.md"));
  const std::string plan = Golden("shared_fds");
  std::size_t lines = 0;
  for (std::string line; std::getline(readme, line);) {
    if (!line.starts_with("{\"command\"") || line.find("…") != line.npos) continue;
    ++lines;
    EXPECT_NE(plan.find("  " + line + "\n"), std::string::npos) << line;
  }
  EXPECT_GE(lines, 5u);
}

TEST_F(CliTest, NamesWhatIsWrongWithADump) {
  const fs::path dump = CopyOf("threads");
  fs::remove(dump / "inventory.img");
  Ran run = Crgen(dump.string());
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find("inventory.img: is missing"), std::string::npos) << run.err;

  run = Crgen((folder_ / "nothing").string());
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("No such file or directory"), std::string::npos) << run.err;
}

TEST_F(CliTest, ReportsAllProblemsInOneRun) {
  const fs::path dump = CopyOf("sessions");
  fs::resize_file(dump / "files.img", fs::file_size(dump / "files.img") - 1);
  for (const auto& entry : fs::directory_iterator(dump)) {
    if (entry.path().filename().string().starts_with("mm-")) fs::remove(entry.path());
  }
  const Ran run = Crgen(dump.string());
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("files.img"), std::string::npos);
  EXPECT_NE(run.err.find("mm-31000.img: is missing"), std::string::npos) << run.err;
  // The same of many is said once.
  EXPECT_NE(run.err.find("; the same of 14 others (-v lists them)"), std::string::npos) << run.err;
  EXPECT_EQ(run.err.find("mm-31001.img"), std::string::npos) << run.err;
  EXPECT_NE(Crgen("-v " + dump.string()).err.find("mm-31001.img: is missing\n"), std::string::npos);
}

TEST_F(CliTest, ExplainsATree) {
  const Ran dump = Crgen("tree " + Dump("sessions"));
  EXPECT_EQ(dump.code, 0) << dump.err;
  EXPECT_NE(dump.out.find("31000"), std::string::npos);
  const Ran brother = Crgen("tree '1 1 1 [ 5 4 3 []  3 3 3 [ 4 4 3 []  9 3 3 [] ] ]'");
  EXPECT_EQ(brother.code, 0) << brother.err;
  EXPECT_NE(brother.out.find("sibling 5 (CLONE_PARENT)"), std::string::npos) << brother.out;
  const Ran invented = Crgen("tree '1 1 1 [ 3 2 2 [] ]'");
  EXPECT_EQ(invented.code, 0) << invented.err;
  EXPECT_NE(invented.out.find("invented: 1"), std::string::npos) << invented.out;

  fs::create_directory(folder_ / "alone");
  fs::copy(Dump("sessions") + "/pstree.img", folder_ / "alone");
  const Ran alone = Crgen("tree " + (folder_ / "alone").string());
  EXPECT_EQ(alone.code, 0) << alone.err;
}

TEST_F(CliTest, RefusesABrokenOrUnreachableTree) {
  const Ran broken = Crgen("tree '1 1 1 [ 2 1 ]'");
  EXPECT_EQ(broken.code, 3);
  EXPECT_NE(broken.err.find("Parsing error"), std::string::npos) << broken.err;
  const Ran unreachable = Crgen("tree '1 1 1 [ 2 2 3 [ 3 3 3 [] ] ]'");
  EXPECT_EQ(unreachable.code, 5);
  EXPECT_EQ(unreachable.out, "");
}

TEST_F(CliTest, PrintsTheProgramOfATree) {
  const Ran run = Crgen("tree --program '1 1 1 [ 2 1 1 r [ 3 3 3 z [] 4 3 3 [] ] ]'");
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out,
            "[\n"
            "  {\"command\": \"FORK\", \"pid\": 0, \"child_pid\": 1, \"flags\": "
            "[\"CLONE_NEWPID\"]},\n"
            "  {\"command\": \"SET_SID\", \"pid\": 1},\n"
            "  {\"command\": \"FORK\", \"pid\": 1, \"child_pid\": 2},\n"
            "  {\"command\": \"FORK\", \"pid\": 2, \"child_pid\": 3},\n"
            "  {\"command\": \"SET_SID\", \"pid\": 3},\n"
            "  {\"command\": \"FORK\", \"pid\": 3, \"child_pid\": 4, \"flags\": "
            "[\"CLONE_PARENT\"]},\n"
            "  {\"command\": \"EXIT\", \"pid\": 3, \"status\": {\"code\": 0}},\n"
            "  {\"command\": \"SET_ATTR\", \"pid\": 2, \"attributes\": "
            "{\"child_subreaper\": true}}\n"
            "]\n");
  EXPECT_EQ(Crgen("tree --program '1 1 1 [ 2 1 ]'").code, 3);
  EXPECT_EQ(Crgen("tree --program '1 1 1 [ 2 2 3 [ 3 3 3 [] ] ]'").code, 5);
  const Ran dump = Crgen("tree --program " + Dump("sessions"));
  EXPECT_EQ(dump.code, 0) << dump.err;
  EXPECT_NE(dump.out.find("\"child_pid\": 31000"), std::string::npos);
}

TEST_F(CliTest, AnswersManyTreesALineEach) {
  std::ofstream(folder_ / "trees") << "1 1 1 [ 2 2 1 [] ]\n"
                                      "\n"
                                      "1 1 1 [ 2 2 3 [ 3 3 3 [] ] ]\r\n"
                                      "1 1 1 [ 2 1 ]\n"
                                      "7 5 5 []\n"
                                      "7 7 7 []";
  const Ran run = Crgen("tree --program - <" + (folder_ / "trees").string());
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out,
            "[{\"command\": \"FORK\", \"pid\": 0, \"child_pid\": 1, \"flags\": "
            "[\"CLONE_NEWPID\"]}, "
            "{\"command\": \"SET_SID\", \"pid\": 1}, "
            "{\"command\": \"FORK\", \"pid\": 1, \"child_pid\": 2}, "
            "{\"command\": \"SET_PGID\", \"pid\": 2, \"pgid\": 2}]\n"
            "{\"error\": \"line 2, column 1: Parsing error: found the end of the text, expected "
            "a pid (1 to 4194303)\", \"pid\": 0}\n"
            "{\"error\": \"it must be born in session 3, whose leader descends from it\", "
            "\"pid\": 2}\n"
            "{\"error\": \"line 4, column 13: Parsing error: found ']', expected a sid (0 to "
            "4194303)\", \"pid\": 0}\n"
            "[{\"command\": \"FORK\", \"pid\": 0, \"child_pid\": 7}]\n"
            "[{\"command\": \"FORK\", \"pid\": 0, \"child_pid\": 7}, "
            "{\"command\": \"SET_SID\", \"pid\": 7}]\n");

  const Ran nothing = Crgen("tree --program - </dev/null");
  EXPECT_EQ(nothing.code, 0);
  EXPECT_EQ(nothing.out, "");
  EXPECT_EQ(Crgen("tree - </dev/null").code, 2);
  const std::string full = std::string(CRGEN_BINARY) + " tree --program - >/dev/full 2>&1 <" +
                           (folder_ / "trees").string();
  EXPECT_EQ(WEXITSTATUS(std::system(full.c_str())), 3);
}

TEST_F(CliTest, AnswersTreesThatAreLongerThanWhatIsReadAtOnce) {
  constexpr int kProcesses = 150000;
  {
    std::ofstream trees(folder_ / "trees");
    for (int k = 0; k < 2; ++k) {
      trees << "1 1 1 [";
      for (int i = 2; i <= kProcesses; ++i) trees << i << " 1 1[]";
      trees << "]\n";
    }
  }
  const Ran run = Crgen("tree --program - <" + (folder_ / "trees").string());
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(std::count(run.out.begin(), run.out.end(), '\n'), 2);
  EXPECT_EQ(run.out.substr(0, run.out.size() / 2), run.out.substr(run.out.size() / 2));
  EXPECT_TRUE(run.out.ends_with("\"child_pid\": 150000}]\n"));
}

TEST_F(CliTest, ValidatesPlans) {
  const std::string golden = std::string(CRGEN_GOLDEN) + "/cow_memory.json";
  EXPECT_EQ(Crgen("validate " + golden).code, 0);
  EXPECT_EQ(Crgen("validate - <" + golden).code, 0);
  std::ofstream(folder_ / "bad.json") << R"([{"command": "FORK", "pid": 0, "child": 1}])";
  const Ran bad = Crgen("validate " + (folder_ / "bad.json").string());
  EXPECT_EQ(bad.code, 3);
  EXPECT_NE(bad.err.find("/0: lacks \"child_pid\""), std::string::npos) << bad.err;
  EXPECT_EQ(Crgen("validate " + (folder_ / "missing.json").string()).code, 3);
  EXPECT_EQ(Crgen("validate " + folder_.string()).code, 3);

  std::ofstream(folder_ / "eperm.json") << "[\n{\"command\": \"FORK\", \"pid\": 0, "
                                           "\"child_pid\": 10},\n{\"command\": \"SET_SID\", "
                                           "\"pid\": 10},\n{\"command\": \"SET_SID\", "
                                           "\"pid\": 10}]";
  const Ran eperm = Crgen("validate " + (folder_ / "eperm.json").string());
  EXPECT_EQ(eperm.code, 3);
  EXPECT_NE(eperm.err.find("eperm.json:4: commands[2] SET_SID pid 10: EPERM"), std::string::npos)
      << eperm.err;
}

TEST_F(CliTest, ComparesAPlanWithItsDump) {
  const std::string golden = std::string(CRGEN_GOLDEN) + "/cow_memory.json";
  EXPECT_EQ(Crgen("validate " + golden + " --against " + Dump("cow_memory")).code, 0);
  const Ran other = Crgen("validate " + golden + " --against " + Dump("threads"));
  EXPECT_EQ(other.code, 3);
  EXPECT_NE(other.err.find("expected"), std::string::npos) << other.err;
  const std::string job = std::string(CRGEN_GOLDEN) + "/shell_job.json";
  EXPECT_EQ(Crgen("validate " + job + " --against " + Dump("shell_job")).code, 0);
}

TEST_F(CliTest, GivesFindingsAndStateOnRequest) {
  std::ofstream(folder_ / "bad.json") << R"([{"command": "FORK", "pid": 5, "child_pid": 1}])";
  const Ran findings = Crgen("validate --json " + (folder_ / "bad.json").string());
  EXPECT_EQ(findings.code, 3);
  EXPECT_EQ(findings.err, "");
  EXPECT_NE(findings.out.find("\"command\": 0"), std::string::npos) << findings.out;
  const Ran state = Crgen("validate --state " + std::string(CRGEN_GOLDEN) + "/threads.json");
  EXPECT_EQ(state.code, 0);
  EXPECT_NE(state.out.find("program"), std::string::npos) << state.out;
}

TEST_F(CliTest, WarnsOfWhatIsLegalButSuspect) {
  std::ofstream(folder_ / "plan.json") << R"([
    {"command": "FORK", "pid": 0, "child_pid": 10},
    {"command": "FORK", "pid": 10, "child_pid": 11},
    {"command": "EXIT", "pid": 11, "status": {"code": 0}},
    {"command": "OPEN_FILE", "pid": 10, "fd": 3,
     "file": {"type": "REG", "id": 1, "path": "/a", "flags": ["O_RDONLY"]}},
    {"command": "CLOSE_FD", "pid": 10, "fd": 3},
    {"command": "SET_ATTR", "pid": 10, "attributes": {"creds": "inherit", "rlimits": "inherit"}},
    {"command": "RESUME", "pid": 10}])";
  const std::string plan = (folder_ / "plan.json").string();
  const Ran run = Crgen("validate " + plan);
  EXPECT_EQ(run.code, 0);
  EXPECT_NE(run.err.find("crgen: warning: " + plan + ":7: commands[4] CLOSE_FD pid 10: closes"),
            std::string::npos)
      << run.err;
  EXPECT_EQ(run.err.find("EXIT"), std::string::npos) << run.err;
  EXPECT_EQ(Crgen("validate -q " + plan).err, "");
  const Ran verbose = Crgen("validate -v " + plan);
  EXPECT_NE(verbose.err.find("7 commands; of the 5 that make processes and openings, 4 may do"),
            std::string::npos)
      << verbose.err;
  const Ran json = Crgen("validate --json " + plan);
  EXPECT_EQ(json.code, 0);
  EXPECT_EQ(json.err, "");
  EXPECT_NE(json.out.find("\"severity\": \"warning\""), std::string::npos) << json.out;
  const Ran against = Crgen("validate " + plan + " --against " + Dump("threads"));
  EXPECT_EQ(against.code, 3);
  EXPECT_NE(against.err.find(":4: commands[2] EXIT pid 11: no WAIT follows"), std::string::npos)
      << against.err;
}

TEST_F(CliTest, PrintsSchemaAndReferences) {
  EXPECT_EQ(Crgen("schema").out, ReadFileText(CRGEN_SOURCE "/schema/restore-program.schema.json"));
  EXPECT_EQ(Crgen("schema --commands").out, ReadFileText(CRGEN_SOURCE "/schema/commands.md"));
  EXPECT_EQ(Crgen("schema --images").out, ReadFileText(CRGEN_SOURCE "/docs/images.md"));
}

TEST_F(CliTest, HelpsAndRefusesWrongArguments) {
  for (const char* arguments : {"--help", "generate --help", "tree --help", "validate --help"}) {
    const Ran run = Crgen(arguments);
    EXPECT_EQ(run.code, 0) << arguments;
    EXPECT_NE(run.out.find("Example"), std::string::npos) << arguments;
  }
  EXPECT_TRUE(Crgen("--version").out.starts_with("crgen "));
  for (const char* arguments :
       {"", "generate", "tree", "validate", "schema extra", "--nonsense x"}) {
    EXPECT_EQ(Crgen(arguments).code, 2) << arguments;
  }
}

}  // namespace
}  // namespace crgen

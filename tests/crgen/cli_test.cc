// The program as a user meets it: arguments, exit codes, what goes where.
#include <gtest/gtest.h>
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

TEST_F(CliTest, NeedsShellJobForAnOutsideSession) {
  const Ran refused = Crgen(Dump("shell_job"));
  EXPECT_EQ(refused.code, 5);
  EXPECT_EQ(refused.out, "");
  EXPECT_NE(refused.err.find("--shell-job"), std::string::npos);
  const Ran planned = Crgen(Dump("shell_job") + " --shell-job");
  EXPECT_EQ(planned.code, 0);
  EXPECT_EQ(planned.out, Golden("shell_job"));
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
  EXPECT_NE(run.err.find("mm-31001.img: is missing"), std::string::npos) << run.err;
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
            "  {\"command\": \"FORK\", \"pid\": 0, \"child_pid\": 1},\n"
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
            "[{\"command\": \"FORK\", \"pid\": 0, \"child_pid\": 1}, "
            "{\"command\": \"SET_SID\", \"pid\": 1}, "
            "{\"command\": \"FORK\", \"pid\": 1, \"child_pid\": 2}, "
            "{\"command\": \"SET_PGID\", \"pid\": 2, \"pgid\": 2}]\n"
            "{\"error\": \"line 2, column 1: Parsing error: found the end of the text, expected "
            "a pid (1 to 4194303)\", \"pid\": 0}\n"
            "{\"error\": \"it must be born in session 3, whose leader descends from it\", "
            "\"pid\": 2}\n"
            "{\"error\": \"line 4, column 13: Parsing error: found ']', expected a sid (0 to "
            "4194303)\", \"pid\": 0}\n"
            "{\"error\": \"the root is in session 5, which is not of the tree; --shell-job takes "
            "the restorer's\", \"pid\": 7}\n"
            "[{\"command\": \"FORK\", \"pid\": 0, \"child_pid\": 7}, "
            "{\"command\": \"SET_SID\", \"pid\": 7}]\n");

  const Ran job = Crgen("tree --program --shell-job - <" + (folder_ / "trees").string());
  EXPECT_NE(job.out.find("\n[{\"command\": \"FORK\", \"pid\": 0, \"child_pid\": 7}]\n"),
            std::string::npos)
      << job.out;
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
  EXPECT_EQ(Crgen("validate " + job + " --against " + Dump("shell_job") + " --shell-job").code, 0);
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
  EXPECT_NE(verbose.err.find("6 commands; of the 5 that make processes and openings, 4 may do"),
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

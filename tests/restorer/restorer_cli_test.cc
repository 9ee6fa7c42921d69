// SPDX-License-Identifier: Apache-2.0
// crrestore before it restores anything: arguments, what a plan says of itself, messages.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace crgen {
namespace {

namespace fs = std::filesystem;

struct Ran {
  int code;
  std::string text;  ///< standard error
};

class RestorerCliTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "crrestore-cli-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  Ran Crrestore(const std::string& arguments) {
    const std::string errors = (folder_ / "errors").string();
    const int status =
        std::system((CRRESTORE_BINARY " " + arguments + " >/dev/null 2>" + errors).c_str());
    std::ostringstream text;
    text << std::ifstream(errors).rdbuf();
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text.str()};
  }
  /// With what it prints.
  Ran WithOutput(const std::string& arguments) {
    const fs::path out = folder_ / "out";
    Ran ran = Crrestore(arguments + " >" + out.string() + " 2>&1 #");
    std::ostringstream text;
    text << std::ifstream(out).rdbuf();
    ran.text = text.str();
    return ran;
  }
  std::string Plan(const std::string& text) {
    std::ofstream(folder_ / "plan.json") << text;
    return (folder_ / "plan.json").string();
  }
  static std::string Golden(const std::string& name) { return CRGEN_GOLDEN "/" + name + ".json"; }

  fs::path folder_;
};

TEST_F(RestorerCliTest, APartialPlanIsAcceptedByName) {
  std::ostringstream golden;
  golden << std::ifstream(Golden("pipeline")).rdbuf();
  std::string text = golden.str();
  const std::size_t about = text.find("\"about\": {");
  ASSERT_NE(about, std::string::npos);
  text.insert(about + 10,
              R"("left_out": [{"where": "bpfmap-data.img[0]", "what": "the content of a map"}], )");
  const std::string plan = Plan(text);
  EXPECT_EQ(Crrestore("--dry-run " + plan).code, 0);
  const Ran refused = Crrestore("--file-locks " + plan);
  EXPECT_NE(refused.code, 0);
  for (const char* lost :
       {"bpfmap-data.img[0]: unsupported: left out of the plan: the content", "--partial"}) {
    EXPECT_NE(refused.text.find(lost), std::string::npos) << refused.text;
  }
  const Ran accepted = Crrestore("--dry-run --partial --file-locks " + plan);
  EXPECT_EQ(accepted.code, 0) << accepted.text;
  EXPECT_NE(accepted.text.find("warning: bpfmap-data.img[0]: left out"), std::string::npos);
}

TEST_F(RestorerCliTest, TheCallersNamespacesAreTakenByName) {
  std::ostringstream golden;
  golden << std::ifstream(Golden("sessions")).rdbuf();
  std::string text = golden.str();
  text.insert(
      text.find("\"about\": {") + 10,
      R"("left_out": [{"where": "ids-10.img", "what": "a mount namespace", "callers": true}], )");
  const std::string plan = Plan(text);
  const Ran refused = Crrestore("--partial " + plan);
  EXPECT_NE(refused.code, 0);
  EXPECT_NE(refused.text.find("--namespaces=caller"), std::string::npos) << refused.text;
  EXPECT_EQ(Crrestore("--dry-run --namespaces=caller " + plan).code, 0);
}

TEST_F(RestorerCliTest, ASessionOfOutsideIsAcceptedByName) {
  const Ran refused = Crrestore(Golden("shell_job"));
  EXPECT_NE(refused.code, 0);
  EXPECT_NE(refused.text.find("--shell-job gives the caller's"), std::string::npos);
  EXPECT_EQ(Crrestore("--dry-run --shell-job " + Golden("shell_job")).code, 0);
}

/// In the form of `crgen plan`, and what a restore would want is a note.
TEST_F(RestorerCliTest, ADryRunSaysWhatIsDoneAndAwaited) {
  for (const char* plan : {"deep_tree", "pipeline", "sessions"}) {
    const Ran dry = WithOutput("--dry-run " + Golden(plan));
    EXPECT_EQ(dry.code, 0) << dry.text;
    EXPECT_NE(dry.text.find("WAITS FOR"), std::string::npos) << dry.text;
    EXPECT_NE(dry.text.find(" to open, "), std::string::npos) << dry.text;
    EXPECT_EQ(dry.text.find("unsupported"), std::string::npos) << dry.text;
  }
  const Ran job = WithOutput("--dry-run " + Golden("shell_job"));
  EXPECT_EQ(job.code, 0) << job.text;
  EXPECT_NE(job.text.find("warning: about.external: session"), std::string::npos) << job.text;
  const Ran sessions = WithOutput("--dry-run " + Golden("sessions"));
  EXPECT_NE(sessions.text.find("the end of 31906"), std::string::npos) << sessions.text;
}

/// Who has seen enough reads no further; what cannot be written is said.
TEST_F(RestorerCliTest, ADryRunEndsQuietlyWithItsReader) {
  for (const char* json : {"", " --json"}) {
    const std::string run =
        CRRESTORE_BINARY " --dry-run" + std::string(json) + " " + Golden("sessions");
    const std::string script = "set -o pipefail; (sleep 0.1; " + run + " 2>&1) | true";
    EXPECT_EQ(std::system(("bash -c '" + script + "'").c_str()), 0) << json;
    const Ran full = Crrestore("--dry-run" + std::string(json) + " " + Golden("sessions") + " 2>" +
                               (folder_ / "said").string() + " >/dev/full #");
    EXPECT_EQ(full.code, 3);
    std::ostringstream said;
    said << std::ifstream(folder_ / "said").rdbuf();
    EXPECT_EQ(said.str(), "crrestore: error: standard output: No space left on device\n");
  }
}

TEST_F(RestorerCliTest, PreflightHasAVerdictAndTellsACauseOnce) {
  std::string forks;
  for (int pid = 2; pid < 40; ++pid) {  // of the kernel
    forks += R"({"command": "FORK", "pid": 32001, "child_pid": )" + std::to_string(pid) +
             R"(}, {"command": "EXIT", "pid": )" + std::to_string(pid) +
             R"(, "status": {"code": 0}}, {"command": "WAIT", "pid": 32001, "child_pid": )" +
             std::to_string(pid) + "},";
  }
  const std::string plan = Plan(R"([{"command": "FORK", "pid": 0, "child_pid": 32001},)" + forks +
                                R"({"command": "SET_ATTR", "pid": 32001,
               "attributes": {"creds": "inherit", "rlimits": "inherit"}},
              {"command": "EXIT", "pid": 32001, "status": {"code": 0}}])");
  const Ran well = WithOutput("--preflight --pidns " + plan);
  EXPECT_EQ(well.code, 0) << well.text;
  EXPECT_NE(well.text.find("this host can restore "), std::string::npos) << well.text;
  const Ran taken = WithOutput("--preflight " + plan);
  EXPECT_NE(taken.code, 0);
  EXPECT_EQ(taken.text.find("this host can restore "), std::string::npos) << taken.text;
  const Ran all = WithOutput("-v --preflight " + plan);
  const auto lines = [](const Ran& run) { return std::ranges::count(run.text, '\n'); };
  EXPECT_LT(lines(taken), 20) << taken.text;
  EXPECT_NE(taken.text.find(" more like that (-v lists them)"), std::string::npos) << taken.text;
  EXPECT_GT(lines(all), 30) << all.text;
}

TEST_F(RestorerCliTest, CountsErrorsPastAThousand) {
  for (const bool known : {true, false}) {  // no meaning; no command of that name
    std::string text = R"([{"command": "FORK", "pid": 0, "child_pid": 10})";
    for (int fd = 0; fd < 3000; ++fd) {
      text += std::string(",\n{\"command\": \"") + (known ? "CLOSE_FD" : "CLOSE") +
              R"(", "pid": 10, "fd": )" + std::to_string(fd) + "}";
    }
    const std::string plan = Plan(text + "]");
    const Ran run = Crrestore("--dry-run " + plan);
    EXPECT_EQ(run.code, 3);
    EXPECT_NE(run.text.find("error: and 2000 more errors\n"), std::string::npos)
        << run.text.substr(0, 1000);
    EXPECT_NE(WithOutput("--dry-run --json " + plan).text.find(R"("more": 1999)"),
              std::string::npos);
  }
}

TEST_F(RestorerCliTest, WantsAWholePlanWithRights) {
  const Ran fragment = Crrestore("--dry-run " + Plan(R"([
    {"command": "FORK", "pid": 0, "child_pid": 10}])"));
  EXPECT_EQ(fragment.code, 3);
  EXPECT_NE(fragment.text.find("neither resumes nor exits"), std::string::npos) << fragment.text;
  const std::string fork = R"([{"command": "FORK", "pid": 0, "child_pid": 10},)";
  const std::string end = R"({"command": "RESUME", "pid": 10}])";
  const Ran silent = Crrestore("--dry-run " + Plan(fork + end));
  EXPECT_EQ(silent.code, 3);
  EXPECT_NE(silent.text.find("of creds of process 10 nothing is said"), std::string::npos);
  EXPECT_NE(silent.text.find("of rlimits of process 10 nothing is said"), std::string::npos);
  EXPECT_EQ(Crrestore("--dry-run " + Plan(fork + R"({"command": "SET_ATTR", "pid": 10,
              "attributes": {"creds": "inherit", "rlimits": "inherit"}},)" +
                                          end))
                .code,
            0);
  const Ran other =
      Crrestore("--dry-run " + Plan(R"([{"command": "FORK", "pid": 0, "child_pid": 10, "about":
                              {"version": "1.0", "machine": "aarch64", "external":
                               [{"kind": "moon", "what": "its phase"}]}},
                              {"command": "EXIT", "pid": 10, "status": {"code": 0}}])"));
  EXPECT_EQ(other.code, 4);
  EXPECT_NE(other.text.find("aarch64"), std::string::npos) << other.text;
  EXPECT_NE(other.text.find("moon: its phase"), std::string::npos) << other.text;
}

TEST_F(RestorerCliTest, SaysWhatWasGiven) {
  EXPECT_NE(Crrestore(folder_.string()).text.find("is a folder, expected a plan"),
            std::string::npos);
  EXPECT_NE(Crrestore("- </dev/null").text.find("standard input: is empty"), std::string::npos);
  const Ran images = Crrestore(Golden("threads"));
  EXPECT_EQ(images.code, 3);
  EXPECT_NE(images.text.find(std::string("the folder of images \"") + CRGEN_GOLDEN + "\" has no "),
            std::string::npos)
      << images.text;
  EXPECT_EQ(images.text.find("--images names the folder of the dump"),
            images.text.rfind("--images names the folder of the dump"));
}

TEST_F(RestorerCliTest, AnOptionTakesOneValue) {
  for (const char* option : {"--inherit-fd fd[0]:x", "--external mnt[x]:/", "--join-ns net:1",
                             "--empty-ns net", "--cgroup-root /x"}) {
    const Ran ran = Crrestore(std::string(option) + " /no/plan");
    EXPECT_NE(ran.text.find("/no/plan: No such file"), std::string::npos) << option << ran.text;
  }
}

TEST_F(RestorerCliTest, BeginsEveryErrorAlike) {
  const std::string help = "; `crrestore --help` says what there is\n";
  const std::pair<const char*, std::string> lines[] = {
      {"", "PLAN is required" + help},
      {"--preflihgt plan", "--preflihgt: no such option; did you mean --preflight?\n"},
      {"--foo plan", "--foo: no such option" + help},  // of five letters with the dashes
      {"--quite-other plan", "--quite-other: no such option" + help},
      {"plan other", "other: one argument too many" + help},
      {"--root", "--root: 1 required DIR missing" + help},
  };
  for (const auto& [arguments, line] : lines) {
    const Ran run = Crrestore(arguments);
    EXPECT_EQ(run.code, 2) << arguments;
    EXPECT_EQ(run.text, "crrestore: error: " + line) << arguments;
  }
  const Ran page = WithOutput("--help");
  EXPECT_EQ(page.code, 0);
  for (const char* words : {"--manage-cgroups[=MODE]", "--no-redraw  ", "--no-timens  ",
                            "--empty-ns KIND:{net}", "--join-ns NAMESPACE ...", "\n  PLAN    "}) {
    EXPECT_NE(page.text.find(words), std::string::npos) << words << page.text;
  }
  EXPECT_EQ(Crrestore("--version").code, 0);
}

TEST_F(RestorerCliTest, EscapesNames) {
  const Ran run = Crrestore("'" + (folder_ / "a\x1b[2J").string() + "'");
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.text.find("a\\x1b[2J: No such file"), std::string::npos) << run.text;
}

}  // namespace
}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// `crgen validate` as a user meets it; all programs that the project shows are valid.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/cli_fixture.h"

namespace crgen::test {
namespace {

TEST_F(CliTest, TellsAPartialPlanFromAWholeOne) {
  const std::string dump = WithUnsupported();
  const std::string plan = Crgen(dump + " --partial").out;
  std::ofstream(folder_ / "plan.json") << plan;
  const Ran partial = Crgen("validate " + (folder_ / "plan.json").string() + " --against " + dump);
  EXPECT_EQ(partial.code, 0) << partial.err;
  EXPECT_NE(partial.err.find("warning: sk-queues.img[1]: left out, as the plan says"),
            std::string::npos)
      << partial.err;
  // The same plan without a word of that.
  std::string silent = plan;
  const std::size_t start = silent.find(", \"left_out\": [");
  ASSERT_NE(start, std::string::npos);
  silent.erase(start, silent.find("}]", start) + 2 - start);
  std::ofstream(folder_ / "silent.json") << silent;
  const Ran run = Crgen("validate " + (folder_ / "silent.json").string() + " --against " + dump);
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("error: sk-queues.img[1]: expected, neither restored nor left out"),
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

TEST_F(CliTest, CountsErrorsPastAThousand) {
  const std::string path = (folder_ / "plan.json").string();
  std::ofstream plan(path);
  plan << R"([{"command": "FORK", "pid": 0, "child_pid": 10})";
  for (int fd = 0; fd < 3000; ++fd) {
    plan << ",\n"
         << R"({"command": "CLOSE_FD", "pid": 10, "fd": )" << fd << "}";
  }
  plan << "]" << std::flush;
  const Ran run = Crgen("validate -v " + path);
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(std::ranges::count(run.err, '\n'), 1001);
  EXPECT_NE(run.err.find("error: and 2000 more errors\n"), std::string::npos)
      << run.err.substr(run.err.size() - 200);
  EXPECT_NE(Crgen("validate --json " + path).out.find(R"("more": 1999)"), std::string::npos);
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

/// Every whole list in the documents is a program; what is shortened ("…") shows lines of
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
      const bool program = block.starts_with("[") || block.starts_with("{\"command\"");
      if (block.find("…") != block.npos || shown_wrong || !program) continue;
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

TEST_F(CliTest, TakesAPlanThatLeavesOutNamespacesForWhole) {
  const std::string dump = Dump("system_v"), options = " --namespaces=caller --partial";
  const fs::path plan = folder_ / "plan.json";
  EXPECT_EQ(Crgen(dump + options + " -o " + plan.string()).code, 0);
  const Ran run = Crgen("validate " + plan.string() + " --against " + dump);
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("left out, as the plan says: an IPC namespace"), std::string::npos);
  const Ran needs = Crgen("needs " + dump + options);
  EXPECT_EQ(needs.code, 0) << needs.err;
  EXPECT_NE(needs.out.find(" --namespaces=caller --partial"), std::string::npos) << needs.out;
}

}  // namespace
}  // namespace crgen::test

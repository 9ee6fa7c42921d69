// SPDX-License-Identifier: Apache-2.0
// `crgen show`, `why` and `plan` as a user meets them. CRGEN_REBASE=1 rewrites what is expected.
#include <gtest/gtest.h>
#include <pty.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "tests/support/cli_fixture.h"

namespace crgen::test {
namespace {

class ViewsCliTest : public CliTest {
 protected:
  void IsExpected(const std::string& golden, const std::string& arguments) {
    const Ran run = Crgen(arguments);
    EXPECT_EQ(run.code, 0) << run.err;
    const fs::path path = fs::path(CRGEN_SOURCE) / "tests/views/golden" / golden;
    if (std::getenv("CRGEN_REBASE") != nullptr) std::ofstream(path, std::ios::binary) << run.out;
    EXPECT_EQ(run.out, ReadFileText(path)) << arguments;
  }

  /// What comes out where standard output is a terminal of so many columns.
  std::string OnTerminal(const std::string& arguments, unsigned short columns,
                         const std::string& environment = "") {
    struct winsize size = {24, columns, 0, 0};
    int terminal = -1;
    const pid_t pid = forkpty(&terminal, nullptr, nullptr, &size);
    if (pid == 0) {
      const std::string command =
          "env -u NO_COLOR " + environment + " " CRGEN_BINARY " " + arguments + " 2>/dev/null";
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(127);
    }
    std::string text;
    char piece[4096];
    for (ssize_t got; (got = read(terminal, piece, sizeof piece)) > 0;) text.append(piece, got);
    close(terminal);
    waitpid(pid, nullptr, 0);
    return text;
  }
};

TEST_F(ViewsCliTest, ShowFixtures) {
  for (const char* name : {"pipeline", "shared_fds", "shared_memory", "state", "zombies"}) {
    IsExpected(std::string(name) + ".show", "show all " + Dump(name));
  }
  IsExpected("pidns.show", "show processes mounts " + Dump("pidns"));
  IsExpected("shared_fds.json", "show fds files --json " + Dump("shared_fds"));
}

TEST_F(ViewsCliTest, PlanFixtures) {
  IsExpected("shared_fds.plan", "plan --explain " + Dump("shared_fds"));
  IsExpected("deep_tree.plan", "plan " + Dump("deep_tree"));
  IsExpected("deep_tree.explained.plan", "plan --explain " + Dump("deep_tree"));
  const Ran written = Crgen("plan --explain " + std::string(CRGEN_GOLDEN) + "/shared_fds.json");
  EXPECT_EQ(written.out, Crgen("plan --explain " + Dump("shared_fds")).out);
}

TEST_F(ViewsCliTest, PlanSaysWhyEachCommandIsThere) {
  for (const auto& dump : fs::directory_iterator(CRGEN_FIXTURES "/dumps")) {
    const auto plan = nlohmann::json::parse(Crgen("plan --json " + dump.path().string()).out);
    std::size_t explained = 0;
    for (const auto& actor : plan["actors"]) {
      for (const auto& step : actor["steps"]) {
        EXPECT_TRUE(step.contains("why")) << dump.path() << step;
        ++explained;
      }
    }
    EXPECT_EQ(explained, plan["commands"]);
  }
}

TEST_F(ViewsCliTest, WorkOnAllFixtures) {
  std::size_t dumps = 0;
  for (const auto& dump : fs::directory_iterator(CRGEN_FIXTURES "/dumps")) {
    ++dumps;
    const std::string path = dump.path().string();
    for (const char* view : {"show", "show all", "why", "plan", "plan --explain"}) {
      const Ran run = Crgen(std::string(view) + " " + path);
      EXPECT_EQ(run.code, 0) << view << path << run.err;
      EXPECT_NE(run.out, "") << view << path;
    }
    for (const char* view : {"show all --json", "why --json", "plan --json"}) {
      EXPECT_TRUE(nlohmann::json::accept(Crgen(std::string(view) + " " + path).out))
          << view << path;
    }
  }
  EXPECT_GT(dumps, 10U);
}

TEST_F(ViewsCliTest, SayWhoRestoresAndWhyNot) {
  const auto why = [&](const std::string& dump) {
    return nlohmann::json::parse(Crgen("why --json " + dump).out);
  };
  const auto deep = why(Dump("deep_tree"));
  EXPECT_EQ(deep["criu"]["answer"], "no");
  EXPECT_EQ(deep["criu"]["causes"][0]["message"], "Can't find a session leader for 31791");
  EXPECT_EQ(deep["crgen"]["answer"], "yes");
  // Its program is not on this machine.
  EXPECT_EQ(deep["host"]["answer"], "no");
  const auto job = why(Dump("shell_job"));
  EXPECT_EQ(job["criu"]["answer"], "with");
  EXPECT_EQ(job["criu"]["causes"][0]["advice"], "criu restore --shell-job");
  EXPECT_EQ(job["crgen"]["answer"], "with");
  const auto unsupported = why(WithUnsupported().string());
  EXPECT_EQ(unsupported["criu"]["answer"], "with");  // file locks
  EXPECT_EQ(unsupported["crgen"]["answer"], "no");
  EXPECT_EQ(unsupported["crgen"]["causes"].size(), 2U);
  EXPECT_EQ(unsupported["host"]["answer"], "unknown");
}

TEST_F(ViewsCliTest, ShowTakesTopicsInAnyOrder) {
  EXPECT_EQ(Crgen("show " + Dump("pipeline") + " fds files").out,
            Crgen("show fds files " + Dump("pipeline")).out);
  EXPECT_EQ(Crgen("show fds " + Dump("pipeline") + " nothing").code, 2);
  // The last one, if all have the name of a topic.
  fs::copy(Dump("pipeline"), folder_ / "files");
  const fs::path here = fs::current_path();
  fs::current_path(folder_);
  EXPECT_EQ(Crgen("show fds files").out, Crgen("show fds " + Dump("pipeline")).out);
  fs::current_path(here);
}

TEST_F(ViewsCliTest, ShowWhatCannotBePlanned) {
  const std::string dump = WithUnsupported().string();
  const Ran shown = Crgen("show fds " + dump);
  EXPECT_EQ(shown.code, 0);
  EXPECT_EQ(shown.out, Crgen("show fds " + Dump("pipeline")).out);
  EXPECT_NE(shown.err.find("2 things in it that no program can say"), std::string::npos)
      << shown.err;
  EXPECT_EQ(Crgen("plan " + dump).code, 4);
  EXPECT_EQ(Crgen("plan --partial " + dump).code, 0);
}

TEST_F(ViewsCliTest, ShowWhatIsLeftOfADamagedDump) {
  const fs::path dump = CopyOf("threads");
  for (const auto& image : fs::directory_iterator(dump)) {
    if (image.path().filename().string().starts_with("mm-")) fs::remove(image);
  }
  const Ran shown = Crgen("show fds " + dump.string());
  EXPECT_EQ(shown.code, 3);
  EXPECT_EQ(shown.out, Crgen("show fds " + Dump("threads")).out);
  EXPECT_NE(shown.err.find("mm-31500.img: is missing"), std::string::npos) << shown.err;
  for (const std::string& inventory : {std::string("damaged"), std::string()}) {
    std::ofstream(dump / "inventory.img") << inventory;
    if (inventory.empty()) fs::remove(dump / "inventory.img");
    const Ran tree = Crgen("show " + dump.string());
    EXPECT_EQ(tree.code, 3);
    EXPECT_NE(tree.out.find("31500"), tree.out.npos) << tree.out;
    EXPECT_NE(tree.err.find("inventory.img"), tree.err.npos) << tree.err;
    EXPECT_EQ(Crgen(dump.string()).code, 3);
  }
  fs::remove(dump / "pstree.img");
  const Ran nothing = Crgen("show " + dump.string());
  EXPECT_EQ(nothing.code, 3);
  EXPECT_EQ(nothing.out, "");
}

/// What is told is told whole, whatever the width.
TEST_F(ViewsCliTest, ReasonsAndLastColumnsAreThere) {
  const std::string why = OnTerminal("why " + Dump("deep_tree"), 60, "NO_COLOR=1");
  EXPECT_EQ(why.find("…"), why.npos) << why;
  EXPECT_NE(why.find("Can't find a session leader for 31791"), why.npos) << why;
  const std::string fds = OnTerminal("show fds " + Dump("shared_fds"), 80, "NO_COLOR=1");
  EXPECT_NE(fds.find("SAME DESCRIPTION AS"), fds.npos) << fds;
  const std::string plan = OnTerminal("plan --explain " + Dump("shared_fds"), 80, "NO_COLOR=1");
  EXPECT_NE(plan.find("WHY"), plan.npos) << plan;
  for (const char* tree : {"tree ", "tree --all --syscalls fork,setsid,setpgid,exit "}) {
    std::istringstream lines(OnTerminal(tree + Dump("zombies"), 40));
    for (std::string line; std::getline(lines, line);) {
      const auto width = std::ranges::count_if(line, [](char c) { return (c & 0xc0) != 0x80; });
      EXPECT_LE(width, 41) << line;  // the terminal's \r
    }
  }
}

TEST_F(ViewsCliTest, SuggestWhatWasMeant) {
  EXPECT_NE(Crgen("help").err.find("did you mean --help?"), std::string::npos);
  EXPECT_EQ(
      Crgen("inspect " + Dump("threads")).err,
      "crgen: error: inspect: neither a subcommand nor a file; `crgen --help` says what there "
      "is\n");
  EXPECT_EQ(Crgen("-q inspect --json " + Dump("threads")).code, 2);
  EXPECT_EQ(Crgen("--vesion").err,
            "crgen: error: --vesion: no such option; did you mean --version?\n");
  EXPECT_EQ(Crgen("--quite-other").err,
            "crgen: error: --quite-other: no such option; `crgen --help` says what there is\n");
  EXPECT_EQ(Crgen("nope").err.find("did you mean"), std::string::npos);
  // What follows is an option's.
  EXPECT_EQ(Crgen("nope -o " + (folder_ / "plan.json").string()).code, 3);
  EXPECT_EQ(Crgen("-q nope -v").code, 2);
  // What looks like a path is one.
  EXPECT_EQ(Crgen("./nope").code, 3);
}

/// Who has seen enough reads no further.
TEST_F(ViewsCliTest, EndQuietlyWithTheirReader) {
  std::ofstream(folder_ / "plan.json") << Crgen(Dump("threads")).out;
  for (const std::string& view :
       {"show all " + Dump("threads"), "plan " + Dump("threads"), "check " + Dump("threads"),
        "tree " + Dump("threads"), "tree --svg " + Dump("threads"),
        "memory --strings --pid 31500 " + Dump("threads"), std::string("host-facts"),
        "needs " + Dump("threads"), "report -o /dev/stdout " + Dump("threads"),
        "validate --state --json " + folder_.string() + "/plan.json", std::string("schema"),
        std::string("schema --images"), std::string("--help")}) {
    const std::string script = "set -o pipefail; (sleep 0.1; " CRGEN_BINARY " " + view + " 2>" +
                               (folder_ / "said").string() + ") | true";
    EXPECT_EQ(std::system(("bash -c '" + script + "'").c_str()), 0) << view;
    EXPECT_EQ(ReadFileText(folder_ / "said"), "") << view;
  }
}

/// Diagnostics too, and no line is written over another.
TEST_F(ViewsCliTest, DiagnosticsHaveNoColourWhereNoneIsWanted) {
  const std::string wrong = "show --pid 5 " + Dump("threads") + " #";  // stderr is the terminal
  EXPECT_NE(OnTerminal(wrong, 80, "TERM=xterm").find('\033'), std::string::npos);
  for (const char* plain : {"NO_COLOR=1", "TERM=dumb"}) {
    std::string text = OnTerminal(wrong, 80, plain);
    const std::size_t erased = text.find("\r\033[K");  // the progress
    if (erased != text.npos) text.erase(erased, 4);
    EXPECT_EQ(erased != text.npos, plain == std::string_view("NO_COLOR=1")) << text;
    EXPECT_EQ(text.find('\033'), text.npos) << text;
  }
}

TEST_F(ViewsCliTest, RefuseWhatIsNoView) {
  const Ran word = Crgen("show fbs " + Dump("threads"));
  EXPECT_EQ(word.code, 2);
  EXPECT_NE(word.err.find("there are processes, fds, "), std::string::npos) << word.err;
  EXPECT_EQ(Crgen("show --pid 5 " + Dump("threads")).code, 2);
  EXPECT_EQ(Crgen("plan --pid 5 " + Dump("threads")).code, 2);
  EXPECT_EQ(Crgen("plan --pid 0 " + Dump("threads")).code, 0);
  EXPECT_EQ(Crgen("show").code, 2);
  EXPECT_EQ(Crgen("show " + folder_.string()).code, 3);
  EXPECT_EQ(Crgen("why " + folder_.string()).code, 3);
  EXPECT_EQ(Crgen("plan " + folder_.string()).code, 3);
  std::ofstream(folder_ / "wrong.json") << R"([{"command": "SET_SID", "pid": 7}])";
  EXPECT_EQ(Crgen("plan " + (folder_ / "wrong.json").string()).code, 3);
}

TEST_F(ViewsCliTest, FitATerminalAndColourItAlone) {
  const std::string colour = OnTerminal("show all " + Dump("shared_fds"), 50);
  EXPECT_NE(colour.find("\033[1m"), std::string::npos);
  const std::string plain = OnTerminal("show all " + Dump("shared_fds"), 50, "NO_COLOR=1");
  EXPECT_EQ(plain.find('\033'), std::string::npos);
  EXPECT_EQ(OnTerminal("show all " + Dump("shared_fds"), 50, "TERM=dumb").find('\033'),
            std::string::npos);
  EXPECT_NE(plain.find("…"), std::string::npos);
  std::istringstream lines(plain);
  for (std::string line; std::getline(lines, line);) {
    const auto width = std::ranges::count_if(
        line, [](char byte) { return (byte & 0xc0) != 0x80 && byte != '\r'; });
    EXPECT_LE(width, 50) << line;
  }
  const std::string piped = Crgen("show all " + Dump("shared_fds")).out;
  EXPECT_EQ(piped.find('\033'), std::string::npos);
  EXPECT_EQ(piped.find("…"), std::string::npos);
}

/// Between words: nothing is lost, and no line is wider than the terminal but for words that are.
TEST_F(ViewsCliTest, HelpFitsATerminal) {
  const auto words = [](std::string text) {
    std::erase(text, '\r');
    std::istringstream stream(text);
    return std::vector<std::string>(std::istream_iterator<std::string>(stream), {});
  };
  for (const char* command :
       {"", "show ", "why ", "plan ", "check ", "diff ", "generate ", "needs ", "tree ",
        "validate ", "schema ", "core ", "memory ", "report ", "host-facts "}) {
    const std::string help = std::string(command) + "--help";
    const std::string whole = Crgen(help).out;
    for (const unsigned short columns : {40, 80, 400}) {
      const std::string shown = OnTerminal(help, columns);
      EXPECT_EQ(words(shown), words(whole)) << command;
      std::istringstream lines(shown);
      for (std::string line; std::getline(lines, line);) {
        const auto width = std::ranges::count_if(
            line, [](char byte) { return (byte & 0xc0) != 0x80 && byte != '\r'; });
        const std::size_t begin = line.find_first_not_of(' ');
        const bool one_word = begin == line.npos || line.find(' ', begin) == line.npos;
        EXPECT_TRUE(one_word || width <= columns) << command << line;
      }
    }
  }
}

}  // namespace
}  // namespace crgen::test

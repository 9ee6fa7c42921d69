// SPDX-License-Identifier: Apache-2.0
// The programs in docs/writing-programs.md and docs/writing-more-programs.md are right, and crgen
// says about the wrong ones exactly what the page says. tests/docs_test.py restores them.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "checker/check.h"
#include "dsl/json/program_json.h"
#include "tests/support/lines.h"

namespace crgen {
namespace {

namespace fs = std::filesystem;

/// A ```json block, and the ```console block behind it, if there is one before the next program.
struct Example {
  std::string program;
  std::string command;  ///< without "$ "
  std::string output;
  bool restored = false;  ///< the page restores it, which tests/docs_test.py does as well

  bool IsWrong() const { return output.find("crgen: error:") != std::string::npos; }
  bool IsFragment() const { return output.find("a fragment") != std::string::npos; }
  /// crrestore alone says so.
  bool LacksRegisters() const { return program.find("registers") == std::string::npos; }
};

void ReadExamples(const std::string& name, std::vector<Example>* out) {
  std::ifstream page(CRGEN_SOURCE "/docs/" + name);
  std::vector<Example>& examples = *out;
  std::string* block = nullptr;
  for (std::string line; std::getline(page, line);) {
    const bool restores = line.starts_with("# ") && line.find("crrestore plan.json") != line.npos;
    if (restores && !examples.empty()) examples.back().restored = true;
    if (line == "```json") {
      block = &examples.emplace_back().program;
    } else if (line == "```console" && !examples.empty()) {
      block = &examples.back().output;
    } else if (block != nullptr && line.starts_with("# ")) {
      block = nullptr;
    } else if (line == "```") {
      block = nullptr;
    } else if (block != nullptr && line.starts_with("$ ")) {
      examples.back().command = line.substr(2);
    } else if (block != nullptr) {
      *block += line + "\n";
    }
  }
}

std::vector<Example> ReadExamples() {
  std::vector<Example> examples;
  ReadExamples("writing-programs.md", &examples);
  ReadExamples("writing-more-programs.md", &examples);
  return examples;
}

/// Runs `command`, which begins with "crgen ", where plan.json is the program.
std::string RunCrgen(const std::string& command, const std::string& program) {
  std::string folder = (fs::temp_directory_path() / "crgen-handwritten-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return "no folder";
  std::ofstream(fs::path(folder) / "plan.json") << program;
  const std::string line = "cd " + folder + " && " + CRGEN_BINARY + command.substr(5) + " 2>&1";
  std::string output;
  if (FILE* pipe = popen(line.c_str(), "r"); pipe != nullptr) {
    for (int byte; (byte = std::fgetc(pipe)) != EOF;) output += static_cast<char>(byte);
    pclose(pipe);
  }
  fs::remove_all(folder);
  return output;
}

/// `output` as the page shows it: where a line of it leaves something out ("…"), likewise.
std::string Shortened(const std::string& output, const std::string& shown) {
  constexpr std::string_view kGap = "…";
  std::istringstream full(output), shorter(shown);
  std::string text;
  for (std::string line, wanted; std::getline(full, line); text += line + "\n") {
    std::getline(shorter, wanted);
    const std::size_t gap = wanted.find(kGap);
    if (gap == std::string::npos) continue;
    const std::string end = wanted.substr(gap + kGap.size());
    const bool fits = line.size() >= gap + end.size() && line.ends_with(end);
    if (fits && line.compare(0, gap, wanted, 0, gap) == 0) line = wanted;
  }
  return text;
}

TEST(Handwritten, ThePagesHaveThirteenProgramsThirteenMistakesAndAFragment) {
  std::size_t right = 0, wrong = 0, fragments = 0;
  for (const Example& example : ReadExamples()) {
    const bool is_wrong = example.IsWrong() || (!example.IsFragment() && example.LacksRegisters());
    ++(is_wrong ? wrong : example.IsFragment() ? fragments : right);
  }
  EXPECT_EQ(right, 13u);
  EXPECT_EQ(wrong, 13u);
  EXPECT_EQ(fragments, 1u);
}

TEST(Handwritten, ProgramsAreRight) {
  for (const Example& example : ReadExamples()) {
    if (example.IsWrong()) continue;
    Program program;
    Diagnostics diag;
    ASSERT_EQ(ReadProgram(example.program, "plan.json", &program, diag), Result::kOk)
        << test::TextOf(diag);
    SimulatedState state;
    EXPECT_EQ(CheckProgram(program, &state, diag), Result::kOk);
    EXPECT_EQ(test::TextOf(diag), "") << example.program;
    EXPECT_EQ(Failed(CheckComplete(program, state, diag)), example.IsFragment())
        << test::TextOf(diag);
    EXPECT_EQ(example.restored, !example.IsFragment()) << example.program;
  }
}

TEST(Handwritten, OutputIsAsShown) {
  for (const Example& example : ReadExamples()) {
    if (example.command.empty()) continue;
    ASSERT_TRUE(example.command.starts_with("crgen validate")) << example.command;
    const std::string output = RunCrgen(example.command, example.program);
    EXPECT_EQ(Shortened(output, example.output), example.output) << example.program;
  }
}

}  // namespace
}  // namespace crgen

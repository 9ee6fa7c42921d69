// SPDX-License-Identifier: Apache-2.0
// The programs of the real dumps in tests/fixtures/dumps, against tests/golden. CRGEN_REBASE=1
// rewrites what is expected.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "checker/check.h"
#include "crgen/losses.h"
#include "crgen/plan_images.h"
#include "dsl/json/program_json.h"
#include "generator/generate.h"
#include "images/dump.h"
#include "tests/support/lines.h"

namespace crgen {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> FixtureNames() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(CRGEN_FIXTURES "/dumps")) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ReadFileText(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// One dump on its way to a program.
class GoldenTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    source_ = OpenFolder(CRGEN_FIXTURES "/dumps/" + GetParam(), diag_);
    ASSERT_NE(source_, nullptr) << test::TextOf(diag_);
    ASSERT_EQ(LoadDump(*source_, &snapshot_, diag_), Result::kOk) << test::TextOf(diag_);
    unsupported_ = test::TextOf(diag_);
    pages_ = std::make_unique<PageImages>(*source_);
    Diagnostics diag;
    ASSERT_EQ(GenerateProgram(snapshot_, {AboutPlan(diag_, snapshot_)}, Reader(), &program_, diag),
              GenerateOutcome::kOk)
        << test::TextOf(diag);
    ASSERT_EQ(BindToImages(&program_, *pages_, false, 1, diag), Result::kOk) << test::TextOf(diag);
  }

  PageReader Reader() {
    return [this](const std::string& image, std::uint64_t offset, std::span<char> out,
                  Diagnostics& diag) { return pages_->Read(image, offset, out, diag); };
  }

  std::unique_ptr<ImageSource> source_;
  std::unique_ptr<PageImages> pages_;
  Snapshot snapshot_;
  Program program_;
  Diagnostics diag_;
  std::string unsupported_;
};

TEST_P(GoldenTest, IsTheExpectedProgram) {
  const fs::path golden = fs::path(CRGEN_GOLDEN) / (GetParam() + ".json");
  const fs::path refusals = fs::path(CRGEN_GOLDEN) / (GetParam() + ".unsupported");
  const std::string text = WriteProgram(program_, Layout::kLines);
  if (std::getenv("CRGEN_REBASE") != nullptr) {
    std::ofstream(golden, std::ios::binary) << text;
    if (!unsupported_.empty()) std::ofstream(refusals, std::ios::binary) << unsupported_;
  }
  // As lines: a failure shows the first that differs.
  std::istringstream expected(ReadFileText(golden)), found(text);
  std::string expected_line, found_line;
  for (int line = 1; std::getline(expected, expected_line); ++line) {
    ASSERT_TRUE(std::getline(found, found_line)) << "ends before line " << line;
    ASSERT_EQ(expected_line, found_line) << "line " << line;
  }
  EXPECT_FALSE(std::getline(found, found_line)) << "more than expected: " << found_line;
  EXPECT_EQ(fs::exists(refusals) ? ReadFileText(refusals) : "", unsupported_);
}

TEST_P(GoldenTest, EndsInTheSnapshot) {
  SimulatedState state;
  Diagnostics violations, differences;
  EXPECT_EQ(CheckProgram(program_, &state, violations), Result::kOk) << test::TextOf(violations);
  ASSERT_EQ(PrepareTree(snapshot_.tree, &snapshot_.tree, diag_), Result::kOk);
  EXPECT_EQ(CompareWithSnapshot(state, snapshot_, Reader(), differences), Result::kOk)
      << test::TextOf(differences);
}

TEST_P(GoldenTest, ReadsBackAsWritten) {
  for (Layout layout : {Layout::kLines, Layout::kPretty}) {
    const std::string text = WriteProgram(program_, layout);
    Program read;
    Diagnostics diag;
    ASSERT_EQ(ReadProgram(text, "plan", &read, diag), Result::kOk) << test::TextOf(diag);
    EXPECT_EQ(WriteProgram(read, layout), text);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, GoldenTest, ::testing::ValuesIn(FixtureNames()),
                         [](const auto& param_info) { return param_info.param; });

TEST(Golden, EveryProgramHasADump) {
  const std::vector<std::string> names = FixtureNames();
  for (const auto& entry : fs::directory_iterator(CRGEN_GOLDEN)) {
    EXPECT_NE(std::find(names.begin(), names.end(), entry.path().stem().string()), names.end())
        << entry.path();
  }
}

}  // namespace
}  // namespace crgen

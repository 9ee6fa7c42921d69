// The generated files that are committed, and the schema itself.
#include "dsl/schema.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "dsl/program_json.h"
#include "dsl/validate.h"
#include "images/image_table.h"

namespace crgen {
namespace {

std::string ReadFileText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(GeneratedFiles, SchemaIsUpToDate) {
  EXPECT_EQ(ReadFileText(CRGEN_SOURCE "/schema/restore-program.schema.json"), ProgramSchema())
      << "run: crgen schema > schema/restore-program.schema.json";
}

TEST(GeneratedFiles, CommandReferenceIsUpToDate) {
  EXPECT_EQ(ReadFileText(CRGEN_SOURCE "/schema/commands.md"), CommandReference())
      << "run: crgen schema --commands > schema/commands.md";
}

TEST(GeneratedFiles, ImageReferenceIsUpToDate) {
  EXPECT_EQ(ReadFileText(CRGEN_SOURCE "/docs/images.md"), ImageReference())
      << "run: crgen schema --images > docs/images.md";
}

/// What the checks say of `text`; empty: valid.
std::string Findings(const std::string& text) {
  Program program;
  Diagnostics diag;
  std::string findings;
  if (ValidateText(text, "plan", &program, diag) == Result::kOk) return "";
  for (const Diagnostic& entry : diag.entries()) findings += entry.where + ": " + entry.what + "\n";
  return findings;
}

TEST(ValidateText, AcceptsTheShortestPrograms) {
  EXPECT_EQ(Findings("[]"), "");
  EXPECT_EQ(Findings(R"([{"command": "FORK", "pid": 0, "child_pid": 10},
                         {"command": "SET_SID", "pid": 10}])"),
            "");
}

TEST(ValidateText, NamesPlaceAndExpectation) {
  EXPECT_EQ(Findings(R"([{"command": "FORK", "pid": 0}])"), "plan: /0: lacks \"child_pid\"\n");
  EXPECT_EQ(
      Findings(R"([{"command": "FORK", "pid": 0, "child_pid": "1"}])"),
      "plan: /0/child_pid: expected an integer from -2147483648 to 2147483647, found \"1\"\n");
  EXPECT_EQ(Findings(R"([{"command": "SET_SID", "pid": 1, "x": 1}])"),
            "plan: /0/x: no such member\n");
  EXPECT_EQ(Findings(R"([{"command": "SETSID", "pid": 1}])"),
            "plan: /0/command: expected one of the 16 commands, found \"SETSID\"\n");
  EXPECT_EQ(Findings(R"([{"pid": 1}])"), "plan: /0: lacks \"command\"\n");
  EXPECT_EQ(Findings("{}"), "plan: /: expected an array of commands\n");
  EXPECT_EQ(Findings(R"([{"command": "MAP_REGION", "pid": 1, "start": "1000", "end": "0x2000",
                          "prot": [], "flags": ["MAP_PRIVATE", 3]}])"),
            "plan: /0/start: expected a string \"0x…\" of lower-case hex digits, found \"1000\"\n"
            "plan: /0/flags/1: expected a flag name or \"0x…\", found 3\n");
}

TEST(ValidateText, ReportsEveryCommandAtOnce) {
  EXPECT_EQ(Findings(R"([{"command": "FORK", "pid": 0}, {"command": "WAIT", "pid": 0}])"),
            "plan: /0: lacks \"child_pid\"\nplan: /1: lacks \"child_pid\"\n");
}

TEST(ValidateText, BoundsWhatOnlyTheSchemaKnows) {
  EXPECT_NE(Findings(R"([{"command": "SET_SID", "pid": -1}])"), "");
  EXPECT_NE(Findings(R"([{"command": "SET_SID", "pid": 4194304}])"), "");
  EXPECT_EQ(Findings(R"([{"command": "SET_SID", "pid": 4194303}])"), "");
}

TEST(ValidateText, RefusesBrokenText) {
  EXPECT_NE(Findings("").find("line 1, column 1"), std::string::npos);
  EXPECT_NE(Findings("[{\"command\":\n\"FORK\",]").find("line 2"), std::string::npos);
  EXPECT_NE(Findings(std::string(100000, '[')), "");
  EXPECT_NE(Findings("[\"\xff\"]"), "");
}

}  // namespace
}  // namespace crgen

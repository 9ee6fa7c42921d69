// SPDX-License-Identifier: Apache-2.0
// The generated files that are committed, and the schema itself.
#include "dsl/schema.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "dsl/json/program_json.h"
#include "dsl/reference.h"
#include "images/image_table.h"
#include "tests/support/lines.h"

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

TEST(GeneratedFiles, CommandReferenceSaysEachTableOnce) {
  std::set<std::string> tables;
  std::string table;
  std::istringstream lines(CommandReference());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('|')) {
      table += line + "\n";
    } else if (!table.empty()) {
      const bool fresh = tables.insert(table).second;
      // Types that are small may be alike by chance.
      EXPECT_TRUE(fresh || std::count(table.begin(), table.end(), '\n') <= 4) << table;
      table.clear();
    }
  }
  EXPECT_GT(tables.size(), 100U);
}

TEST(GeneratedFiles, ImageReferenceIsUpToDate) {
  EXPECT_EQ(ReadFileText(CRGEN_SOURCE "/docs/images.md"), ImageReference())
      << "run: crgen schema --images > docs/images.md";
}

/// What the reader says of `text`; empty: it accepts it.
std::string Findings(const std::string& text) {
  Program program;
  Diagnostics diag;
  return ReadProgram(text, "plan", &program, diag) == Result::kOk ? "" : test::TextOf(diag);
}

TEST(ReadProgram, AcceptsTheShortestPrograms) {
  EXPECT_EQ(Findings("[]"), "");
  EXPECT_EQ(Findings(R"([{"command": "FORK", "pid": 0, "child_pid": 10},
                         {"command": "SET_SID", "pid": 10}])"),
            "");
}

TEST(ReadProgram, NamesPlaceAndExpectation) {
  EXPECT_EQ(Findings(R"([{"command": "FORK", "pid": 0}])"), "plan:1: /0: lacks \"child_pid\"\n");
  EXPECT_EQ(
      Findings("[\n{\"command\": \"FORK\",\n \"pid\": 0, \"child_pid\": \"1\"}]"),
      "plan:2: /0/child_pid: expected an integer from -2147483648 to 2147483647, found \"1\"\n");
  EXPECT_EQ(
      Findings(R"([{"command": "DUP_FD", "pid": 1, "old_fd": 1, "new_fd": 2, "cloexek": true}])"),
      "plan:1: /0/cloexek: no such member; did you mean \"cloexec\"?\n");
  EXPECT_EQ(Findings(R"([{"command": "SETSID", "pid": 1}])"),
            "plan:1: /0/command: there is no command \"SETSID\"; did you mean \"SET_SID\"?\n");
  EXPECT_EQ(Findings(R"([{"command": "CLOSE", "pid": 1}])"),
            "plan:1: /0/command: there is no command \"CLOSE\"; did you mean \"CLOSE_FD\"?\n");
  EXPECT_EQ(Findings(R"([{"command": "SET", "pid": 1}])"),  // several begin so
            "plan:1: /0/command: there is no command \"SET\"\n");
  EXPECT_EQ(Findings(R"([{"command": "x", "pid": 1}])"),
            "plan:1: /0/command: there is no command \"x\"\n");
  EXPECT_EQ(Findings(R"([{"pid": 1}])"), "plan:1: /0: lacks \"command\"\n");
  EXPECT_EQ(Findings("{}"), "plan:1: expected an array of commands\n");
  EXPECT_EQ(Findings(R"([{"command": "MAP_REGION", "pid": 1, "start": "1000", "end": "0x2000",
                          "prot": [], "flags": ["MAP_PRIVATE", 3]}])"),
            "plan:1: /0/start: expected a string \"0x…\" of lower-case hex digits, found \"1000\"\n"
            "plan:1: /0/flags/1: expected a flag name or \"0x…\", found 3\n");
}

TEST(ReadProgram, WantsDigestsOfOneForm) {
  const auto with = [](const std::string& digest) {
    return Findings(R"([{"command": "FORK", "pid": 0, "child_pid": 10, "about": {"version": "1.0",
                         "dump": {"images": [{"name": "a.img", "size": 1, "digest": ")" +
                    digest + R"("}]}}}])");
  };
  const std::string digits(64, '0');
  EXPECT_EQ(with("sha256:" + digits), "");
  EXPECT_EQ(with("sha512:" + digits + digits), "");
  for (const std::string& wrong : {digits, "sha256:" + digits + "g", std::string("sha256:")}) {
    EXPECT_NE(with(wrong).find("/0/about/dump/images/0/digest: expected a digest such as"),
              std::string::npos)
        << wrong;
  }
}

/// A file with the flags, which stand in the text as they are.
std::string FindingsOfFlags(const std::string& flags) {
  return Findings(R"([{"command": "OPEN_FILE", "pid": 1, "fd": 0, "file": {"type": "REG", "id": 1,
                      "path": "/a", "flags": [)" +
                  flags + "]}}]");
}

TEST(ReadProgram, WantsExactlyOneAccessMode) {
  EXPECT_EQ(FindingsOfFlags(R"("O_APPEND", "O_RDWR", "0x10000000")"), "");
  EXPECT_EQ(FindingsOfFlags(""),
            "plan:1: /0/file/flags: lacks one of O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE\n");
  EXPECT_EQ(FindingsOfFlags(R"("O_APPEND")"),
            "plan:1: /0/file/flags: lacks one of O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE\n");
  EXPECT_EQ(FindingsOfFlags(R"("O_RDONLY", "O_RDWR")"),
            "plan:1: /0/file/flags/1: stands beside \"O_RDONLY\"\n");
  EXPECT_EQ(FindingsOfFlags(R"("O_RDONLY", "0x2")"),
            "plan:1: /0/file/flags/1: has bits that have names\n");
}

/// A mapping with `more` members.
std::string MapText(const std::string& more) {
  return R"([{"command": "MAP_REGION", "pid": 1, "start": "0x1000", "end": "0x2000", "prot": [],
             "flags": ["MAP_PRIVATE"])" +
         more + "}]";
}

TEST(ReadProgram, WantsAFileWithItsOffset) {
  const std::string only = "plan:1: /0: has only one of \"fd\" and \"offset\"\n";
  EXPECT_EQ(Findings(MapText(R"(, "fd": 3, "offset": 0)")), "");
  EXPECT_EQ(Findings(MapText(R"(, "fd": 3)")), only);
  EXPECT_EQ(Findings(MapText(R"(, "offset": 0)")), only);
  EXPECT_EQ(Findings(MapText(R"(, "offset": 0, "shmem": {"id": 1, "offset": 0})")), only);
}

TEST(ReadProgram, ReportsEveryCommandAtOnce) {
  EXPECT_EQ(
      Findings("[{\"command\": \"FORK\", \"pid\": 0},\n\n{\"command\": \"WAIT\", \"pid\": 0}]"),
      "plan:1: /0: lacks \"child_pid\"\nplan:3: /1: lacks \"child_pid\"\n");
}

TEST(ReadProgram, BoundsPids) {
  EXPECT_NE(Findings(R"([{"command": "SET_SID", "pid": -1}])"), "");
  EXPECT_NE(Findings(R"([{"command": "SET_SID", "pid": 4194304}])"), "");
  EXPECT_EQ(Findings(R"([{"command": "SET_SID", "pid": 4194303}])"), "");
  const auto fork = [](const std::string& child) {
    return Findings(R"([{"command": "FORK", "pid": 0, "child_pid": )" + child + "}]");
  };
  EXPECT_EQ(fork("1"), "");
  EXPECT_EQ(fork("4194303"), "");
  EXPECT_EQ(fork("0"), "plan:1: /0/child_pid: expected an integer from 1 to 4194303, found 0\n");
  EXPECT_NE(fork("4194304"), "");
}

TEST(ReadProgram, BoundsDescriptors) {
  const auto close = [](const std::string& fd) {
    return Findings(R"([{"command": "CLOSE_FD", "pid": 1, "fd": )" + fd + "}]");
  };
  EXPECT_EQ(close("0"), "");
  EXPECT_EQ(close("1073741823"), "");
  EXPECT_EQ(close("-1"), "plan:1: /0/fd: expected an integer from 0 to 1073741823, found -1\n");
  EXPECT_NE(close("1073741824"), "");
  EXPECT_EQ(close("1.0"), "");  // as JSON Schema has it
  EXPECT_EQ(close("1e3"), "");
  EXPECT_EQ(close("-1.0"), close("-1"));
  EXPECT_NE(close("1.5"), "");
  EXPECT_NE(close("1e300"), "");
  const auto unlock = [](const std::string& fd) {
    return Findings(R"([{"command": "SET_ATTR", "pid": 1, "attributes": {"descriptors": [{"fd": )" +
                    fd + R"(, "locked": true}]}}])");
  };
  EXPECT_EQ(unlock("0"), "");
  EXPECT_NE(unlock("-1"), "");
}

/// As the schema has it: what reads JSON through doubles would take it for another number.
TEST(ReadProgram, LargeIntegersAreHexadecimal) {
  const auto load = [](const std::string& offset) {
    return Findings(R"([{"command": "LOAD_PAGES", "pid": 1, "start": "0x1000", "pages": 1, )"
                    R"("source": {"image": "pages-1.img", "offset": )" +
                    offset + "}}]");
  };
  EXPECT_EQ(load("9007199254740991"), "");
  EXPECT_EQ(load("\"0x20000000000000\""), "");
  EXPECT_EQ(load("9007199254740991.0"), "");
  EXPECT_NE(load("9007199254740992.0"), "");
  EXPECT_EQ(load("9007199254740992"),
            "plan:1: /0/source/offset: expected an integer from 0 to 9007199254740991, or a string "
            "\"0x…\" of lower-case hex digits, found 9007199254740992\n");
}

TEST(ReadProgram, RefusesBrokenText) {
  EXPECT_TRUE(Findings("").starts_with("plan: is empty; ")) << Findings("");
  EXPECT_NE(Findings("[{\"command\":\n\"FORK\",]").find("plan:2: column 9: "), std::string::npos)
      << Findings("[{\"command\":\n\"FORK\",]");
  EXPECT_NE(Findings("[] x").find("plan:1: "), std::string::npos);
  EXPECT_NE(Findings(std::string(1000000, '[')).find("nested deeper"), std::string::npos);
  EXPECT_NE(Findings("[\"\xff\"]").find("UTF-8"), std::string::npos);
  EXPECT_NE(Findings("[1e999]"), "");
  EXPECT_NE(Findings("[" + std::string(100000, '9') + "]"), "");
  EXPECT_EQ(Findings(R"([{"command": "SET_SID", "pid": 1, "pid": 2}])"),
            "plan:1: member \"pid\" stands twice\n");
}

TEST(ReadProgram, RefusesACommandWithoutEndBeforeItFillsTheMemory) {
  for (const std::string begin : {"[\"", "[{\"command\": [1"}) {
    std::size_t given = 0;
    const ByteReader endless = [&](std::span<char> out) {
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = i % 2 == 0 ? ',' : '1';
      if (given == 0) {
        std::fill(out.begin(), out.end(), ' ');
        std::copy(begin.begin(), begin.end(), out.begin());
      }
      given += out.size();
      return out.size();
    };
    Program program;
    std::vector<std::uint32_t> lines;
    Diagnostics diag;
    EXPECT_EQ(ReadProgram(endless, "plan", &program, &lines, diag), Result::kError);
    EXPECT_NE(diag.entries()[0].what.find("longer than"), std::string::npos)
        << diag.entries()[0].what.substr(0, 100);
    EXPECT_LT(given, std::size_t{36} << 20);
  }
}

/// A validator that knows nothing but the schema.
class SchemaValidator {
 public:
  SchemaValidator() : text_(nlohmann::json::parse(ProgramSchema())) {
    valijson::SchemaParser(valijson::SchemaParser::kDraft7)
        .populateSchema(valijson::adapters::NlohmannJsonAdapter(text_), schema_);
  }
  bool Accepts(const nlohmann::json& document) {
    valijson::Validator validator(valijson::Validator::kStrongTypes);
    return validator.validate(schema_, valijson::adapters::NlohmannJsonAdapter(document), nullptr);
  }

 private:
  nlohmann::json text_;
  valijson::Schema schema_;
};

/// All places in `value`, as pointers.
void CollectPlaces(const nlohmann::json& value, const nlohmann::json::json_pointer& at,
                   std::vector<nlohmann::json::json_pointer>* places) {
  places->push_back(at);
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) CollectPlaces(member, at / key, places);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) CollectPlaces(value[i], at / i, places);
  }
}

// 1.0 is an integer to the schema alone; the replacements avoid it.
TEST(Schema, AcceptsWhatTheReaderAcceptsAndNothingElse) {
  SchemaValidator schema;
  const nlohmann::json replacements = {nullptr,
                                       true,
                                       -1,
                                       0,
                                       7,
                                       5000000000,
                                       "0x1f",
                                       "0xZZ",
                                       "O_RDWR",
                                       "x",
                                       "",
                                       "SIGKILL",
                                       {{"code", 0}},
                                       {"O_RDONLY"},
                                       {"O_RDONLY", "O_RDWR"},
                                       {"O_RDONLY", "0x10000000"},
                                       {"O_RDONLY", "0x10000002"},
                                       nlohmann::json::array(),
                                       nlohmann::json::object()};
  std::mt19937 random(20240817);
  int accepted = 0, refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(CRGEN_GOLDEN)) {
    if (entry.path().extension() != ".json") continue;
    const auto program = nlohmann::json::parse(ReadFileText(entry.path()));
    for (int round = 0; round < 400; ++round) {
      nlohmann::json mutant = program[random() % program.size()];
      std::vector<nlohmann::json::json_pointer> places;
      CollectPlaces(mutant, nlohmann::json::json_pointer(), &places);
      const auto& place = places[random() % places.size()];
      switch (random() % 3) {
        case 0:
          mutant[place] = replacements[random() % replacements.size()];
          break;
        case 1:
          if (!place.empty() && mutant[place.parent_pointer()].is_object()) {
            mutant[place.parent_pointer()].erase(place.back());
          }
          break;
        default:
          if (mutant[place].is_object()) mutant[place][random() % 2 == 0 ? "new" : "offset"] = 1;
          if (mutant[place].is_array() && !mutant[place].empty()) {
            mutant[place].push_back(mutant[place][0]);
          }
      }
      const nlohmann::json document = nlohmann::json::array({mutant});
      const std::string findings = Findings(document.dump());
      ASSERT_EQ(schema.Accepts(document), findings.empty())
          << document.dump(1) << "\nreader: " << findings;
      ++(findings.empty() ? accepted : refused);
    }
  }
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Programs that one process of crgen hands to another: all of them arrive, and no bytes do harm.
#include "crgen/program_bytes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "checker/check.h"
#include "dsl/json/program_json.h"
#include "tests/support/cli_fixture.h"

namespace crgen::test {
namespace {

Program Parsed(const std::string& text) {
  Program program;
  Diagnostics diag;
  EXPECT_EQ(ReadProgram(text, "program", &program, diag), Result::kOk);
  return program;
}

std::vector<std::string> Goldens() {
  std::vector<std::string> texts;
  for (const auto& entry : fs::directory_iterator(CRGEN_GOLDEN)) {
    if (entry.path().extension() == ".json") texts.push_back(ReadFileText(entry.path()));
  }
  EXPECT_GT(texts.size(), 10U);
  return texts;
}

TEST(ProgramBytes, GiveTheProgramBack) {
  for (const std::string& text : Goldens()) {
    const Program program = Parsed(text);
    const std::span<const Command> all = program;
    Program read;
    for (std::size_t i = 0; i < all.size(); i += 7) {
      const auto piece = all.subspan(i, std::min<std::size_t>(7, all.size() - i));
      ASSERT_TRUE(ReadProgramBytes(ProgramBytes(piece), &read));
    }
    EXPECT_EQ(WriteProgram(read, Layout::kLines), WriteProgram(program, Layout::kLines));
  }
  Program none;
  EXPECT_TRUE(ReadProgramBytes(ProgramBytes({}), &none));
  EXPECT_TRUE(none.empty());
}

/// What text may not say, bytes may not.
TEST(ProgramBytes, HaveTheFormOfTheTables) {
  const auto refused = [](const Program& program) {
    Program read;
    return !ReadProgramBytes(ProgramBytes(program), &read);
  };
  EXPECT_FALSE(refused({{0, Fork{5, {}}}}));
  EXPECT_TRUE(refused({{-1, Fork{5, {}}}}));
  EXPECT_TRUE(refused({{0, Fork{0, {}}}}));
  EXPECT_TRUE(refused({{0, Fork{kPidLimit, {}}}}));
  EXPECT_TRUE(refused({{5, CloseFd{-1}}}));
  EXPECT_TRUE(refused({{5, OpenFile{}}}));  // no file
  MapRegion map;
  map.special = static_cast<SpecialRegion>(99);
  EXPECT_TRUE(refused({{5, map}}));
}

TEST(ProgramBytes, SayOnceWhatProcessesHaveInCommon) {
  const auto named = [](const char* comm) {
    Attributes attributes;
    attributes.comm = Text{comm};
    return std::make_shared<const Attributes>(attributes);
  };
  Program program;
  for (const char* comm : {"one", "two", "one", "two"}) {
    program.push_back({5, SetAttr{{}, named(comm)}});
  }
  Program read;
  ASSERT_TRUE(ReadProgramBytes(ProgramBytes(program), &read));
  EXPECT_EQ(WriteProgram(read, Layout::kLines), WriteProgram(program, Layout::kLines));
  const auto at = [&](std::size_t i) { return std::get<SetAttr>(read[i].body).attributes.get(); };
  EXPECT_EQ(at(0), at(2));
  EXPECT_EQ(at(1), at(3));
  EXPECT_NE(at(0), at(1));
}

TEST(ProgramBytes, DoNoHarmWhateverTheyAre) {
  std::mt19937 random(7);
  std::size_t refused = 0, read = 0;
  for (const std::string& text : Goldens()) {
    const std::string bytes = ProgramBytes(Parsed(text));
    for (int i = 0; i < 40; ++i) {
      std::string damaged = bytes;
      for (unsigned changes = 1 + random() % 3; changes != 0; --changes) {
        damaged[random() % damaged.size()] = static_cast<char>(random());
      }
      if (i % 4 == 0) damaged.resize(random() % damaged.size());
      Program program;
      SimulatedState state;
      Diagnostics diag;
      if (ReadProgramBytes(damaged, &program)) {
        (void)CheckProgram(program, &state, diag);
        ++read;
      } else {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 0U);
  EXPECT_GT(read, 0U);
}

}  // namespace
}  // namespace crgen::test

// SPDX-License-Identifier: Apache-2.0
// The check of a program that is still being emitted, against that of the whole program.
#include "crgen/check_beside.h"

#include <gtest/gtest.h>

#include <random>

#include "generator/emitter.h"
#include "tests/support/check_support.h"
#include "tests/support/lines.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

constexpr unsigned kSeed = 20261125;

/// Children that are born, die and are reaped; about `mistakes` commands that the kernel refuses.
Program MakeProgram(std::size_t length, unsigned mistakes, unsigned seed) {
  std::mt19937 random(seed);
  Program program = {ForkOf(0, 1, CLONE_NEWPID)};
  Pid next = 2;
  while (program.size() < length) {
    program.push_back(ForkOf(1, next));
    program.push_back(ExitOf(next));
    if (random() % length < mistakes) program.push_back(SidOf(next));
    program.push_back(WaitOf(1, next));
    ++next;
  }
  Attributes rights;
  rights.inherit_creds = rights.inherit_rlimits = true;
  program.push_back(AttrOf(1, rights));
  program.push_back(ResumeOf(1));
  return program;
}

void Emit(const Program& from, CheckBeside& check, Program* to) {
  Emitter out(to, check.follower());
  for (const Command& command : from) {
    std::visit([&](const auto& body) { out.Emit(command.pid, body); }, command.body);
  }
}

// The program moves in memory whenever it has doubled.
TEST(CheckBeside, FindsWhatTheCheckOfTheWholeProgramFinds) {
  constexpr std::size_t kLength = 40000;
  for (unsigned round = 0; round < 6; ++round) {
    const Program program = MakeProgram(kLength, round % 3 * 50, kSeed + round);
    Diagnostics expected;
    SimulatedState state;
    Result result = CheckProgram(program, &state, expected);
    EXPECT_EQ(Succeeded(result), round % 3 == 0);
    if (Succeeded(result)) result = CheckComplete(program, state, expected);
    for (const std::launch policy : {std::launch::async, std::launch::deferred}) {
      Program emitted;
      Diagnostics found;
      CheckBeside check(emitted, policy);
      Emit(program, check, &emitted);
      check.Complete();
      EXPECT_EQ(check.Verdict(found), result);
      EXPECT_EQ(test::Lines(found), test::Lines(expected));
      EXPECT_EQ(emitted.size(), program.size());
    }
  }
}

TEST(CheckBeside, EndsWithoutAVerdict) {
  const Program program = MakeProgram(5000, 0, kSeed);
  for (const std::launch policy : {std::launch::async, std::launch::deferred}) {
    Program emitted;
    CheckBeside check(emitted, policy);
    Emit(program, check, &emitted);
  }
}

// However the program is cut into calls.
TEST(CheckBeside, StepsDoNotMatter) {
  std::mt19937 random(kSeed);
  const Program program = MakeProgram(3000, 10, kSeed);
  Diagnostics expected;
  SimulatedState state;
  EXPECT_EQ(CheckProgram(program, &state, expected), Result::kError);
  for (int round = 0; round < 50; ++round) {
    Diagnostics found;
    ProgramCheck check(program, found);
    for (std::size_t end = 0; end < program.size(); end += random() % 300) check.RunTo(end);
    SimulatedState end;
    EXPECT_EQ(check.Finish(&end), Result::kError);
    EXPECT_EQ(test::Lines(found), test::Lines(expected));
    EXPECT_EQ(DescribeState(end), DescribeState(state));
  }
}

}  // namespace
}  // namespace crgen

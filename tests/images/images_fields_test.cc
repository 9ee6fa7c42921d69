// SPDX-License-Identifier: Apache-2.0
// Dumps of which fields, entries or images are changed: located errors, things that are unsupported
// by name, or a program that the checker accepts and that ends in just that snapshot; never a
// program that is wrong. CRGEN_FIELD_MUTANTS: how many of each fixture; CRGEN_SEED: where they
// begin.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "tests/support/dump_judge.h"
#include "tests/support/image_mutator.h"

namespace crgen {
namespace {

using namespace test;  // NOLINT: the vocabulary of these tests

constexpr unsigned kHangSeconds = 60;
constexpr int kMutants = 2000;
constexpr int kMaxComplaints = 20;

std::string g_mutant;  // which one is at work, for a report of a crash

void OnSignal(int number) {
  g_mutant += "\n";
  (void)!write(STDERR_FILENO, g_mutant.data(), g_mutant.size());
  signal(number, SIG_DFL);
  raise(number);
}

int FromEnvironment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

class Fields : public ::testing::TestWithParam<std::string> {};

TEST_P(Fields, AreChanged) {
  for (int number : {SIGALRM, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) signal(number, OnSignal);
  GenerateOptions options;
  ImageMutator mutator(ReadFixture(GetParam()),
                       static_cast<std::uint32_t>(FromEnvironment("CRGEN_SEED", 1)));
  int errors = 0, refused = 0, programs = 0, complaints = 0;
  const int mutants = FromEnvironment("CRGEN_FIELD_MUTANTS", kMutants);
  for (int i = 0; i < mutants && complaints < kMaxComplaints; ++i) {
    std::string what;
    const auto source = OpenMemory(mutator.Next(&what));
    g_mutant = GetParam() + "/" + what;
    alarm(kHangSeconds);
    const DumpVerdict verdict = JudgeDump(*source, options);
    alarm(0);
    errors += verdict.fate == DumpFate::kErrors;
    refused += verdict.fate == DumpFate::kRefused;
    programs += verdict.fate == DumpFate::kProgram;
    if (!verdict.complaint.empty()) {
      ++complaints;
      ADD_FAILURE() << what << ": " << verdict.complaint;
    }
  }
  std::printf("%d mutants: %d errors, %d refused, %d programs\n", mutants, errors, refused,
              programs);
  EXPECT_NE(errors, 0);
  EXPECT_NE(programs, 0);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Fields, ::testing::ValuesIn(FixtureNames()),
                         [](const auto& fixture) { return fixture.param; });

}  // namespace
}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Random snapshots: the program that the generator makes of one breaks no rule and ends in it.
//
// CRGEN_SEED: the first seed, CRGEN_ROUNDS: how many.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/print_tree.h"
#include "tests/support/snapshot_history.h"

namespace crgen::test {
namespace {

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

HistoryOptions OptionsOf(std::uint64_t seed) {
  HistoryOptions options;
  options.seed = seed;
  options.steps = static_cast<int>(10 + seed * 7 % 150);
  options.max_processes = static_cast<int>(2 + seed % 9);
  return options;
}

/// What the generator says no to, though it can be reached: tables shared by processes of which
/// neither is born of the other (siblings by CLONE_PARENT, or a process whose creator, with whom it
/// shared one, is gone).
bool IsRefused(const PlanVerdict& verdict) {
  return verdict.outcome == GenerateOutcome::kBadInput &&
         verdict.problems.find("shares its descriptor table") != std::string::npos;
}

bool Holds(const PlanVerdict& verdict) { return verdict.problems.empty() || IsRefused(verdict); }

/// A history with the same seed and fewer steps is its beginning, so the shortest one that fails
/// ends with what matters.
HistoryOptions Shortest(HistoryOptions options) {
  const int steps = options.steps;
  for (options.steps = 0; options.steps < steps; ++options.steps) {
    if (!Holds(PlanVerdict(History(options).Run()))) break;
  }
  return options;
}

TEST(GenerateRandomTest, EveryReachableSnapshotIsRestored) {
  const std::uint64_t first = FromEnvironment("CRGEN_SEED", 1);
  const std::uint64_t rounds = FromEnvironment("CRGEN_ROUNDS", 40000);
  std::uint64_t failures = 0, refused = 0;
  for (std::uint64_t seed = first; seed < first + rounds && failures < 5; ++seed) {
    HistoryOptions options = OptionsOf(seed);
    const PlanVerdict whole(History(options).Run());
    refused += IsRefused(whole) ? 1 : 0;
    if (Holds(whole)) continue;
    ++failures;
    options = Shortest(options);
    const MadeDump dump = History(options).Run();
    const PlanVerdict verdict(dump);
    ADD_FAILURE() << "CRGEN_SEED=" << seed << ", " << options.steps << " steps\n"
                  << PrintTree(dump.snapshot.tree) << "\n"
                  << verdict.problems << ProgramText::Of(verdict.program);
  }
  EXPECT_LE(refused, rounds / 10 + 5);
  RecordProperty("refused", std::to_string(refused));
}

}  // namespace
}  // namespace crgen::test

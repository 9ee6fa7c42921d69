// SPDX-License-Identifier: Apache-2.0
// Differences of states, as text.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "checker/check.h"
#include "checker/snapshot_of.h"
#include "dsl/json/program_json.h"
#include "tests/support/lines.h"
#include "views/diff.h"

// GCC 12 takes an empty std::function that is copied for one without a value (GCC bug 105562).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

namespace crgen::test {

inline const Unplanned kNothing;

/// The state that a program, which must break no rule, ends in.
inline SimulatedState StateOf(const Program& program) {
  SimulatedState state;
  Diagnostics diag;
  EXPECT_EQ(CheckProgram(program, &state, diag), Result::kOk) << TextOf(diag);
  return state;
}

/// What it ends in: a plan in JSON.
inline Snapshot EndOf(const std::string& plan) {
  Program program;
  Diagnostics diag;
  EXPECT_EQ(ReadProgram(plan, "plan", &program, diag), Result::kOk) << TextOf(diag) << plan;
  return SnapshotOf(StateOf(program));
}

/// The differences, one a line.
inline std::string DiffLines(const Snapshot& before, const Snapshot& after,
                             DiffOptions options = {}, const PageReader& read = {},
                             const PageReader& read_after = {}) {
  Diagnostics diag;
  const DiffSide a = {{before, kNothing, read}, "A"}, b = {{after, kNothing, read_after}, "B"};
  const std::string text = DiffText(Diff(a, b, options, diag), {});
  EXPECT_FALSE(diag.HasErrors()) << TextOf(diag);
  return text;
}

/// Differences alone: of what is not compared in programs, others speak.
inline std::string PlanLines(const std::string& before, const std::string& after,
                             DiffOptions options = {}) {
  options.same_images = true;
  return DiffLines(EndOf(before), EndOf(after), options);
}

}  // namespace crgen::test

// SPDX-License-Identifier: Apache-2.0
#include "model/diagnostics.h"

#include <gtest/gtest.h>

namespace crgen {
namespace {

TEST(Diagnostics, CountsWhatOneEntryStandsFor) {
  Diagnostics first;
  for (int i = 0; i < 5000; ++i) first.AddCounted("a kind", {Severity::kWarning, "here", "odd"});
  EXPECT_EQ(first.Count(Severity::kWarning), 5000u);
  EXPECT_EQ(first.Dropped(Severity::kWarning), 0u);
  Diagnostics copy;
  copy.AddAll(first);
  EXPECT_EQ(copy.Count(Severity::kWarning), 5000u);
  EXPECT_EQ(copy.Dropped(Severity::kWarning), 0u);
}

TEST(Diagnostics, CountsWhatItDoesNotKeep) {
  Diagnostics first;
  for (int i = 0; i < 5000; ++i) first.Warning("here", "odd");
  const std::size_t kept = first.entries().size();
  ASSERT_LT(kept, 5000u);
  EXPECT_EQ(first.Dropped(Severity::kWarning), 5000 - kept);
  Diagnostics copy;
  copy.AddAll(first);
  EXPECT_EQ(copy.Count(Severity::kWarning), 5000u);
  EXPECT_EQ(copy.Dropped(Severity::kWarning), 5000 - kept);
}

TEST(Diagnostics, CountsWhatChangedEntriesLeaveOut) {
  Diagnostics first;
  for (int i = 0; i < 3000; ++i) first.Error("here", "wrong");
  first.Warning("there", "odd");
  Diagnostics copy;
  copy.Error("elsewhere", "wrong");
  copy.AddAll(first, [](Diagnostic entry) {
    entry.where += ", at last";
    return entry.severity == Severity::kError ? std::optional(entry) : std::nullopt;
  });
  EXPECT_EQ(copy.Count(Severity::kError), 3001u);
  EXPECT_EQ(copy.Dropped(Severity::kError), 3001 - Diagnostics::kMaxKept);
  EXPECT_EQ(copy.Count(Severity::kWarning), 0u);
  EXPECT_EQ(copy.entries().back().where, "here, at last");
}

TEST(Diagnostics, KnowsOfEssentialOnesThatItDoesNotKeep) {
  Diagnostics first;
  for (std::size_t i = 0; i <= Diagnostics::kMaxKept; ++i) first.Unsupported("here", "odd");
  first.Essential("there", "odder");
  Diagnostics copy;
  copy.AddAll(first);
  EXPECT_TRUE(copy.HasEssential());
}

}  // namespace
}  // namespace crgen

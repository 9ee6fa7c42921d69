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
  for (const Diagnostic& entry : first.entries()) copy.Add(entry);
  copy.CountDropped(first);
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
  for (const Diagnostic& entry : first.entries()) copy.Add(entry);
  copy.CountDropped(first);
  EXPECT_EQ(copy.Count(Severity::kWarning), 5000u);
  EXPECT_EQ(copy.Dropped(Severity::kWarning), 5000 - kept);
}

}  // namespace
}  // namespace crgen

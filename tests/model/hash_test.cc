// SPDX-License-Identifier: Apache-2.0
// Hashes of neighbouring addresses differ.
#include "model/hash.h"

#include <gtest/gtest.h>

#include <set>

namespace crgen {
namespace {

TEST(Hash, OfNeighbouringRangesDiffer) {
  constexpr std::uint64_t kRanges = 60000;
  std::set<std::size_t> hashes;
  for (std::uint64_t i = 0; i < kRanges; ++i) {
    const std::uint64_t start = 0x7f0000000000 + i * 4096;
    hashes.insert(HashOf({start, start + 4096, 0, 0x22}));
  }
  EXPECT_EQ(hashes.size(), kRanges);
}

TEST(Hash, OfPackedPairsDifferInTheirLowBits) {
  std::set<std::size_t> buckets;
  for (std::uint64_t high = 0; high < 1024; ++high) {
    buckets.insert(MixedHash()(high << 32) % 65536);
  }
  EXPECT_GT(buckets.size(), 1000u);
}

TEST(Hash, DependsOnTheOrder) { EXPECT_NE(HashOf({1, 2}), HashOf({2, 1})); }

}  // namespace
}  // namespace crgen

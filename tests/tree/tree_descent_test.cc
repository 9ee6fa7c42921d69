// SPDX-License-Identifier: Apache-2.0
// Descent and the forest under it against walks from process to process.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "generator/tree/descent.h"
#include "generator/tree/forest.h"

namespace crgen {
namespace {

constexpr BirthIndex kNobody;

/// Who is above whom, and who is marked.
class Walk {
 public:
  void Add(BirthIndex above) {
    above_.push_back(above);
    marked_.push_back(false);
  }
  void Hang(BirthIndex i, BirthIndex above) { above_[At(i)] = above; }
  void Mark(BirthIndex i, bool marked) { marked_[At(i)] = marked; }

  /// From `i` up to the root, or once around the circle.
  std::vector<BirthIndex> Way(BirthIndex i) const {
    std::vector<BirthIndex> way;
    for (; i != kNobody && way.size() < above_.size(); i = above_[At(i)]) way.push_back(i);
    return way;
  }

  bool Below(BirthIndex low, BirthIndex high) const {
    for (BirthIndex i : Way(low)) {
      if (i == high) return true;
    }
    return false;
  }

  BirthIndex NearestMarked(BirthIndex i) const {
    for (BirthIndex k : Way(i)) {
      if (marked_[At(k)]) return k;
    }
    return kNobody;
  }

  /// The first one on the way up from `i` that `q` is below.
  BirthIndex Meet(BirthIndex i, BirthIndex q) const {
    for (BirthIndex k : Way(i)) {
      if (Below(q, k)) return k;
    }
    return kNobody;
  }

  BirthIndex LastBefore(BirthIndex low, BirthIndex high) const {
    while (above_[At(low)] != high) low = above_[At(low)];
    return low;
  }

 private:
  static std::size_t At(BirthIndex i) { return static_cast<std::size_t>(i); }

  std::vector<BirthIndex> above_;
  std::vector<bool> marked_;
};

class TreeDescentTest : public ::testing::Test {
 protected:
  BirthIndex Below(std::int32_t limit) {
    return BirthIndex(random_() % static_cast<unsigned>(limit));
  }
  /// Chains mostly, so that ways are long.
  BirthIndex Above(std::int32_t i) { return Below(4) == 0 ? Below(i) : BirthIndex(i - 1); }

  std::mt19937 random_{1};
};

TEST_F(TreeDescentTest, ProcessesMoveAnywhereCirclesIncluded) {
  for (int round = 0; round < 300; ++round) {
    const std::int32_t n = 2 + Below(30);
    std::vector<Birth> births(1);
    Walk walk;
    walk.Add(kNobody);
    walk.Mark(BirthIndex(0), true);
    for (std::int32_t i = 1; i < n; ++i) {
      births.push_back({.parent = Above(i)});
      walk.Add(births.back().parent);
    }
    Descent descent(births);
    for (int step = 0; step < 100; ++step) {
      if (step % 8 == 0) {
        const BirthIndex i(1 + Below(n - 1)), above = Below(n);
        descent.Hang(i, above);
        walk.Hang(i, above);
        walk.Mark(i, true);
      }
      const BirthIndex i = Below(n), q = Below(n);
      ASSERT_EQ(descent.Below(i, q), walk.Below(i, q));
      ASSERT_EQ(descent.FirstMoved(i), walk.NearestMarked(i));
      if (!walk.Below(q, walk.NearestMarked(i))) continue;
      const BirthIndex above = walk.Meet(i, q);
      ASSERT_EQ(descent.Meet(i, q), above);
      if (above == i) continue;
      ASSERT_EQ(descent.LastBefore(i, above), walk.LastBefore(i, above));
    }
  }
}

TEST_F(TreeDescentTest, ForestsGrowAndMarksGoOnAndOff) {
  for (int round = 0; round < 300; ++round) {
    Forest<BirthIndex> forest;
    Walk walk;
    for (std::int32_t step = 0; step < 200; ++step) {
      const std::int32_t n = forest.Size();
      if (n == 0 || Below(3) == 0) {
        const BirthIndex above = n == 0 || Below(16) == 0 ? kNobody : Above(n);
        forest.Add(above);
        walk.Add(above);
        continue;
      }
      const BirthIndex i = Below(n), other = Below(n);
      const bool marked = Below(2) == 0;
      forest.Mark(other, marked);
      walk.Mark(other, marked);
      if (Below(4) == 0 && !walk.Below(other, i)) {
        forest.Hang(i, other);
        walk.Hang(i, other);
      }
      const BirthIndex low = Below(n);
      ASSERT_EQ(forest.Root(low), walk.Way(low).back());
      ASSERT_EQ(forest.NearestMarked(low), walk.NearestMarked(low));
      ASSERT_EQ(forest.Below(low, i), walk.Below(low, i));
    }
  }
}

}  // namespace
}  // namespace crgen

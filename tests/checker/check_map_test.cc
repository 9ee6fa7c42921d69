// SPDX-License-Identifier: Apache-2.0
// The checker's maps against plain ones, under random changes.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include "checker/kernel/range_map.h"

namespace crgen::check {
namespace {

constexpr unsigned kSeed = 20240607;

/// So large that a node has room for few.
struct Large {
  int number = 0;
  char rest[252] = {};
};

using LargeMap = PersistentMap<int, Large>;

std::map<int, int> Content(const LargeMap& map) {
  std::map<int, int> content;
  int last = -1;
  map.ForEach([&](int key, const Large& value) {
    EXPECT_LT(last, key);
    last = key;
    content[key] = value.number;
  });
  return content;
}

void ExpectSameNeighbours(const LargeMap& map, const std::map<int, int>& plain, int at) {
  const auto above = plain.lower_bound(at);
  const auto* ceiling = map.Ceiling(at);
  ASSERT_EQ(ceiling == nullptr, above == plain.end());
  if (ceiling != nullptr) {
    ASSERT_EQ(ceiling->key, above->first);
    ASSERT_EQ(ceiling->value.number, above->second);
  }
  const auto behind = plain.upper_bound(at);
  const auto [floor, next] = map.Around(at);
  ASSERT_EQ(floor == nullptr, behind == plain.begin());
  if (floor != nullptr) {
    ASSERT_EQ(floor->key, std::prev(behind)->first);
    ASSERT_EQ(floor->value.number, std::prev(behind)->second);
  }
  ASSERT_EQ(next == nullptr, behind == plain.end());
  if (next != nullptr) {
    ASSERT_EQ(next->key, behind->first);
  }
  ASSERT_EQ(map.Floor(at), floor);
  ASSERT_EQ(map.Find(at) != nullptr, plain.count(at) != 0);
  ASSERT_EQ(map.size(), plain.size());
}

// Grows to some thousand entries, shrinks to none, and again; copies are as they were when made.
TEST(CheckMap, AgreesWithStdMap) {
  constexpr int kKeys = 5000, kSteps = 60000, kWave = 15000;
  std::mt19937 random(kSeed);
  LargeMap map;
  std::map<int, int> plain;
  LargeMap copy;
  std::map<int, int> plain_copy;
  std::size_t most = 0;
  for (int step = 0; step < kSteps; ++step) {
    const bool grows = step % kWave < kWave / 3;
    const int key = static_cast<int>(random() % kKeys);
    if (random() % 8 < (grows ? 7 : 1)) {
      map.Set(key, {step});
      plain[key] = step;
    } else {
      const auto some = plain.lower_bound(key);
      const int gone = some == plain.end() ? key : some->first;
      map.Erase(gone);
      plain.erase(gone);
    }
    most = std::max(most, plain.size());
    ASSERT_NO_FATAL_FAILURE(ExpectSameNeighbours(map, plain, static_cast<int>(random() % kKeys)));
    if (plain.empty()) {
      ASSERT_EQ(map.Depth(), 0U);
    }
    if (step % 500 == 0) {
      ASSERT_EQ(Content(copy), plain_copy);
      ASSERT_EQ(Content(map), plain);
      copy = map;
      plain_copy = plain;
    }
  }
  EXPECT_GT(most, 2000U);
}

TEST(CheckMap, StaysFlat) {
  constexpr int kCount = 1 << 16;
  std::mt19937 random(kSeed);
  for (int order = 0; order < 4; ++order) {
    PersistentMap<int, int> map;
    for (int i = 0; i < kCount; ++i) {
      const int keys[] = {i, -i, i % 2 == 0 ? i : -i, static_cast<int>(random())};
      map.Set(keys[order], i);
    }
    // All nodes but the last of each level are at least half full: 16 of 32.
    EXPECT_LE(map.Depth(), 1 + std::log2(kCount) / std::log2(16));
    while (map.size() != 0) map.Erase(map.Ceiling(std::numeric_limits<int>::min())->key);
    EXPECT_EQ(map.Depth(), 0U);
  }
}

/// Says how often it was compared.
struct Counting {
  int number = 0;
  static inline std::size_t compared = 0;
  friend bool operator<(const Counting& a, const Counting& b) {
    ++compared;
    return a.number < b.number;
  }
};

// Programs may walk over thousands of regions thousands of times.
TEST(CheckMap, WalksFromEntryToEntry) {
  constexpr int kCount = 20000, kFirst = 777;
  PersistentMap<Counting, int> map;
  for (int i = 0; i < kCount; ++i) map.Set({i}, i);
  const PersistentMap<Counting, int> before = map;
  Counting::compared = 0;
  int next = kFirst;
  map.ForEachFrom({kFirst}, [&](Counting key, int value) {
    EXPECT_EQ(key.number, next++);
    EXPECT_EQ(value, key.number);
    return key.number < kCount - 10;
  });
  EXPECT_EQ(next, kCount - 10 + 1);
  map.ChangeFrom({kFirst}, [](Counting key, int* value) {
    *value = -key.number;
    return key.number < kCount - 10;
  });
  EXPECT_LT(Counting::compared, 100U);
  map.ForEach([&](Counting key, int value) {
    const bool changed = key.number >= kFirst && key.number <= kCount - 10;
    ASSERT_EQ(value, changed ? -key.number : key.number);
  });
  before.ForEach([](Counting key, int value) { ASSERT_EQ(value, key.number); });
}

/// Each page of a small address space by itself.
struct Pages {
  std::uint64_t offset = 0;
  void Advance(std::uint64_t bytes) { offset += bytes; }
};

/// The walk over a part, also one that ends early, against the walk over all.
void ExpectSameInRange(const RangeMap<Pages>& ranges, AddressRange within) {
  std::vector<std::uint64_t> expected, found, first;
  ranges.ForEach([&](AddressRange piece, const Pages&) {
    if (piece.Overlaps(within)) expected.push_back(piece.start);
  });
  ranges.ForEachIn(within, [&](AddressRange piece, const Pages&) { found.push_back(piece.start); });
  ASSERT_EQ(found, expected);
  ranges.ForEachIn(within, [&](AddressRange piece, const Pages&) {
    first.push_back(piece.start);
    return first.size() < 2;
  });
  expected.resize(std::min<std::size_t>(expected.size(), 2));
  ASSERT_EQ(first, expected);
}

TEST(CheckMap, RangesAgreeWithSinglePages) {
  std::mt19937 random(kSeed);
  RangeMap<Pages> ranges;
  std::map<std::uint64_t, std::uint64_t> plain;
  for (int step = 0; step < 20000; ++step) {
    const std::uint64_t start = random() % 60;
    const std::uint64_t end = start + 1 + random() % 10;
    const AddressRange range = {start, end};
    const auto first = plain.lower_bound(start);
    const bool any = first != plain.end() && first->first < end;
    ASSERT_EQ(ranges.FirstOverlap(range).has_value(), any);
    std::optional<std::uint64_t> hole;
    for (std::uint64_t at = end; at-- > start;) {
      if (plain.count(at) == 0) hole = at;
    }
    ASSERT_EQ(ranges.FirstHole(range), hole);
    const auto joins = [](const Pages& pages, std::uint64_t size, const Pages& next) {
      return next.offset == pages.offset + size;
    };
    const unsigned choice = random() % 4;
    const bool was_joined = choice == 0;
    switch (choice) {
      case 0:
        ranges.Update(range, [](AddressRange, Pages*) {});  // cuts at both ends
        ranges.Join(range, joins);
        break;
      case 3:
        ranges.Erase(range);
        plain.erase(plain.lower_bound(start), plain.lower_bound(end));
        break;
      case 1:
        ranges.Erase(range);
        ranges.Insert(range, {static_cast<std::uint64_t>(1000 * step)});
        for (std::uint64_t at = start; at < end; ++at) plain[at] = 1000 * step + at - start;
        break;
      default:
        ranges.Update(range, [](AddressRange, Pages* pages) { pages->offset += 7; });
        for (std::uint64_t at = start; at < end; ++at) {
          if (plain.count(at) != 0) plain[at] += 7;
        }
    }
    std::map<std::uint64_t, std::uint64_t> content;
    ranges.ForEach([&](AddressRange piece, const Pages& pages) {
      for (std::uint64_t at = piece.start; at < piece.end; ++at) {
        content[at] = pages.offset + (at - piece.start);
      }
    });
    ASSERT_EQ(content, plain);
    ASSERT_NO_FATAL_FAILURE(ExpectSameInRange(ranges, range));
    if (was_joined) {
      ranges.ForEach([&](AddressRange piece, const Pages& pages) {
        const auto next = ranges.FirstOverlap({piece.end, piece.end + 1});
        if (!next || piece.end < start || piece.end > end) return;
        EXPECT_FALSE(joins(pages, piece.size(), *next->value)) << piece.end;
      });
    }
  }
}

}  // namespace
}  // namespace crgen::check

// The checker's maps against plain ones, under random changes.
#include "dsl/check_map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <vector>

namespace crgen::check {
namespace {

constexpr unsigned kSeed = 20240607;

std::map<int, int> Content(const PersistentMap<int, int>& map) {
  std::map<int, int> content;
  map.ForEach([&](int key, int value) { content[key] = value; });
  return content;
}

TEST(CheckMap, AgreesWithStdMap) {
  std::mt19937 random(kSeed);
  PersistentMap<int, int> map;
  std::map<int, int> plain;
  PersistentMap<int, int> copy;
  std::map<int, int> plain_copy;
  for (int step = 0; step < 20000; ++step) {
    const int key = static_cast<int>(random() % 500);
    if (random() % 2 == 0) {
      map.Set(key, step);
      plain[key] = step;
    } else {
      map.Erase(key);
      plain.erase(key);
    }
    const int at = static_cast<int>(random() % 500);
    const auto above = plain.lower_bound(at);
    const auto* ceiling = map.Ceiling(at);
    ASSERT_EQ(ceiling == nullptr, above == plain.end());
    if (ceiling != nullptr) {
      ASSERT_EQ(ceiling->key, above->first);
    }
    const auto behind = plain.upper_bound(at);
    const auto* floor = map.Floor(at);
    ASSERT_EQ(floor == nullptr, behind == plain.begin());
    if (floor != nullptr) {
      ASSERT_EQ(floor->key, std::prev(behind)->first);
    }
    ASSERT_EQ(map.Find(at) != nullptr, plain.count(at) != 0);
    ASSERT_EQ(map.size(), plain.size());
    if (step % 1000 == 0) {
      EXPECT_EQ(Content(copy), plain_copy);
      EXPECT_EQ(Content(map), plain);
      copy = map;
      plain_copy = plain;
    }
  }
}

TEST(CheckMap, StaysFlat) {
  constexpr int kCount = 1 << 16;
  for (int order = 0; order < 3; ++order) {
    PersistentMap<int, int> map;
    for (int i = 0; i < kCount; ++i) {
      map.Set(order == 0 ? i : order == 1 ? -i : (i % 2 == 0 ? i : -i), i);
    }
    for (int i = 0; i < kCount; i += 3) map.Erase(order == 1 ? -i : i);
    EXPECT_LE(map.Depth(), 2.5 * std::log2(kCount));
  }
}

/// Each page of a small address space by itself.
struct Pages {
  std::uint64_t offset = 0;
  void Advance(std::uint64_t bytes) { offset += bytes; }
};

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
    switch (random() % 3) {
      case 0:
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
  }
}

}  // namespace
}  // namespace crgen::check

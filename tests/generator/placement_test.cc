// SPDX-License-Identifier: Apache-2.0
// PlaceDescriptors: right, and no step too many.
#include "generator/descriptors/placement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <queue>
#include <random>
#include <set>
#include <string>

namespace crgen {
namespace {

using Slots = std::vector<FdSlot>;
using Kind = PlacementStep::Kind;

std::string Text(const Slots& slots) {
  std::string text;
  for (const FdSlot& slot : slots) {
    text += std::to_string(slot.fd) + "=" + static_cast<char>('a' + slot.file);
    text += slot.cloexec ? "+c " : " ";
  }
  return text;
}

std::string Text(const std::vector<PlacementStep>& steps) {
  std::string text;
  for (const PlacementStep& step : steps) {
    if (step.kind == Kind::kDup) {
      text += "dup " + std::to_string(step.old_fd) + " " + std::to_string(step.fd);
    } else {
      text += (step.kind == Kind::kClose ? "close " : "open ") + std::to_string(step.fd);
    }
    text += step.cloexec ? "+c; " : "; ";
  }
  return text;
}

/// What `steps` make of `now`; files that are opened must not be there yet, and each only once.
std::string Simulate(const Slots& now, const std::vector<PlacementStep>& steps, Slots* result) {
  std::map<Fd, FdSlot> table;
  std::set<std::int32_t> known;
  for (const FdSlot& slot : now) {
    table[slot.fd] = slot;
    known.insert(slot.file);
  }
  for (const PlacementStep& step : steps) {
    switch (step.kind) {
      case Kind::kDup:
        if (!table.contains(step.old_fd)) return "dup of a free number";
        table[step.fd] = {step.fd, table[step.old_fd].file, step.cloexec};
        break;
      case Kind::kClose:
        if (table.erase(step.fd) == 0) return "close of a free number";
        break;
      case Kind::kOpen:
        if (table.contains(step.fd)) return "open at a taken number";
        if (!known.insert(step.file).second) return "open of what is there";
        table[step.fd] = {step.fd, step.file, step.cloexec};
        break;
    }
  }
  result->clear();
  for (const auto& [fd, slot] : table) result->push_back(slot);
  return "";
}

/// Tables of kNumbers slots, the last of which nobody wants: each is free, or a file, with or
/// without close-on-exec.
constexpr int kWanted = 4, kNumbers = 5, kFiles = 3;
using Packed = std::uint32_t;  // 3 bits a slot: 0 free, else 1 + file * 2 + cloexec
Packed SlotOf(Packed table, int fd) { return table >> (3 * fd) & 7; }
Packed With(Packed table, int fd, Packed slot) {
  return (table & ~(Packed{7} << (3 * fd))) | slot << (3 * fd);
}
bool HasFile(Packed table, Packed file) {
  for (int fd = 0; fd < kNumbers; ++fd) {
    if (SlotOf(table, fd) != 0 && (SlotOf(table, fd) - 1) / 2 == file) return true;
  }
  return false;
}
Slots Unpack(Packed table) {
  Slots slots;
  for (int fd = 0; fd < kNumbers; ++fd) {
    const Packed slot = SlotOf(table, fd);
    if (slot == 0) continue;
    slots.push_back({fd, FileIndex((slot - 1) / 2), (slot - 1) % 2 == 1});
  }
  return slots;
}

/// The least number of steps from `now` to everywhere. A file that was there and is there no more
/// is lost; one that was not may be opened once.
std::vector<int> Distances(Packed now) {
  const std::size_t tables = std::size_t{1} << (3 * kNumbers);
  // Beside the table: which files were opened.
  std::vector<std::int8_t> distance(tables << kFiles, -1);
  Packed known = 0;
  for (Packed file = 0; file < kFiles; ++file) known |= HasFile(now, file) ? 1u << file : 0;
  std::vector<Packed> queue{now << kFiles | known};
  distance[queue[0]] = 0;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const Packed table = queue[i] >> kFiles, opened = queue[i] & ((1u << kFiles) - 1);
    auto visit = [&](Packed next, Packed next_opened) {
      const Packed state = next << kFiles | next_opened;
      if (distance[state] >= 0) return;
      distance[state] = static_cast<std::int8_t>(distance[queue[i]] + 1);
      queue.push_back(state);
    };
    for (int fd = 0; fd < kNumbers; ++fd) {
      const Packed here = SlotOf(table, fd);
      for (Packed slot = 1; slot <= 2 * kFiles; ++slot) {
        const Packed file = (slot - 1) / 2;
        if (HasFile(table, file)) visit(With(table, fd, slot), opened);
        if (here == 0 && (opened >> file & 1) == 0) {
          visit(With(table, fd, slot), opened | 1u << file);
        }
      }
      if (here != 0) visit(With(table, fd, 0), opened);
    }
  }
  std::vector<int> least(tables, -1);
  for (std::size_t state = 0; state < distance.size(); ++state) {
    int& best = least[state >> kFiles];
    if (distance[state] >= 0 && (best < 0 || distance[state] < best)) best = distance[state];
  }
  return least;
}

void Expect(const Slots& now, const Slots& wanted, int least) {
  const std::vector<PlacementStep> steps = PlaceDescriptors(now, wanted);
  Slots result;
  EXPECT_EQ(Simulate(now, steps, &result), "") << Text(now) << "-> " << Text(wanted);
  EXPECT_EQ(Text(result), Text(wanted)) << Text(now) << "by " << Text(steps);
  if (least >= 0) {
    EXPECT_EQ(static_cast<int>(steps.size()), least)
        << Text(now) << "-> " << Text(wanted) << "by " << Text(steps);
  }
}

/// Files in `table`, numbered by first appearance, so that equal cases are tried once.
bool IsFirstOfItsKind(Packed table) {
  Packed highest = 0;
  for (int fd = 0; fd < kNumbers; ++fd) {
    const Packed slot = SlotOf(table, fd);
    if (slot == 0) continue;
    const Packed file = (slot - 1) / 2;
    if (file > highest) return false;
    if (file == highest) ++highest;
  }
  return true;
}

// Close-on-exec of what is there now does not matter but where a slot stays, so `now` is tried
// without, and `wanted` with both.
TEST(PlacementTest, ExhaustiveUpToFourSlotsAndThreeFiles) {
  std::size_t cases = 0, wrong = 0;
  for (Packed now = 0; now < 1u << (3 * kWanted); ++now) {
    bool plain = IsFirstOfItsKind(now);
    for (int fd = 0; fd < kWanted; ++fd) {
      plain = plain && SlotOf(now, fd) != 7 && SlotOf(now, fd) % 2 <= 1 &&
              (SlotOf(now, fd) == 0 || SlotOf(now, fd) % 2 == 1);
    }
    if (!plain) continue;
    const std::vector<int> least = Distances(now);
    const Slots from = Unpack(now);
    for (Packed wanted = 0; wanted < 1u << (3 * kWanted); ++wanted) {
      bool valid = true;
      for (int fd = 0; fd < kWanted; ++fd) valid = valid && SlotOf(wanted, fd) != 7;
      if (!valid) continue;
      ++cases;
      const Slots to = Unpack(wanted);
      const std::vector<PlacementStep> steps = PlaceDescriptors(from, to);
      Slots result;
      const bool right = Simulate(from, steps, &result).empty() && result == to &&
                         static_cast<int>(steps.size()) == least[wanted];
      if (!right && ++wrong <= 10) Expect(from, to, least[wanted]);
    }
  }
  EXPECT_EQ(wrong, 0u) << "of " << cases;
  RecordProperty("cases", std::to_string(cases));
}

TEST(PlacementTest, Cases) {
  struct Case {
    const char* name;
    Slots now, wanted;
    const char* steps;
  };
  constexpr FileIndex a(0), b(1), c(2);
  const Case cases[] = {
      {"nothing to do", {{0, a, false}}, {{0, a, false}}, ""},
      {"only the flag", {{0, a, false}}, {{0, a, true}}, "dup 0 0+c; "},
      {"overwritten, not closed",
       {{0, a, false}, {1, b, false}},
       {{0, b, false}},
       "dup 1 0; close 1; "},
      {"swap through a free number",
       {{0, a, false}, {1, b, false}},
       {{0, b, false}, {1, a, false}},
       "dup 1 2; dup 0 1; dup 2 0; close 2; "},
      {"swap through a slot that gets its own at the end",
       {{0, a, false}, {1, b, false}, {2, c, false}},
       {{0, a, false}, {1, c, false}, {2, b, false}, {3, a, false}},
       "dup 2 3; dup 1 2; dup 3 1; dup 0 3; "},
      {"swap through what is closed anyway",
       {{0, a, false}, {1, b, false}, {7, c, false}},
       {{0, b, false}, {1, a, false}},
       "dup 1 7; dup 0 1; dup 7 0; close 7; "},
      {"a second copy saves the spare slot",
       {{0, a, false}, {1, a, false}, {2, b, false}},
       {{0, b, false}, {1, c, false}, {2, a, false}},
       "dup 2 0; dup 1 2; close 1; open 1; "},
      {"opened where it is free, copied over the rest",
       {{1, a, false}},
       {{0, b, false}, {1, b, false}},
       "open 0; dup 0 1; "},
  };
  for (const Case& it : cases) {
    SCOPED_TRACE(it.name);
    EXPECT_EQ(Text(PlaceDescriptors(it.now, it.wanted)), it.steps);
    Expect(it.now, it.wanted, -1);
  }
}

TEST(PlacementTest, LargeRandomTablesAreRight) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 10000; ++round) {
    const auto numbers = static_cast<Fd>(1 + random() % 40);
    const auto files = static_cast<std::int32_t>(1 + random() % 30);
    auto table = [&] {
      Slots slots;
      for (Fd fd = 0; fd < numbers; ++fd) {
        if (random() % 5 == 0) continue;
        slots.push_back({fd, FileIndex(random() % files), random() % 4 == 0});
      }
      return slots;
    };
    const Slots now = table();
    Expect(now, table(), -1);
    Slots turned = now;  // one long cycle, or several
    for (std::size_t i = 0; i < turned.size(); ++i) turned[i].file = now[(i + 1) % now.size()].file;
    Expect(now, turned, -1);
    Slots permuted = now;
    std::vector<std::int32_t> order;
    for (const FdSlot& slot : now) order.push_back(slot.file);
    std::shuffle(order.begin(), order.end(), random);
    for (std::size_t i = 0; i < order.size(); ++i) permuted[i].file = FileIndex(order[i]);
    if (random() % 2 == 0) {
      permuted.push_back({numbers, FileIndex(order.empty() ? 0 : order[0]), false});
    }
    Expect(now, permuted, -1);
  }
}

}  // namespace
}  // namespace crgen

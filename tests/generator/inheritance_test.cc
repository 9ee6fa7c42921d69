// SPDX-License-Identifier: Apache-2.0
// Owners and what is carried from them, against versions that go node by node.
#include "generator/inheritance.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <tuple>

#include "generator/creation_tree.h"

namespace crgen {
namespace {

/// Node n is created by creators[n] < n at time births[n].
struct Tree {
  std::vector<NodeIndex> creators;
  std::vector<TreeTime> births;
  std::set<std::int32_t> Ancestors(std::int32_t node) const {  // with itself
    std::set<std::int32_t> result;
    for (; node >= 0; node = creators[static_cast<std::size_t>(node)]) result.insert(node);
    return result;
  }
};

std::vector<NodeIndex> Nodes(const std::vector<std::int32_t>& numbers) {
  return {numbers.begin(), numbers.end()};
}

std::vector<TreeTime> Times(std::size_t count) {
  std::vector<TreeTime> times;
  for (std::size_t i = 0; i < count; ++i) times.emplace_back(i);
  return times;
}

Tree RandomTree(std::mt19937_64& random, std::int32_t count) {
  Tree tree;
  std::int32_t time = 0;
  for (std::int32_t n = 0; n < count; ++n) {
    tree.creators.emplace_back(n == 0 ? -1 : static_cast<std::int32_t>(random() % n));
    time += 1 + static_cast<std::int32_t>(random() % 3);
    tree.births.emplace_back(time);
  }
  return tree;
}

TEST(InheritanceTest, OwnerAndLinks) {
  //  0 - { 1 - { 3, 4 }, 2 - 5 }
  const std::vector<NodeIndex> creators = Nodes({-1, 0, 0, 1, 1, 2});
  const std::vector<TreeTime> births = Times(6);
  struct Case {
    std::vector<std::int32_t> holders;
    std::int32_t owner;
    std::size_t links;
  };
  for (const Case& it : std::vector<Case>{{{4}, 4, 0},
                                          {{0}, 0, 0},
                                          {{3, 4}, 1, 2},
                                          {{4, 1}, 1, 1},
                                          {{3, 3}, 3, 0},
                                          {{3, 5}, 0, 4},
                                          {{0, 5}, 0, 2},
                                          {{1, 2, 3, 4, 5}, 0, 5}}) {
    std::vector<InheritanceLink<NodeIndex>> links;
    EXPECT_EQ(FindOwner(creators, births, Nodes(it.holders), &links), it.owner);
    EXPECT_EQ(links.size(), it.links);
  }
}

TEST(InheritanceTest, TwoRootsHaveNoOwner) {
  std::vector<InheritanceLink<NodeIndex>> links;
  const std::vector<TreeTime> births = Times(2);
  EXPECT_EQ(FindOwner(Nodes({-1, -1}), births, Nodes({0, 1}), &links), -1);
}

TEST(InheritanceTest, RandomAgainstNodeByNode) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 3000; ++round) {
    SCOPED_TRACE(round);
    const auto count = static_cast<std::int32_t>(1 + random() % 20);
    const Tree tree = RandomTree(random, count);
    std::set<std::int32_t> holders;
    for (std::uint64_t i = 0; i <= random() % 6; ++i) {
      holders.insert(static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(count)));
    }
    std::set<std::int32_t> common = tree.Ancestors(*holders.begin());
    for (std::int32_t holder : holders) {
      const std::set<std::int32_t> own = tree.Ancestors(holder);
      std::erase_if(common, [&](std::int32_t node) { return !own.contains(node); });
    }
    const std::int32_t owner = *common.rbegin();
    std::map<std::int32_t, CarriedItem> expected;
    std::set<std::tuple<std::int32_t, std::int32_t, std::int32_t>> ways;
    expected[owner].item = ItemIndex(9);
    for (std::int32_t holder : holders) {
      for (std::int32_t node = holder; node != owner;) {
        const std::int32_t parent = tree.creators[static_cast<std::size_t>(node)];
        const TreeTime time = tree.births[static_cast<std::size_t>(node)];
        ways.emplace(parent, node, time);
        expected[node].item = ItemIndex(9);
        CarriedItem& above = expected[parent];
        above.item = ItemIndex(9);
        above.first = std::min(above.first, time);
        above.last = std::max(above.last, time);
        node = parent;
      }
      expected[holder].holder = true;
    }

    std::vector<InheritanceLink<NodeIndex>> links;
    const std::vector<NodeIndex> list = Nodes({holders.begin(), holders.end()});
    ASSERT_EQ(FindOwner(tree.creators, tree.births, list, &links), owner);
    std::set<std::tuple<std::int32_t, std::int32_t, std::int32_t>> found;
    for (const InheritanceLink<NodeIndex>& link : links) {
      EXPECT_TRUE(found.emplace(link.parent, link.child, link.time).second);
    }
    EXPECT_EQ(found, ways);
    const auto parts = ShareOut(ItemIndex(9), NodeIndex(owner), links, list);
    EXPECT_EQ(parts.size(), expected.size());
    for (const auto& [node, part] : parts) {
      const CarriedItem& other = expected.at(node);
      EXPECT_EQ(std::tuple(part.item, part.first, part.last, part.holder),
                std::tuple(other.item, other.first, other.last, other.holder));
    }
  }
}

TEST(InheritanceTest, CarryListCallsOnceAndInTime) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 2000; ++round) {
    CarryList list;
    std::map<std::int32_t, CarriedItem> items;
    const auto count = static_cast<std::int32_t>(random() % 8);
    for (std::int32_t i = 0; i < count; ++i) {
      CarriedItem item{ItemIndex(i)};
      if (random() % 4 != 0) {
        item.first = TreeTime(random() % 10);
        item.last = TreeTime(item.first + random() % 5);
      }
      items[i] = item;
      list.Add(item);
    }
    list.Sort();
    std::set<std::int32_t> acquired, released;
    for (TreeTime time(0); time < 16; time = TreeTime(time + 1 + random() % 2)) {
      list.Acquire(
          time, [&](const CarriedItem& item) { EXPECT_TRUE(acquired.insert(item.item).second); });
      list.Release(
          time, [&](const CarriedItem& item) { EXPECT_TRUE(released.insert(item.item).second); });
      for (const auto& [index, item] : items) {
        EXPECT_EQ(acquired.contains(index), item.first <= time);
        EXPECT_EQ(released.contains(index), item.last >= 0 && item.last <= time);
      }
    }
  }
}

}  // namespace
}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Lists every process tree that system calls can reach, with the least number of commands: the
// oracle for the tree analyzer, with which it shares no code but the snapshot type.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/tree.h"

namespace crgen::test {

/// The number of the group and session that come from outside the tree.
inline constexpr std::uint8_t kOutside = 15;

/// A state of at most eight processes. Numbers are 0 … 14; tasks[0] is the root, or the restorer if
/// it bears the number from outside. Dead numbers live on in groups and sessions.
struct TinyTree {
  struct Task {
    std::uint8_t pid = 0;
    std::uint8_t pgid = 0;
    std::uint8_t sid = 0;
    std::uint8_t parent = 0;  ///< index; of the root: 0
    bool zombie = false;
    bool subreaper = false;
    bool root = false;  ///< what the restorer has forked, not what it has adopted
  };
  static constexpr int kMax = 8;
  std::array<Task, kMax> tasks;
  int count = 0;
};

/// Canonical up to renaming and the order of siblings: the least of the texts of all depth-first
/// orders. Each task takes three bytes.
class Canonicalizer {
 public:
  std::string Run(const TinyTree& tree) {
    tree_ = &tree;
    best_.assign(3 * static_cast<std::size_t>(tree.count), static_cast<char>(0xff));
    Order order;
    order.name.fill(kUnnamed);
    order.name[kOutside] = kOutside;
    order.pending[order.nr_pending++] = 0;
    Extend(order, false);
    return best_;
  }

 private:
  static constexpr std::uint8_t kUnnamed = 0xff;

  /// A depth-first order as far as it goes.
  struct Order {
    std::array<std::uint8_t, 16> name;                 ///< the new numbers
    std::array<std::uint8_t, TinyTree::kMax> place{};  ///< of each task that has its turn behind it
    std::array<std::uint8_t, TinyTree::kMax> pending;  ///< a stack of tasks whose turn may come
    std::uint8_t nr_names = 0;
    std::uint8_t nr_taken = 0;
    std::uint8_t nr_pending = 0;
  };

  /// Tries every sibling as the next one. `less`: the text is already less than the best.
  void Extend(const Order& order, bool less) {
    if (order.nr_taken == tree_->count) {
      best_.assign(text_.data(), best_.size());
      return;
    }
    const auto parent = TaskOf(order.pending[order.nr_pending - 1]).parent;
    for (int i = order.nr_pending; i-- > 0 && TaskOf(order.pending[i]).parent == parent;) {
      Order longer = order;
      const std::uint8_t next = order.pending[i];
      longer.nr_pending = 0;
      for (int k = 0; k < order.nr_pending; ++k) {
        if (k != i) longer.pending[longer.nr_pending++] = order.pending[k];
      }
      for (std::uint8_t k = 1; k < tree_->count; ++k) {
        if (TaskOf(k).parent == next) longer.pending[longer.nr_pending++] = k;
      }
      const std::size_t begin = 3u * order.nr_taken;
      Encode(next, longer, &text_[begin]);
      const int sign = less ? -1 : std::memcmp(&text_[begin], &best_[begin], 3);
      if (sign <= 0) Extend(longer, sign < 0);
      less = false;  // whatever came of it begins like this
    }
  }

  void Encode(std::uint8_t next, Order& order, char* text) const {
    const TinyTree::Task& task = TaskOf(next);
    const auto rename = [&](std::uint8_t number) {
      if (order.name[number] == kUnnamed) order.name[number] = order.nr_names++;
      return order.name[number];
    };
    order.place[next] = order.nr_taken++;
    const std::uint8_t pid = rename(task.pid);
    const std::uint8_t pgid = rename(task.pgid);
    const std::uint8_t sid = rename(task.sid);
    text[0] = static_cast<char>(order.place[task.parent] << 4 | pid);
    text[1] = static_cast<char>(pgid << 4 | sid);
    text[2] =
        static_cast<char>((task.zombie ? 1 : 0) | (task.subreaper ? 2 : 0) | (task.root ? 4 : 0));
  }

  const TinyTree::Task& TaskOf(std::uint8_t i) const { return tree_->tasks[i]; }

  const TinyTree* tree_ = nullptr;
  std::string best_;
  std::array<char, 3 * TinyTree::kMax> text_{};
};

inline TinyTree DecodeTiny(const std::string& text) {
  TinyTree tree;
  tree.count = static_cast<int>(text.size() / 3);
  for (std::size_t i = 0; i * 3 < text.size(); ++i) {
    auto byte = [&](std::size_t k) { return static_cast<std::uint8_t>(text[i * 3 + k]); };
    tree.tasks[i] = {static_cast<std::uint8_t>(byte(0) & 15),
                     static_cast<std::uint8_t>(byte(1) >> 4),
                     static_cast<std::uint8_t>(byte(1) & 15),
                     static_cast<std::uint8_t>(byte(0) >> 4),
                     (byte(2) & 1) != 0,
                     (byte(2) & 2) != 0,
                     (byte(2) & 4) != 0};
  }
  return tree;
}

/// The snapshot that a canonical text stands for; number k becomes pid k + `first_pid`.
inline TreeSnapshot ToSnapshot(const std::string& text, Pid first_pid = 1) {
  TinyTree tree = DecodeTiny(text);
  auto number = [&](std::uint8_t k) { return k == kOutside ? 0 : k + first_pid; };
  TreeSnapshot snapshot;
  const int root = tree.tasks[0].pid == kOutside ? 1 : 0;
  for (int i = root; i < tree.count; ++i) {
    const TinyTree::Task& task = tree.tasks[static_cast<std::size_t>(i)];
    TreeNode node;
    node.pid = number(task.pid);
    node.pgid = number(task.pgid);
    node.sid = number(task.sid);
    node.parent = ProcessIndex(i == root ? -1 : task.parent - root);
    node.zombie = task.zombie;
    node.subreaper = task.subreaper;
    snapshot.nodes.push_back(node);
  }
  return snapshot;
}

/// Breadth-first search over states and births.
class Enumerator {
 public:
  struct Options {
    int births = 4;
    bool clone_parent = false;
    bool subreapers = false;    ///< others than a root that is not init
    bool outside_root = false;  ///< the root begins in the session and group from outside
    bool init = true;           ///< the root adopts orphans; else the restorer does
  };

  explicit Enumerator(Options options) : options_(options) {}

  /// Canonical text → least number of commands, counted from the root alone, who leads its session
  /// or is in the one from outside.
  std::unordered_map<std::string, int> Run() {
    TinyTree start;
    start.count = 1 + root_;
    if (!options_.init) At(start, 0) = {.pid = kOutside, .pgid = kOutside, .sid = kOutside};
    At(start, root_).root = !options_.init;
    if (options_.outside_root) At(start, root_).pgid = At(start, root_).sid = kOutside;
    Reach(start, 0);
    for (cost_ = 1; !next_.empty(); ++cost_) {
      std::vector<std::pair<std::string, int>> level = std::move(next_);
      next_.clear();
      for (const auto& [text, births] : level) Expand(DecodeTiny(text), births);
    }
    return std::move(least_);
  }

 private:
  void Reach(const TinyTree& tree, int births) {
    std::string text = canonicalizer_.Run(tree);
    auto [entry, added] = fewest_births_.try_emplace(text, births);
    if (!added && entry->second <= births) return;  // reached before, with no more births
    entry->second = births;
    if (HoldsRootAlone(tree)) least_.try_emplace(text, cost_);
    next_.push_back({std::move(text), births});
  }

  /// Whether the restorer, if there is one, has no child but the root.
  bool HoldsRootAlone(const TinyTree& tree) const {
    for (int i = 1; i < tree.count && !options_.init; ++i) {
      if (At(tree, i).parent == 0 && !At(tree, i).root) return false;
    }
    return true;
  }

  void Expand(const TinyTree& tree, int births) {
    for (int i = root_; i < tree.count; ++i) {
      if (At(tree, i).zombie) {
        if (At(tree, i).root) continue;
        TinyTree after = tree;
        Remove(after, i);
        Reach(after, births);
        continue;
      }
      if (births < options_.births) Fork(tree, i, births);
      SetIds(tree, i, births);
      if (i != 0) Exit(tree, i, births);
      if ((options_.subreapers && i != 0) || At(tree, i).root) {
        TinyTree after = tree;
        At(after, i).subreaper = !At(after, i).subreaper;
        Reach(after, births);
      }
    }
  }

  void Fork(const TinyTree& tree, int i, int births) {
    TinyTree after = tree;
    TinyTree::Task child = At(tree, i);
    child.pid = FreeNumber(tree);
    child.parent = static_cast<std::uint8_t>(i);
    child.subreaper = child.root = false;
    At(after, after.count++) = child;
    Reach(after, births + 1);
    if (!options_.clone_parent || i == 0) return;
    At(after, after.count - 1).parent = At(tree, i).parent;
    Reach(after, births + 1);
  }

  void SetIds(const TinyTree& tree, int i, int births) {
    TinyTree::Task self = At(tree, i);
    if (self.sid == self.pid) return;
    bool own_group = false;
    for (int k = 0; k < tree.count; ++k) {
      own_group = own_group || At(tree, k).pgid == self.pid;
      if (At(tree, k).sid != self.sid || At(tree, k).pgid == self.pgid) continue;
      if (At(tree, k).pgid == kOutside) continue;
      TinyTree after = tree;
      At(after, i).pgid = At(tree, k).pgid;
      Reach(after, births);
    }
    TinyTree after = tree;
    At(after, i).pgid = self.pid;
    Reach(after, births);
    if (own_group) return;
    At(after, i).sid = self.pid;
    Reach(after, births);
  }

  void Exit(const TinyTree& tree, int i, int births) {
    TinyTree after = tree;
    At(after, i).zombie = true;
    int heir = At(tree, i).parent;
    while (heir != 0 && !At(tree, heir).subreaper) heir = At(tree, heir).parent;
    for (int k = 1; k < tree.count; ++k) {
      if (At(after, k).parent == i) At(after, k).parent = static_cast<std::uint8_t>(heir);
    }
    Reach(after, births);
  }

  static void Remove(TinyTree& tree, int i) {
    for (int k = i; k + 1 < tree.count; ++k) At(tree, k) = At(tree, k + 1);
    --tree.count;
    for (int k = 0; k < tree.count; ++k) {
      if (At(tree, k).parent > i) --At(tree, k).parent;
    }
  }

  static std::uint8_t FreeNumber(const TinyTree& tree) {
    std::array<bool, 17> used{};
    for (int k = 0; k < tree.count; ++k) {
      used[At(tree, k).pid] = used[At(tree, k).pgid] = used[At(tree, k).sid] = true;
    }
    std::uint8_t number = 0;
    while (used[number]) ++number;
    return number;
  }

  static TinyTree::Task& At(TinyTree& tree, int i) {
    return tree.tasks[static_cast<std::size_t>(i)];
  }
  static const TinyTree::Task& At(const TinyTree& tree, int i) {
    return tree.tasks[static_cast<std::size_t>(i)];
  }

  Options options_;
  const int root_ = options_.init ? 0 : 1;  ///< where the search begins with it
  Canonicalizer canonicalizer_;
  int cost_ = 0;
  std::unordered_map<std::string, int> least_;
  std::unordered_map<std::string, int> fewest_births_;
  std::vector<std::pair<std::string, int>> next_;
};

}  // namespace crgen::test

// Lists every process tree that system calls can reach, with the least number of commands: the
// oracle for the tree analyzer, with which it shares no code but the snapshot type.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/tree.h"

namespace crgen::test {

/// The number of the group and session that come from outside the tree.
inline constexpr std::uint8_t kOutside = 15;

/// A state of at most eight processes. Numbers are 0 … 14; 0 is the root. Dead numbers live on in
/// groups and sessions.
struct TinyTree {
  struct Task {
    std::uint8_t pid = 0;
    std::uint8_t pgid = 0;
    std::uint8_t sid = 0;
    std::uint8_t parent = 0;  ///< index; of the root: 0
    bool zombie = false;
    bool subreaper = false;
  };
  static constexpr int kMax = 8;
  std::array<Task, kMax> tasks;
  int count = 0;
};

/// Canonical up to renaming and the order of siblings. Each task takes three bytes.
class Canonicalizer {
 public:
  std::string Run(const TinyTree& tree) {
    tree_ = &tree;
    best_.clear();
    std::vector<int> pending{0};
    Extend(pending, {});
    return best_;
  }

 private:
  /// `taken`: tasks in preorder so far; `pending`: a stack of tasks whose turn may come. Tries
  /// every order of siblings.
  void Extend(const std::vector<int>& pending, std::vector<int> taken) {
    if (static_cast<int>(taken.size()) == tree_->count) {
      Encode(taken);
      return;
    }
    std::vector<int> candidates;
    int parent = tree_->tasks[static_cast<std::size_t>(pending.back())].parent;
    for (std::size_t i = pending.size(); i-- > 0;) {
      if (tree_->tasks[static_cast<std::size_t>(pending[i])].parent != parent) break;
      candidates.push_back(pending[i]);
    }
    for (int next : candidates) {
      std::vector<int> rest;
      for (int p : pending) {
        if (p != next) rest.push_back(p);
      }
      for (int i = 1; i < tree_->count; ++i) {
        if (tree_->tasks[static_cast<std::size_t>(i)].parent == next) rest.push_back(i);
      }
      std::vector<int> now = taken;
      now.push_back(next);
      Extend(rest, std::move(now));
    }
  }

  void Encode(const std::vector<int>& order) {
    std::array<std::uint8_t, 16> name;
    name.fill(0xff);
    name[kOutside] = kOutside;
    std::uint8_t nr_names = 0;
    std::array<std::uint8_t, TinyTree::kMax> place{};
    auto rename = [&](std::uint8_t number) {
      if (name[number] == 0xff) name[number] = nr_names++;
      return name[number];
    };
    std::string text;
    for (std::size_t k = 0; k < order.size(); ++k) {
      const TinyTree::Task& task = tree_->tasks[static_cast<std::size_t>(order[k])];
      place[static_cast<std::size_t>(order[k])] = static_cast<std::uint8_t>(k);
      std::uint8_t pid = rename(task.pid);
      std::uint8_t pgid = rename(task.pgid);
      std::uint8_t sid = rename(task.sid);
      text.push_back(static_cast<char>(place[task.parent] << 4 | pid));
      text.push_back(static_cast<char>(pgid << 4 | sid));
      text.push_back(static_cast<char>((task.zombie ? 1 : 0) | (task.subreaper ? 2 : 0)));
    }
    if (best_.empty() || text < best_) best_ = text;
  }

  const TinyTree* tree_ = nullptr;
  std::string best_;
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
                     (byte(2) & 2) != 0};
  }
  return tree;
}

/// The snapshot that a canonical text stands for; number k becomes pid k + `first_pid`.
inline TreeSnapshot ToSnapshot(const std::string& text, Pid first_pid = 1) {
  TinyTree tree = DecodeTiny(text);
  auto number = [&](std::uint8_t k) { return k == kOutside ? 0 : k + first_pid; };
  TreeSnapshot snapshot;
  for (int i = 0; i < tree.count; ++i) {
    const TinyTree::Task& task = tree.tasks[static_cast<std::size_t>(i)];
    TreeNode node;
    node.pid = number(task.pid);
    node.pgid = number(task.pgid);
    node.sid = number(task.sid);
    node.parent = i == 0 ? -1 : task.parent;
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
    bool subreapers = false;
    bool outside_root = false;  ///< the root begins in the session and group from outside
  };

  explicit Enumerator(Options options) : options_(options) {}

  /// Canonical text → least number of commands, counted from the root alone, who leads its session
  /// or is in the one from outside, and adopts orphans like an init.
  std::unordered_map<std::string, int> Run() {
    TinyTree init;
    init.count = 1;
    if (options_.outside_root) init.tasks[0].pgid = init.tasks[0].sid = kOutside;
    Reach(init, 0);
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
    least_.try_emplace(text, cost_);
    next_.push_back({std::move(text), births});
  }

  void Expand(const TinyTree& tree, int births) {
    for (int i = 0; i < tree.count; ++i) {
      if (At(tree, i).zombie) {
        TinyTree after = tree;
        Remove(after, i);
        Reach(after, births);
        continue;
      }
      if (births < options_.births) Fork(tree, i, births);
      SetIds(tree, i, births);
      if (i != 0) Exit(tree, i, births);
      if (options_.subreapers && i != 0) {
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
    child.subreaper = false;
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
  Canonicalizer canonicalizer_;
  int cost_ = 0;
  std::unordered_map<std::string, int> least_;
  std::unordered_map<std::string, int> fewest_births_;
  std::vector<std::pair<std::string, int>> next_;
};

}  // namespace crgen::test

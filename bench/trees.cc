// SPDX-License-Identifier: Apache-2.0
#include "bench/trees.h"

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace crgen {
namespace {

constexpr Pid kRoot = 1;
constexpr int kGroup = 8;     // processes of one job
constexpr int kService = 32;  // processes of one service

class TreeMaker {
 public:
  TreeMaker() { Add(-1, kRoot, kRoot); }

  std::int32_t Size() const { return static_cast<std::int32_t>(tree_.nodes.size()); }
  Pid Next() const { return Size() + kRoot; }
  const TreeNode& At(std::int32_t i) const { return tree_.nodes[static_cast<std::size_t>(i)]; }

  /// The next process; its pid is Next().
  std::int32_t Add(std::int32_t parent, Pid pgid, Pid sid) {
    TreeNode node;
    node.pid = Next();
    node.pgid = pgid;
    node.sid = sid;
    node.parent = ProcessIndex(parent);
    tree_.nodes.push_back(node);
    return Size() - 1;
  }

  /// The tree, depth first.
  TreeSnapshot Take() {
    std::vector<std::vector<std::int32_t>> children(tree_.nodes.size());
    for (std::int32_t i = Size(); --i > 0;) {
      children[static_cast<std::size_t>(At(i).parent)].push_back(i);
    }
    TreeSnapshot ordered;
    ordered.nodes.reserve(tree_.nodes.size());
    std::vector<std::pair<std::int32_t, std::int32_t>> stack{{0, -1}};  // process, new parent
    while (!stack.empty()) {
      const auto [i, parent] = stack.back();
      stack.pop_back();
      const auto place = static_cast<std::int32_t>(ordered.nodes.size());
      ordered.nodes.push_back(At(i));
      ordered.nodes.back().parent = ProcessIndex(parent);
      for (std::int32_t child : children[static_cast<std::size_t>(i)]) {
        stack.push_back({child, place});
      }
    }
    return ordered;
  }

 private:
  TreeSnapshot tree_;
};

/// Simple: the root's children.
TreeSnapshot Children(int processes) {
  TreeMaker tree;
  while (tree.Size() < processes) tree.Add(0, kRoot, kRoot);
  return tree.Take();
}

/// Simple: each process forks the next one.
TreeSnapshot Chain(int processes) {
  TreeMaker tree;
  while (tree.Size() < processes) tree.Add(tree.Size() - 1, kRoot, kRoot);
  return tree.Take();
}

/// What a container host looks like: session leaders, each with its workers below it.
TreeSnapshot Services(int processes) {
  TreeMaker tree;
  std::int32_t leader = 0;
  while (tree.Size() < processes) {
    const Pid next = tree.Next();
    if (tree.Size() % kService == 0) {
      leader = tree.Add(0, next, next);
    } else {
      tree.Add(leader, tree.At(leader).pgid, tree.At(leader).sid);
    }
  }
  return tree.Take();
}

/// Heuristic: session leaders, below each workers in a group of their own, and orphans of that
/// group that init holds. Every job needs an invented process.
TreeSnapshot Jobs(int processes) {
  TreeMaker tree;
  while (tree.Size() + kGroup <= processes) {
    const Pid session = tree.Next();
    const std::int32_t leader = tree.Add(0, session, session);
    const Pid group = tree.Next();
    for (int i = 0; i < kGroup / 2; ++i) tree.Add(leader, group, session);
    for (int i = kGroup / 2 + 1; i < kGroup; ++i) tree.Add(0, group, session);
  }
  return tree.Take();
}

/// Sessions and groups whose leaders are gone.
TreeSnapshot DeadLeaders(int processes) {
  TreeMaker tree;
  for (Pid dead = processes + 1; tree.Size() + kGroup <= processes; dead += 2) {
    for (int i = 0; i < kGroup; ++i) tree.Add(0, i % 2 == 0 ? dead : dead + 1, dead);
  }
  return tree.Take();
}

/// In each session the processes are in one another's groups, in circles.
TreeSnapshot GroupCycles(int processes) {
  TreeMaker tree;
  while (tree.Size() + kGroup <= processes) {
    const Pid session = tree.Next();
    const std::int32_t leader = tree.Add(0, session, session);
    const Pid first = tree.Next();
    for (int i = 1; i < kGroup; ++i) tree.Add(leader, first + i % (kGroup - 1), session);
  }
  return tree.Take();
}

/// Each process leads a session, and has a child from before that: chains of births before setsid.
TreeSnapshot LateLeaders(int processes) {
  TreeMaker tree;
  std::int32_t above = 0;
  while (tree.Size() + 2 <= processes) {
    const Pid before = tree.At(above).sid;
    above = tree.Add(above, tree.Next(), tree.Next());
    tree.Add(above, before, before);
  }
  return tree.Take();
}

/// Everybody in the same session, in the group of a random other one.
TreeSnapshot RandomGroups(int processes) {
  TreeMaker tree;
  std::mt19937 random(1);
  const auto limit = static_cast<unsigned>(processes);
  while (tree.Size() < processes) {
    const auto parent = static_cast<std::int32_t>(random() % static_cast<unsigned>(tree.Size()));
    tree.Add(parent, kRoot + static_cast<Pid>(random() % limit), kRoot);
  }
  return tree.Take();
}

/// Children below random parents, with setsid, setpgid and orphans at random.
TreeSnapshot Random(int processes) {
  TreeMaker tree;
  std::mt19937 random(1);
  auto below = [&](int limit) {
    return static_cast<std::int32_t>(random() % static_cast<unsigned>(limit));
  };
  while (tree.Size() < processes) {
    const std::int32_t parent = below(tree.Size());
    const TreeNode& above = tree.At(parent);
    const Pid pgid = above.pgid, sid = above.sid, pid = tree.Next();
    const std::int32_t holder = below(8) == 0 ? 0 : parent;  // 0: its parent is gone
    switch (below(8)) {
      case 0:
        tree.Add(parent, pid, pid);
        break;
      case 1:
        tree.Add(holder, pid, sid);
        break;
      default:
        tree.Add(holder, pgid, sid);
    }
  }
  return tree.Take();
}

constexpr TreeProfile kProfiles[] = {
    {"children", "simple: the root's children", Children},
    {"chain", "simple: each process forks the next one", Chain},
    {"services", "session leaders with 31 workers each", Services},
    {"jobs", "heuristic: leaders, workers in a group, orphans of that group", Jobs},
    {"dead-leaders", "sessions and groups whose leaders are gone", DeadLeaders},
    {"group-cycles", "processes in one another's groups, in circles", GroupCycles},
    {"late-leaders", "children from before their parent's setsid", LateLeaders},
    {"random", "all of it at random", Random},
    {"random-groups", "groups at random in one session", RandomGroups},
};

}  // namespace

std::span<const TreeProfile> TreeProfiles() { return kProfiles; }

const TreeProfile* FindTreeProfile(std::string_view name) {
  for (const TreeProfile& profile : kProfiles) {
    if (profile.name == name) return &profile;
  }
  return nullptr;
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Who is born to whom: the creation tree of a snapshot, with the processes that are gone by now.
#pragma once

#include <cstdint>
#include <vector>

#include "generator/tree/analyzer.h"
#include "generator/tree/numbers.h"

namespace crgen {

/// Why a process is in a creation tree.
enum class Origin : std::uint8_t {
  kSnapshot,
  kDeadSessionLeader,  ///< its number names a session: it must have led it
  kDeadGroupLeader,    ///< its number names a group: it must have founded it
  kForOrphans,         ///< children of one session below an ancestor of another session
  kHolder,             ///< keeps a group alive while its founder moves on
};

/// In BirthTree::children.
using ChildIndex = Index<struct ChildIndexTag>;

/// One process of a creation tree.
struct Birth {
  Slot pid = kNoSlot;
  BirthIndex parent{};       ///< who forks it; none: the restorer
  BirthIndex adopter{};      ///< who has it in the snapshot if not the one who forks it
  Slot birth_sid = kNoSlot;  ///< the session it is born in
  Slot sid = kNoSlot;        ///< the session it ends in: the own one, or birth_sid
  Slot pgid = kNoSlot;       ///< the group it ends in; kNoSlot: any
  Origin origin = Origin::kSnapshot;
  bool dies = false;           ///< a zombie, or invented
  bool sibling = false;        ///< forked with CLONE_PARENT: a child of its parent's parent
  bool outside_group = false;  ///< it, or one who inherits it from it, ends in group 0
  bool leader() const { return sid == pid; }
};

/// births[i] is the snapshot's process i; invented ones follow. A parent that leads a session forks
/// children whose birth_sid is not its pid before its setsid, all others after it.
struct BirthTree {
  explicit BirthTree(std::size_t nr_processes) : numbers(nr_processes * 2 + 16) {}

  NumberTable numbers;
  std::vector<Birth> births;
  std::vector<BirthIndex> order;          ///< parents before children, depth first
  std::vector<ChildIndex> first_child;    ///< children of i: children[first_child[i] …[i + 1])
  std::vector<BirthIndex> children;       ///< founders of groups first, then as in the snapshot
  std::vector<std::int32_t> place;        ///< of births[i] in `order`
  std::vector<std::int32_t> subtree_end;  ///< one behind its last descendant in `order`
  bool deep = false;                      ///< others than the root adopt orphans too
  bool siblings = false;  ///< some fork each other, or others were placed first for their sake

  Birth& At(BirthIndex i) { return births[static_cast<std::size_t>(i)]; }
  const Birth& At(BirthIndex i) const { return births[static_cast<std::size_t>(i)]; }
  /// Whether `low` is `high` or descends from it. Needs `order`.
  bool Descends(BirthIndex low, BirthIndex high) const {
    auto p = place[static_cast<std::size_t>(low)];
    return place[static_cast<std::size_t>(high)] <= p &&
           p < subtree_end[static_cast<std::size_t>(high)];
  }
};

/// Gives every process a parent and a session to be born in, and invents the processes that are
/// gone: dead session leaders, dead group leaders, and parents of orphans, as few as it can. Here
/// nobody but the root adopts orphans; adoption.h goes further. `siblings`: children of the root
/// may be forked by others of them (CLONE_PARENT). REQUIRES: CheckTree() filled tree->numbers.
/// Errors: *refusal has the process and the rule. Cost: O(n log n). Rules: process-tree grammar
/// (fork, setsid, exit); ksys_setsid; forget_original_parent.
Result BuildBirthTree(const TreeSnapshot& snapshot, bool siblings, BirthTree* tree,
                      TreeRefusal* refusal);

/// The snapshot's processes as births with their own parents; birth_sid of leaders is left open.
void EnterProcesses(const std::vector<TreeNode>& nodes, BirthTree* tree);

/// The process that everybody in a session descends from: its leader, or the root for session 0.
BirthIndex SessionHome(const BirthTree& tree, Slot session);

/// Adds a process that the snapshot does not have; its pid's number gets to know it.
BirthIndex InventProcess(Birth birth, BirthTree* tree);

/// A leader for every session whose leader is gone, for the time being a child of the root.
void InventDeadSessionLeaders(BirthTree* tree);

/// A founder for every group whose founder is gone, as a child of its session's home.
void InventDeadGroupLeaders(BirthTree* tree);

/// Whether process i is q's child from its birth on; what it forks with CLONE_PARENT is then, too.
bool IsBornAsChild(const BirthTree& tree, BirthIndex i, BirthIndex q);

/// The same, or process i is invented and its parent can fork it with CLONE_PARENT.
bool CanBeBornAsChild(const BirthTree& tree, BirthIndex i, BirthIndex q);

/// Makes orphan i a child of its adopter from its birth on. REQUIRES: CanBeBornAsChild() of its
/// parent and its adopter.
void ForkForAdopter(BirthIndex i, BirthTree* tree);

/// Fills order, children, place and subtree_end. kError: some births do not descend from the root.
Result OrderBirths(BirthTree* tree);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/births.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "generator/tree/orphans.h"

namespace crgen {
namespace {

constexpr BirthIndex kRoot(0);

/// Decides in which session each process is born, and which processes are orphans.
class SessionResolver {
 public:
  SessionResolver(const TreeSnapshot& snapshot, BirthTree* tree, TreeRefusal* refusal)
      : nodes_(snapshot.nodes), tree_(*tree), refusal_(refusal) {}

  Result Run(std::vector<BirthIndex>* orphans) {
    EnterProcesses(nodes_, &tree_);
    for (BirthIndex i(nodes_.size() - 1); i > kRoot; i = BirthIndex(i - 1)) {
      if (Failed(Demand(i, orphans))) return Result::kError;
    }
    std::reverse(orphans->begin(), orphans->end());
    for (BirthIndex i(1); i < BirthIndex(nodes_.size()); ++i) {
      Birth& birth = tree_.At(i);
      if (birth.birth_sid == kNoSlot) birth.birth_sid = tree_.At(birth.parent).sid;
    }
    MarkOutsideGroup();
    return Result::kOk;
  }

 private:
  /// Process i must be born in its birth_sid (if known): by its parent, before or after the
  /// parent's setsid, or else by a process that is gone. Parents come later than their children
  /// here, so a leader's demands are complete when its own turn comes.
  Result Demand(BirthIndex i, std::vector<BirthIndex>* orphans) {
    Birth& birth = tree_.At(i);
    Birth& parent = tree_.At(birth.parent);
    if (birth.birth_sid == kNoSlot || birth.birth_sid == parent.sid ||
        birth.birth_sid == parent.birth_sid) {
      return Result::kOk;
    }
    if (parent.leader() && parent.birth_sid == kNoSlot) {
      parent.birth_sid = birth.birth_sid;
      return Result::kOk;
    }
    if (birth.parent == kRoot) {
      birth.adopter = kRoot;
      orphans->push_back(i);
      return Result::kOk;
    }
    const NumberTable& numbers = tree_.numbers;
    std::string reason = "it must be born in session " + Name(birth.birth_sid) +
                         ", but its parent " + Name(parent.pid);
    if (parent.leader()) {
      reason += " leads session " + Name(parent.sid) + " and must be born in session " +
                Name(parent.birth_sid) + ", for another child";
    } else {
      reason += " is in session " + Name(parent.sid) + " all its life";
    }
    *refusal_ = {numbers[birth.pid].value, reason + "; only the reaper adopts orphans"};
    return Result::kError;
  }

  void MarkOutsideGroup() {
    Slot outside = tree_.numbers.Find(0);
    for (BirthIndex i(nodes_.size() - 1); i >= kRoot; i = BirthIndex(i - 1)) {
      Birth& birth = tree_.At(i);
      if (birth.pgid == outside) birth.outside_group = true;
      if (i == kRoot || !birth.outside_group || birth.birth_sid != outside) continue;
      tree_.At(birth.parent).outside_group = true;
    }
  }

  std::string Name(Slot slot) const { return std::to_string(tree_.numbers[slot].value); }

  const std::vector<TreeNode>& nodes_;
  BirthTree& tree_;
  TreeRefusal* refusal_;
};

/// A root that is not init must become a subreaper to adopt anybody. It need not if the dead
/// parents of all orphans can fork them for it.
void SpareRootFromAdopting(BirthTree* tree) {
  for (const Birth& birth : tree->births) {
    if (birth.adopter == kRoot && !CanBeBornAsChild(*tree, birth.parent, kRoot)) return;
  }
  for (std::size_t i = 0; i < tree->births.size(); ++i) {
    if (tree->births[i].adopter == kRoot) ForkForAdopter(BirthIndex(i), tree);
  }
}

}  // namespace

void EnterProcesses(const std::vector<TreeNode>& nodes, BirthTree* tree) {
  const NumberTable& numbers = tree->numbers;
  tree->births.assign(nodes.size(), Birth{});
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    Birth& birth = tree->births[i];
    birth.pid = numbers.Find(nodes[i].pid);
    birth.sid = numbers.Find(nodes[i].sid);
    birth.pgid = numbers.Find(nodes[i].pgid);
    birth.parent = BirthIndex(nodes[i].parent);
    birth.dies = nodes[i].zombie;
    if (!birth.leader()) birth.birth_sid = birth.sid;
  }
  tree->births[kRoot].birth_sid = numbers.Find(0);
}

BirthIndex SessionHome(const BirthTree& tree, Slot session) {
  return tree.numbers[session].value == 0 ? kRoot : tree.numbers[session].process;
}

BirthIndex InventProcess(Birth birth, BirthTree* tree) {
  const BirthIndex index(tree->births.size());
  birth.dies = true;
  tree->numbers[birth.pid].process = index;
  tree->births.push_back(birth);
  return index;
}

bool IsBornAsChild(const BirthTree& tree, BirthIndex i, BirthIndex q) {
  while (tree.At(i).sibling) i = tree.At(i).parent;
  return tree.At(i).parent == q;
}

bool CanBeBornAsChild(const BirthTree& tree, BirthIndex i, BirthIndex q) {
  const Birth& birth = tree.At(i);
  return IsBornAsChild(tree, i, q) ||
         (birth.origin != Origin::kSnapshot && IsBornAsChild(tree, birth.parent, q));
}

void ForkForAdopter(BirthIndex i, BirthTree* tree) {
  Birth& birth = tree->At(i);
  if (!IsBornAsChild(*tree, birth.parent, birth.adopter)) tree->At(birth.parent).sibling = true;
  birth.sibling = tree->siblings = true;
  birth.adopter = {};
}

void InventDeadSessionLeaders(BirthTree* tree) {
  const Slot nr_slots(tree->numbers.size());
  for (Slot slot(0); slot < nr_slots; ++slot) {
    const Number& number = tree->numbers[slot];
    if (!number.session || number.process >= 0 || number.value == 0) continue;
    InventProcess({.pid = slot,
                   .parent = kRoot,
                   .birth_sid = tree->At(kRoot).sid,
                   .sid = slot,
                   .pgid = slot,
                   .origin = Origin::kDeadSessionLeader},
                  tree);
  }
}

void InventDeadGroupLeaders(BirthTree* tree) {
  const Slot nr_slots(tree->numbers.size());
  for (Slot slot(0); slot < nr_slots; ++slot) {
    const Number& number = tree->numbers[slot];
    if (number.group_session == kNoSlot || number.group_session == slot) continue;
    if (number.process >= 0 || number.value == 0) continue;
    InventProcess({.pid = slot,
                   .parent = SessionHome(*tree, number.group_session),
                   .birth_sid = number.group_session,
                   .sid = number.group_session,
                   .origin = Origin::kDeadGroupLeader},
                  tree);
  }
}

Result BuildBirthTree(const TreeSnapshot& snapshot, bool siblings, BirthTree* tree,
                      TreeRefusal* refusal) {
  std::vector<BirthIndex> orphans;
  if (Failed(SessionResolver(snapshot, tree, refusal).Run(&orphans))) return Result::kError;
  if (Failed(PlaceOrphans(orphans, siblings, tree, refusal))) return Result::kError;
  const TreeNode& root = snapshot.nodes[kRoot];
  if (siblings && root.pid != 1 && !root.subreaper) SpareRootFromAdopting(tree);
  return Result::kOk;
}

Result OrderBirths(BirthTree* tree) {
  std::size_t n = tree->births.size();
  tree->first_child.assign(n + 1, ChildIndex(0));
  for (const Birth& birth : tree->births) {
    if (birth.parent >= 0) ++tree->first_child[static_cast<std::size_t>(birth.parent) + 1];
  }
  for (std::size_t i = 0; i < n; ++i) {
    tree->first_child[i + 1] = ChildIndex(tree->first_child[i + 1] + tree->first_child[i]);
  }
  tree->children.assign(n, {});
  std::vector<ChildIndex> next(tree->first_child.begin(), tree->first_child.end() - 1);
  auto append = [&](bool founders) {
    for (std::size_t i = 0; i < n; ++i) {
      const Birth& birth = tree->births[i];
      if (birth.parent < 0 || (birth.origin == Origin::kDeadGroupLeader) != founders) continue;
      auto& place = next[static_cast<std::size_t>(birth.parent)];
      tree->children[static_cast<std::size_t>(place)] = BirthIndex(i);
      ++place;
    }
  };
  append(true);
  append(false);
  tree->order.clear();
  tree->order.reserve(n);
  std::vector<BirthIndex> stack{kRoot};
  tree->place.assign(n, -1);
  while (!stack.empty()) {
    BirthIndex i = stack.back();
    stack.pop_back();
    auto index = static_cast<std::size_t>(i);
    tree->place[index] = static_cast<std::int32_t>(tree->order.size());
    tree->order.push_back(i);
    const auto children = tree->children.begin();
    std::reverse_copy(children + tree->first_child[index], children + tree->first_child[index + 1],
                      std::back_inserter(stack));
  }
  if (tree->order.size() != n) return Result::kError;
  tree->subtree_end.assign(n, 0);
  for (std::size_t k = n; k-- > 0;) {
    auto i = static_cast<std::size_t>(tree->order[k]);
    auto& end = tree->subtree_end[i];
    end = std::max(end, tree->place[i] + 1);
    if (tree->births[i].parent < 0) continue;
    auto& above = tree->subtree_end[static_cast<std::size_t>(tree->births[i].parent)];
    above = std::max(above, end);
  }
  return Result::kOk;
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/gone.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace crgen {
namespace {

/// The groups and sessions of a tree: in which session each group is.
std::unordered_map<Pid, Pid> GroupsOf(const TreeSnapshot& tree) {
  std::unordered_map<Pid, Pid> session_of;
  for (const TreeNode& node : tree.nodes) {
    session_of.emplace(node.pgid, node.sid);
    if (node.sid != 0) session_of[node.sid] = node.sid;
  }
  return session_of;
}

}  // namespace

Result AddGone(const TreeSnapshot& snapshot, TreeSnapshot* standing, TreeRefusal* refusal) {
  standing->nodes = snapshot.nodes;
  std::unordered_set<Pid> taken;
  for (const TreeNode& node : snapshot.nodes) {
    taken.insert(node.pid);
    taken.insert(node.tids.begin(), node.tids.end());
  }
  const std::unordered_map<Pid, Pid> session_of = GroupsOf(snapshot);
  std::vector<TreeNode> leaders;
  for (const Pid pid : snapshot.gone) {
    if (!taken.insert(pid).second) {
      *refusal = {pid, "has the number of a process that is gone, of which files are open"};
      return Result::kError;
    }
    const auto group = session_of.find(pid);
    if (group == session_of.end()) {
      standing->nodes.front().tids.push_back(pid);  // nobody who is invented gets it
      continue;
    }
    TreeNode leader;
    leader.pid = pid;
    leader.pgid = pid;
    leader.sid = group->second;
    leader.parent = ProcessIndex(0);
    leaders.push_back(std::move(leader));
  }
  // First among the root's children, so that they are there when others inherit.
  for (TreeNode& node : standing->nodes) {
    if (node.parent > 0) node.parent = ProcessIndex(node.parent.value + leaders.size());
  }
  standing->nodes.insert(std::next(standing->nodes.begin()), leaders.begin(), leaders.end());
  return Result::kOk;
}

void PlanGone(const TreeSnapshot& snapshot, TreePlan* plan) {
  const Pid root = snapshot.nodes.front().pid;
  const std::unordered_map<Pid, Pid> session_of = GroupsOf(snapshot);
  std::vector<TreeOp> births, ends;
  for (const Pid pid : snapshot.gone) {
    if (!session_of.contains(pid)) births.push_back({TreeOp::Kind::kFork, false, root, pid});
    ends.push_back({TreeOp::Kind::kExit, false, pid, 0});
    ends.push_back({TreeOp::Kind::kWait, false, root, pid});
    plan->invented.push_back({pid, "files of its directory in /proc are open"});
  }
  // Behind the root's own birth: descriptions that are inherited are opened when they are there.
  plan->ops.insert(std::next(plan->ops.begin()), births.begin(), births.end());
  plan->ops.insert(plan->ops.end(), ends.begin(), ends.end());
  plan->last = ends.size();
}

}  // namespace crgen

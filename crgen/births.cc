// SPDX-License-Identifier: Apache-2.0
#include "crgen/births.h"

#include <unordered_map>
#include <unordered_set>

namespace crgen {
namespace {

/// Follows the calls of a plan as far as parents, groups and sessions go.
class Follower {
 public:
  Follower(const TreeSnapshot& tree, const TreePlan& plan) {
    for (const TreeNode& node : tree.nodes) nodes_[node.pid] = &node;
    for (const TreeNode& node : tree.nodes) {
      if (node.parent >= 0) final_parent_[node.pid] = tree.nodes[node.parent].pid;
    }
    for (const TreeOp& op : plan.ops) Follow(op);
    for (DrawnBirth& birth : births_) Finish(&birth);
  }

  std::vector<DrawnBirth> births() && { return std::move(births_); }

 private:
  void Follow(const TreeOp& op) {
    switch (op.kind) {
      case TreeOp::Kind::kFork: {
        index_[op.arg] = births_.size();
        DrawnBirth birth = {op.arg, op.pid};
        if (const auto creator = index_.find(op.pid); creator != index_.end()) {
          birth.pgid = births_[creator->second].pgid;
          birth.sid = births_[creator->second].sid;
        }
        parent_[op.arg] = op.clone_parent ? ParentOf(op.pid) : op.pid;
        births_.push_back(birth);
        break;
      }
      case TreeOp::Kind::kSetSid: {
        DrawnBirth& leader = births_[index_.at(op.pid)];
        leader.sid = leader.pgid = op.pid;
        break;
      }
      case TreeOp::Kind::kSetPgid:
        births_[index_.at(op.pid)].pgid = op.arg;
        break;
      case TreeOp::Kind::kExit:
        gone_.insert(op.pid);
        break;
      case TreeOp::Kind::kWait:
      case TreeOp::Kind::kSetSubreaper:
        break;
    }
  }

  /// At the moment: who has been adopted is where it is in the end.
  Pid ParentOf(Pid pid) const {
    const Pid parent = parent_.at(pid);
    const auto last = final_parent_.find(pid);
    return gone_.contains(parent) && last != final_parent_.end() ? last->second : parent;
  }

  void Finish(DrawnBirth* birth) const {
    const auto found = nodes_.find(birth->pid);
    birth->invented = found == nodes_.end();
    if (birth->invented) return;
    const TreeNode& node = *found->second;
    birth->pgid = node.pgid;
    birth->sid = node.sid;
    birth->zombie = node.zombie;
    birth->subreaper = node.subreaper;
    birth->threads = node.tids.size();
    const auto last = final_parent_.find(birth->pid);
    if (last != final_parent_.end() && last->second != parent_.at(birth->pid))
      birth->adopter = last->second;
  }

  std::unordered_map<Pid, const TreeNode*> nodes_;
  std::unordered_map<Pid, Pid> final_parent_;
  std::unordered_map<Pid, Pid> parent_;  // at birth
  std::unordered_map<Pid, std::size_t> index_;
  std::unordered_set<Pid> gone_;
  std::vector<DrawnBirth> births_;
};

}  // namespace

std::vector<DrawnBirth> BirthsOf(const TreeSnapshot& tree, const TreePlan& plan) {
  return Follower(tree, plan).births();
}

}  // namespace crgen

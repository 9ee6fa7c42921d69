// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/consistency.h"

#include <string>

namespace crgen {
namespace {

std::string Text(Pid pid) { return std::to_string(pid); }

class Consistency {
 public:
  Consistency(const TreeSnapshot& snapshot, NumberTable* numbers, TreeRefusal* refusal)
      : nodes_(snapshot.nodes), numbers_(*numbers), refusal_(refusal) {}

  Result Run() {
    if (nodes_.empty()) return Refuse(0, "the tree has no process");
    if (Failed(CheckShape()) || Failed(EnterPids()) || Failed(CheckRoot())) return Result::kError;
    for (const TreeNode& node : nodes_) {
      if (Failed(CheckInit(node)) || Failed(CheckSession(node)) || Failed(CheckGroup(node))) {
        return Result::kError;
      }
    }
    for (const TreeNode& node : nodes_) {
      if (Failed(CheckNames(node))) return Result::kError;
    }
    return Result::kOk;
  }

 private:
  Result CheckShape() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const TreeNode& node = nodes_[i];
      if (node.pid <= 0 || node.pid >= kPidLimit)
        return Refuse(node.pid, "the pid is out of range");
      for (Pid tid : node.tids) {
        if (tid <= 0 || tid >= kPidLimit) return Refuse(node.pid, "a tid is out of range");
      }
      if (node.pgid < 0 || node.pgid >= kPidLimit || node.sid < 0 || node.sid >= kPidLimit) {
        return Refuse(node.pid, "the group or session is out of range");
      }
      if (i == 0 ? node.parent != -1
                 : node.parent < 0 || static_cast<std::size_t>(node.parent) >= i) {
        return Refuse(node.pid, "the parent does not stand before the process");
      }
      if (i != 0 && nodes_[static_cast<std::size_t>(node.parent)].zombie) {
        return Refuse(node.pid, "its parent is a zombie; an exit gives all children away");
      }
    }
    return Result::kOk;
  }

  Result EnterPids() {
    numbers_.Add(0);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      Number& number = numbers_[numbers_.Add(nodes_[i].pid)];
      if (number.process >= 0) return Refuse(nodes_[i].pid, "two processes have this pid");
      number.process = BirthIndex(i);
    }
    for (const TreeNode& node : nodes_) {
      for (Pid tid : node.tids) {
        Number& number = numbers_[numbers_.Add(tid)];
        if (number.process >= 0 || number.tid) {
          return Refuse(node.pid, "tid " + Text(tid) + " is the number of another task");
        }
        number.tid = true;
      }
    }
    return Result::kOk;
  }

  Result CheckRoot() {
    const TreeNode& root = nodes_[0];
    if (root.pid == 1 && root.zombie)
      return Refuse(1, "init is a zombie: its exit ends the namespace");
    if (root.sid != 0 && root.sid != root.pid) {
      return Refuse(root.pid, "the root is in session " + Text(root.sid) +
                                  ", which it neither leads nor inherits from outside (0)");
    }
    return Result::kOk;
  }

  /// Process 1 is the init of its pid namespace, which outlives all others: nobody stands in for
  /// it.
  Result CheckInit(const TreeNode& node) {
    if (nodes_[0].pid == 1 || (node.sid != 1 && node.pgid != 1)) return Result::kOk;
    return Refuse(node.pid, std::string("it is in ") + (node.sid == 1 ? "session" : "group") +
                                " 1, of the init of its pid namespace, which is not in the tree");
  }

  Result CheckSession(const TreeNode& node) {
    Slot slot = numbers_.Add(node.sid);
    Number& session = numbers_[slot];
    if (session.tid) {
      return Refuse(node.pid, "session " + Text(node.sid) + " has the number of a thread");
    }
    if (session.process >= 0 && nodes_[static_cast<std::size_t>(session.process)].sid != node.sid) {
      return Refuse(node.pid, "it is in session " + Text(node.sid) + ", but process " +
                                  Text(node.sid) + " is in another session; a leader never leaves");
    }
    if (node.sid == node.pid && node.pgid != node.pid) {
      return Refuse(node.pid, "it leads its session but is in group " + Text(node.pgid) +
                                  "; a session leader's group is its own pid");
    }
    session.session = true;
    return Result::kOk;
  }

  Result CheckGroup(const TreeNode& node) {
    if (node.pgid == 0 && node.sid != 0) {
      return Refuse(node.pid,
                    "it is in the group outside the tree, but not in the session outside");
    }
    Slot session = numbers_.Find(node.sid);
    Number& group = numbers_[numbers_.Add(node.pgid)];
    if (group.tid) {
      return Refuse(node.pid, "group " + Text(node.pgid) + " has the number of a thread");
    }
    if (group.group_session != kNoSlot && group.group_session != session) {
      return Refuse(node.pid, "group " + Text(node.pgid) + " spans sessions " +
                                  Text(numbers_[group.group_session].value) + " and " +
                                  Text(node.sid));
    }
    group.group_session = session;
    ++group.nr_members;
    return Result::kOk;
  }

  /// Needs all sessions and groups to be entered.
  Result CheckNames(const TreeNode& node) {
    if (node.pgid == node.sid) return Result::kOk;
    const Number& group = numbers_[numbers_.Find(node.pgid)];
    if (node.pid != node.pgid && group.process >= 0 &&
        nodes_[static_cast<std::size_t>(group.process)].pgid == 0) {
      return Refuse(node.pgid, "it must have founded group " + Text(node.pgid) +
                                   ", but is in the group outside, which nobody can come back to");
    }
    if (group.session) {
      return Refuse(node.pid, "group " + Text(node.pgid) + " is in session " + Text(node.sid) +
                                  ", but a session has its name too");
    }
    if (group.process >= 0 && nodes_[static_cast<std::size_t>(group.process)].sid != node.sid) {
      return Refuse(node.pid, "group " + Text(node.pgid) + " is in session " + Text(node.sid) +
                                  ", but process " + Text(node.pgid) + " is in another");
    }
    return Result::kOk;
  }

  Result Refuse(Pid pid, std::string reason) {
    *refusal_ = {pid, std::move(reason)};
    return Result::kError;
  }

  const std::vector<TreeNode>& nodes_;
  NumberTable& numbers_;
  TreeRefusal* refusal_;
};

}  // namespace

Result CheckTree(const TreeSnapshot& snapshot, NumberTable* numbers, TreeRefusal* refusal) {
  return Consistency(snapshot, numbers, refusal).Run();
}

}  // namespace crgen

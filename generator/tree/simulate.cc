// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/simulate.h"

#include <optional>
#include <utility>

#include "generator/tree/forest.h"
#include "generator/tree/numbers.h"

namespace crgen {
namespace {

constexpr SimulatedIndex kNone;
constexpr SimulatedIndex kRestorer(0);

struct Process {
  Pid pid = 0;
  Pid pgid = 0;
  Pid sid = 0;
  SimulatedIndex parent = kNone;
  SimulatedIndex first_child = kNone;
  SimulatedIndex previous = kNone;  ///< siblings, in no particular order
  SimulatedIndex next = kNone;
  bool zombie = false;
  bool subreaper = false;
  bool gone = false;
};

/// Uses of a number; a pid is free when there are none.
struct Uses {
  SimulatedIndex process = kNone;
  std::int32_t group_members = 0;
  std::int32_t session_members = 0;
  Pid group_session = 0;
  bool tid = false;
};

class Simulator {
 public:
  Simulator(const TreeSnapshot& snapshot, std::size_t nr_ops, SimulationError* error)
      : snapshot_(snapshot), error_(error), numbers_(snapshot.nodes.size() * 2 + 16) {
    processes_.reserve(nr_ops / 2 + 2);
    processes_.push_back(Process{});
    UsesOf(0).process = kRestorer;
    UsesOf(0).group_members = UsesOf(0).session_members = 1;
    for (const TreeNode& node : snapshot.nodes) {
      for (Pid tid : node.tids) UsesOf(tid).tid = true;
    }
  }

  Result Run(const std::vector<TreeOp>& ops) {
    for (std::size_t i = 0; i < ops.size(); ++i) {
      error_->op = i;
      if (Failed(Execute(ops[i]))) return Result::kError;
    }
    error_->op = ops.size();
    return Compare();
  }

 private:
  Result Execute(const TreeOp& op) {
    SimulatedIndex self = UsesOf(op.pid).process;
    if (self == kNone || At(self).zombie) return Fail(op.pid, "no living process has this pid");
    if (self == kRestorer && op.kind != TreeOp::Kind::kWait &&
        (op.kind != TreeOp::Kind::kFork || op.clone_parent || processes_.size() != 1)) {
      return Fail(0, "the restorer forks the root and waits, nothing else");
    }
    switch (op.kind) {
      case TreeOp::Kind::kFork:
        return Fork(self, op);
      case TreeOp::Kind::kSetSid:
        return SetSid(self);
      case TreeOp::Kind::kSetPgid:
        return SetPgid(self, op.arg);
      case TreeOp::Kind::kExit:
        return Exit(self);
      case TreeOp::Kind::kWait:
        return Wait(self, op.arg);
      case TreeOp::Kind::kSetSubreaper:
        At(self).subreaper = op.arg != 0;
        if (!forest_) EnterForest();
        forest_->Mark(self, At(self).subreaper);
        return Result::kOk;
    }
    return Fail(op.pid, "unknown command");
  }

  Result Fork(SimulatedIndex caller, const TreeOp& op) {
    if (op.arg <= 0 || op.arg >= kPidLimit) return Fail(op.arg, "fork: the pid is out of range");
    Uses& uses = UsesOf(op.arg);
    if (uses.process != kNone || uses.group_members != 0 || uses.session_members != 0 || uses.tid) {
      return Fail(op.arg, "fork: the number is taken (EEXIST)");
    }
    SimulatedIndex parent = caller;
    if (op.clone_parent) {
      parent = At(caller).parent;
      if (parent == kRestorer || op.pid == 1)
        return Fail(op.pid, "CLONE_PARENT by the root (EINVAL)");
    }
    auto child = SimulatedIndex(processes_.size());
    uses.process = child;
    Process process;
    process.pid = op.arg;
    process.pgid = At(caller).pgid;
    process.sid = At(caller).sid;
    processes_.push_back(process);
    ++UsesOf(process.pgid).group_members;
    ++UsesOf(process.sid).session_members;
    Link(child, parent);
    if (forest_) forest_->Add(parent);
    return Result::kOk;
  }

  Result SetSid(SimulatedIndex self) {
    Process& process = At(self);
    if (process.sid == process.pid) return Fail(process.pid, "setsid: leads a session (EPERM)");
    if (UsesOf(process.pid).group_members != 0) {
      return Fail(process.pid, "setsid: its group has members (EPERM)");
    }
    --UsesOf(process.sid).session_members;
    process.sid = process.pid;
    ++UsesOf(process.sid).session_members;
    Move(process, process.pid);
    return Result::kOk;
  }

  Result SetPgid(SimulatedIndex self, Pid pgid) {
    Process& process = At(self);
    if (process.sid == process.pid) return Fail(process.pid, "setpgid: leads a session (EPERM)");
    if (pgid <= 0) return Fail(process.pid, "setpgid: no group of this tree");
    if (pgid != process.pid) {
      const Uses& uses = UsesOf(pgid);
      if (uses.group_members == 0 || uses.group_session != process.sid) {
        return Fail(process.pid, "setpgid: no such group in this session (EPERM)");
      }
    }
    Move(process, pgid);
    return Result::kOk;
  }

  Result Exit(SimulatedIndex self) {
    if (At(self).parent == kRestorer && At(self).pid == 1) {
      return Fail(1, "exit: init's exit ends the namespace");
    }
    At(self).zombie = true;
    if (At(self).subreaper) forest_->Mark(self, false);
    if (At(self).first_child == kNone) return Result::kOk;
    SimulatedIndex heir = Heir(self);
    while (At(self).first_child != kNone) {
      SimulatedIndex child = At(self).first_child;
      Unlink(child);
      Link(child, heir);
      if (forest_) forest_->Hang(child, heir);
    }
    return Result::kOk;
  }

  /// The nearest living ancestor that is a subreaper, else the reaper.
  SimulatedIndex Heir(SimulatedIndex self) {
    constexpr SimulatedIndex kRoot(1);
    SimulatedIndex subreaper = forest_ ? forest_->NearestMarked(self) : kNone;
    if (subreaper != kNone) return subreaper;
    return At(kRoot).pid == 1 ? kRoot : kRestorer;
  }

  void EnterForest() {
    forest_.emplace();
    forest_->Reserve(processes_.capacity());
    for (const Process& process : processes_) forest_->Add(process.parent);
  }

  Result Wait(SimulatedIndex self, Pid pid) {
    SimulatedIndex child = UsesOf(pid).process;
    if (child == kNone || At(child).parent != self || !At(child).zombie) {
      return Fail(pid, "wait: not a zombie child of the caller");
    }
    Unlink(child);
    At(child).gone = true;
    UsesOf(pid).process = kNone;
    --UsesOf(At(child).sid).session_members;
    --UsesOf(At(child).pgid).group_members;
    return Result::kOk;
  }

  Result Compare() {
    std::size_t left = 0;
    for (const Process& process : processes_) left += process.gone ? 0 : 1;
    for (const TreeNode& node : snapshot_.nodes) {
      SimulatedIndex self = UsesOf(node.pid).process;
      if (self <= kRestorer) return Fail(node.pid, "the process is missing at the end");
      const Process& process = At(self);
      Pid parent = node.parent < 0 ? 0 : snapshot_.nodes[static_cast<std::size_t>(node.parent)].pid;
      if (At(process.parent).pid != parent) return Fail(node.pid, "ends with another parent");
      if (process.pgid != node.pgid) return Fail(node.pid, "ends in another group");
      if (process.sid != node.sid) return Fail(node.pid, "ends in another session");
      if (process.zombie != node.zombie) return Fail(node.pid, "ends in another state");
      if (process.subreaper != node.subreaper) return Fail(node.pid, "ends with another flag");
    }
    if (left != snapshot_.nodes.size() + 1) return Fail(0, "invented processes are left over");
    return Result::kOk;
  }

  void Move(Process& process, Pid pgid) {
    --UsesOf(process.pgid).group_members;
    process.pgid = pgid;
    Uses& uses = UsesOf(pgid);
    ++uses.group_members;
    uses.group_session = process.sid;
  }

  void Link(SimulatedIndex child, SimulatedIndex parent) {
    At(child).parent = parent;
    At(child).previous = kNone;
    At(child).next = At(parent).first_child;
    if (At(child).next != kNone) At(At(child).next).previous = child;
    At(parent).first_child = child;
  }

  void Unlink(SimulatedIndex child) {
    const Process& process = At(child);
    if (process.next != kNone) At(process.next).previous = process.previous;
    if (process.previous != kNone) {
      At(process.previous).next = process.next;
    } else {
      At(process.parent).first_child = process.next;
    }
  }

  Result Fail(Pid pid, const char* what) {
    error_->pid = pid;
    error_->what = what;
    return Result::kError;
  }

  Process& At(SimulatedIndex index) { return processes_[static_cast<std::size_t>(index)]; }

  /// Valid until the next call.
  Uses& UsesOf(Pid number) {
    auto slot = static_cast<std::size_t>(numbers_.Add(number));
    if (slot >= uses_.size()) uses_.resize(slot + slot / 2 + 16);
    return uses_[slot];
  }

  const TreeSnapshot& snapshot_;
  SimulationError* error_;
  NumberTable numbers_;
  std::vector<Uses> uses_;
  std::vector<Process> processes_;
  std::optional<Forest<SimulatedIndex>> forest_;  ///< marks subreapers; made for the first one
};

}  // namespace

Result SimulateTree(const TreeSnapshot& snapshot, const std::vector<TreeOp>& ops,
                    SimulationError* error) {
  return Simulator(snapshot, ops.size(), error).Run(ops);
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/alternatives.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace crgen {
namespace {

using Kind = TreeOp::Kind;

struct Task {
  Pid pid = 0, pgid = 0, sid = 0, parent = 0;
  bool zombie = false;
  bool subreaper = false;
  friend bool operator==(const Task&, const Task&) = default;
};

/// All processes that are there, ascending by pid; the first is the restorer, 0.
struct State {
  std::vector<Task> tasks;
  std::vector<Pid> born;  ///< numbers that have had a process, ascending
  friend bool operator==(const State&, const State&) = default;

  const Task* Find(Pid pid) const {
    const auto at = std::ranges::lower_bound(tasks, pid, {}, &Task::pid);
    return at != tasks.end() && at->pid == pid ? &*at : nullptr;
  }
  Task* Find(Pid pid) { return const_cast<Task*>(std::as_const(*this).Find(pid)); }
  bool WasBorn(Pid pid) const { return std::ranges::binary_search(born, pid); }
};

/// What the search knows of the end.
class Goal {
 public:
  Goal(const TreeSnapshot& snapshot, const TreePlan& plan) {
    Pid largest = 0;
    for (const TreeNode& node : snapshot.nodes) {
      const Pid parent = node.parent < 0 ? 0 : NodeAt(snapshot, node.parent).pid;
      nodes_[node.pid] = {node.pid, node.pgid, node.sid, parent, node.zombie, node.subreaper};
      for (const Pid number : {node.pid, node.pgid, node.sid}) largest = std::max(largest, number);
      for (const Pid tid : node.tids) {
        tids_.insert(tid);
        largest = std::max(largest, tid);
      }
    }
    for (const TreeNode& node : snapshot.nodes) {
      for (const Pid number : {node.pgid, node.sid}) {
        if (number != 0 && !nodes_.contains(number)) dead_.insert(number);
      }
    }
    root_ = snapshot.nodes[0].pid;
    first_free_ = largest + 1;
    for (const TreeOp& op : plan.ops) {
      siblings = siblings || op.clone_parent;
      subreapers = subreapers || op.kind == Kind::kSetSubreaper;
    }
  }

  bool siblings = false, subreapers = false;  ///< allowed
  Pid root() const { return root_; }
  bool IsInvented(Pid pid) const { return pid != 0 && !nodes_.contains(pid); }

  /// Numbers with which somebody may be born now.
  std::vector<Pid> Newborns(const State& state) const {
    std::vector<Pid> pids;
    const auto add = [&](Pid pid) {
      if (!state.WasBorn(pid) && !tids_.contains(pid)) pids.push_back(pid);
    };
    for (const auto& [pid, task] : nodes_) add(pid);
    for (const Pid pid : dead_) add(pid);
    Pid free = first_free_;
    while (state.WasBorn(free)) ++free;
    add(free);
    return pids;
  }

  /// No fewer commands lead to the end; nothing: none do.
  std::optional<std::size_t> Least(const State& state) const {
    std::size_t least = 0;
    for (const Task& task : state.tasks) {
      if (task.pid == 0) continue;
      const auto end = nodes_.find(task.pid);
      if (end == nodes_.end()) {
        least += task.zombie ? 1 : 2;
        continue;
      }
      const std::optional<std::size_t> own = Least(task, end->second);
      if (!own) return std::nullopt;
      least += *own;
    }
    for (const auto& [pid, end] : nodes_) {
      if (state.WasBorn(pid)) continue;
      least += 1U + (end.sid == pid) + end.zombie + end.subreaper;
    }
    // A fork, a setsid or a setpgid, an exit, a wait.
    for (const Pid pid : dead_) least += state.WasBorn(pid) ? 0 : 4;
    return least;
  }

  bool IsReached(const State& state) const {
    return state.tasks.size() == nodes_.size() + 1 &&
           std::ranges::all_of(nodes_, [&](const auto& node) {
             const Task* task = state.Find(node.first);
             return task != nullptr && *task == node.second;
           });
  }

 private:
  static const TreeNode& NodeAt(const TreeSnapshot& snapshot, ProcessIndex index) {
    return snapshot.nodes[static_cast<std::size_t>(index.value)];
  }

  std::optional<std::size_t> Least(const Task& task, const Task& end) const {
    const bool placed = task.pgid == end.pgid && task.sid == end.sid;
    const bool leads = task.sid == task.pid, must_lead = end.sid == end.pid;
    if (task.zombie && (!end.zombie || !placed)) return std::nullopt;
    if (!task.zombie && ((leads && !must_lead) || (!must_lead && task.sid != end.sid))) {
      return std::nullopt;
    }
    if (task.parent != end.parent) {  // only its parent's end changes that
      const auto parent = nodes_.find(task.parent);
      if (task.parent == 0 || (parent != nodes_.end() && !parent->second.zombie)) {
        return std::nullopt;
      }
    }
    if (task.zombie) return 0;
    return std::size_t{!placed} + end.zombie + (task.subreaper != end.subreaper && !end.zombie);
  }

  std::map<Pid, Task> nodes_;
  std::set<Pid> dead_, tids_;
  Pid root_ = 0, first_free_ = 0;
};

/// Whether somebody has the number as group or session.
bool IsNamed(const State& state, Pid number) {
  return std::ranges::any_of(state.tasks, [&](const Task& task) {
    return task.pid == number || task.pgid == number || task.sid == number;
  });
}

/// As the kernel does it (docs/process-trees.md); false: it refuses.
bool Execute(const TreeOp& op, const Goal& goal, State* state) {
  Task* self = state->Find(op.pid);
  if (self == nullptr || self->zombie) return false;
  switch (op.kind) {
    case Kind::kFork: {
      if (IsNamed(*state, op.arg)) return false;
      if (op.clone_parent && (self->parent == 0 || self->pid == 1)) return false;
      const Task child = {op.arg, self->pgid, self->sid, op.clone_parent ? self->parent : op.pid};
      state->tasks.insert(std::ranges::lower_bound(state->tasks, op.arg, {}, &Task::pid), child);
      state->born.insert(std::ranges::lower_bound(state->born, op.arg), op.arg);
      return true;
    }
    case Kind::kSetSid:
      if (self->sid == self->pid ||
          std::ranges::find(state->tasks, op.pid, &Task::pgid) != state->tasks.end()) {
        return false;
      }
      self->sid = self->pgid = op.pid;
      return true;
    case Kind::kSetPgid:
      if (self->sid == self->pid || op.arg <= 0 || self->pgid == op.arg) return false;
      if (op.arg != op.pid && std::ranges::none_of(state->tasks, [&](const Task& task) {
            return task.pgid == op.arg && task.sid == self->sid;
          })) {
        return false;
      }
      self->pgid = op.arg;
      return true;
    case Kind::kExit: {
      if (self->parent == 0 && self->pid == 1) return false;
      self->zombie = true;
      Pid heir = self->parent;
      while (heir != 0 && !state->Find(heir)->subreaper && heir != goal.root()) {
        heir = state->Find(heir)->parent;
      }
      if (heir == goal.root() && heir != 1 && !state->Find(heir)->subreaper) heir = 0;
      for (Task& task : state->tasks) {
        if (task.parent == op.pid && task.pid != 0) task.parent = heir;
      }
      return true;
    }
    case Kind::kWait: {
      const Task* child = state->Find(op.arg);
      if (child == nullptr || child->parent != op.pid || !child->zombie) return false;
      state->tasks.erase(state->tasks.begin() + (child - state->tasks.data()));
      return true;
    }
    case Kind::kSetSubreaper:
      if (self->subreaper == (op.arg != 0)) return false;
      self->subreaper = op.arg != 0;
      return true;
  }
  return false;
}

/// What may lead on, in the order in which independent commands are tried.
std::vector<TreeOp> Candidates(const State& state, const Goal& goal) {
  std::vector<TreeOp> ops;
  if (state.born.empty()) return {{Kind::kFork, false, 0, goal.root()}};
  const std::vector<Pid> newborns = goal.Newborns(state);
  std::set<Pid> groups;
  for (const Task& task : state.tasks) groups.insert(task.pgid);
  for (const Task& task : state.tasks) {
    if (task.zombie) {
      if (goal.IsInvented(task.pid)) ops.push_back({Kind::kWait, false, task.parent, task.pid});
      continue;
    }
    if (task.pid == 0) continue;
    for (const Pid pid : newborns) {
      ops.push_back({Kind::kFork, false, task.pid, pid});
      if (goal.siblings) ops.push_back({Kind::kFork, true, task.pid, pid});
    }
    ops.push_back({Kind::kSetSid, false, task.pid, 0});
    ops.push_back({Kind::kSetPgid, false, task.pid, task.pid});
    for (const Pid group : groups) {
      if (group != task.pid) ops.push_back({Kind::kSetPgid, false, task.pid, group});
    }
    ops.push_back({Kind::kExit, false, task.pid, 0});
    if (goal.subreapers) ops.push_back({Kind::kSetSubreaper, false, task.pid, !task.subreaper});
  }
  return ops;
}

class Search {
 public:
  Search(const TreeSnapshot& snapshot, const Goal& goal) : snapshot_(snapshot), goal_(goal) {}

  /// Depth at most `most`.
  void Run(std::size_t most, Derivations* out) {
    State start;
    start.tasks.push_back({});
    for (std::size_t length = goal_.Least(start).value_or(most + 1); length <= most; ++length) {
      if (!Reaches(start, length)) continue;
      if (states_.size() >= Derivations::kMostStates) break;
      out->commands = length;
      List(start, length, std::nullopt, out);
      return;
    }
    out->whole = false;
  }

 private:
  struct Known {
    std::size_t fails = 0;  ///< with so many commands less one, none lead there
    bool reaches = false;   ///< with `enough`
    std::size_t enough = 0;
  };

  /// Whether at most `left` commands lead from `state` to the end.
  bool Reaches(const State& state, std::size_t left) {
    const std::optional<std::size_t> least = goal_.Least(state);
    if (!least || *least > left) return false;
    if (*least == 0 && goal_.IsReached(state)) return true;
    if (left == 0 || states_.size() >= Derivations::kMostStates) return false;
    const std::string text = TextOf(state);
    if (const auto known = states_.find(text); known != states_.end()) {
      if (known->second.reaches && known->second.enough <= left) return true;
      if (known->second.fails > left) return false;
    }
    bool reaches = false;
    for (const TreeOp& op : Candidates(state, goal_)) {
      State next = state;
      reaches = Execute(op, goal_, &next) && Reaches(next, left - 1);
      if (reaches) break;
    }
    Known& known = states_[text];
    if (!reaches) known.fails = std::max(known.fails, left + 1);
    if (reaches && (!known.reaches || known.enough > left)) known = {known.fails, true, left};
    return reaches;
  }

  /// All ways of exactly `left` commands on from `state`, into which `last` has led from `before_`.
  void List(const State& state, std::size_t left, std::optional<TreeOp> last, Derivations* out) {
    if (left == 0) {
      if (!goal_.IsReached(state) || !keys_.insert(DerivationKey(snapshot_, ops_)).second) return;
      out->found.push_back(ops_);
      return;
    }
    if (out->found.size() >= Derivations::kMostFound || ++ways_ > Derivations::kMostStates) {
      out->whole = false;
      return;
    }
    const State before = before_;
    for (const TreeOp& op : Candidates(state, goal_)) {
      State next = state;
      if (!Execute(op, goal_, &next) || !Reaches(next, left - 1)) continue;
      if (last && IsBefore(op, *last) && Commute(before, *last, op, next)) continue;
      ops_.push_back(op);
      before_ = state;
      List(next, left - 1, op, out);
      ops_.pop_back();
    }
    before_ = before;
    if (states_.size() >= Derivations::kMostStates) out->whole = false;
  }

  static bool IsBefore(const TreeOp& a, const TreeOp& b) {
    const auto rank = [](const TreeOp& op) {
      return std::tuple(op.pid, static_cast<int>(op.kind), op.arg, op.clone_parent);
    };
    return rank(a) < rank(b);
  }

  /// Whether `second` and then `first` lead from `before` to `after`, too. What one process does is
  /// in order, but for forks.
  bool Commute(const State& before, const TreeOp& first, const TreeOp& second,
               const State& after) const {
    const bool forks = first.kind == Kind::kFork && second.kind == Kind::kFork;
    if (first.pid == second.pid && !forks) return false;
    State state = before;
    return Execute(second, goal_, &state) && Execute(first, goal_, &state) && state == after;
  }

  static std::string TextOf(const State& state) {
    std::string text;
    const auto number = [&](Pid value) {
      text.append(reinterpret_cast<const char*>(&value), sizeof value);
    };
    for (const Task& task : state.tasks) {
      for (const Pid value : {task.pid, task.pgid, task.sid, task.parent}) number(value);
      text += static_cast<char>(task.zombie | task.subreaper << 1);
    }
    text += '|';
    for (const Pid pid : state.born) number(pid);
    return text;
  }

  const TreeSnapshot& snapshot_;
  const Goal& goal_;
  std::unordered_map<std::string, Known> states_;
  std::unordered_set<std::string> keys_;
  std::vector<TreeOp> ops_;
  State before_;
  std::size_t ways_ = 0;
};

/// "0(f1(S f3(X )))": who is born to whom, between which calls. Invented numbers are "*".
class KeyWriter {
 public:
  KeyWriter(const TreeSnapshot& snapshot, const std::vector<TreeOp>& ops) {
    for (const TreeNode& node : snapshot.nodes) {
      for (const Pid number : {node.pid, node.pgid, node.sid}) named_.insert(number);
    }
    for (const TreeOp& op : ops) calls_[op.pid].push_back(op);
  }

  std::string Of(Pid pid) const {
    const auto found = calls_.find(pid);
    std::string text = Name(pid) + "(";
    std::vector<std::string> forks;  // with no other call between them
    const auto finish = [&] {
      std::ranges::sort(forks);
      for (const std::string& fork : forks) text += fork;
      forks.clear();
    };
    for (const TreeOp& op : found == calls_.end() ? std::span<const TreeOp>() : found->second) {
      if (op.kind == Kind::kFork) {
        forks.push_back((op.clone_parent ? "s" : "f") + Of(op.arg));
        continue;
      }
      finish();
      const bool by_number = op.kind == Kind::kSetPgid || op.kind == Kind::kWait;
      text += "ESGXWR"[static_cast<int>(op.kind)] + (by_number ? Name(op.arg) : "") + " ";
    }
    finish();
    return text + ")";
  }

 private:
  std::string Name(Pid pid) const {
    return named_.contains(pid) || pid == 0 ? std::to_string(pid) : "*";
  }

  std::set<Pid> named_;
  std::map<Pid, std::vector<TreeOp>> calls_;
};

/// Who is forked, and not in `snapshot`.
std::vector<InventedProcess> InventedOf(const TreeSnapshot& snapshot,
                                        const std::vector<TreeOp>& ops) {
  std::set<Pid> there;
  for (const TreeNode& node : snapshot.nodes) there.insert(node.pid);
  std::vector<InventedProcess> invented;
  for (const TreeOp& op : ops) {
    if (op.kind == Kind::kFork && !there.contains(op.arg)) {
      invented.push_back({op.arg, kFoundBySearch});
    }
  }
  return invented;
}

}  // namespace

std::string DerivationKey(const TreeSnapshot& snapshot, const std::vector<TreeOp>& ops) {
  return KeyWriter(snapshot, ops).Of(0);
}

Derivations FindDerivations(const TreeSnapshot& snapshot, const TreePlan& plan) {
  Derivations found;
  if (snapshot.nodes.size() > Derivations::kMostProcesses ||
      plan.ops.size() > Derivations::kMostCommands) {
    found.whole = false;
    return found;
  }
  const Goal goal(snapshot, plan);
  Search(snapshot, goal).Run(plan.ops.size(), &found);
  return found;
}

std::vector<const std::vector<TreeOp>*> OthersThan(const TreeSnapshot& snapshot,
                                                   const TreePlan& plan,
                                                   const Derivations& derivations) {
  const std::string own = DerivationKey(snapshot, plan.ops);
  std::vector<const std::vector<TreeOp>*> others;
  for (const std::vector<TreeOp>& ops : derivations.found) {
    if (DerivationKey(snapshot, ops) != own) others.push_back(&ops);
  }
  return others;
}

std::string DescribeAlternatives(const TreeSnapshot& snapshot, const TreePlan& plan,
                                 const Derivations& derivations) {
  constexpr std::size_t kMostShown = 10;
  if (derivations.commands == 0) {
    return "other derivations: too many to look at: a search takes up to " +
           std::to_string(Derivations::kMostProcesses) + " processes, " +
           std::to_string(Derivations::kMostCommands) + " commands and " +
           std::to_string(Derivations::kMostStates) + " states\n";
  }
  const std::vector<const std::vector<TreeOp>*> others = OthersThan(snapshot, plan, derivations);
  const bool shorter = derivations.commands < plan.ops.size();
  std::string text = (shorter ? "shorter derivations, which the rules do not find: "
                              : "other derivations of as many commands: ") +
                     std::string(derivations.whole ? "" : "at least ") +
                     std::to_string(others.size()) + "\n";
  for (std::size_t i = 0; i < std::min(others.size(), kMostShown); ++i) {
    TreePlan other;
    other.ops = *others[i];
    other.invented = InventedOf(snapshot, other.ops);
    text += "\n" + DescribeDerivation(snapshot, other);
  }
  if (others.size() > kMostShown) {
    text += "\nand " + std::to_string(others.size() - kMostShown) + " more\n";
  }
  return text;
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/sequence.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "generator/tree/forest.h"

namespace crgen {
namespace {

constexpr BirthIndex kRoot(0);
constexpr BirthIndex kRestorer;
constexpr BirthIndex kNone;

enum class State : std::uint8_t { kUnborn, kReady, kBlocked, kDone, kZombie, kGone };

/// Where a process stands.
struct Progress {
  State state = State::kUnborn;
  Slot group = kNoSlot;
  BirthIndex parent = kRestorer;  ///< at this moment, or at its exit
  BirthIndex heir = kRestorer;    ///< who got its children at its exit
  StageIndex stage{0};            ///< index in GroupPlan::stages
  ForkIndex next_fork{0};
};

using WaiterIndex = Index<struct WaiterIndexTag>;

/// Who waits for a group; lists in one array.
struct Waiter {
  BirthIndex process;
  WaiterIndex next;
};

class Scheduler {
 public:
  Scheduler(const TreeSnapshot& snapshot, const GroupPlan& groups, BirthTree* tree,
            std::vector<TreeOp>* ops)
      : snapshot_(snapshot), plan_(groups), tree_(*tree), ops_(*ops), stages_(groups.stages) {}

  Result Run(TreeRefusal* refusal) {
    progress_.resize(tree_.births.size());
    nr_in_group_.assign(tree_.numbers.size(), 0);
    await_group_.assign(tree_.numbers.size(), {});
    await_other_.assign(tree_.numbers.size(), {});
    root_is_init_ = PidOf(kRoot) == 1;
    BeBorn(kRoot, kRestorer, tree_.numbers.Find(0));
    do {
      while (!ready_.empty()) {
        BirthIndex i = ready_.back();
        ready_.pop_back();
        if (At(i).state == State::kReady) Continue(i);
      }
    } while (BreakDeadlock());
    ExitLate();
    for (std::size_t i = 0; i < progress_.size(); ++i) {
      State state = progress_[i].state;
      bool zombie = tree_.births[i].origin == Origin::kSnapshot && tree_.births[i].dies;
      State end = zombie ? State::kZombie : tree_.births[i].dies ? State::kGone : State::kDone;
      if (state == end) continue;
      *refusal = {PidOf(BirthIndex(i)), "no order of commands was found for it"};
      return Result::kError;
    }
    SetFinalFlags();
    return Result::kOk;
  }

 private:
  /// Runs process i until it forks (then the child runs first), waits, or is finished.
  void Continue(BirthIndex i) {
    for (;;) {
      Progress& self = At(i);
      const Stage& stage = stages_[Index(self.stage)];
      while (self.next_fork < stage.end_fork) {
        BirthIndex child = plan_.forks[Index(self.next_fork)];
        ++self.next_fork;
        if (At(child).state != State::kUnborn) continue;
        ready_.push_back(i);
        Fork(i, child);
        return;
      }
      if (self.stage + 1 == LastStage(i)) return Finish(i);
      if (!NextStage(i)) return;
    }
  }

  StageIndex LastStage(BirthIndex i) const {
    return Index(i) + 1 < plan_.first_stage.size() ? plan_.first_stage[Index(i) + 1]
                                                   : StageIndex(0);
  }

  /// Enters the next stage, visits in any order, or blocks.
  bool NextStage(BirthIndex i) {
    Progress& self = At(i);
    const StageIndex next(self.stage + 1);
    StageIndex end = LastStage(i);
    while (end > next && stages_[Index(end) - 1].kind != Stage::Kind::kVisit)
      end = StageIndex(end - 1);
    StageIndex chosen = next;
    if (next < end) {  // the visits that are left; done ones have been moved to the front
      auto ready = [&](const Stage& s) { return IsNeedless(i, s) || CanEnter(i, s); };
      while (chosen < end && !ready(stages_[Index(chosen)])) ++chosen;
      if (chosen == end) return Block(i, next, end);
      std::swap(stages_[Index(next)], stages_[Index(chosen)]);
      if (IsNeedless(i, stages_[Index(next)])) return SkipStage(i);
    } else if (!CanEnter(i, stages_[Index(next)])) {
      return Block(i, next, StageIndex(next + 1));
    }
    const Stage& stage = stages_[Index(next)];
    self.stage = next;
    self.next_fork = stage.first_fork;
    if (stage.kind == Stage::Kind::kSetSid) {
      Emit(TreeOp::Kind::kSetSid, i, 0);
    } else if (stage.group != self.group) {
      Emit(TreeOp::Kind::kSetPgid, i, tree_.numbers[stage.group].value);
    }
    Enter(i, stage.group);
    return true;
  }

  /// A visit whose children have all been forked early.
  bool IsNeedless(BirthIndex i, const Stage& stage) const {
    if (stage.holds || stage.group == tree_.At(i).pid) return false;
    for (ForkIndex f = stage.first_fork; f < stage.end_fork; ++f) {
      if (At(plan_.forks[Index(f)]).state == State::kUnborn) return false;
    }
    return true;
  }

  bool SkipStage(BirthIndex i) {
    Progress& self = At(i);
    ++self.stage;
    self.next_fork = stages_[Index(self.stage)].end_fork;
    return true;
  }

  bool CanEnter(BirthIndex i, const Stage& stage) const {
    if (stage.group == At(i).group) return true;
    if (stage.group != tree_.At(i).pid && nr_in_group_[Index(stage.group)] == 0) return false;
    return CanLeave(i);
  }

  /// The last member must not leave a group that the snapshot has.
  bool CanLeave(BirthIndex i) const {
    Slot group = At(i).group;
    if (tree_.numbers[group].nr_members == 0) return true;
    return nr_in_group_[Index(group)] >= 2 && !MustHold(i);
  }

  /// A holder stays until the group's founder is gone and another member has come.
  bool MustHold(BirthIndex i) const {
    if (Index(i) + 1 >= plan_.first_stage.size()) return false;
    const Stage& stage = stages_[Index(At(i).stage)];
    if (!stage.holds || stage.group != At(i).group) return false;
    return At(tree_.numbers[stage.group].process).group == stage.group;
  }

  /// Waits for what the stages [first, end) lack.
  bool Block(BirthIndex i, StageIndex first, StageIndex end) {
    Progress& self = At(i);
    self.state = State::kBlocked;
    if (!CanLeave(i)) {
      Await(&await_other_[Index(self.group)], i);
    } else {
      for (StageIndex s = first; s < end; ++s)
        Await(&await_group_[Index(stages_[Index(s)].group)], i);
    }
    blocked_.push_back(i);
    return false;
  }

  void Await(WaiterIndex* list, BirthIndex i) {
    if (*list >= 0 && waiters_[Index(*list)].process == i) return;
    waiters_.push_back({i, *list});
    *list = WaiterIndex(waiters_.size() - 1);
  }

  void Wake(WaiterIndex* list) {
    WaiterIndex waiter = std::exchange(*list, {});
    while (waiter >= 0) {
      Waiter entry = waiters_[Index(waiter)];
      waiter = entry.next;
      if (At(entry.process).state == State::kBlocked) {
        MakeReady(entry.process);
      } else if (At(entry.process).state == State::kZombie &&
                 tree_.At(entry.process).origin != Origin::kSnapshot) {
        Reap(entry.process);
      }
    }
  }

  void Enter(BirthIndex i, Slot group) {
    Slot left = std::exchange(At(i).group, group);
    if (left == group) return;
    if (--nr_in_group_[Index(left)] >= 2) Wake(&await_other_[Index(left)]);
    Join(group);
  }

  void Join(Slot group) {
    std::int32_t count = ++nr_in_group_[Index(group)];
    if (count == 1) Wake(&await_group_[Index(group)]);
    if (count >= 2) Wake(&await_other_[Index(group)]);
  }

  void Fork(BirthIndex i, BirthIndex child) {
    BeBorn(child, i, At(i).group);
    if (!tree_.At(child).sibling) return;
    ops_.back().clone_parent = true;
    At(child).parent = At(i).parent;
  }

  void BeBorn(BirthIndex i, BirthIndex parent, Slot group) {
    Progress& self = At(i);
    Emit(TreeOp::Kind::kFork, parent, PidOf(i));
    self.state = State::kReady;
    self.parent = parent;
    self.group = group;
    if (Index(i) + 1 < plan_.first_stage.size()) {
      self.stage = plan_.first_stage[Index(i)];
      self.next_fork = stages_[Index(self.stage)].first_fork;
    }
    if (born_ && i < born_->Size()) born_->Mark(i, true);
    Join(group);
    ready_.push_back(i);
  }

  void Finish(BirthIndex i) {
    At(i).state = State::kDone;
    if (!tree_.At(i).dies) return;
    if (tree_.deep && FirstChild(i) != ChildrenEnd(i)) {
      late_exits_.push_back(i);  // may have to hand its children to a subreaper
    } else {
      Exit(i);
    }
  }

  /// Descendants first, so that nobody is taken away from below the subreaper that is to adopt its
  /// children. One process at a time is a subreaper.
  void ExitLate() {
    std::sort(late_exits_.begin(), late_exits_.end(), [&](BirthIndex a, BirthIndex b) {
      return tree_.place[Index(a)] > tree_.place[Index(b)];
    });
    for (BirthIndex i : late_exits_) {
      for (ChildIndex c = FirstChild(i); c < ChildrenEnd(i); ++c) {
        BirthIndex child = tree_.children[Index(c)];
        if (At(child).parent != i || tree_.At(child).origin != Origin::kSnapshot) continue;
        MakeSubreaper(tree_.At(child).adopter);
        break;
      }
      Exit(i);
    }
  }

  void MakeSubreaper(BirthIndex i) {
    if (i == kRoot && root_is_init_) i = kNone;
    if (i == subreaper_) return;
    if (subreaper_ != kNone) Emit(TreeOp::Kind::kSetSubreaper, subreaper_, 0);
    if (i != kNone) Emit(TreeOp::Kind::kSetSubreaper, i, 1);
    subreaper_ = i;
  }

  /// Its children go to the reaper; a root that is not init adopts them as a subreaper, those that
  /// are gone at the end too while they can have children.
  void Exit(BirthIndex i) {
    const Birth& birth = tree_.At(i);
    bool orphans = false;
    for (ChildIndex c = FirstChild(i); c < ChildrenEnd(i); ++c) {
      BirthIndex child = tree_.children[Index(c)];
      bool stays = tree_.At(child).origin == Origin::kSnapshot || At(child).state < State::kZombie;
      if (At(child).parent == i && stays) orphans = true;
    }
    if (orphans && !root_is_init_ && !tree_.deep) MakeSubreaper(kRoot);
    if (birth.origin == Origin::kSnapshot && snapshot_.nodes[Index(i)].subreaper) {
      Emit(TreeOp::Kind::kSetSubreaper, i, 1);
    }
    Emit(TreeOp::Kind::kExit, i, 0);
    At(i).state = State::kZombie;
    At(i).heir = HeirOf(i);
    for (ChildIndex c = FirstChild(i); c < ChildrenEnd(i); ++c) {
      Progress& child = At(tree_.children[Index(c)]);
      if (child.parent == i) child.parent = At(i).heir;
    }
    if (birth.origin != Origin::kSnapshot) Reap(i);
  }

  BirthIndex HeirOf(BirthIndex i) const {
    if (subreaper_ != kNone && tree_.Descends(i, subreaper_)) return subreaper_;
    return root_is_init_ ? kRoot : kRestorer;
  }

  /// Index in tree_.children; holders have no children.
  ChildIndex FirstChild(BirthIndex i) const {
    auto last = tree_.first_child.size() - 1;
    return tree_.first_child[std::min(Index(i), last)];
  }
  ChildIndex ChildrenEnd(BirthIndex i) const { return FirstChild(BirthIndex(i + 1)); }

  /// Waits for the invented zombie i, as soon as it need not hold its group any more.
  void Reap(BirthIndex i) {
    Slot group = At(i).group;
    if (!CanLeave(i)) return Await(&await_other_[Index(group)], i);
    BirthIndex parent = At(i).parent;
    while (parent != kRestorer && At(parent).state >= State::kZombie) parent = At(parent).heir;
    Emit(TreeOp::Kind::kWait, parent, PidOf(i));
    At(i).state = State::kGone;
    --nr_in_group_[Index(group)];
  }

  /// Everybody waits for somebody: takes the cheapest way out for one of them. False: none is left.
  bool BreakDeadlock() {
    if (Try(&blocked_, &blocked_again_, &Scheduler::ForkFounderEarly)) return true;
    if (Try(&blocked_again_, &blocked_hard_, &Scheduler::ForkAnyEarly)) return true;
    if (Try(&blocked_hard_, &blocked_holders_, &Scheduler::InventHolder)) return true;
    return Try(&blocked_holders_, nullptr, &Scheduler::StopHolding);
  }

  /// Offers the processes of `from` to `way_out` until one takes it; the others go on to `to`.
  bool Try(std::deque<BirthIndex>* from, std::deque<BirthIndex>* to,
           bool (Scheduler::*way_out)(BirthIndex)) {
    while (!from->empty()) {
      BirthIndex i = from->front();
      if (At(i).state == State::kBlocked && (this->*way_out)(i)) return true;
      from->pop_front();
      if (to != nullptr && At(i).state == State::kBlocked) to->push_back(i);
    }
    return false;
  }

  /// The founder of a group that i waits for is not born: forks its next ancestor now.
  bool ForkFounderEarly(BirthIndex i) {
    for (StageIndex s(At(i).stage + 1); s < LastStage(i); ++s) {
      Slot group = stages_[Index(s)].group;
      BirthIndex needed = tree_.numbers[group].process;
      if (needed == kNone || nr_in_group_[Index(group)] != 0) continue;
      if (At(needed).state != State::kUnborn) continue;
      needed = FirstUnborn(needed);
      if (CanForkNow(needed)) {
        Fork(tree_.At(needed).parent, needed);
        return true;
      }
    }
    return false;
  }

  /// The highest ancestor of `low`, which is not born, that is not born either.
  BirthIndex FirstUnborn(BirthIndex low) {
    if (!born_) {
      born_.emplace();
      born_->Reserve(tree_.births.size());
      for (const Birth& birth : tree_.births) born_->Add(birth.parent);
      for (std::size_t i = 0; i < progress_.size(); ++i) {
        if (progress_[i].state != State::kUnborn) born_->Mark(BirthIndex(i), true);
      }
    }
    return born_->LastBefore(low, born_->NearestMarked(low));
  }

  bool ForkAnyEarly(BirthIndex i) {
    for (ChildIndex c = FirstChild(i); c < ChildrenEnd(i); ++c) {
      BirthIndex child = tree_.children[Index(c)];
      if (At(child).state != State::kUnborn || !CanForkNow(child)) continue;
      MakeReady(i);  // to see what it can leave out now
      Fork(i, child);
      return true;
    }
    return false;
  }

  /// A child of a leader must be born on the right side of its setsid.
  bool CanForkNow(BirthIndex child) const {
    BirthIndex parent = tree_.At(child).parent;
    const Birth& birth = tree_.At(parent);
    return !birth.leader() || tree_.At(child).birth_sid != birth.pid ||
           At(parent).group == birth.pid;
  }

  /// i is the last in a group that others will need: a zombie keeps it instead.
  bool InventHolder(BirthIndex i) {
    if (CanLeave(i) || MustHold(i)) return false;
    Slot pid = tree_.numbers.AddFree();
    if (pid == kNoSlot) return false;
    const BirthIndex holder(tree_.births.size());
    tree_.births.push_back({.pid = pid,
                            .parent = i,
                            .birth_sid = tree_.At(i).birth_sid,
                            .sid = tree_.At(i).birth_sid,
                            .origin = Origin::kHolder,
                            .dies = true});
    tree_.numbers[pid].process = holder;
    progress_.push_back({});
    nr_in_group_.push_back(0);
    await_group_.push_back({});
    await_other_.push_back({});
    BeBorn(holder, i, At(i).group);
    ready_.pop_back();
    Emit(TreeOp::Kind::kExit, holder, 0);
    At(holder).state = State::kZombie;
    Await(&await_other_[Index(At(i).group)], holder);
    return true;
  }

  /// The cycle that i is to hold a group for has not come to that.
  bool StopHolding(BirthIndex i) {
    bool held = false;
    for (StageIndex s = At(i).stage; s < LastStage(i); ++s) {
      held = std::exchange(stages_[Index(s)].holds, false) || held;
    }
    if (held) MakeReady(i);
    return held;
  }

  void MakeReady(BirthIndex i) {
    At(i).state = State::kReady;
    ready_.push_back(i);
  }

  void SetFinalFlags() {
    if (subreaper_ != kNone && !snapshot_.nodes[Index(subreaper_)].subreaper) MakeSubreaper(kNone);
    for (std::size_t i = 0; i < snapshot_.nodes.size(); ++i) {
      const TreeNode& node = snapshot_.nodes[i];
      if (!node.subreaper || node.zombie || BirthIndex(i) == subreaper_) continue;
      Emit(TreeOp::Kind::kSetSubreaper, BirthIndex(i), 1);
    }
  }

  void Emit(TreeOp::Kind kind, BirthIndex i, Pid arg) {
    ops_.push_back({.kind = kind, .pid = i == kRestorer ? 0 : PidOf(i), .arg = arg});
  }

  Pid PidOf(BirthIndex i) const { return tree_.numbers[tree_.At(i).pid].value; }
  Progress& At(BirthIndex i) { return progress_[Index(i)]; }
  const Progress& At(BirthIndex i) const { return progress_[Index(i)]; }
  static std::size_t Index(std::int32_t i) { return static_cast<std::size_t>(i); }

  const TreeSnapshot& snapshot_;
  const GroupPlan& plan_;
  BirthTree& tree_;
  std::vector<TreeOp>& ops_;
  std::vector<Stage> stages_;  ///< the plan's; visits in the order in which they happen
  std::vector<Progress> progress_;
  std::vector<std::int32_t> nr_in_group_;  ///< members now, zombies too, by slot
  std::vector<WaiterIndex> await_group_;   ///< by slot: until it exists; first in waiters_
  std::vector<WaiterIndex> await_other_;   ///< by slot: until somebody else is in it
  std::vector<Waiter> waiters_;
  std::vector<BirthIndex> ready_;  ///< a stack: depth first
  std::deque<BirthIndex> blocked_, blocked_again_, blocked_hard_, blocked_holders_;
  std::optional<Forest<BirthIndex>>
      born_;  ///< births, marked when they have happened; made when asked for
  bool root_is_init_ = false;
  BirthIndex subreaper_ = kNone;  ///< the process that is one for the moment
  std::vector<BirthIndex> late_exits_;
};

}  // namespace

Result ScheduleTree(const TreeSnapshot& snapshot, const GroupPlan& groups, BirthTree* tree,
                    std::vector<TreeOp>* ops, TreeRefusal* refusal) {
  return Scheduler(snapshot, groups, tree, ops).Run(refusal);
}

}  // namespace crgen

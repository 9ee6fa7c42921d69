// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/groups.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>

#include "generator/tree/cycles.h"
#include "generator/tree/likes.h"

namespace crgen {
namespace {

constexpr BirthIndex kNobody;
constexpr CycleIndex kNoCycle;

class GroupPlanner {
 public:
  explicit GroupPlanner(const BirthTree& tree)
      : tree_(tree), outside_(tree.numbers.Find(0)), likes_(tree), cycles_(FindGroupCycles(tree)) {}

  GroupPlan Run() {
    std::size_t n = tree_.births.size();
    birth_group_.assign(n, kNoSlot);
    birth_group_[0] = outside_;
    wish_.assign(n, kNoSlot);
    taken_.assign(n, false);
    nr_likers_.assign(tree_.numbers.size(), 0);
    holder_child_.assign(cycles_.members.size(), kNobody);
    for (BirthIndex i : tree_.order) AssignChildren(i);
    if (!cycles_.members.empty()) {
      for (BirthIndex child : holder_child_) {
        if (child != kNobody) holders_.push_back({child, tree_.At(tree_.At(child).parent).pid});
      }
      FindGuestHolders();
      std::sort(holders_.begin(), holders_.end());
      for (BirthIndex i : tree_.order) AssignChildren(i);
    }
    return Collect();
  }

 private:
  /// Chooses the stage in which process i forks each child; birth_group_[i] is known.
  void AssignChildren(BirthIndex i) {
    const Birth& birth = tree_.At(i);
    Slot born_in = birth_group_[Index(i)];
    waiting_.clear();
    for (BirthIndex child : Children(i)) {
      if (!ForkedInBirthSession(birth, tree_.At(child))) {
        SetWish(child, birth.pid);
      } else if (tree_.At(child).outside_group || likes_.IsLiked(child, born_in)) {
        SetWish(child, born_in);
      } else if (!birth.leader() && birth.pgid != kNoSlot && likes_.IsLiked(child, birth.pgid)) {
        SetWish(child, birth.pgid);
      } else if (FoundsGroupAndLeaves(tree_, birth) && likes_.IsLiked(child, birth.pid)) {
        SetWish(child, birth.pid);
      } else {
        waiting_.push_back(child);
      }
    }
    // A visit costs a setpgid, and another one to come back if it was born where it ends; to the
    // group outside nobody comes back.
    std::int32_t least = !birth.leader() && birth.pgid == born_in ? 3 : 2;
    if (birth.pgid != outside_) AssignVisits(least);
    if (!cycles_.members.empty()) ChooseHolderChild(i);
    for (BirthIndex child : waiting_) {
      SetWish(child, HeldGroup(child) == birth.pid ? birth.pid : born_in);
    }
  }

  /// Process i is in a cycle: a child that inherits nothing useful may as well be born in i's own
  /// group and keep it alive.
  void ChooseHolderChild(BirthIndex i) {
    CycleIndex cycle = cycles_.cycle_of[Index(i)];
    if (cycle == kNoCycle || !holders_.empty()) return;
    auto& holder = holder_child_[Index(cycle)];
    for (BirthIndex child : Children(i)) {
      if (wish_[Index(child)] == tree_.At(i).pid && wish_[Index(child)] != birth_group_[Index(i)]) {
        broken_.push_back(cycle);  // a member is born into it anyway
        return;
      }
    }
    for (BirthIndex child : waiting_) {
      if (cycles_.cycle_of[Index(child)] != cycle && holder == kNobody) holder = child;
    }
  }

  /// For cycles without such a child: somebody of the session who moves anyway visits a group of
  /// the cycle on its way; it is cheaper than an invented holder.
  void FindGuestHolders() {
    std::vector<bool> done(cycles_.members.size(), false);
    for (CycleIndex cycle : broken_) done[Index(cycle)] = true;
    std::vector<std::pair<Slot, std::size_t>> wanted;  // session, cycle
    for (std::size_t k = 0; k < done.size(); ++k) {
      bool shared = false;
      for (BirthIndex i : cycles_.members[k]) {
        shared = shared || tree_.numbers[tree_.At(i).pid].nr_members > 1;
      }
      if (done[k] || shared || holder_child_[k] != kNobody) continue;
      wanted.push_back({tree_.At(cycles_.members[k][0]).sid, k});
    }
    std::sort(wanted.begin(), wanted.end());
    std::vector<std::size_t> next(tree_.numbers.size(), wanted.size());  // by session
    for (std::size_t k = wanted.size(); k-- > 0;) next[Index(wanted[k].first)] = k;
    std::vector<bool> busy(tree_.births.size(), false);
    for (BirthIndex child : holder_child_) {
      if (child != kNobody) busy[Index(child)] = true;
    }
    for (int price = 1; price <= 2; ++price) {
      for (BirthIndex i : tree_.order) {
        std::size_t& k = next[Index(tree_.At(i).birth_sid)];
        if (k >= wanted.size() || wanted[k].first != tree_.At(i).birth_sid || busy[Index(i)])
          continue;
        if (GuestPrice(i, cycles_.members[wanted[k].second]) > price) continue;
        holders_.push_back({i, tree_.At(cycles_.members[wanted[k].second][0]).pid});
        busy[Index(i)] = true;
        ++k;
      }
    }
  }

  /// What a visit costs process i more: nothing but the setpgid if it moves on anyway. Ancestors of
  /// the cycle come after others, since the cycle may wait for more of them.
  int GuestPrice(BirthIndex i, const std::vector<BirthIndex>& cycle) const {
    constexpr int kTooMuch = 3;
    const Birth& birth = tree_.At(i);
    if (birth.outside_group || i == 0 || cycles_.cycle_of[Index(i)] != kNoCycle) return kTooMuch;
    bool moves = birth.leader() || birth.pgid == kNoSlot || birth.pgid != birth_group_[Index(i)] ||
                 FoundsGroupAndLeaves(tree_, birth);
    int price = moves ? 1 : 2;
    for (std::size_t k = 0; k < cycle.size() && k < 4; ++k) {
      if (tree_.Descends(cycle[k], i)) return price + 1;
    }
    return price;
  }

  /// The group that process i is to hold, or kNoSlot.
  Slot HeldGroup(BirthIndex i) const {
    auto holder = std::lower_bound(holders_.begin(), holders_.end(), std::pair{i, Slot{0}});
    return holder != holders_.end() && holder->first == i ? holder->second : kNoSlot;
  }

  /// Takes the children who like the same group, if there are at least `least`, off waiting_; then
  /// those of the next group. What most of them like comes first.
  void AssignVisits(std::int32_t least) {
    auto nr_waiting = static_cast<std::int32_t>(waiting_.size());
    if (nr_waiting < least) return;
    likers_.clear();
    for (BirthIndex child : waiting_) {
      for (Slot group : likes_.Liked(child)) {
        if (++nr_likers_[Index(group)] == 1) best_.push_back({0, group});
        likers_.push_back({group, child});
      }
    }
    std::sort(likers_.begin(), likers_.end());
    for (auto& [rank, group] : best_) rank = Rank(group);
    std::make_heap(best_.begin(), best_.end(), std::greater<>());
    while (nr_waiting >= least && !best_.empty()) {
      std::pop_heap(best_.begin(), best_.end(), std::greater<>());
      auto& [rank, group] = best_.back();
      if (rank != Rank(group)) {  // some of those who like it have been taken
        rank = Rank(group);
        std::push_heap(best_.begin(), best_.end(), std::greater<>());
        continue;
      }
      if (-rank < least) break;
      nr_waiting -= Visit(group);
      best_.pop_back();
    }
    best_.clear();
    for (const auto& [group, child] : likers_) nr_likers_[Index(group)] = 0;
    std::erase_if(waiting_, [&](BirthIndex child) { return taken_[Index(child)]; });
    for (const auto& [group, child] : likers_) taken_[Index(child)] = false;
  }

  /// The less, the better is a visit to the group.
  std::int32_t Rank(Slot group) const {
    std::int32_t count = nr_likers_[Index(group)];
    return group == outside_ && count != 0 ? -INT32_MAX : -count;
  }

  /// All who like the group and still wait are forked there. Returns how many they are.
  std::int32_t Visit(Slot group) {
    std::int32_t count = 0;
    auto liker = std::lower_bound(likers_.begin(), likers_.end(), std::pair{group, kNobody});
    for (; liker != likers_.end() && liker->first == group; ++liker) {
      BirthIndex child = liker->second;
      if (taken_[Index(child)]) continue;
      taken_[Index(child)] = true;
      SetWish(child, group);
      for (Slot liked : likes_.Liked(child)) --nr_likers_[Index(liked)];
      ++count;
    }
    return count;
  }

  GroupPlan Collect() {
    GroupPlan plan;
    std::size_t n = tree_.births.size();
    plan.first_stage.reserve(n + 1);
    plan.forks.reserve(n);
    plan.stages.reserve(n * 2);
    for (std::size_t i = 0; i < n; ++i) {
      plan.first_stage.push_back(StageIndex(plan.stages.size()));
      CollectStages(BirthIndex(i), &plan);
    }
    plan.first_stage.push_back(StageIndex(plan.stages.size()));
    return plan;
  }

  void CollectStages(BirthIndex i, GroupPlan* plan) {
    const Birth& birth = tree_.At(i);
    Slot born_in = birth_group_[Index(i)];
    Slot last = birth.leader() ? birth.pid : birth.pgid;
    bool own = FoundsGroupAndLeaves(tree_, birth);
    by_wish_.clear();
    for (BirthIndex child : Children(i)) by_wish_.push_back({wish_[Index(child)], child});
    std::stable_sort(by_wish_.begin(), by_wish_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    AddStage(Stage::Kind::kBirth, born_in, plan);
    Slot held = HeldGroup(i);
    plan->stages.back().holds = held == born_in;
    if (own) AddStage(Stage::Kind::kVisit, birth.pid, plan);
    if (held != kNoSlot && held != born_in) {
      AddStage(Stage::Kind::kVisit, held, plan);
      plan->stages.back().holds = true;
    }
    for (std::size_t k = 0; k < by_wish_.size(); ++k) {
      Slot group = by_wish_[k].first;
      if (k != 0 && by_wish_[k - 1].first == group) continue;
      if (group == born_in || group == last || group == held || (own && group == birth.pid)) {
        continue;
      }
      AddStage(Stage::Kind::kVisit, group, plan);
    }
    if (last == kNoSlot) return;
    AddStage(birth.leader() ? Stage::Kind::kSetSid : Stage::Kind::kFinal, last, plan);
  }

  /// A stage with the children of by_wish_ that wish for its group.
  void AddStage(Stage::Kind kind, Slot group, GroupPlan* plan) {
    Stage stage{kind, group, ForkIndex(plan->forks.size()), ForkIndex(0)};
    auto first = std::lower_bound(by_wish_.begin(), by_wish_.end(), group,
                                  [](const auto& a, Slot b) { return a.first < b; });
    bool again = kind == Stage::Kind::kFinal &&
                 plan->stages[static_cast<std::size_t>(plan->first_stage.back())].group == group;
    for (; !again && first != by_wish_.end() && first->first == group; ++first) {
      plan->forks.push_back(first->second);
    }
    stage.end_fork = ForkIndex(plan->forks.size());
    plan->stages.push_back(stage);
  }

  void SetWish(BirthIndex child, Slot group) {
    wish_[Index(child)] = birth_group_[Index(child)] = group;
  }

  struct Range {
    const BirthIndex* first;
    const BirthIndex* last;
    const BirthIndex* begin() const { return first; }
    const BirthIndex* end() const { return last; }
  };

  Range Children(BirthIndex i) const {
    const BirthIndex* children = tree_.children.data();
    return {children + tree_.first_child[Index(i)], children + tree_.first_child[Index(i) + 1]};
  }

  static std::size_t Index(std::int32_t i) { return static_cast<std::size_t>(i); }

  const BirthTree& tree_;
  const Slot outside_;
  const GroupLikes likes_;
  const GroupCycles cycles_;
  std::vector<BirthIndex> holder_child_;              ///< by cycle
  std::vector<CycleIndex> broken_;                    ///< cycles that need no holder
  std::vector<std::pair<BirthIndex, Slot>> holders_;  ///< process, the group that it holds
  std::vector<Slot> birth_group_;
  std::vector<Slot> wish_;           ///< the group that its parent is in when it forks it
  std::vector<BirthIndex> waiting_;  ///< one process's children
  std::vector<std::pair<Slot, BirthIndex>> likers_;   ///< those of waiting_, by group
  std::vector<std::int32_t> nr_likers_;               ///< by slot of the group
  std::vector<std::pair<std::int32_t, Slot>> best_;   ///< a heap of groups to visit, by rank
  std::vector<bool> taken_;                           ///< has left waiting_
  std::vector<std::pair<Slot, BirthIndex>> by_wish_;  ///< one process's children
};

}  // namespace

GroupPlan PlanGroups(const BirthTree& tree) { return GroupPlanner(tree).Run(); }

}  // namespace crgen

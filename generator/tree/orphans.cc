// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/orphans.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "generator/tree/likes.h"

namespace crgen {
namespace {

constexpr BirthIndex kRoot(0);
constexpr BirthIndex kNobody;

/// How many candidates are looked at before a new process is invented, and how far a chain of
/// pieces is followed; both only bound the effort.
constexpr int kMaxCandidates = 8;
constexpr int kMaxChain = 64;

std::size_t Index(std::int32_t i) { return static_cast<std::size_t>(i); }

class OrphanPlacer {
 public:
  OrphanPlacer(const std::vector<BirthIndex>& orphans, bool siblings, BirthTree* tree,
               TreeRefusal* refusal)
      : orphans_(orphans),
        siblings_(siblings),
        tree_(*tree),
        numbers_(tree->numbers),
        refusal_(refusal) {}

  Result Run() {
    nr_processes_ = static_cast<std::int32_t>(tree_.births.size());
    InventDeadSessionLeaders(&tree_);
    for (BirthIndex i(nr_processes_); i < BirthIndex(tree_.births.size()); ++i) {
      unused_leaders_.push_back(i);
    }
    for (BirthIndex orphan : orphans_) {
      tree_.At(orphan).parent = Home(tree_.At(orphan).birth_sid);
    }
    if (Failed(OrderBirths(&tree_))) return RefuseCycle();
    InventDeadGroupLeaders(&tree_);
    if (Failed(OrderBirths(&tree_))) return RefuseCycle();
    likes_.emplace(tree_);
    CutPieces();
    ListTheDead();
    ListSiblings();
    for (BirthIndex orphan : OrphansInOrder()) {
      if (Failed(Place(orphan))) return Result::kError;
    }
    if (numbers_[tree_.At(kRoot).pid].value == 1) InheritGroupsAtTheRoot();
    PlaceInvented();
    return OrderBirths(&tree_);
  }

 private:
  BirthIndex Home(Slot session) const { return SessionHome(tree_, session); }

  Result RefuseCycle() {
    for (BirthIndex orphan : orphans_) {
      if (tree_.place[Index(orphan)] != -1) continue;
      return Refuse(orphan, "it must be born in session " + Name(tree_.At(orphan).birth_sid) +
                                ", whose leader descends from it");
    }
    return Refuse(kRoot, "the order of births is circular");
  }

  /// A piece is a subtree of the snapshot that moves as a whole: a child of the root, or an
  /// invented process.
  void CutPieces() {
    piece_.resize(tree_.births.size());
    for (std::size_t i = 0; i < piece_.size(); ++i) {
      const Birth& birth = tree_.births[i];
      bool cut = birth.origin != Origin::kSnapshot || birth.parent <= kRoot || birth.adopter >= 0;
      piece_[i] = cut ? BirthIndex(i) : piece_[Index(birth.parent)];
    }
  }

  /// Whether `low` descends from `high`, the first of a piece. Gives up with "yes".
  bool HangsBelow(BirthIndex low, BirthIndex high) const {
    for (int i = 0; i < kMaxChain; ++i) {
      BirthIndex piece = piece_[Index(low)];
      if (piece == high) return true;
      if (piece == kRoot) return false;
      low = tree_.At(piece).parent;
    }
    return true;
  }

  void ListTheDead() {
    dead_in_group_.assign(numbers_.size(), kNobody);
    dead_near_group_.assign(numbers_.size(), kNobody);
    dead_in_session_.assign(numbers_.size(), kNobody);
    invented_for_.assign(numbers_.size(), kNobody);
    next_dead_.assign(tree_.births.size(), kNobody);
    wanted_.assign(tree_.births.size(), kNoSlot);
    for (BirthIndex i(tree_.births.size() - 1); i > kRoot; i = BirthIndex(i - 1)) {
      const Birth& birth = tree_.At(i);
      if (!birth.dies) continue;
      if (birth.pgid != kNoSlot) ListInGroup(birth.pgid, i);
      if (numbers_[birth.pid].nr_members > 0) ListInGroup(birth.pid, i);
      // Orphans need a dead parent themselves, so they do not spare one.
      if (birth.adopter != kNobody) continue;
      auto& first = dead_in_session_[Index(birth.birth_sid)];
      next_dead_[Index(i)] = std::exchange(first, i);
      ListNearGroups(i);
    }
  }

  /// Founders first: what they wait for is least.
  void ListInGroup(Slot group, BirthIndex i) {
    auto& in_group = dead_in_group_[Index(group)];
    if (in_group == kNobody || tree_.At(i).pid == group) in_group = i;
  }

  /// A dead process may also hand down a group of its parent before it goes to its own.
  void ListNearGroups(BirthIndex i) {
    const Birth& birth = tree_.At(i);
    const Birth& parent = tree_.At(birth.parent);
    if (!birth.leader() && birth.pgid == parent.pgid) return;
    if (parent.leader() && birth.birth_sid != parent.pid) return;
    if (parent.pgid != kNoSlot) dead_near_group_[Index(parent.pgid)] = i;
    if (numbers_[parent.pid].nr_members > 0) {
      dead_near_group_[Index(parent.pid)] = i;
    }
  }

  /// Children of the root that lead a session. They can fork its orphans as siblings, and those
  /// further ones. What a sibling forks while its own parent has yet to exit comes to the root too.
  void ListSiblings() {
    sibling_in_group_.assign(numbers_.size(), kNobody);
    sibling_in_session_.assign(numbers_.size(), kNobody);
    for (BirthIndex i(1); siblings_ && i < nr_processes_; ++i) {
      const Birth& birth = tree_.At(i);
      if (!birth.leader()) continue;
      if (birth.parent == kRoot || birth.adopter == kRoot) ListSibling(i);
    }
  }

  void ListSibling(BirthIndex i) {
    const Birth& birth = tree_.At(i);
    const auto list = [i](BirthIndex& sibling) {
      if (sibling == kNobody) sibling = i;
    };
    list(sibling_in_session_[Index(birth.sid)]);
    list(sibling_in_group_[Index(birth.pgid)]);
    if (FoundsGroup(i)) list(sibling_in_group_[Index(birth.pid)]);
  }

  /// Siblings that others of their group can be forked by come first.
  std::vector<BirthIndex> OrphansInOrder() {
    std::vector<BirthIndex> orphans = orphans_;
    std::stable_partition(orphans.begin(), orphans.end(), [&](BirthIndex orphan) {
      return FoundsGroup(orphan) && !tree_.At(orphan).dies &&
             FindSiblingInSession(orphan) != kNobody;
    });
    tree_.siblings = orphans != orphans_;
    return orphans;
  }

  bool FoundsGroup(BirthIndex i) const { return numbers_[tree_.At(i).pid].nr_members > 0; }

  /// Finds a process that can have forked `orphan`: a dead one or a sibling, best one in a group
  /// that the orphan likes.
  Result Place(BirthIndex orphan) {
    BirthIndex dead = FindInLikedGroup(orphan);
    if (dead == kNobody) dead = FindInSession(orphan, true);
    BirthIndex sibling = dead == kNobody ? FindSiblingInLikedGroup(orphan) : kNobody;
    if (dead == kNobody && sibling == kNobody) {
      dead = FindInSession(orphan, false);
      if (dead == kNobody) sibling = FindSiblingInSession(orphan);
    }
    if (sibling != kNobody) dead = FindSpareLeader(orphan);
    if (sibling != kNobody && dead == kNobody) return HangOnSibling(orphan, sibling);
    if (dead == kNobody) dead = FindOrInventParent(orphan);
    if (dead == kNobody) return Refuse(orphan, "no pid number is left for its dead parent");
    Hang(orphan, dead);
    return Result::kOk;
  }

  BirthIndex FindSiblingInLikedGroup(BirthIndex orphan) const {
    for (Slot group : likes_->Liked(orphan)) {
      BirthIndex sibling = sibling_in_group_[Index(group)];
      if (sibling == kNobody || sibling == orphan || HangsBelow(sibling, orphan)) continue;
      if (numbers_[group].group_session == tree_.At(orphan).birth_sid) return sibling;
    }
    return kNobody;
  }

  Result HangOnSibling(BirthIndex orphan, BirthIndex sibling) {
    Birth& birth = tree_.At(orphan);
    birth.parent = sibling;
    birth.adopter = kNobody;
    birth.sibling = tree_.siblings = true;
    if (birth.sid == birth.birth_sid) ListSibling(orphan);
    return Result::kOk;
  }

  BirthIndex FindSiblingInSession(BirthIndex orphan) const {
    BirthIndex sibling = sibling_in_session_[Index(tree_.At(orphan).birth_sid)];
    return sibling == kNobody || HangsBelow(sibling, orphan) ? kNobody : sibling;
  }

  /// A leader that is invented anyway and can fork the orphan as well as a sibling can.
  BirthIndex FindSpareLeader(BirthIndex orphan) {
    Slot session = tree_.At(orphan).birth_sid;
    BirthIndex& leader = invented_for_[Index(session)];
    if (leader == kNobody) leader = UseLeader(session);
    return leader != kNobody && CanBePlacedFor(leader, orphan) ? leader : kNobody;
  }

  /// The dead leader of the orphan's session, or a process that is invented for it.
  BirthIndex FindOrInventParent(BirthIndex orphan) {
    Slot session = tree_.At(orphan).birth_sid;
    BirthIndex dead = Home(session);
    if (tree_.At(dead).dies && !HangsBelow(dead, orphan)) return dead;
    BirthIndex invented = invented_for_[Index(session)];
    if (invented != kNobody) return invented;
    invented = UseLeader(session);
    if (invented == kNobody) invented = InventParent(session);
    return invented_for_[Index(session)] = invented;
  }

  BirthIndex FindInLikedGroup(BirthIndex child) const {
    for (const std::vector<BirthIndex>* dead_of : {&dead_in_group_, &dead_near_group_}) {
      for (Slot group : likes_->Liked(child)) {
        BirthIndex dead = (*dead_of)[Index(group)];
        if (dead == kNobody || dead == child || HangsBelow(dead, child)) continue;
        if (numbers_[group].group_session != tree_.At(child).birth_sid) continue;
        BirthIndex founder = numbers_[group].process;
        if (founder != kNobody && founder != dead && HangsBelow(founder, child)) continue;
        return dead;
      }
    }
    return kNobody;
  }

  /// A dead process that was in the session for a while; `free_choice`: an invented one that can
  /// still be placed in the group that the child likes best.
  BirthIndex FindInSession(BirthIndex child, bool free_choice) const {
    Slot session = tree_.At(child).birth_sid;
    BirthIndex dead = dead_in_session_[Index(session)];
    for (int i = 0; dead != kNobody && i < kMaxCandidates; ++i) {
      bool fits = tree_.At(dead).birth_sid == session && !HangsBelow(dead, child);
      if (fits && (!free_choice || CanBePlacedFor(dead, child))) return dead;
      dead = next_dead_[Index(dead)];
    }
    return kNobody;
  }

  bool CanBePlacedFor(BirthIndex dead, BirthIndex child) const {
    if (tree_.At(dead).origin == Origin::kSnapshot) return false;
    Slot wanted = wanted_[Index(dead)];
    return wanted == kNoSlot || likes_->IsLiked(child, wanted);
  }

  /// A dead session leader may have been born in any session, so it can be the orphans' parent
  /// before its setsid.
  BirthIndex UseLeader(Slot session) {
    BirthIndex home = Home(session);
    std::size_t nr_tries = std::min<std::size_t>(unused_leaders_.size(), kMaxCandidates);
    for (std::size_t i = 0; i < nr_tries; ++i) {
      BirthIndex leader = unused_leaders_[unused_leaders_.size() - 1 - i];
      if (HangsBelow(home, leader)) continue;
      unused_leaders_.erase(unused_leaders_.end() - 1 - static_cast<std::ptrdiff_t>(i));
      tree_.At(leader).parent = home;
      tree_.At(leader).birth_sid = session;
      return leader;
    }
    return kNobody;
  }

  BirthIndex InventParent(Slot session) {
    Slot pid = numbers_.AddFree();
    if (pid == kNoSlot) return kNobody;
    BirthIndex invented = InventProcess({.pid = pid,
                                         .parent = Home(session),
                                         .birth_sid = session,
                                         .sid = session,
                                         .origin = Origin::kForOrphans},
                                        &tree_);
    piece_.push_back(invented);
    wanted_.push_back(kNoSlot);
    return invented;
  }

  void Hang(BirthIndex child, BirthIndex parent) {
    Birth& birth = tree_.At(child);
    birth.parent = parent;
    birth.adopter = kRoot;
    if (tree_.At(parent).origin == Origin::kSnapshot) return;
    for (Slot group : likes_->Liked(child)) {
      if (group == tree_.At(parent).pid) return;
    }
    for (Slot group : likes_->Liked(child)) {
      auto& wanted = wanted_[Index(parent)];
      if (wanted == kNoSlot) wanted = group;
      groups_wanted_.push_back({parent, group});
    }
  }

  /// A child of the reaper need not be its own: born to a dead process in a group that it likes, it
  /// saves a setpgid.
  void InheritGroupsAtTheRoot() {
    const Birth& root = tree_.At(kRoot);
    std::vector<std::pair<Slot, BirthIndex>> others;  // group, process
    for (BirthIndex i(1); i < nr_processes_; ++i) {
      const Birth& birth = tree_.At(i);
      auto liked = likes_->Liked(i);
      if (birth.parent != kRoot || birth.outside_group || liked.begin() == liked.end()) continue;
      if (birth.birth_sid == root.sid && likes_->IsLiked(i, root.pgid)) continue;
      BirthIndex dead = FindInLikedGroup(i);
      if (dead == kNobody && birth.birth_sid == root.sid) dead = FindInSession(i, true);
      if (dead != kNobody) {
        Hang(i, dead);
      } else if (root.leader() && birth.birth_sid == root.sid) {
        others.push_back({*liked.begin(), i});
      }
    }
    std::sort(others.begin(), others.end());
    for (std::size_t first = 0, last = 0; first < others.size(); first = last) {
      while (last < others.size() && others[last].first == others[first].first) ++last;
      if (last - first >= 2) InheritByVisit(&others[first], &others[last - 1]);
    }
  }

  /// Several children like one group: a dead process that joins it costs one setpgid for all, and
  /// another one if it comes back to the group that it was born in.
  void InheritByVisit(const std::pair<Slot, BirthIndex>* first,
                      const std::pair<Slot, BirthIndex>* last) {
    BirthIndex dead = FindInSession(first->second, false);
    if (dead == kNobody) return;
    bool comes_back = tree_.At(dead).pgid == tree_.At(kRoot).pgid;
    if (comes_back && last - first < 2) return;
    BirthIndex founder = numbers_[first->first].process;
    for (auto other = first; other <= last; ++other) {
      if (HangsBelow(dead, other->second) || HangsBelow(founder, other->second)) continue;
      Hang(other->second, dead);
    }
  }

  /// An invented process is forked by a member of the group that most of its children need, so that
  /// they inherit it.
  void PlaceInvented() {
    std::vector<BirthIndex> hosts(numbers_.size(), kNobody);
    for (BirthIndex i(nr_processes_ - 1); i >= kRoot; i = BirthIndex(i - 1)) {
      const Birth& birth = tree_.At(i);
      auto& host = hosts[Index(birth.pgid)];
      if (host == kNobody || tree_.At(host).pid != birth.pgid) host = i;
    }
    for (BirthIndex i = kRoot; i < nr_processes_; ++i) {  // a founder that moved on was a member
      if (FoundsGroupAndLeaves(tree_, tree_.At(i))) hosts[Index(tree_.At(i).pid)] = i;
    }
    std::sort(groups_wanted_.begin(), groups_wanted_.end());
    std::size_t first = 0;
    while (first < groups_wanted_.size()) {
      BirthIndex invented = groups_wanted_[first].first;
      std::size_t best_count = 0;
      BirthIndex best_host = kNobody;
      while (first < groups_wanted_.size() && groups_wanted_[first].first == invented) {
        std::size_t last = first;
        while (last < groups_wanted_.size() && groups_wanted_[last] == groups_wanted_[first])
          ++last;
        BirthIndex host = hosts[Index(groups_wanted_[first].second)];
        if (last - first > best_count && host != kNobody && !HangsBelow(host, invented) &&
            tree_.At(host).sid == tree_.At(invented).birth_sid) {
          best_count = last - first;
          best_host = host;
        }
        first = last;
      }
      if (best_host != kNobody) tree_.At(invented).parent = best_host;
    }
  }

  Result Refuse(BirthIndex i, std::string reason) {
    *refusal_ = {numbers_[tree_.At(i).pid].value, std::move(reason)};
    return Result::kError;
  }

  std::string Name(Slot slot) const { return std::to_string(numbers_[slot].value); }

  const std::vector<BirthIndex>& orphans_;
  const bool siblings_;
  BirthTree& tree_;
  NumberTable& numbers_;
  TreeRefusal* refusal_;
  std::int32_t nr_processes_ = 0;
  std::vector<BirthIndex> piece_;             ///< first process of each process's piece
  std::vector<BirthIndex> unused_leaders_;    ///< invented, not yet anybody's parent elsewhere
  std::vector<BirthIndex> dead_in_group_;     ///< by slot of the group
  std::vector<BirthIndex> dead_near_group_;   ///< by slot: one whose parent is in the group
  std::vector<BirthIndex> dead_in_session_;   ///< by slot of the session; goes on in next_dead_
  std::vector<BirthIndex> invented_for_;      ///< by slot of the session
  std::vector<BirthIndex> sibling_in_group_;  ///< by slot: a child of the root
  std::vector<BirthIndex> sibling_in_session_;
  std::vector<BirthIndex> next_dead_;
  std::vector<Slot> wanted_;  ///< the group that an invented process is to be placed in
  std::optional<GroupLikes> likes_;
  std::vector<std::pair<BirthIndex, Slot>> groups_wanted_;  ///< invented parent, child's group
};

}  // namespace

Result PlaceOrphans(const std::vector<BirthIndex>& orphans, bool siblings, BirthTree* tree,
                    TreeRefusal* refusal) {
  return OrphanPlacer(orphans, siblings, tree, refusal).Run();
}

std::string InventionReason(const BirthTree& tree, BirthIndex i) {
  const Birth& birth = tree.At(i);
  auto name = [&](Slot slot) { return std::to_string(tree.numbers[slot].value); };
  switch (birth.origin) {
    case Origin::kSnapshot:
      break;
    case Origin::kDeadSessionLeader: {
      std::string reason = "leader of session " + name(birth.pid) + ", gone (heuristic 1)";
      for (auto c = tree.first_child[static_cast<std::size_t>(i)];
           c < tree.first_child[static_cast<std::size_t>(i) + 1]; ++c) {
        const Birth& child = tree.At(tree.children[static_cast<std::size_t>(c)]);
        if (child.birth_sid == birth.pid) continue;
        return reason + "; before its setsid parent of orphans of session " + name(birth.birth_sid);
      }
      return reason;
    }
    case Origin::kDeadGroupLeader:
      return "founder of group " + name(birth.pid) + " in session " + name(birth.sid) + ", gone";
    case Origin::kForOrphans:
      return "parent of orphans of session " + name(birth.sid) +
             ", gone (heuristic 2; shared by heuristic 3)";
    case Origin::kHolder:
      return "holds a group of session " + name(birth.sid) + " while the group's founder moves on";
  }
  return "";
}

}  // namespace crgen

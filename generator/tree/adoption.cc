// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/adoption.h"

#include <algorithm>
#include <compare>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "generator/tree/descent.h"

namespace crgen {
namespace {

constexpr BirthIndex kRoot(0);
constexpr BirthIndex kNobody;

/// How often moving one process may ask to move another one first.
constexpr int kMaxDepth = 8;

/// How many children of an adopter are looked at for a sibling of an orphan.
constexpr int kMaxSiblings = 100;

class Adopter {
 public:
  Adopter(const TreeSnapshot& snapshot, unsigned attempt, bool siblings, BirthTree* tree,
          TreeRefusal* refusal)
      : nodes_(snapshot.nodes),
        attempt_(attempt),
        siblings_(siblings),
        random_(attempt),
        tree_(*tree),
        refusal_(refusal) {}

  Result Run() {
    EnterProcesses(nodes_, &tree_);
    MeasureSubtrees();
    next_child_.assign(nodes_.size(), kNobody);
    first_child_.assign(nodes_.size(), kNobody);
    for (BirthIndex i(nodes_.size() - 1); i >= kRoot; i = BirthIndex(i - 1)) {
      ChooseBirthSession(i);
      if (i == kRoot) break;
      auto& first = first_child_[Index(tree_.At(i).parent)];
      next_child_[Index(i)] = std::exchange(first, i);
    }
    InventDeadSessionLeaders(&tree_);
    EnterDescent();
    anchor_.assign(tree_.births.size(), kNobody);
    for (BirthIndex i : DeepOrphans()) {
      const Birth& birth = tree_.At(i);
      if (anchor_[Index(i)] != kNobody) continue;  // Move() has seen to it
      if (!Require(birth.birth_sid, birth.adopter, kMaxDepth)) return RefuseOrphan(i);
    }
    BearTheFree();
    InventDeadGroupLeaders(&tree_);
    served_.assign(tree_.births.size(), kNobody);
    if (Failed(HangOrphans())) return Result::kError;
    tree_.deep = true;
    if (Failed(OrderBirths(&tree_))) return RefuseCycle();
    MarkOutsideGroup();
    return Result::kOk;
  }

 private:
  std::int32_t NrProcesses() const { return static_cast<std::int32_t>(nodes_.size()); }

  /// Those that the root cannot adopt, in the order of this attempt.
  std::vector<BirthIndex> DeepOrphans() {
    std::vector<BirthIndex> orphans;
    for (BirthIndex i(1); i < NrProcesses(); ++i) {
      if (tree_.At(i).adopter > kRoot) orphans.push_back(i);
    }
    if (attempt_ % 2 == 1 && attempt_ < 4) std::reverse(orphans.begin(), orphans.end());
    if (attempt_ >= 4) std::shuffle(orphans.begin(), orphans.end(), random_);
    return orphans;
  }

  void MeasureSubtrees() {
    size_.assign(nodes_.size(), 1);
    place_.assign(nodes_.size(), 0);
    for (std::size_t i = nodes_.size(); i-- > 1;) size_[Index(nodes_[i].parent)] += size_[i];
    std::vector<std::int32_t> next(nodes_.size(), 1);
    for (std::size_t i = 1; i < nodes_.size(); ++i) {
      std::size_t parent = Index(nodes_[i].parent);
      place_[i] = next[parent];
      next[parent] += size_[i];
      next[i] = place_[i] + 1;
    }
    first_member_.assign(tree_.numbers.size(), NrProcesses());
    last_member_.assign(tree_.numbers.size(), -1);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      auto session = Index(tree_.births[i].sid);
      first_member_[session] = std::min(first_member_[session], place_[i]);
      last_member_[session] = std::max(last_member_[session], place_[i]);
    }
  }

  bool Inside(std::int32_t place, std::int32_t top) const {
    return place_[Index(top)] <= place && place < place_[Index(top)] + size_[Index(top)];
  }

  /// Process i has all children that know their birth session on its list. A leader may be born in
  /// one more session; the children of others become orphans.
  void ChooseBirthSession(BirthIndex i) {
    Birth& birth = tree_.At(i);
    if (birth.birth_sid == kNoSlot) {
      int best = kNever;
      for (auto c = first_child_[Index(i)]; c != kNobody; c = next_child_[Index(c)]) {
        Slot session = tree_.At(c).birth_sid;
        if (session == kNoSlot || session == birth.sid) continue;
        int rank = Rank(i, session);
        if (rank >= best || (rank > 0 && !MayBeBornElsewhere())) continue;
        best = rank;
        birth.birth_sid = session;
      }
    }
    for (auto c = first_child_[Index(i)]; c != kNobody; c = next_child_[Index(c)]) {
      Slot session = tree_.At(c).birth_sid;
      if (session == kNoSlot || session == birth.sid || session == birth.birth_sid) continue;
      tree_.At(c).adopter = i;
    }
  }

  /// A leader whose children need a session of other ancestry can be born there itself, or have it
  /// brought below it. The first attempts do the former, the next the latter, further ones mix.
  bool MayBeBornElsewhere() {
    if (attempt_ < 4) return attempt_ < 2;
    return random_() % 2 == 0;
  }

  /// Sessions that are at hand above i come first; those that can be made below it must not be
  /// taken from above.
  int Rank(BirthIndex i, Slot session) const {
    BirthIndex leader = SessionHome(tree_, session);
    Slot above = tree_.At(ParentOf(i)).sid;
    if (session == above) return 0;
    if (leader != kNobody) return Inside(place_[Index(leader)], i) ? kNever : 1;
    bool all_inside =
        Inside(first_member_[Index(session)], i) && Inside(last_member_[Index(session)], i);
    return all_inside ? kNever : 2;
  }

  /// Where each process hangs as far as it is settled: an orphan descends from its session's
  /// leader.
  void EnterDescent() {
    descent_.emplace(tree_.births);
    for (BirthIndex i(1); i < NrProcesses(); ++i) {
      const Birth& birth = tree_.At(i);
      if (birth.adopter != kNobody) descent_->Hang(i, SessionHome(tree_, birth.birth_sid));
    }
  }

  bool Below(BirthIndex low, BirthIndex high) { return descent_->Below(low, high); }

  /// The first process on the snapshot's way up from `i` whose parent is above `q`. Where nobody
  /// has moved, that is the way in descent_ too.
  BirthIndex Top(BirthIndex i, BirthIndex q) {
    if (i >= NrProcesses()) return kNobody;
    while (i != kRoot) {
      BirthIndex parent = ParentOf(i);
      BirthIndex moved = descent_->FirstMoved(parent);
      if (Below(q, moved)) {
        BirthIndex above = descent_->Meet(parent, q);
        return above == parent ? i : descent_->LastBefore(parent, above);
      }
      i = moved;
    }
    return kNobody;
  }

  /// Makes the leader of `session` descend from q.
  bool Require(Slot session, BirthIndex q, int depth) {
    BirthIndex leader = SessionHome(tree_, session);
    if (Below(leader, q)) return true;
    if (depth == 0 || Below(q, leader)) return false;
    if (leader < NrProcesses()) return Move(Top(leader, q), q, depth - 1);
    BirthIndex above = tree_.At(leader).parent;  // of an invented leader, which may go anywhere
    if (!Below(q, above) && !Move(Top(q, above), above, depth - 1) &&
        !(Move(Top(above, q), q, depth - 1) && Below(above, q))) {
      return false;
    }
    if (Below(q, leader)) return false;
    BirthIndex low = Below(q, above) ? q : above;
    tree_.At(leader).parent = low;
    tree_.At(leader).birth_sid = tree_.At(low).sid;
    descent_->Hang(leader, low);
    return Below(leader, q);
  }

  /// Lets process i be born below q and be adopted by its parent, which is above q.
  bool Move(BirthIndex i, BirthIndex q, int depth) {
    if (i == kNobody || Below(q, i)) return false;
    Birth& birth = tree_.At(i);
    if (anchor_[Index(i)] != kNobody && !Below(q, anchor_[Index(i)])) return false;
    const Birth& host = tree_.At(q);
    if (birth.birth_sid == kNoSlot) birth.birth_sid = host.sid;
    if (birth.birth_sid != host.sid && birth.birth_sid != host.birth_sid) {
      bool can_be_early = host.leader() && host.birth_sid == kNoSlot && q < NrProcesses() &&
                          tree_.At(host.parent).sid == birth.birth_sid;
      if (can_be_early) {
        tree_.At(q).birth_sid = birth.birth_sid;
      } else if (depth == 0 || !Require(birth.birth_sid, q, depth - 1)) {
        return false;
      }
    }
    birth.adopter = ParentOf(i);
    anchor_[Index(i)] = q;
    descent_->Hang(i, q);
    return true;
  }

  void BearTheFree() {
    for (BirthIndex i(1); i < NrProcesses(); ++i) {
      Birth& birth = tree_.At(i);
      if (birth.birth_sid == kNoSlot) birth.birth_sid = tree_.At(birth.parent).sid;
    }
  }

  /// Orphans of one session and one adopter below one host.
  struct Family {
    BirthIndex host;
    BirthIndex adopter;
    Slot session;
    auto operator<=>(const Family&) const = default;
  };

  /// Each family has one parent that is dead by now, but for those whose group has a dead founder.
  Result HangOrphans() {
    std::vector<std::pair<Family, BirthIndex>> orphans;
    for (BirthIndex i(1); i < NrProcesses(); ++i) {
      const Birth& birth = tree_.At(i);
      if (birth.adopter == kNobody || BearSibling(i)) continue;
      BirthIndex host = anchor_[Index(i)];
      if (host == kNobody ||
          (tree_.At(host).sid != birth.birth_sid && tree_.At(host).birth_sid != birth.birth_sid)) {
        host = SessionHome(tree_, birth.birth_sid);
      }
      orphans.push_back({{host, birth.adopter, birth.birth_sid}, i});
    }
    std::sort(orphans.begin(), orphans.end());
    for (std::size_t first = 0, last = 0; first < orphans.size(); first = last) {
      const Family& family = orphans[first].first;
      BirthIndex shared = kNobody;
      for (last = first; last < orphans.size() && orphans[last].first == family; ++last) {
        BirthIndex founder = DeadFounder(orphans[last].second, family);
        if (founder != kNobody) shared = founder;
      }
      for (std::size_t k = first; k < last; ++k) {
        BirthIndex i = orphans[k].second;
        BirthIndex parent = DeadFounder(i, family);
        if (parent == kNobody && shared == kNobody) shared = FindOrInventParent(family);
        if (parent == kNobody) parent = shared;
        if (parent == kNobody) return Refuse(i, "no pid number is left for its dead parent");
        Hang(i, parent);
      }
    }
    return Result::kOk;
  }

  void Hang(BirthIndex i, BirthIndex parent) {
    Birth& birth = tree_.At(i);
    BirthIndex adopter = birth.adopter;
    BirthIndex& served = served_[Index(parent)];
    birth.parent = parent;
    bool leads = tree_.At(parent).leader();  // others hang below it too, so it stays where it is
    bool can_move = !leads && served == kNobody && CanBeBornAsChild(tree_, parent, adopter);
    bool fork = siblings_ && (can_move || IsBornAsChild(tree_, parent, adopter));
    if (fork) ForkForAdopter(i, &tree_);
    if (!fork || !leads) served = adopter;
  }

  /// An exit hands all children to one adopter; siblings need none.
  bool MayServe(BirthIndex dead, BirthIndex adopter) const {
    return served_[Index(dead)] == kNobody || served_[Index(dead)] == adopter ||
           (siblings_ && IsBornAsChild(tree_, dead, adopter));
  }

  /// The founder of orphan i's group, if it is gone and can be the parent of i.
  BirthIndex DeadFounder(BirthIndex i, const Family& family) const {
    BirthIndex founder = tree_.numbers[tree_.At(i).pgid].process;
    bool fits = founder != kNobody && tree_.At(founder).origin == Origin::kDeadGroupLeader &&
                tree_.At(founder).parent == family.host &&
                tree_.At(founder).birth_sid == family.session;
    return fits && MayServe(founder, family.adopter) ? founder : kNobody;
  }

  /// Process i, an orphan so far, is forked by a sibling of the session, best one of its group.
  bool BearSibling(BirthIndex i) {
    Birth& birth = tree_.At(i);
    if (!siblings_ || anchor_[Index(i)] != kNobody) return false;
    BirthIndex best = kNobody;
    int looked_at = 0;
    for (auto c = first_child_[Index(birth.adopter)]; c != kNobody; c = next_child_[Index(c)]) {
      if (++looked_at > kMaxSiblings) break;
      const Birth& sibling = tree_.At(c);
      if (c == i || sibling.adopter != kNobody || Below(c, i)) continue;
      if (sibling.sid != birth.birth_sid && sibling.birth_sid != birth.birth_sid) continue;
      if (best == kNobody || sibling.pgid == birth.pgid) best = c;
    }
    if (best == kNobody) return false;
    birth.parent = best;
    birth.adopter = kNobody;
    birth.sibling = true;
    descent_->Hang(i, best);
    return true;
  }

  /// The session's leader, if it is dead, or a process that is invented for the family.
  BirthIndex FindOrInventParent(const Family& family) {
    const Birth& host = tree_.At(family.host);
    if (host.dies && host.pid == family.session && MayServe(family.host, family.adopter)) {
      return family.host;
    }
    Slot pid = tree_.numbers.AddFree();
    if (pid == kNoSlot) return kNobody;
    served_.push_back(kNobody);
    return InventProcess({.pid = pid,
                          .parent = family.host,
                          .birth_sid = family.session,
                          .sid = family.session,
                          .origin = Origin::kForOrphans},
                         &tree_);
  }

  void MarkOutsideGroup() {
    Slot outside = tree_.numbers.Find(0);
    for (std::size_t k = tree_.order.size(); k-- > 0;) {
      Birth& birth = tree_.At(tree_.order[k]);
      if (birth.pgid == outside) birth.outside_group = true;
      if (!birth.outside_group || birth.birth_sid != outside || birth.parent < 0) continue;
      tree_.At(birth.parent).outside_group = true;
    }
  }

  Result RefuseOrphan(BirthIndex i) {
    const Birth& birth = tree_.At(i);
    const Birth& parent = tree_.At(birth.adopter);
    BirthIndex leader = SessionHome(tree_, birth.birth_sid);
    if (leader < NrProcesses() && Inside(place_[Index(leader)], i)) return RefuseDescent(i);
    std::string reason = "it must be born in session " + Name(birth.birth_sid) +
                         ", but its parent " + Name(parent.pid) +
                         (parent.leader() ? " is not forked there" : " never is in it");
    bool above = leader < NrProcesses() && Inside(place_[Index(birth.adopter)], leader);
    if (above && !parent.leader()) {
      return Refuse(i,
                    reason + ", and the session is from above that parent, so nobody below it is");
    }
    return Refuse(i, reason +
                         "; no way to a process of that session below it was found within "
                         "the bound");
  }

  Result RefuseDescent(BirthIndex i) {
    return Refuse(i, "it must be born in session " + Name(tree_.At(i).birth_sid) +
                         ", whose leader descends from it");
  }

  Result RefuseCycle() {
    for (BirthIndex i(1); i < NrProcesses(); ++i) {
      const Birth& birth = tree_.At(i);
      if (birth.adopter == kNobody || tree_.place[Index(i)] != -1) continue;
      return RefuseDescent(i);
    }
    return Refuse(kRoot, "the order of births is circular");
  }

  Result Refuse(BirthIndex i, std::string reason) {
    *refusal_ = {tree_.numbers[tree_.At(i).pid].value, std::move(reason)};
    return Result::kError;
  }

  std::string Name(Slot slot) const { return std::to_string(tree_.numbers[slot].value); }
  /// In the snapshot.
  BirthIndex ParentOf(BirthIndex i) const { return BirthIndex(nodes_[Index(i)].parent); }

  static std::size_t Index(std::int32_t i) { return static_cast<std::size_t>(i); }

  static constexpr int kNever = 9;

  const std::vector<TreeNode>& nodes_;
  const unsigned attempt_;
  const bool siblings_;
  std::mt19937 random_;  ///< the same for every run: plans are reproducible
  BirthTree& tree_;
  TreeRefusal* refusal_;
  std::vector<std::int32_t> size_;          ///< of each process's subtree in the snapshot
  std::vector<std::int32_t> place_;         ///< in depth-first order of the snapshot
  std::vector<std::int32_t> first_member_;  ///< places of each session's members, by slot
  std::vector<std::int32_t> last_member_;
  std::vector<BirthIndex> first_child_;
  std::vector<BirthIndex> next_child_;
  std::optional<Descent> descent_;
  std::vector<BirthIndex> anchor_;  ///< the process that it is to be born below
  std::vector<BirthIndex> served_;  ///< the adopter of a dead leader's orphans
};

}  // namespace

Result BuildDeepBirthTree(const TreeSnapshot& snapshot, unsigned attempt, bool siblings,
                          BirthTree* tree, TreeRefusal* refusal) {
  return Adopter(snapshot, attempt, siblings, tree, refusal).Run();
}

}  // namespace crgen

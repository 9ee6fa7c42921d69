// SPDX-License-Identifier: Apache-2.0
#include "model/mount_sharing.h"

#include <map>
#include <set>
#include <utility>

namespace crgen {
namespace {

/// Mounts that share their events among each other, or that all get those of one master.
struct Group {
  std::uint64_t shared = 0, master = 0;  ///< 0: none
  std::vector<std::size_t> members;
  std::size_t widest = 0;             ///< a member
  bool with_caller = false;           ///< what the caller of a restore has is a member, too
  std::vector<std::size_t> slaves;    ///< groups
  std::optional<std::size_t> source;  ///< the group of the master, if it is in the list
};

class Planner {
 public:
  Planner(const std::vector<Mount>& mounts, SharingProblem* problem)
      : mounts_(mounts), problem_(*problem) {}

  std::optional<MountSharing> Run() {
    sharing_.slaves_of_outside.resize(mounts_.size());
    for (std::size_t i = 0; i < mounts_.size(); ++i) AddTo(GroupOf(mounts_[i]), i);
    if (!FindMasters()) return std::nullopt;
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      if (!groups_[i].source) ready.push_back(i);
    }
    for (std::size_t next = 0; next < ready.size(); ++next) {
      const Group& group = groups_[ready[next]];
      if (!Plan(group)) return std::nullopt;
      ready.insert(ready.end(), group.slaves.begin(), group.slaves.end());
    }
    for (const Group& group : groups_) {
      if (ready.size() == groups_.size()) break;
      if (group.source && !IsPlanned(group))
        return Fail(group.widest, "is its own master's master");
    }
    for (std::size_t i = 0; i < mounts_.size(); ++i) {
      if (mounts_[i].flags.Has(mount_flag::kUnbindable))
        sharing_.steps.push_back({std::nullopt, i, mount_flag::kUnbindable});
    }
    return std::move(sharing_);
  }

 private:
  Group* GroupOf(const Mount& mount) {
    const std::pair key{mount.shared.value_or(0), mount.master.value_or(0)};
    if (key == std::pair<std::uint64_t, std::uint64_t>{}) return nullptr;
    const auto [known, is_new] = by_key_.try_emplace(key, groups_.size());
    if (is_new) groups_.push_back({key.first, key.second, {}, 0, false, {}, std::nullopt});
    return &groups_[known->second];
  }

  void AddTo(Group* group, std::size_t mount) {
    if (group == nullptr) return;
    const bool with_caller = mounts_[mount].shared_with_caller;
    const bool first = group->members.empty() || (with_caller && !group->with_caller);
    const bool can_be = with_caller || !group->with_caller;
    if (first ||
        (can_be && IsBelow(mounts_[group->widest].root.bytes, mounts_[mount].root.bytes))) {
      const bool same = !first && mounts_[group->widest].root == mounts_[mount].root;
      if (!same) group->widest = mount;
    }
    group->with_caller |= with_caller;
    group->members.push_back(mount);
  }

  bool FindMasters() {
    std::map<std::uint64_t, std::size_t> by_shared;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      if (groups_[i].shared == 0) continue;
      if (by_shared.emplace(groups_[i].shared, i).second) continue;
      return Fails(groups_[i].widest, "is in a group whose members have different masters");
    }
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      const auto master = by_shared.find(groups_[i].master);
      if (groups_[i].master == 0 || master == by_shared.end()) continue;
      groups_[i].source = master->second;
      groups_[master->second].slaves.push_back(i);
    }
    return true;
  }

  bool IsOfCaller(std::size_t mount) const {
    return mounts_[mount].IsFirstRoot() || mounts_[mount].external;
  }

  /// do_set_group() of the kernel takes them from a mount that has all of it.
  bool Join(std::size_t from, std::size_t to) {
    const Mount &source = mounts_[from], &mount = mounts_[to];
    const bool other =
        source.superblock && mount.superblock && *source.superblock != *mount.superblock;
    if (other)
      return Fails(to, "is in a group with mount " + std::to_string(source.id) +
                           ", which is of another file system");
    if (!IsBelow(mount.root.bytes, source.root.bytes))
      return Fails(to, "is in a group of which no mount has all that the others have");
    sharing_.steps.push_back({from, to, 0});
    return true;
  }

  /// Who is in a group with what the caller has gets that one's master with it.
  bool PlanWithCaller(const Group& group) {
    if (group.source && !groups_[*group.source].with_caller)
      return Fails(
          group.widest,
          "is in a group with what the caller has, and gets the events of one that is not");
    for (const std::size_t member : group.members) {
      if (mounts_[member].shared_with_caller)
        sharing_.steps.push_back({std::nullopt, member, 0, true});
    }
    for (const std::size_t member : group.members) {
      if (!mounts_[member].shared_with_caller && !Join(group.widest, member)) return false;
    }
    planned_.emplace(&group);
    return true;
  }

  bool Plan(const Group& group) {
    if (group.with_caller) return PlanWithCaller(group);
    const std::size_t first = group.widest;
    const bool outside = group.master != 0 && !group.source;
    if (outside && !IsOfCaller(first))
      return Fails(first, "gets the events of a mount that is not in the namespace");
    if (outside) sharing_.slaves_of_outside[first] = true;
    if (group.source) {
      if (!Join(groups_[*group.source].widest, first)) return false;
      sharing_.steps.back().propagation = mount_flag::kSlave;
    }
    if (group.shared != 0) sharing_.steps.push_back({std::nullopt, first, mount_flag::kShared});
    for (const std::size_t member : group.members) {
      if (member == first) continue;
      if (outside && group.shared == 0 && IsOfCaller(member)) {
        sharing_.slaves_of_outside[member] = true;
      } else if (!Join(first, member)) {
        return false;
      }
    }
    planned_.emplace(&group);
    return true;
  }

  bool IsPlanned(const Group& group) const { return planned_.contains(&group); }

  bool Fails(std::size_t mount, std::string what) {
    problem_ = {mount, std::move(what)};
    return false;
  }
  std::nullopt_t Fail(std::size_t mount, std::string what) {
    problem_ = {mount, std::move(what)};
    return std::nullopt;
  }

  const std::vector<Mount>& mounts_;
  SharingProblem& problem_;
  std::vector<Group> groups_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::size_t> by_key_;
  std::set<const Group*> planned_;
  MountSharing sharing_;
};

}  // namespace

std::optional<MountSharing> PlanSharing(const std::vector<Mount>& mounts, SharingProblem* problem) {
  return Planner(mounts, problem).Run();
}

}  // namespace crgen

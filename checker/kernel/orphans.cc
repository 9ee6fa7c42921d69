// SPDX-License-Identifier: Apache-2.0
// Orphaned process groups of the simulated kernel: which exits would leave a stopped group with
// nobody to continue it. Rules: will_become_orphaned_pgrp(), has_stopped_jobs() and
// kill_orphaned_pgrp() of Linux kernel/exit.c.
//
// The kernel walks the group at every exit. Here the links of a group are counted, from the moment
// that one of its members stops: it stays stopped and in the group, so there is no end to this.
#include <algorithm>

#include "checker/kernel/kernel.h"

namespace crgen::check {

/// True if a living child of `parent` keeps the stopped group from being orphaned.
bool Kernel::Links(TaskIndex parent, const NumberUse& group) const {
  // All members of a group are in one session.
  const Task& member = tasks[group.stopped];
  return tasks[parent].pgid != member.pgid && tasks[parent].sid == member.sid;
}

/// Counts `task` in (`by` 1) or out (-1), if its group has stopped members.
void Kernel::CountMember(TaskIndex task, int by) {
  if (stopped_tasks_ == 0) return;
  const Task& it = tasks[task];
  NumberUse& group = numbers[it.pgid];
  if (group.stopped == kNoTask) return;
  Family& family = families[it.in_family];
  const bool lives = it.state != TaskState::kZombie;
  std::map<Pid, std::int64_t>& counts = lives ? family.living_in : family.zombies_in;
  const auto count = counts.try_emplace(it.pgid).first;
  count->second += by;
  if (count->second == 0) counts.erase(count);
  if (lives && Links(family.parent, group)) group.links += by;
}

void Kernel::CountStopped(TaskIndex task) {
  NumberUse& group = numbers[tasks[task].pgid];
  ++stopped_tasks_;
  if (group.stopped == kNoTask) {
    group.stopped = task;
    for (TaskIndex at = group.head[kGroupList]; at != kNoTask;
         at = tasks[at].links[kGroupList].next) {
      CountMember(at, 1);
    }
  } else if (tasks[task].joined < tasks[group.stopped].joined) {
    group.stopped = task;
  }
}

/// Takes the links that the children of `parent` are for `group` in or out: around a change of the
/// group, the session or the place of `parent`.
void Kernel::CountLinks(TaskIndex parent, Pid group, int by) {
  if (tasks[parent].family < 0) return;
  const auto& living_in = families[tasks[parent].family].living_in;
  const auto living = living_in.find(group);
  if (living == living_in.end()) return;
  NumberUse& use = numbers[group];
  if (Links(parent, use)) use.links += by * living->second;
}

void Kernel::CountAllLinks(TaskIndex parent, int by) {
  if (tasks[parent].family < 0) return;
  for (const auto& [group, living] : families[tasks[parent].family].living_in) {
    NumberUse& use = numbers[group];
    if (Links(parent, use)) use.links += by * living;
  }
}

/// True if `group` has stopped members and no link once `dying` is dead and its children are those
/// of `heir`.
bool Kernel::BecomesOrphaned(Pid group, TaskIndex dying, TaskIndex heir) const {
  // Whether the restorer's group is orphaned is up to who started it.
  if (group == tasks[kRestorer].pgid) return false;
  const NumberUse& use = numbers.at(group);
  if (use.stopped == kNoTask) return false;
  std::int64_t links = use.links;
  const Task& task = tasks[dying];
  if (task.pgid == group && Links(ParentOf(task), use)) --links;
  if (task.family >= 0) {
    const auto& living_in = families[task.family].living_in;
    if (const auto living = living_in.find(group); living != living_in.end()) {
      links += living->second * (Links(heir, use) - Links(dying, use));
    }
  }
  return links == 0;
}

/// True if a child of `dying` in `group` makes the kernel look whether this is orphaned now, and
/// finds it so.
bool Kernel::IsLost(Pid group, TaskIndex dying, TaskIndex heir) const {
  const NumberUse& use = numbers.at(group);
  return use.stopped != kNoTask && Links(dying, use) && BecomesOrphaned(group, dying, heir);
}

/// True if the group of any child of `dying` is lost.
bool Kernel::MakesOrphan(TaskIndex dying, TaskIndex heir) const {
  const Family& family = families[tasks[dying].family];
  const auto is_lost = [&](const auto& entry) { return IsLost(entry.first, dying, heir); };
  // Zombies are no links: their groups may have been orphaned before they stopped.
  if (std::ranges::any_of(family.zombies_in, is_lost)) return true;
  if (tasks[heir].sid != tasks[dying].sid) return std::ranges::any_of(family.living_in, is_lost);
  const Pid group = tasks[heir].pgid;
  return family.living_in.contains(group) && IsLost(group, dying, heir);
}

/// A group that becomes orphaned with stopped members gets SIGHUP and SIGCONT.
bool Kernel::CheckOrphanedGroups(TaskIndex dying, TaskIndex heir) {
  const auto refuse = [&](Pid group) {
    Violation("SIGHUP", "group " + std::to_string(group) + " with the stopped " +
                            Who(numbers[group].stopped) + " becomes orphaned");
    return false;
  };
  const Task& task = tasks[dying];
  const Task& parent = tasks[ParentOf(task)];
  const bool linked = parent.pgid != task.pgid && parent.sid == task.sid;
  if (linked && BecomesOrphaned(task.pgid, dying, heir)) return refuse(task.pgid);
  if (task.family < 0 || !MakesOrphan(dying, heir)) return true;
  for (TaskIndex child : families[task.family].children) {
    if (IsLost(tasks[child].pgid, dying, heir)) return refuse(tasks[child].pgid);
  }
  return true;
}

}  // namespace crgen::check

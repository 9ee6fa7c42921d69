// SPDX-License-Identifier: Apache-2.0
// Attributes in the simulated kernel: what SET_ATTR may set, what fork(2) and clone(2) hand on, and
// how two sets of attributes differ.
#include <linux/seccomp.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checker/compare/difference.h"
#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

// What identifies an entry of a list that SET_ATTR adds to.
std::uint64_t KeyOf(const SignalAction& action) { return action.signal.value; }
std::uint64_t KeyOf(const Rlimit& limit) { return limit.resource.value; }
std::uint64_t KeyOf(const PosixTimer& timer) { return timer.id; }
std::uint64_t KeyOf(const TlsDescriptor& entry) { return entry.entry_number; }

template <typename Entry>
concept Keyed = requires(const Entry& entry) {
  KeyOf(entry);
};

template <typename Entry>
std::vector<Entry> SortedByKey(std::vector<Entry> entries) {
  if constexpr (Keyed<Entry>) {
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return KeyOf(a) < KeyOf(b); });
  }
  return entries;
}

template <typename Value>
void MergeInto(const std::optional<Value>& from, std::optional<Value>* to) {
  if (from) *to = from;
}
template <typename Value>
void MergeInto(const Rare<Value>& from, Rare<Value>* to) {
  if (from) *to = from;
}
void MergeInto(const std::optional<CgroupMembership>& from, std::optional<CgroupMembership>* to) {
  MergeCgroup(from, to);
}
template <typename Entry>
void MergeInto(const std::vector<Entry>& from, std::vector<Entry>* to) {
  if (from.empty()) return;
  to->insert(to->end(), from.begin(), from.end());
  if constexpr (Keyed<Entry>) {
    // Of entries with one key the last is in force.
    std::vector<Entry> sorted = SortedByKey(std::move(*to));
    to->clear();
    for (Entry& entry : sorted) {
      if (!to->empty() && KeyOf(to->back()) == KeyOf(entry)) to->pop_back();
      to->push_back(std::move(entry));
    }
  }
}

template <typename Value>
bool IsSet(const std::optional<Value>& value) {
  return value.has_value();
}
template <typename Value>
bool IsSet(const Rare<Value>& value) {
  return value.has_value();
}
template <typename Entry>
bool IsSet(const std::vector<Entry>& entries) {
  return !entries.empty();
}

template <typename Entry>
void CompareLists(const std::string& where, const std::string& field,
                  const std::vector<Entry>& expected, const std::vector<Entry>& found,
                  Diagnostics& diag) {
  Compare(where, field, SortedByKey(expected), SortedByKey(found), diag);
}

/// Whether the list is as merging would leave it.
template <typename Entry>
bool IsInOrder(const std::vector<Entry>& entries) {
  if constexpr (Keyed<Entry>) {
    return std::ranges::adjacent_find(entries, [](const Entry& a, const Entry& b) {
             return KeyOf(a) >= KeyOf(b);
           }) == entries.end();
  }
  return true;
}

/// Whether `from` laid over `to` is just `from`.
bool Replaces(const Attributes& from, const Attributes& to) {
  bool replaces = from.descriptors.empty() && !from.inherit_rlimits && !to.inherit_rlimits &&
                  !from.inherit_creds;
  ForEachField<Attributes>([&](const auto& field) {
    using Member = std::decay_t<decltype(to.*field.member)>;
    if constexpr (InnerOf<Member>::kIsVector) {
      replaces = replaces && (to.*field.member).empty() && IsInOrder(from.*field.member);
    } else {
      // Merging a cgroup keeps parts of the old one, and leaves out parts of the new one.
      constexpr bool kMerges = std::is_same_v<Member, std::optional<CgroupMembership>>;
      const bool was = static_cast<bool>(to.*field.member);
      const bool is = static_cast<bool>(from.*field.member);
      replaces = replaces && (kMerges ? !was && !is : !was || is);
    }
  });
  return replaces;
}

/// `*attributes` for changes: copied first, if others have it too.
Attributes& Own(std::shared_ptr<const Attributes>* attributes) {
  if (attributes->use_count() != 1) *attributes = std::make_shared<Attributes>(**attributes);
  return const_cast<Attributes&>(**attributes);  // all are made by make_shared<Attributes>
}

/// The members that belong to a process as a whole: clone(2) shares them among its threads.
template <typename Function>
void ForEachProcessMember(Function&& function) {
  function("time", &Attributes::time);
  function("uts", &Attributes::uts);
  function("ipc", &Attributes::ipc);
  function("net", &Attributes::net);
  function("further_nets", &Attributes::further_nets);
  function("mounts", &Attributes::mounts);
  function("setns", &Attributes::setns);
  function("fs", &Attributes::fs);
  function("mm", &Attributes::mm);
  function("sigactions", &Attributes::sigactions);
  function("rlimits", &Attributes::rlimits);
  function("timers", &Attributes::timers);
  function("posix_timers", &Attributes::posix_timers);
  function("personality", &Attributes::personality);
  function("child_subreaper", &Attributes::child_subreaper);
  function("oom_score_adj", &Attributes::oom_score_adj);
  function("loginuid", &Attributes::loginuid);
  function("dumpable", &Attributes::dumpable);
  function("thp_disabled", &Attributes::thp_disabled);
  function("membarrier", &Attributes::membarrier);
  function("descriptors", &Attributes::descriptors);
}

}  // namespace

/// Only what takes effect at once (docs/restorer-contract.md, 4 and 5): the rest is set at the
/// hand-over, when nobody is born any more.
std::shared_ptr<const Attributes> InheritAttributes(const Attributes& from, bool thread) {
  auto to = std::make_shared<Attributes>();
  to->comm = from.comm;
  if (!thread) to->fs = from.fs;
  to->cgroup = from.cgroup;
  to->setns = from.setns;
  return to;
}

void MergeAttributes(const Attributes& from, Attributes* to) {
  ForEachField<Attributes>(
      [&](const auto& field) { MergeInto(from.*field.member, &(to->*field.member)); });
  to->inherit_rlimits = to->inherit_rlimits || from.inherit_rlimits;
  to->descriptors.clear();  // state of descriptions, not of the process
  if (to->setns && *to->setns == EnteredNamespaces()) to->setns.reset();
}

void CompareAttributes(const std::string& where, const Attributes& expected,
                       const Attributes& found, Diagnostics& diag) {
  ForEachField<Attributes>([&](const auto& field) {
    // Compared with the tree, which knows it for every process.
    if (field.name == "child_subreaper") return;
    const std::string name = "attributes." + std::string(field.name);
    const auto& want = expected.*field.member;
    const auto& have = found.*field.member;
    if constexpr (requires { want.size(); }) {
      CompareLists(where, name, want, have, diag);
    } else {
      Compare(where, name, want, have, diag);
    }
  });
}

namespace {

/// The filters up to the last one with TSYNC.
std::vector<SeccompFilter> SharedFilters(const Seccomp& seccomp) {
  std::vector<SeccompFilter> shared, behind;
  for (const SeccompFilter& filter : seccomp.filters) {
    behind.push_back(filter);
    if (!filter.flags.Has(SECCOMP_FILTER_FLAG_TSYNC)) continue;
    shared.insert(shared.end(), behind.begin(), behind.end());
    behind.clear();
  }
  return shared;
}

}  // namespace

bool Kernel::CheckAttributes(const SetAttr& set) {
  if (set.attributes == nullptr) {
    Violation("EINVAL", "there are no attributes");
    return false;
  }
  const Attributes& attributes = *set.attributes;
  auto is_thread = [&](Pid tid) {
    if (tid == self().pid) return true;
    auto use = numbers.find(tid);
    return use != numbers.end() && use->second.thread_of == self_;
  };
  if (set.tid && !is_thread(*set.tid)) {
    Violation("ESRCH", std::to_string(*set.tid) + " is no thread of " + Who(self_));
    return false;
  }
  std::string problem;
  ForEachProcessMember([&](const char* name, auto member) {
    if (set.tid && IsSet(attributes.*member)) {
      problem =
          std::string(name) + " belongs to the process, not to thread " + std::to_string(*set.tid);
    }
  });
  if (set.tid && attributes.inherit_rlimits) {
    problem = "rlimits belongs to the process, not to thread " + std::to_string(*set.tid);
  }
  for (const PosixTimer& timer : attributes.posix_timers) {
    if (timer.notify_tid && !is_thread(*timer.notify_tid)) {
      problem = "posix timer " + std::to_string(timer.id) + " notifies " +
                std::to_string(*timer.notify_tid) + ", which is no thread of " + Who(self_);
    }
  }
  if (problem.empty()) problem = FiltersOutOfStep(set);
  std::optional<Refusal> refusal = RefusedValue(attributes);
  if (!problem.empty()) refusal = Refusal{"EINVAL", std::move(problem)};
  if (!refusal) {
    return CheckNamespaces(attributes) && (!attributes.setns || CheckEntering(*attributes.setns)) &&
           (!attributes.cgroup || CheckCgroup(set)) &&
           (!attributes.creds || CheckMappedIds(*attributes.creds));
  }
  Violation(refusal->error, std::move(refusal->fact));
  return false;
}

/// SECCOMP_FILTER_FLAG_TSYNC gives the chain of one thread to all others. These have none of their
/// own: before it the kernel refuses that, and behind it nothing says that they come later.
std::string Kernel::FiltersOutOfStep(const SetAttr& set) {
  if (!set.attributes->seccomp) return "";
  const std::string flag = "SECCOMP_FILTER_FLAG_TSYNC: thread ";
  const Pid tid = set.tid.value_or(self().pid);
  const Pid from = self().filters_from;
  if (from == tid) return "";  // what the others have is what it has given them
  if (from != 0) {
    return flag + std::to_string(from) + " has given its filters to all, and " +
           std::to_string(tid) + " is given others";
  }
  if (SharedFilters(*set.attributes->seccomp).empty()) return "";
  std::string problem;
  const auto check = [&](Pid other, const Attributes& attributes) {
    if (other == tid || !attributes.seccomp) return;
    problem = flag + std::to_string(other) + " has filters of its own, or strict mode";
  };
  check(self().pid, *self().attributes);
  for (const SimulatedThread& thread : self().threads) check(thread.tid, *thread.attributes);
  return problem;
}

void Kernel::SpreadFilters(const SetAttr& set) {
  const Pid tid = set.tid.value_or(self().pid);
  Seccomp shared{set.attributes->seccomp->mode, SharedFilters(*set.attributes->seccomp)};
  if (shared.filters.empty() && self().filters_from == 0) return;
  const auto spread = [&](Pid other, std::shared_ptr<const Attributes>& attributes) {
    if (other == tid) return;
    std::optional<Seccomp>& seccomp = Own(&attributes).seccomp;
    if (shared.filters.empty()) {
      seccomp.reset();
    } else {
      seccomp = shared;
    }
  };
  spread(self().pid, self().attributes);
  for (SimulatedThread& thread : self().threads) spread(thread.tid, thread.attributes);
  self().filters_from = shared.filters.empty() ? 0 : tid;
}

void Kernel::Execute(const SetAttr& set) {
  if (!CheckAttributes(set)) return;
  if (set.attributes->fs && (!CheckLookup() || !CheckDirectories(*set.attributes->fs))) return;
  if (!SetLate(set.attributes->descriptors)) return;
  if (set.attributes->mm && !CheckExecutable(*set.attributes->mm)) return;
  Task& task = self();
  const bool leader = !set.tid || *set.tid == task.pid;
  if (set.attributes->seccomp) SpreadFilters(set);
  std::shared_ptr<const Attributes>& target =
      leader ? task.attributes : task.threads[numbers[*set.tid].thread_index].attributes;
  if (leader && set.tid) {
    // Signals pending for the leader alone are no attribute of the process.
    Attributes own = *set.attributes;
    const std::vector<PendingSignal> queue = std::exchange(own.signal_queue, {});
    task.leader_signal_queue.insert(task.leader_signal_queue.end(), queue.begin(), queue.end());
    MergeAttributes(own, &Own(&target));
  } else if (Replaces(*set.attributes, *target)) {
    target = set.attributes;
  } else {
    MergeAttributes(*set.attributes, &Own(&target));
  }
  task.rlimits_said =
      task.attributes->inherit_rlimits || task.attributes->rlimits.size() == kResources;
  if (set.attributes->creds || set.attributes->inherit_creds) {
    (leader ? task.creds_said : task.threads[numbers[*set.tid].thread_index].creds_said) = true;
  }
  if (set.attributes->fs) task.fs->set_by = set.attributes;
  if (!set.attributes->mounts.empty()) files.Of<RegularFile>().Enter(set.attributes);
  task.for_children.reset();
  task.for_threads.reset();
  if (set.attributes->child_subreaper) task.subreaper = *set.attributes->child_subreaper;
  if ((set.attributes->creds || set.attributes->seccomp) && !task.is_sealed) {
    task.is_sealed = true;
    task.sealed = command_;
  }
}

/// Paths of a program begin in the restorer's root directory: whoever has another one looks up
/// none.
bool Kernel::CheckLookup() {
  SpreadFs(self());
  const std::optional<FsAttributes>& fs = self().attributes->fs;
  if (!fs || fs->root.bytes == "/") return true;
  Violation("EINVAL", "a path is looked up in the restorer's root directory, and the process has " +
                          ValueText(fs->root) + " by now: fs comes later");
  return false;
}

/// Gives `task` what a process that shares its cwd, root and umask has set last.
void Kernel::SpreadFs(Task& task) {
  if (task.fs == nullptr || task.fs->set_by == nullptr) return;
  const std::optional<FsAttributes>& fs = task.fs->set_by->fs;
  if (task.attributes->fs == fs) return;
  Own(&task.attributes).fs = fs;
}

}  // namespace crgen::check

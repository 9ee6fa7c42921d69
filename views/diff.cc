// SPDX-License-Identifier: Apache-2.0
#include "views/diff.h"

#include <algorithm>

#include "views/diff_parts.h"

namespace crgen {
namespace {

/// Of what is mapped. What is only open under the same name may be another file.
std::unordered_set<std::string> MappedChecks(const Snapshot& snapshot) {
  std::unordered_set<std::int32_t> files;
  for (const Process& process : snapshot.processes) {
    for (const Region& region : process.memory.regions) {
      if (region.file >= 0) files.insert(region.file);
    }
  }
  std::unordered_set<std::string> checks;
  for (const std::int32_t file : files) {
    const RegularFile* regular = As<RegularFile>(*snapshot.files[FileIndex(file)]);
    if (regular != nullptr) checks.insert(ChecksOf(*regular));
  }
  return checks;
}

std::string StateText(const Process& process) {
  switch (process.state) {
    case ProcessState::kRunning:
      return "running";
    case ProcessState::kStopped:
      return "stopped by " + NameText(process.stop_signal);
    case ProcessState::kZombie:
      break;
  }
  return "zombie, " + ExitText(process.exit_status);
}

}  // namespace

std::string ChecksOf(const RegularFile& file) {
  return file.path.bytes + '\0' + ValueText(file.size) + '\0' + ValueText(file.mode) + '\0' +
         (file.build_id ? file.build_id->bytes : "");
}

SnapshotDiffer::SnapshotDiffer(const DiffSide& before, const DiffSide& after,
                               const DiffOptions& options, Diagnostics& diag)
    : ValueDiffer(before, after, options, diag),
      relations_a_(before.dump.snapshot, before.dump.unplanned),
      relations_b_(after.dump.snapshot, after.dump.unplanned),
      checks_a_(MappedChecks(before.dump.snapshot)),
      checks_b_(MappedChecks(after.dump.snapshot)) {
  for (std::size_t i = 0; i < b().tree.nodes.size(); ++i)
    after_of_.emplace(b().tree.nodes[i].pid, ProcessIndex(i));
}

void SnapshotDiffer::ComparePlace(const Place& place, const TreeNode& before,
                                  const TreeNode& after) {
  const auto parent = [](const Snapshot& snapshot, const TreeNode& node) {
    return node.parent < 0 ? 0 : snapshot.tree.nodes[node.parent].pid;
  };
  Compare(place, "parent", parent(a(), before), parent(b(), after));
  Compare(place, "pgid", before.pgid, after.pgid);
  Compare(place, "sid", before.sid, after.sid);
  if (!before.zombie && !after.zombie)
    Compare(place, "child_subreaper", before.subreaper, after.subreaper);
}

/// False: one of them is dead, and has nothing else.
bool SnapshotDiffer::CompareState(const Place& place, const Process& before, const Process& after) {
  Compare(place, "state", StateText(before), StateText(after));
  const bool dead = before.state == ProcessState::kZombie || after.state == ProcessState::kZombie;
  if (!dead) return true;
  if (before.attributes != nullptr && after.attributes != nullptr)
    Compare(place, "comm", before.attributes->comm, after.attributes->comm);
  return false;
}

void SnapshotDiffer::CompareAttributes(const Place& place,
                                       const std::shared_ptr<const Attributes>& before,
                                       const std::shared_ptr<const Attributes>& after) {
  static const Attributes kNone;
  const Attributes& one = before == nullptr ? kNone : *before;
  const Attributes& other = after == nullptr ? kNone : *after;
  ForEachField<Attributes>([&](const auto& field) {
    // The tree has the first, descriptions the other.
    if (field.name == "child_subreaper" || field.name == "descriptors") return;
    Compare(place, std::string(field.name), one.*field.member, other.*field.member);
  });
}

void SnapshotDiffer::CompareThreads(Pid pid, const Process& before, const Process& after) {
  std::unordered_map<Pid, const Thread*> others;
  for (const Thread& thread : after.threads) others.emplace(thread.tid, &thread);
  const auto place_of = [&](Pid tid) {
    return Place{Aspect::kThread, pid, "thread " + std::to_string(tid)};
  };
  for (const Thread& thread : before.threads) {
    const auto other = others.find(thread.tid);
    if (other == others.end()) {
      Add(place_of(thread.tid), "", "a thread", "none");
      continue;
    }
    CompareAttributes(place_of(thread.tid), thread.attributes, other->second->attributes);
    others.erase(other);
  }
  for (const Thread& thread : after.threads) {
    if (others.contains(thread.tid)) Add(place_of(thread.tid), "", "none", "a thread");
  }
}

void SnapshotDiffer::CompareProcess(ProcessIndex before, ProcessIndex after) {
  const Process &one = a().processes[before], &other = b().processes[after];
  const Pid pid = a().tree.nodes[before].pid;
  const Place place = {Aspect::kProcess, pid, ""};
  ComparePlace(place, a().tree.nodes[before], b().tree.nodes[after]);
  if (!CompareState(place, one, other)) return;
  CompareThreads(pid, one, other);
  const Place attributes = {Aspect::kAttribute, pid, ""};
  CompareAttributes(attributes, one.attributes, other.attributes);
  Compare(attributes, "signal_queue of the leader", one.leader_signal_queue,
          other.leader_signal_queue);
  CompareTable(before, after);
  CompareMemory(pid, before, after);
}

void SnapshotDiffer::CompareTree() {
  const auto name = [](const Process& process) {
    const std::string comm = CommOf(process);
    return comm.empty() ? std::string("a process") : "process " + comm;
  };
  std::unordered_set<Pid> known;
  for (std::size_t i = 0; i < a().processes.size(); ++i) {
    const Pid pid = a().tree.nodes[i].pid;
    known.insert(pid);
    const auto other = after_of_.find(pid);
    if (other != after_of_.end()) {
      CompareProcess(ProcessIndex(i), other->second);
    } else {
      Add({Aspect::kProcess, pid, ""}, "", name(a().processes[i]), "none");
    }
  }
  for (std::size_t i = 0; i < b().processes.size(); ++i) {
    const Pid pid = b().tree.nodes[i].pid;
    if (!known.contains(pid)) Add({Aspect::kProcess, pid, ""}, "", "none", name(b().processes[i]));
  }
}

void SnapshotDiffer::CompareCgroups() {
  std::map<std::string, const CgroupDirectory*> others;
  const auto key = [](const CgroupDirectory& it) {
    return CgroupText(it.controllers, it.path.bytes);
  };
  const auto place = [](const std::string& name) {
    return Place{Aspect::kCgroup, std::nullopt, "cgroup " + name};
  };
  for (const CgroupDirectory& it : b().cgroup_directories) others.emplace(key(it), &it);
  for (const CgroupDirectory& it : a().cgroup_directories) {
    const auto other = others.find(key(it));
    if (other == others.end()) {
      Add(place(key(it)), "", "a directory", "none");
      continue;
    }
    CompareFields(place(key(it)), "", it, *other->second);
    others.erase(other);
  }
  for (const auto& [name, directory] : others) Add(place(name), "", "none", "a directory");
}

/// Most is met on the way through the processes; the rest goes to those whose it is.
void SnapshotDiffer::SortByProcess() {
  std::unordered_map<Pid, std::size_t> rank;
  for (const TreeNode& node : a().tree.nodes) rank.emplace(node.pid, rank.size());
  for (const TreeNode& node : b().tree.nodes) rank.emplace(node.pid, rank.size());
  std::ranges::stable_sort(found_.list, {}, [&](const Difference& it) {
    return it.pid ? rank.at(*it.pid) : rank.size();
  });
  if (!options_.pid) return;
  std::erase_if(found_.list, [&](const Difference& it) { return it.pid != options_.pid; });
}

/// What nobody can say, each in one line.
void SnapshotDiffer::Note() {
  std::string without;
  for (const DiffSide* side : {&before_, &after_}) {
    if (side->dump.read_page) continue;
    without += (without.empty() ? "" : ", ") + side->name;
  }
  const std::string whose = without.empty() ? "" : ", for want of the images of " + without;
  if (pages_not_compared_ != 0) {
    found_.not_compared.push_back("the content of " +
                                  crgen::Count(pages_not_compared_, "page", "pages") + whose);
  }
  if (bytes_not_compared_) {
    found_.not_compared.push_back(without.empty()
                                      ? "what is in archives of tmpfs, which have times"
                                      : "what is queued, or in files without a name" + whose);
  }
}

Differences SnapshotDiffer::Run() {
  const Place whole = {Aspect::kDump, std::nullopt, ""};
  const auto born = [](bool is_new) { return std::string(is_new ? "a new one" : "the caller's"); };
  const auto born_in = [&](const Snapshot& it) {
    return it.pid_namespace ? "that of outside, " + it.pid_namespace->external.bytes
                            : born(it.new_pid_namespace);
  };
  Compare(whole, "user namespace", born(a().user_namespace.has_value()),
          born(b().user_namespace.has_value()));
  if (a().user_namespace && b().user_namespace) {
    Compare(whole, "uid_map", a().user_namespace->uid_map, b().user_namespace->uid_map);
    Compare(whole, "gid_map", a().user_namespace->gid_map, b().user_namespace->gid_map);
  }
  Compare(whole, "pid namespace", born_in(a()), born_in(b()));
  std::optional<NetworkLock> lock = a().network_lock;
  const std::optional<NetworkLock>& other = b().network_lock;
  // Each dump has a table of its own.
  if (options_.same_meaning && lock && other) lock->table = other->table;
  Compare(whole, "network_lock", lock, other);
  CompareTree();
  CompareConnections();
  CompareCgroups();
  SortByProcess();
  Note();
  return std::move(found_);
}

Differences Diff(const DiffSide& before, const DiffSide& after, const DiffOptions& options,
                 Diagnostics& diag) {
  return SnapshotDiffer(before, after, options, diag).Run();
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "restorer/read_back.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "model/proc_path.h"
#include "restorer/namespaces.h"
#include "restorer/own_limits.h"
#include "restorer/proc_files.h"
#include "restorer/watch.h"

namespace crgen::restorer {
namespace {

std::string Text(std::uint64_t value) { return std::to_string(value); }
std::string Text(std::uint32_t value) { return std::to_string(value); }
std::string HexText(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}
template <typename Words>
std::string ListText(const Words& words) {
  std::string text;
  for (const auto word : words) text += (text.empty() ? "" : " ") + std::to_string(word);
  return text.empty() ? "none" : text;
}
std::string Text(const std::vector<std::uint32_t>& words) { return ListText(words); }
std::string Text(const std::array<std::uint32_t, 4>& words) { return ListText(words); }
std::string Text(const IdMap& map) {
  std::string text;
  for (const IdRange& range : map) {
    text += (text.empty() ? "" : ", ") + std::to_string(range.inside) + " " +
            std::to_string(range.outside) + " " + std::to_string(range.count);
  }
  return text.empty() ? "none" : text;
}
std::string Text(const Scheduling& s) {
  return "policy " + std::to_string(s.policy) + " nice " + std::to_string(s.nice) + " priority " +
         std::to_string(s.priority) + (s.reset_on_fork ? " reset_on_fork" : "");
}
std::string Text(const Limit& limit) {
  return std::to_string(limit.first) + " " + std::to_string(limit.second);
}

}  // namespace

/// The first difference.
class ReadBack::Comparison {
 public:
  template <typename T>
  void Same(const char* field, const T& planned, const T& found) {
    if (planned != found) Differ(field, Text(planned), Text(found));
  }
  void SameBits(const char* field, std::uint64_t planned, std::uint64_t found) {
    if (planned != found) Differ(field, HexText(planned), HexText(found));
  }
  void Differ(const std::string& field, const std::string& planned, const std::string& found) {
    if (problem_.empty()) problem_ = field + ": planned " + planned + ", found " + found;
  }
  const std::string& problem() const { return problem_; }

 private:
  std::string problem_;
};

namespace {

constexpr const char* kLimitNames[kLimits] = {
    "RLIMIT_CPU",      "RLIMIT_FSIZE", "RLIMIT_DATA",   "RLIMIT_STACK",
    "RLIMIT_CORE",     "RLIMIT_RSS",   "RLIMIT_NPROC",  "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",  "RLIMIT_AS",    "RLIMIT_LOCKS",  "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE", "RLIMIT_NICE",  "RLIMIT_RTPRIO", "RLIMIT_RTTIME"};

/// 0: it is none.
std::uint64_t InodeOf(int fd) {
  struct stat facts = {};
  return fstat(fd, &facts) == 0 ? facts.st_ino : 0;
}

}  // namespace

ReadBack::ReadBack(const Program& program, bool cgroup_namespace, const UserHolder& user,
                   const RestoreOptions& options, const NetDescriptors& nets)
    : cgroup_namespace_(cgroup_namespace),
      user_(user),
      ids_{OwnUserNamespace(program)},
      nets_(nets) {
  ReadThread(getpid(), &own_thread_, &own_process_.facts.ignored);
  ReadLimits(getpid(), &own_process_.facts.limits);
  for (const int resource : kRaisedLimits) {
    const rlimit callers = CallersLimit(resource);
    own_process_.facts.limits[resource] = {callers.rlim_cur, callers.rlim_max};
  }
  ReadNamespaces(getpid(), &own_namespaces_);
  if (ids_.user) {
    own_thread_.inheritable = own_thread_.ambient = 0;
    const Creds inside = CredsInside(*ids_.user, {});
    PlanIds(inside, own_thread_);
    own_thread_.permitted = inside.cap_prm.value;
    own_thread_.effective = inside.cap_eff.value;
    own_thread_.bounding = inside.cap_bnd.value;
  }
  own_thread_.securebits = ids_.user ? 0 : static_cast<std::uint32_t>(prctl(PR_GET_SECUREBITS));
  own_process_.facts.ignored = 0;
  own_mounts_ = OwnMounts(program) != nullptr;
  if (ids_.user) PlanOwned(program, options);
  own_process_.directories =
      std::make_shared<Directories>(Directories{{"/"}, {own_mounts_ ? "/" : "/proc/self/root"}});
  processes_[0] = own_process_;
  for (const Command& command : program) {
    if (const auto* fork = std::get_if<Fork>(&command.body)) Plan(command.pid, *fork);
    if (const auto* create = std::get_if<CreateThread>(&command.body)) {
      threads_[create->tid] = {own_thread_};
    }
    if (const auto* set = std::get_if<SetAttr>(&command.body)) Plan(command.pid, *set);
  }
}

void ReadBack::PlanOwned(const Program& program, const RestoreOptions& options) {
  for (const Command& command : program) {
    const auto* fork = std::get_if<Fork>(&command.body);
    if (command.pid == 0 && fork != nullptr && fork->flags.Has(CLONE_NEWPID)) {
      owned_.push_back("pid");
    }
    const auto* set = std::get_if<SetAttr>(&command.body);
    if (set == nullptr) continue;
    const auto joins = [&](const char* kind) { return options.namespaces.joined.contains(kind); };
    if (set->attributes->time && options.time_namespace) owned_.push_back("time");
    if (set->attributes->uts && !joins("uts")) owned_.push_back("uts");
    if (set->attributes->ipc && !joins("ipc")) owned_.push_back("ipc");
  }
  if (HasNewNetwork(program, options)) owned_.push_back("net");
  if (own_mounts_) owned_.push_back("mnt");
  if (cgroup_namespace_) owned_.push_back("cgroup");
}

/// All but the directories is set at the end, when everybody has what the restorer has.
void ReadBack::Plan(Pid pid, const Fork& fork) {
  threads_[fork.child_pid] = {own_thread_};
  PlannedProcess child = own_process_;
  child.directories = processes_[pid].directories;
  child.mnt = processes_[pid].mnt;
  child.net = processes_[pid].net;
  if (!fork.flags.Has(CLONE_FS)) {
    child.directories = std::make_shared<Directories>(*child.directories);
  }
  processes_[fork.child_pid] = std::move(child);
}

void ReadBack::Plan(Pid pid, const SetAttr& set) {
  const Pid tid = set.tid.value_or(pid);
  PlanThread(*set.attributes, threads_[tid]);
  if (threads_[tid].shared_filters > 0) processes_[pid].filtering = tid;
  if (tid == pid) PlanProcess(*set.attributes, processes_[pid]);
}

/// As this process will see them.
void ReadBack::PlanIds(const Creds& creds, ThreadFacts& facts) const {
  facts.uid = {creds.uid, creds.euid, creds.suid, creds.fsuid};
  facts.gid = {creds.gid, creds.egid, creds.sgid, creds.fsgid};
  facts.groups = creds.groups;
  for (std::uint32_t& id : facts.uid) id = ids_.Uid(id);
  for (std::uint32_t& id : facts.gid) id = ids_.Gid(id);
  for (std::uint32_t& id : facts.groups) id = ids_.Gid(id);
  std::sort(facts.groups.begin(), facts.groups.end());
}

void ReadBack::PlanThread(const Attributes& attributes, PlannedThread& thread) const {
  ThreadFacts& facts = thread.facts;
  if (attributes.creds) {
    const Creds& creds = *attributes.creds;
    PlanIds(creds, facts);
    facts.inheritable = creds.cap_inh.value;
    facts.permitted = creds.cap_prm.value;
    facts.effective = creds.cap_eff.value;
    facts.bounding = creds.cap_bnd.value;
    facts.ambient = creds.cap_amb.value;
    facts.securebits = static_cast<std::uint32_t>(creds.secbits.bits);
    facts.no_new_privs = creds.no_new_privs || own_thread_.no_new_privs != 0 ? 1 : 0;
  }
  if (attributes.personality) facts.personality = attributes.personality->value;
  if (attributes.sched) {
    const Sched& sched = *attributes.sched;
    facts.scheduling = {sched.policy.value, sched.priority, sched.nice, sched.reset_on_fork};
  }
  if (attributes.seccomp) {
    const Seccomp& seccomp = *attributes.seccomp;
    const bool strict = seccomp.mode.value == SECCOMP_MODE_STRICT;
    thread.shared_filters = 0;
    std::uint32_t installed = 0;
    facts.seccomp_filters = own_thread_.seccomp_filters;
    for (const SeccompFilter& filter : seccomp.filters) {
      ++facts.seccomp_filters;
      ++installed;
      if (filter.flags.Has(SECCOMP_FILTER_FLAG_TSYNC)) thread.shared_filters = installed;
    }
    facts.seccomp_mode = strict                      ? SECCOMP_MODE_STRICT
                         : facts.seccomp_filters > 0 ? SECCOMP_MODE_FILTER
                                                     : own_thread_.seccomp_mode;
  }
}

void ReadBack::PlanProcess(const Attributes& attributes, PlannedProcess& process) {
  for (const SignalAction& action : attributes.sigactions) {
    const std::uint64_t bit = std::uint64_t{1} << (action.signal.value - 1);
    process.facts.ignored &= ~bit;
    if (action.handler.value == 1) process.facts.ignored |= bit;
  }
  for (const Rlimit& limit : attributes.rlimits) {
    if (limit.resource.value < kLimits) {
      process.facts.limits[limit.resource.value] = {limit.cur, limit.max};
    }
  }
  if (attributes.setns) process.mnt = attributes.setns->mnt, process.net = attributes.setns->net;
  if (attributes.fs) {
    const FsAttributes& fs = *attributes.fs;
    *process.directories = {{fs.cwd.bytes, fs.cwd_unlinked}, {fs.root.bytes, fs.root_unlinked}};
  }
}

/// Nobody is told to leave the root's, but its mounts and its network: all that descend from it are
/// in the same.
void ReadBack::CompareNamespaces(pid_t pid, bool is_root, const PlannedProcess& planned,
                                 const TreePaths& paths, Comparison& comparison) {
  Namespaces found = {};
  if (!ReadNamespaces(pid, &found)) comparison.Differ("namespaces", "known", std::strerror(errno));
  if (is_root) root_namespaces_ = found;
  for (std::size_t i = 0; i < kNamespaces.size(); ++i) {
    const std::string_view name = kNamespaces[i];
    const bool is_own = (own_mounts_ && name == "mnt") || (cgroup_namespace_ && name == "cgroup");
    if (planned.mnt && name == "mnt") {
      comparison.Same(kNamespaces[i], paths.InodeOf(*planned.mnt), found[i]);
    } else if (planned.net && name == "net") {
      comparison.Same(kNamespaces[i], InodeOf(nets_.at(*planned.net)), found[i]);
    } else if (!is_root) {
      comparison.Same(kNamespaces[i], root_namespaces_[i], found[i]);
    } else if (ids_.user && name == "user") {
      comparison.Same(kNamespaces[i], user_.inode(), found[i]);
    } else if (!is_own) {
      comparison.Same(kNamespaces[i], own_namespaces_[i], found[i]);
    } else if (found[i] == own_namespaces_[i]) {
      comparison.Differ(kNamespaces[i], "its own", "the restorer's");
    }
  }
}

/// The maps, and to whom the namespaces belong that are new.
void ReadBack::CompareUser(pid_t root, Comparison& comparison) const {
  if (!ids_.user) return;
  comparison.Same("uid_map", ids_.user->uid_map, ReadIdMap(root, "uid_map"));
  comparison.Same("gid_map", ids_.user->gid_map, ReadIdMap(root, "gid_map"));
  for (const char* kind : owned_) {
    comparison.Same((std::string("the user namespace of ") + kind).c_str(), user_.inode(),
                    ReadOwner(root, kind));
  }
  for (const auto& [id, fd] : nets_) {
    const int owner = ioctl(fd, NS_GET_USERNS);
    comparison.Same("the user namespace of further_nets", user_.inode(), InodeOf(owner));
    if (owner >= 0) close(owner);
  }
}

RestoreProblem ReadBack::Check(const Script& script, const TreePaths& paths,
                               const std::map<UnlinkedId, std::string>& unlinked) {
  const Where where = {paths, unlinked};
  for (const ThreadStart& start : script.threads) {
    const Thread& thread = *start.thread;
    const bool leader = &thread == &thread.process->threads[0];
    ThreadFacts found;
    std::uint64_t ignored = 0;
    if (!ReadThread(start.number, &found, &ignored)) {
      return {ErrorText("reading back " + NameOf(thread)), -1};
    }
    Comparison comparison;
    CompareThread(start, found, comparison);
    const bool is_root = &start == script.threads.data();
    if (is_root) CompareUser(start.number, comparison);
    if (leader) {
      const PlannedProcess& planned = processes_.at(thread.process->pid);
      CompareNamespaces(start.number, is_root, planned, paths, comparison);
      ProcessFacts process;
      if (!ReadLimits(start.number, &process.limits)) {
        return {ErrorText("reading back " + NameOf(thread)), -1};
      }
      process.ignored = ignored;
      CompareProcess(start, process, where, comparison);
    }
    if (!comparison.problem().empty()) {
      if (IsDead(start.number)) return {HasDied(thread)};
      return {NameOf(thread) + " is not what the plan says, read back: " + comparison.problem(),
              -1};
    }
  }
  return {};
}

void ReadBack::CompareThread(const ThreadStart& start, ThreadFacts found,
                             Comparison& comparison) const {
  found.securebits = static_cast<std::uint32_t>(start.stopped.r12);
  found.personality = start.stopped.r14;
  const Pid pid = start.thread->process->pid, tid = start.thread->tid;
  const PlannedThread& planned = threads_.at(tid);
  const ThreadFacts& facts = planned.facts;
  comparison.Same("uid", facts.uid, found.uid);
  comparison.Same("gid", facts.gid, found.gid);
  comparison.Same("groups", facts.groups, found.groups);
  comparison.SameBits("cap_inh", facts.inheritable, found.inheritable);
  comparison.SameBits("cap_prm", facts.permitted, found.permitted);
  comparison.SameBits("cap_eff", facts.effective, found.effective);
  comparison.SameBits("cap_bnd", facts.bounding, found.bounding);
  comparison.SameBits("cap_amb", facts.ambient, found.ambient);
  comparison.SameBits("secbits", facts.securebits, found.securebits);
  comparison.Same("no_new_privs", facts.no_new_privs, found.no_new_privs);
  const Pid from = processes_.at(pid).filtering;
  const std::uint32_t shared = from == 0 || from == tid ? 0 : threads_.at(from).shared_filters;
  const std::uint32_t mode = shared > 0 ? SECCOMP_MODE_FILTER : facts.seccomp_mode;
  comparison.Same("seccomp.mode", mode, found.seccomp_mode);
  comparison.Same("seccomp.filters", facts.seccomp_filters + shared, found.seccomp_filters);
  comparison.SameBits("personality", threads_.at(pid).facts.personality, found.personality);
  comparison.Same("sched", facts.scheduling, found.scheduling);
}

void ReadBack::CompareProcess(const ThreadStart& start, const ProcessFacts& found,
                              const Where& where, Comparison& comparison) {
  const Pid pid = start.thread->process->pid;
  const PlannedProcess& planned = processes_.at(pid);
  for (std::size_t i = 0; i < kLimits; ++i) {
    comparison.Same(kLimitNames[i], planned.facts.limits[i], found.limits[i]);
  }
  comparison.SameBits("sigactions that ignore", planned.facts.ignored, found.ignored);
  // Nobody is within reach before the hand-over sets the plan's own.
  comparison.Same("dumpable before the hand-over", std::uint64_t{0},
                  std::uint64_t{start.stopped.r13});
  const std::string folder = "/proc/" + std::to_string(start.number);
  const std::pair<const char*, const Directory*> directories[] = {
      {"/cwd", &planned.directories->cwd}, {"/root", &planned.directories->root}};
  for (const auto& [name, directory] : directories) {
    const auto& unlinked = directory->unlinked;
    const std::string path = unlinked ? "/proc/self/fd/" + where.unlinked.at(*unlinked)
                                      : where.paths.Before(planned.mnt) + directory->path;
    const auto [place, first] = places_.try_emplace(path);
    if (first) place->second = PlaceOf(path);
    const std::optional<Place> there = PlaceOf(folder + name);
    if (there && place->second == there) continue;
    char text[4096] = "";
    if (readlink((folder + name).c_str(), text, sizeof text - 1) < 0) text[0] = 0;
    // Of a process that is gone: no path leads there.
    const bool gone = !place->second && there && !unlinked && ParseProcPath(directory->path);
    if (gone && (directory->path == text || directory->path + " (deleted)" == text)) continue;
    comparison.Differ(std::string("fs.") + (name + 1), directory->path, text);
  }
}

std::optional<ReadBack::Place> ReadBack::PlaceOf(const std::string& path) {
  struct statx facts = {};
  if (statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_MNT_ID, &facts) != 0) return std::nullopt;
  return Place{std::uint64_t{facts.stx_dev_major} << 32 | facts.stx_dev_minor, facts.stx_ino,
               facts.stx_mnt_id};
}

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
#include "views/plan_reasons.h"

#include <linux/sched.h>
#include <sys/mman.h>

#include "dsl/references.h"
#include "views/words.h"

namespace crgen {
PlanReasons::PlanReasons(const Program& program) {
  DescriptorTables tables;
  tables_ = &tables;
  for (index_ = 0; index_ < program.size(); ++index_) {
    const Command& command = program[index_];
    pid_ = command.pid;
    std::visit([&](const auto& body) { Learn(pid_, body); }, command.body);
    tables.Follow(command);
  }
  tables_ = nullptr;
  index_ = 0;
}

void PlanReasons::Learn(Pid pid, const Fork& fork) {
  const bool sibling = fork.flags.Has(CLONE_PARENT);
  const Pid parent = sibling ? roles_[pid].parent : pid;
  roles_[fork.child_pid].parent = parent;
  ++roles_[parent].children;
  roles_[pid].forks.push_back(index_);
}

void PlanReasons::Learn(Pid pid, const SetPgid& set) {
  if (set.pgid == pid) roles_[pid].founds = true;
}

void PlanReasons::Learn(Pid, const Wait& wait) { roles_[wait.child_pid].invented = true; }

void PlanReasons::Learn(Pid pid, const OpenFile& open) {
  if (open.from) return;
  ForEachOpened(open, [&](Fd, const File& file, bool) { openers_.emplace(&file, pid); });
}

void PlanReasons::Learn(Pid pid, const MapRegion& map) {
  if (map.fd) mapped_.insert(&tables_->At(pid, *map.fd));
  if (map.shmem) sharers_[map.shmem->id.value].insert(pid);
}

void PlanReasons::Learn(Pid pid, const UnmapRegion& unmap) {
  unmapped_.insert({pid, unmap.start.value});
}

void PlanReasons::Learn(Pid pid, const SetAttr& set) {
  const auto& subreaper = set.attributes->child_subreaper;
  if (subreaper && !*subreaper) roles_[pid].adopts_shortly = true;
}

void PlanReasons::Learn(Pid pid, const Resume&) {
  for (const auto& [fd, file] : tables_->Of(pid)) ++holders_[file];
}

std::string PlanReasons::Of(const Command& command, const DescriptorTables& tables) {
  tables_ = &tables;
  pid_ = command.pid;
  std::string why = std::visit([&](const auto& body) { return Why(body); }, command.body);
  if (const auto* fork = std::get_if<Fork>(&command.body)) {
    sessions_[fork->child_pid] = sessions_[pid_];
  } else if (std::holds_alternative<SetSid>(command.body)) {
    sessions_[pid_] = pid_;
  }
  ++index_;
  return why;
}

std::string PlanReasons::OfTheGone(const char* who) const {
  return roles_.at(pid_).invented ? std::string(", whose ") + who + " is gone" : "";
}

bool PlanReasons::ForksLater() const {
  const std::vector<std::size_t>& forks = roles_.at(pid_).forks;
  return !forks.empty() && forks.back() > index_;
}

std::string PlanReasons::Why(const Fork& fork) {
  const std::string pid = std::to_string(fork.child_pid);
  const Role& child = roles_.at(fork.child_pid);
  if (pid_ == 0) return "the root " + pid;
  const bool sibling = fork.flags.Has(CLONE_PARENT);
  std::string why = sibling ? "sibling, so a child of " + std::to_string(child.parent) : "child";
  const auto creator = sessions_.find(pid_);
  if (!child.leads && creator != sessions_.end() && creator->second != 0) {
    why += ", born into session " + std::to_string(creator->second);
  }
  if (child.invented && (child.leads || child.founds)) {
    why += std::string(": the ") + (child.leads ? "leader of session " : "founder of group ") +
           pid + ", who is gone";
  } else if (child.invented) {
    why += child.children == 0 ? ": somebody who is gone" : ": a parent who is gone";
  }
  if (roles_.at(child.parent).invented) {
    why += "; to be adopted when " + std::to_string(child.parent) + " is gone";
  }
  return why;
}

std::string PlanReasons::Why(const SetSid&) const {
  return "leads session and group " + std::to_string(pid_) + OfTheGone("leader");
}

std::string PlanReasons::Why(const SetPgid& set) const {
  const std::string group = "group " + std::to_string(set.pgid);
  return set.pgid == pid_ ? "founds " + group + OfTheGone("founder") : "joins " + group;
}

std::string PlanReasons::Why(const CreateThread&) const {
  return "a further thread of " + std::to_string(pid_);
}

std::string PlanReasons::Why(const Exit&) const {
  const Role& role = roles_.at(pid_);
  if (!role.invented) return "it had ended, and nobody had waited for it: a zombie";
  if (role.children == 0) return "what it was there for is done";
  return "its children go to the nearest subreaper above, else to the reaper";
}

std::string PlanReasons::Why(const Wait&) const { return "it was there for the tree alone"; }

std::string PlanReasons::Why(const OpenFile& open) const {
  if (open.from) return "who has it is no ancestor";
  std::size_t holders = 0;
  bool mapped = false;
  ForEachOpened(open, [&](Fd, const File& file, bool) {
    const auto found = holders_.find(&file);
    holders += found == holders_.end() ? 0 : found->second;
    mapped = mapped || mapped_.contains(&file);
  });
  if (holders == 0) return mapped ? "to be mapped" : "for others, or for a while";
  if (holders == 1) return "one descriptor goes on with it";
  return Count(holders, "descriptor", "descriptors") +
         " go on with it: opened where all inherit it";
}

std::string PlanReasons::Why(const DupFd& dup) const {
  return dup.old_fd == dup.new_fd ? "inherited without that flag" : "the same description";
}

std::string PlanReasons::Why(const CloseFd& close) const {
  const File* file = &tables_->At(pid_, close.fd);
  const auto opener = openers_.find(file);
  if (opener == openers_.end() || opener->second != pid_) return "inherited, and not wanted here";
  if (mapped_.contains(file) && !holders_.contains(file)) return "it was open to be mapped";
  return "it was open for others, or for a while";
}

std::string PlanReasons::Why(const MapRegion& map) const {
  constexpr std::size_t kNamed = 3;
  if (unmapped_.contains({pid_, map.start.value})) return "for others, or for a while";
  std::string own = "memory of " + std::to_string(pid_);
  if (map.special) return own + ", which the kernel provides";
  const bool shared = map.flags.Has(MAP_SHARED);
  std::string others;
  if (map.shmem) {
    std::size_t left = sharers_.at(map.shmem->id.value).size() - 1, named = 0;
    for (const Pid pid : sharers_.at(map.shmem->id.value)) {
      if (pid == pid_) continue;
      if (named++ == kNamed) break;
      others += (others.empty() ? "" : ", ") + std::to_string(pid);
      --left;
    }
    if (left != 0) others += " and " + std::to_string(left) + " more";
  }
  if (ForksLater()) others += std::string(others.empty() ? "" : ", and ") + "whoever inherits it";
  if (others.empty()) return own;
  return own + (shared ? ", shared with " : ", and of ") + others;
}

std::string PlanReasons::Why(const UnmapRegion&) const { return "inherited or mapped for others"; }

std::string PlanReasons::Why(const MoveRegion&) const {
  return "inherited or mapped where " + std::to_string(pid_) + " has something else";
}

std::string PlanReasons::Why(const ProtectRegion& protect) const {
  if (!protect.prot) return "the advice that it had";
  return protect.prot->Has(PROT_WRITE) ? "the rights that it had" : "was writable to be loaded";
}

std::string PlanReasons::Why(const LoadPages&) const {
  return ForksLater() ? "what was in it, also of who inherits it" : "what was in it";
}

std::string PlanReasons::Why(const SetAttr& set) const {
  if (!set.attributes->descriptors.empty()) return "when the whole tree is there";
  if (roles_.at(pid_).adopts_shortly && set.attributes->child_subreaper) {
    return *set.attributes->child_subreaper ? "to adopt those whose parents go" : "as it was";
  }
  return set.tid && *set.tid != pid_ ? "as the thread was" : "as it was";
}

std::string PlanReasons::Why(const Resume& resume) const {
  return resume.stopped ? "all of it is there: stopped, as it was"
                        : "all of it is there: it goes on";
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "generator/files/proc_files.h"

#include <algorithm>

#include "model/one_of.h"
#include "model/proc_path.h"

namespace crgen {
namespace {

using Threads = std::unordered_map<Pid, Pid>;  ///< further threads and their processes

/// The process of what has that number, and the thread if it is one.
ProcPath WhoIs(Pid number, const Threads& threads) {
  const auto thread = threads.find(number);
  return thread == threads.end() ? ProcPath{number, 0} : ProcPath{thread->second, number};
}

/// What a file wants to be there: of a REG in /proc its process or thread, of a PIDFD its target.
/// A thread has a folder in /proc too.
std::optional<ProcPath> OwnerOf(const RegularFile& regular, const Threads& threads) {
  const auto owner = ParseProcPath(regular.path.bytes);
  return owner && threads.contains(owner->pid) ? WhoIs(owner->pid, threads) : owner;
}
std::optional<ProcPath> OwnerOf(const Pidfd& pidfd, const Threads& threads) {
  if (!pidfd.target) return std::nullopt;
  return WhoIs(pidfd.target->value, threads);
}
template <
    OneOf<Memfd, Eventfd, Signalfd, Timerfd, Eventpoll, Inotify, Fanotify, Pipe, Fifo, UnixSocket,
          InetSocket, NetlinkSocket, PacketSocket, Tty, NamespaceFile, TunFile, BpfMap, OtherFile>
        Body>
std::optional<ProcPath> OwnerOf(const Body&, const Threads&) {
  return std::nullopt;
}
std::optional<ProcPath> OwnerOf(const File& file, const Threads& threads) {
  return std::visit([&](const auto& body) { return OwnerOf(body, threads); }, file.body);
}

std::string NameOf(const File& file) {
  const RegularFile* regular = As<RegularFile>(file);
  return regular == nullptr ? "the PIDFD" : regular->path.bytes;
}

}  // namespace

ProcFiles::ProcFiles(const Snapshot& snapshot) {
  const bool any = std::ranges::any_of(
      snapshot.files, [](const auto& file) { return OwnerOf(*file, Threads()).has_value(); });
  if (!any) return;
  for (const TreeNode& node : snapshot.tree.nodes) {
    for (const Pid tid : node.tids) threads_.emplace(tid, node.pid);
  }
  for (const auto& file : snapshot.files) {
    const auto owner = OwnerOf(*file, threads_);
    if (!owner) continue;
    absent_.insert(owner->pid);
    if (owner->tid == 0 || owner->tid == owner->pid) continue;
    absent_.insert(owner->tid);
    early_.insert(owner->pid);
  }
  if (absent_.empty()) return;
  std::unordered_set<Pid> of_the_tree(snapshot.tree.gone.begin(), snapshot.tree.gone.end());
  for (const TreeNode& node : snapshot.tree.nodes) {
    of_the_tree.insert(node.pid);
    of_the_tree.insert(node.tids.begin(), node.tids.end());
  }
  std::erase_if(absent_, [&](Pid number) { return !of_the_tree.contains(number); });
}

void ProcFiles::PlanOpenings(const Snapshot& snapshot, const CreationTree& tree,
                             Openings& openings) const {
  if (absent_.empty()) return;
  std::unordered_map<Pid, TreeTime> births;  // a number may be used again: the latest
  for (const CreationNode& node : tree.nodes) births[node.pid] = node.birth;
  for (std::size_t i = 0; i < snapshot.files.size(); ++i) {
    const auto owner = OwnerOf(*snapshot.files[i], threads_);
    const auto birth = owner ? births.find(owner->pid) : births.end();
    if (birth != births.end()) openings.Follow(FileIndex(i), birth->second);
  }
}

Result ProcFiles::Check(const File& file, Diagnostics& diag) const {
  if (absent_.empty()) return Result::kOk;
  const auto owner = OwnerOf(file, threads_);
  if (!owner) return Result::kOk;
  const Pid number = absent_.contains(owner->pid) ? owner->pid : owner->tid;
  if (!absent_.contains(number)) return Result::kOk;
  diag.Unsupported("file " + std::to_string(file.id.value),
                   NameOf(file) + " is inherited by a process that is born before " +
                       std::to_string(number) + ", whose file it is");
  return Result::kError;
}

}  // namespace crgen

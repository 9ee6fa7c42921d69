// SPDX-License-Identifier: Apache-2.0
#include "generator/files/late.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "generator/files/eventpoll.h"

namespace crgen {
namespace {

struct Holder {
  NodeIndex node;
  Fd fd = -1;
};

/// The first holder of each file, in the order of births, and its lowest number there.
std::unordered_map<FileIndex, Holder> FirstHolders(const Snapshot& snapshot,
                                                   const CreationTree& tree) {
  std::unordered_map<FileIndex, Holder> holders;
  for (const LateEntry& entry : snapshot.late) holders.try_emplace(entry.file);
  for (NodeIndex n(0); n < static_cast<std::int32_t>(tree.nodes.size()); ++n) {
    const Process* process = tree.Living(snapshot, n);
    if (process == nullptr) continue;
    for (const Descriptor& slot : snapshot.tables[process->table].slots) {
      const auto known = holders.find(slot.file);
      if (known != holders.end() && known->second.node < 0) known->second = {n, slot.fd};
    }
  }
  return holders;
}

/// A process of the snapshot and a file.
using Holding = std::pair<ProcessIndex, FileIndex>;

/// For state that says by whom it is set: the lowest number of the file there.
std::map<Holding, Fd> NamedHoldings(const Snapshot& snapshot) {
  std::map<Holding, Fd> holdings;
  for (const LateEntry& entry : snapshot.late) {
    if (entry.process >= 0) holdings.try_emplace({entry.process, entry.file}, -1);
  }
  for (auto first = holdings.begin(); first != holdings.end();) {
    const ProcessIndex process = first->first.first;
    for (const Descriptor& slot : snapshot.tables[snapshot.processes[process].table].slots) {
      const auto holding = holdings.find({process, slot.file});
      if (holding != holdings.end() && holding->second < 0) holding->second = slot.fd;
    }
    while (first != holdings.end() && first->first.first == process) ++first;
  }
  return holdings;
}

/// A POSIX lock is gone when its process closes any description of the file: as it does to make it
/// its executable, and with one that was only opened to be sent.
Result CheckPosixLocks(const Snapshot& snapshot, const std::vector<TemporarySlot>& temporary,
                       Diagnostics& diag) {
  const auto is_posix = [](const LateEntry& entry) {
    return entry.process >= 0 && std::holds_alternative<LockSetting>(entry.state);
  };
  if (std::none_of(snapshot.late.begin(), snapshot.late.end(), is_posix)) return Result::kOk;
  /// By table and path: who closes it there.
  std::map<std::pair<TableIndex, std::string_view>, const char*> closings;
  for (const Process& process : snapshot.processes) {
    if (process.table < 0 || process.attributes == nullptr || !process.attributes->mm) continue;
    closings.try_emplace({process.table, process.attributes->mm->exe.bytes},
                         "a process whose executable it is");
  }
  for (const TemporarySlot& slot : temporary) {
    const auto* regular = As<RegularFile>(*snapshot.files[slot.file]);
    if (regular == nullptr) continue;
    closings.try_emplace({snapshot.processes[slot.process].table, regular->path.bytes},
                         "a process that opens it once more to send it through a socket");
  }
  for (const LateEntry& entry : snapshot.late) {
    const auto* regular = As<RegularFile>(*snapshot.files[entry.file]);
    if (!is_posix(entry) || regular == nullptr) continue;
    const auto closing =
        closings.find({snapshot.processes[entry.process].table, regular->path.bytes});
    if (closing == closings.end()) continue;
    diag.Unsupported("file " + std::to_string(snapshot.files[entry.file]->id.value),
                     "a POSIX lock of " + regular->path.bytes + " by " + closing->second,
                     Loss::kLocks);
    return Result::kError;
  }
  return Result::kOk;
}

struct LateStep {
  Holder by;
  int rank;  ///< within a kind lower ones come first
  const LateEntry* entry;
  auto Stage() const { return std::pair(entry->state.index(), rank); }
};

/// Kind after kind. Within one whoever was last begins, so that two kinds share a command.
void Order(std::vector<LateStep>& steps) {
  std::stable_sort(steps.begin(), steps.end(), [](const LateStep& a, const LateStep& b) {
    return std::tuple(a.Stage(), a.by.node) < std::tuple(b.Stage(), b.by.node);
  });
  for (auto kind = steps.begin(); kind != steps.end();) {
    const auto end = std::find_if(
        kind, steps.end(), [&](const LateStep& step) { return step.Stage() != kind->Stage(); });
    if (kind != steps.begin()) {
      const NodeIndex last = std::prev(kind)->by.node;
      std::stable_partition(kind, end, [&](const LateStep& step) { return step.by.node == last; });
    }
    kind = end;
  }
}

}  // namespace

Result EmitLateState(const Snapshot& snapshot, const std::vector<TemporarySlot>& temporary,
                     const CreationTree& tree, Emitter& out, Diagnostics& diag) {
  if (snapshot.late.empty() && temporary.empty()) return Result::kOk;
  if (Failed(CheckPosixLocks(snapshot, temporary, diag))) return Result::kError;
  const auto holders = FirstHolders(snapshot, tree);
  std::vector<LateStep> steps;
  steps.reserve(snapshot.late.size());
  const auto named = NamedHoldings(snapshot);
  const auto heights = EpollHeights(snapshot);
  for (const LateEntry& entry : snapshot.late) {
    const Holder by = entry.process < 0 ? holders.at(entry.file)
                                        : Holder{tree.node_of[entry.process],
                                                 named.at({entry.process, entry.file})};
    if (by.node < 0 || by.fd < 0) {
      return diag.Fail("file " + std::to_string(snapshot.files[entry.file]->id.value),
                       "has late state, but no process holds it");
    }
    const auto height = heights.find(entry.file);
    const bool is_set = std::holds_alternative<EpollTargets>(entry.state);
    steps.push_back({by, is_set && height != heights.end() ? height->second : 0, &entry});
  }
  Order(steps);
  for (auto step = steps.begin(); step != steps.end();) {
    const NodeIndex node = step->by.node;
    auto attributes = std::make_shared<Attributes>();
    const Pid pid = tree.nodes[node].pid;
    std::vector<DupFd> numbers;
    for (; step != steps.end() && step->by.node == node && numbers.empty(); ++step) {
      LateState state = step->entry->state;
      if (auto* set = std::get_if<EpollTargets>(&state)) {
        numbers = OpenClosedNumbers(snapshot, *step->entry, set);
      }
      attributes->descriptors.push_back({step->by.fd, std::move(state)});
    }
    for (const DupFd& dup : numbers) out.Emit(pid, dup);
    out.Emit(pid, SetAttr{{}, std::move(attributes)});
    // At once: behind a POSIX lock, nothing of that file may be closed.
    for (const DupFd& dup : numbers) out.Emit(pid, CloseFd{dup.new_fd});
  }
  for (const TemporarySlot& slot : temporary) {
    out.Emit(tree.nodes[tree.node_of[slot.process]].pid, CloseFd{slot.fd});
  }
  return Result::kOk;
}

}  // namespace crgen

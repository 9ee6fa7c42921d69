// SPDX-License-Identifier: Apache-2.0
// What the topics of `show` share. Private to views/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "views/relations.h"
#include "views/show.h"
#include "views/table.h"
#include "views/words.h"

namespace crgen {

/// The state of one view.
struct Show {
  const LookedAt& dump;
  const Relations& relations;
  const ViewOptions& options;
  std::string* out;

  const Snapshot& snapshot() const { return dump.snapshot; }
  Pid PidOf(ProcessIndex process) const { return snapshot().tree.nodes[process].pid; }
  bool Wants(ProcessIndex process) const { return !options.pid || *options.pid == PidOf(process); }
  /// Whether a process that is wanted has it.
  bool Wants(const std::vector<Relations::Holder>& holders) const;
  /// "31100 shared_fds"
  std::string NameOf(ProcessIndex process) const {
    return std::to_string(PidOf(process)) + " " + CommOf(snapshot().processes[process]);
  }
  void Line(const std::string& text, Ink ink = Ink::kPlain) const {
    WriteLine(text, ink, options, out);
  }
  /// Calls `function(index, process)` for each process that is wanted.
  template <typename Function>
  void ForEachProcess(Function&& function) const {
    for (std::size_t i = 0; i < snapshot().processes.size(); ++i) {
      if (Wants(ProcessIndex(i))) function(ProcessIndex(i), snapshot().processes[i]);
    }
  }
};

void ShowProcesses(const Show& show);
void ShowFds(const Show& show);
void ShowFiles(const Show& show);
void ShowMemory(const Show& show);
void ShowSockets(const Show& show);
void ShowMounts(const Show& show);
void ShowSignals(const Show& show);
void ShowTimers(const Show& show);
void ShowCredentials(const Show& show);
void ShowSettings(const Show& show);
void ShowEnv(const Show& show);

/// Calls `function(tid, attributes)` for the leader and the other threads.
template <typename Function>
void ForEachThread(Pid pid, const Process& process, Function&& function) {
  if (process.attributes != nullptr) function(pid, *process.attributes);
  for (const Thread& thread : process.threads) {
    if (thread.attributes != nullptr) function(thread.tid, *thread.attributes);
  }
}

/// One line "  name: value" if there is a value.
inline void Fact(const Show& show, std::string_view name, const std::string& value) {
  if (!value.empty()) show.Line("  " + std::string(name) + ": " + value);
}

/// The pages of its own in each region, one region after the other.
class OwnPages {
 public:
  struct Count {
    std::uint64_t all = 0;
    std::uint64_t in_parents = 0;  ///< those that the sets behind an incremental dump have
  };

  /// `images`: Snapshot::page_images.
  OwnPages(const AddressSpace& memory, const std::vector<std::string>& images)
      : at_(memory.pages.begin()), end_(memory.pages.end()), images_(images) {}

  Count In(const AddressRange& range) {
    Count pages;
    for (; at_ != end_ && at_->start < range.end; ++at_) {
      pages.all += at_->nr_pages;
      if (images_[at_->image].starts_with("parent/")) pages.in_parents += at_->nr_pages;
    }
    return pages;
  }

 private:
  std::vector<PageRun>::const_iterator at_, end_;
  const std::vector<std::string>& images_;
};

/// Pages of its own that the dump has.
std::uint64_t PagesOf(const AddressSpace& memory);
/// Bytes that its regions span.
std::uint64_t MappedBy(const AddressSpace& memory);
/// What a region shows: a path, "[heap]", "shared memory 3".
std::string RegionText(const Region& region, const Process& process, const Snapshot& snapshot);
bool IsSharedRegion(const Region& region);

/// CRIU's names of types.
inline bool IsSocket(std::string_view type) { return type.ends_with("SK"); }
/// Bytes that wait in a socket.
std::uint64_t UnreadIn(const Show& show, FileIndex file);

/// What execve(2) has left in the memory of a process.
struct Arguments {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
};
/// What of it the dump has; the rest is empty.
Arguments ArgumentsOf(const Process& process, const LookedAt& dump);

}  // namespace crgen

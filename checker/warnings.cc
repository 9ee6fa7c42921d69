// SPDX-License-Identifier: Apache-2.0
#include "checker/warnings.h"

#include <linux/sched.h>

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "checker/kernel/kernel.h"
#include "dsl/references.h"

namespace crgen {
namespace check {
namespace {

/// Follows the descriptors that their own process has put somewhere and nobody has used yet. Any
/// other descriptor was inherited, and so used.
class UnusedSlots {
 public:
  UnusedSlots(const Program& program, const AllFileRules& files, Diagnostics& diag)
      : program_(program), files_(files), diag_(diag) {}

  void Run() {
    for (const Command& command : program_) {
      const auto* open = std::get_if<OpenFile>(&command.body);
      if (open == nullptr) continue;
      ForEachObject(*open->file, [&](ObjectKind kind, std::uint64_t id) {
        ++openings_[{kind, id}];
      });
    }
    for (command_ = 0; command_ < program_.size(); ++command_) {
      const Pid pid = program_[command_].pid;
      std::visit([&](const auto& body) { Follow(pid, body); }, program_[command_].body);
    }
  }

 private:
  struct Table {
    std::size_t holders = 1;
    std::map<Fd, std::size_t> unused;  ///< the command that put it there
  };

  Table& TableOf(Pid pid) { return tables_[table_of_[pid]]; }

  template <typename Body>
  void Follow(Pid, const Body&) {}

  void Follow(Pid pid, const Fork& fork) {
    if (pid != 0) {
      Table& own = TableOf(pid);
      own.unused.clear();
      if (fork.flags.Has(CLONE_FILES)) {
        ++own.holders;
        table_of_[fork.child_pid] = table_of_[pid];
        return;
      }
    }
    table_of_[fork.child_pid] = tables_.size();
    tables_.emplace_back();
  }
  void Follow(Pid pid, const OpenFile& open) {
    if (open.from) TableOf(open.from->pid).unused.erase(open.from->fd);
    Table& own = TableOf(pid);
    own.unused[open.fd] = command_;
    if (open.peer != nullptr) own.unused[open.peer->fd] = command_;
  }
  void Follow(Pid pid, const DupFd& dup) {
    if (dup.old_fd == dup.new_fd) return;
    Table& own = TableOf(pid);
    own.unused.erase(dup.old_fd);
    const auto replaced = own.unused.find(dup.new_fd);
    if (replaced != own.unused.end() && !MayServeOtherwise(replaced->second)) {
      Warn("replaces fd " + std::to_string(dup.new_fd), replaced->second);
    }
    own.unused[dup.new_fd] = command_;
  }
  void Follow(Pid pid, const CloseFd& close) {
    Table& own = TableOf(pid);
    const auto closed = own.unused.find(close.fd);
    if (closed == own.unused.end()) return;
    if (IsPlainOpening(closed->second))
      Warn("closes fd " + std::to_string(close.fd), closed->second);
    own.unused.erase(closed);
  }
  void Follow(Pid pid, const SetAttr& set) {
    if (set.attributes->descriptors.empty()) return;
    Table& own = TableOf(pid);
    for (const DescriptorState& late : set.attributes->descriptors) {
      own.unused.erase(late.fd);
      const auto* sent = std::get_if<QueueSetting>(&late.state);
      if (sent == nullptr) continue;
      for (const SentMessage& message : sent->queue) {
        for (const Fd fd : message.rights) own.unused.erase(fd);
      }
    }
  }
  void Follow(Pid pid, const MapRegion& map) {
    if (map.fd) TableOf(pid).unused.erase(*map.fd);
  }
  void Follow(Pid pid, const Exit&) {
    Table& own = TableOf(pid);
    if (--own.holders != 0) return;
    for (const auto& [fd, put] : std::exchange(own.unused, {})) {
      if (IsPlainOpening(put)) Warn("closes fd " + std::to_string(fd), put);
    }
  }

  /// True if the command may have been there for another effect than the descriptor.
  bool MayServeOtherwise(std::size_t put) const {
    const auto* open = std::get_if<OpenFile>(&program_[put].body);
    if (open == nullptr) return false;
    std::size_t openings = 0;
    ForEachObject(*open->file, [&](ObjectKind kind, std::uint64_t id) {
      openings = std::max(openings, openings_.at({kind, id}));
    });
    return files_.Visit(*open->file, [&](const auto& rules, const auto& body) {
      return rules.ServesOtherwise(body, openings);
    });
  }
  /// Of a pair, one end may be all that is wanted.
  bool IsPlainOpening(std::size_t put) const {
    const auto* open = std::get_if<OpenFile>(&program_[put].body);
    if (open == nullptr) return true;
    const bool pair = files_.Visit(
        *open->file, [](const auto& rules, const auto&) { return rules.kComesInPairs; });
    return !pair && !MayServeOtherwise(put);
  }

  void Warn(std::string what, std::size_t put) {
    diag_.Add({Severity::kWarning, CommandPlace(program_[command_], command_),
               std::move(what) +
                   ", which nobody has mapped, duplicated or inherited since commands[" +
                   std::to_string(put) + "]",
               command_});
  }

  const Program& program_;
  const AllFileRules& files_;
  Diagnostics& diag_;
  std::size_t command_ = 0;
  std::unordered_map<Pid, std::size_t> table_of_;
  std::vector<Table> tables_;
  std::map<std::pair<ObjectKind, std::uint64_t>, std::size_t> openings_;  ///< of an object
};

void FindUnreaped(const Program& program, const Kernel& kernel, const Snapshot* snapshot,
                  Diagnostics& diag) {
  std::unordered_set<Pid> expected;
  if (snapshot != nullptr) {
    for (const TreeNode& node : snapshot->tree.nodes) {
      if (node.zombie) expected.insert(node.pid);
    }
  }
  for (const Task& task : kernel.tasks) {
    if (task.state != TaskState::kZombie) continue;
    const bool in_tree =
        &task == &kernel.tasks[kernel.root()] || kernel.ParentOf(task) != kRestorer;
    if (snapshot == nullptr ? in_tree : expected.contains(task.pid)) continue;
    const std::string fact = snapshot == nullptr
                                 ? "it is left to the restorer, outside the tree"
                                 : "the dump has no zombie " + std::to_string(task.pid);
    diag.Add({Severity::kWarning, CommandPlace(program[task.ended], task.ended),
              "no WAIT follows, and " + fact, task.ended});
  }
}

std::string ExcessText(const CommandBound& bound) {
  constexpr const char* kNames[CommandBound::kKinds] = {
      "FORK",          "SET_SID",        "SET_PGID that creates a group",
      "CREATE_THREAD", "EXIT or RESUME", "OPEN_FILE"};
  std::string text;
  for (std::size_t kind = 0; kind < CommandBound::kKinds; ++kind) {
    const auto& [count, least] = bound.kinds[kind];
    if (count <= least) continue;
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + kNames[kind] + " where " +
            std::to_string(least) + " may do";
  }
  return text;
}

}  // namespace
}  // namespace check

void FindSuspects(const Program& program, const SimulatedState& state, const Snapshot* snapshot,
                  Diagnostics& diag) {
  check::FindUnreaped(program, *state.kernel(), snapshot, diag);
  check::UnusedSlots(program, state.kernel()->files, diag).Run();
  const std::string excess = check::ExcessText(BoundCommands(program, state));
  if (!excess.empty()) diag.Warning("end of program", excess);
}

}  // namespace crgen

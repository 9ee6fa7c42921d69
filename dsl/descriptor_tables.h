// SPDX-License-Identifier: Apache-2.0
// Follows the descriptor tables of a program that is right.
#pragma once

#include <linux/sched.h>

#include <map>
#include <memory>
#include <unordered_map>
#include <variant>

#include "dsl/commands.h"
#include "dsl/references.h"

namespace crgen {

/// Which open file description each descriptor refers to. Cost: that of copying a table at each
/// FORK that copies one.
class DescriptorTables {
 public:
  /// Executes the command as far as tables are concerned. It must outlive this object.
  void Follow(const Command& command) {
    pid_ = command.pid;
    std::visit([&](const auto& body) { On(body); }, command.body);
  }
  /// What `fd` of the process refers to; REQUIRES: something.
  const File& At(Pid pid, Fd fd) const { return *tables_.at(pid)->at(fd); }

  using Table = std::map<Fd, const File*>;
  /// All descriptors of the process; REQUIRES: it was born.
  const Table& Of(Pid pid) const { return *tables_.at(pid); }

 private:
  template <typename Body>
  void On(const Body&) {}
  void On(const Fork& fork) {
    const auto own = tables_.find(pid_);
    std::shared_ptr<Table>& child = tables_[fork.child_pid];
    if (own == tables_.end()) {
      child = std::make_shared<Table>();
    } else {
      child = fork.flags.Has(CLONE_FILES) ? own->second : std::make_shared<Table>(*own->second);
    }
  }
  void On(const OpenFile& open) {
    if (open.from) {
      (*tables_.at(pid_))[open.fd] = tables_.at(open.from->pid)->at(open.from->fd);
      return;
    }
    ForEachOpened(open, [&](Fd fd, const File& file, bool) { (*tables_.at(pid_))[fd] = &file; });
  }
  void On(const DupFd& dup) {
    Table& table = *tables_.at(pid_);
    table[dup.new_fd] = table.at(dup.old_fd);
  }
  void On(const CloseFd& close) { tables_.at(pid_)->erase(close.fd); }

  Pid pid_ = 0;
  std::unordered_map<Pid, std::shared_ptr<Table>> tables_;
};

/// Whether the command sets late state.
inline bool HasLateState(const Command& command) {
  const auto* set = std::get_if<SetAttr>(&command.body);
  return set != nullptr && !set->attributes->descriptors.empty();
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// The least number of commands that lead to a state.
#include <linux/sched.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "checker/kernel/kernel.h"
#include "checker/warnings.h"
#include "model/proc_path.h"

namespace crgen {
namespace check {
namespace {

using Kinds = decltype(CommandBound::kinds);

/// What the openings of a state are needed for.
class OpeningsLeft {
 public:
  explicit OpeningsLeft(const Kernel& kernel) : kernel_(kernel) {
    std::unordered_set<const void*> seen;
    for (const Task& task : kernel.tasks) {
      if (task.table == nullptr || task.space == nullptr) continue;
      task.table->slots.ForEachOnce(&seen, [&](Fd, const Slot& slot) { Add(*slot.description); });
      task.space->regions.ForEachOnce(&seen, [&](AddressRange, const MappedRegion& region) {
        files_.insert(region.backing->file.get());
      });
    }
  }

  /// With what is in flight in it.
  void Add(const Description& description) {
    std::vector<const Description*> reached = {&description};
    while (!reached.empty()) {
      const Description& one = *reached.back();
      reached.pop_back();
      if (!files_.insert(one.file.get()).second || one.socket == nullptr) continue;
      for (const SocketMessage& message : one.socket->queue) {
        for (const auto& right : message.rights) reached.push_back(right.get());
      }
    }
  }

  bool Has(const OpenFile& open) const {
    if (open.peer != nullptr && files_.contains(open.peer->file.get())) return true;
    if (files_.contains(open.file.get())) return true;
    // The descriptor may be gone, what it was opened for is the object.
    return kernel_.files.Visit(
        *open.file, [](const auto& rules, const auto& body) { return rules.ObjectLives(body); });
  }

 private:
  const Kernel& kernel_;
  std::unordered_set<const File*> files_;
};

bool HasSiblings(const Program& program) {
  return std::any_of(program.begin(), program.end(), [](const Command& command) {
    const auto* fork = std::get_if<Fork>(&command.body);
    return fork != nullptr && fork->flags.Has(CLONE_PARENT);
  });
}

void CountCommands(const Program& program, const OpeningsLeft& openings, Kinds* kinds) {
  for (const Command& command : program) {
    if (std::holds_alternative<Fork>(command.body)) {
      ++(*kinds)[CommandBound::kFork].count;
    } else if (std::holds_alternative<SetSid>(command.body)) {
      ++(*kinds)[CommandBound::kSetSid].count;
    } else if (const auto* set = std::get_if<SetPgid>(&command.body)) {
      if (set->pgid == command.pid) ++(*kinds)[CommandBound::kNewGroup].count;
    } else if (std::holds_alternative<CreateThread>(command.body)) {
      ++(*kinds)[CommandBound::kThread].count;
    } else if (std::holds_alternative<Exit>(command.body) ||
               std::holds_alternative<Resume>(command.body)) {
      ++(*kinds)[CommandBound::kEnd].count;
    } else if (const auto* open = std::get_if<OpenFile>(&command.body)) {
      if (open->from) continue;  // as DUP_FD, of which there is no bound
      ++(*kinds)[CommandBound::kOpen].count;
      if (openings.Has(*open)) ++(*kinds)[CommandBound::kOpen].least;
    }
  }
}

/// The processes of which files below /proc are open, or are directories of others.
std::unordered_set<Pid> OwnersOfProc(const Program& program, const Kernel& kernel,
                                     const OpeningsLeft& openings) {
  std::unordered_set<Pid> asked, owners;
  const auto add = [&](const std::string& path) {
    if (const auto owner = ParseProcPath(path)) asked.insert(owner->pid);
  };
  for (const Command& command : program) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    const auto* regular = open == nullptr ? nullptr : As<RegularFile>(*open->file);
    if (regular != nullptr && openings.Has(*open)) add(regular->path.bytes);
  }
  for (const Task& task : kernel.tasks) {
    if (task.state == TaskState::kGone || task.attributes == nullptr) continue;
    if (!task.attributes->fs) continue;
    add(task.attributes->fs->cwd.bytes);
    add(task.attributes->fs->root.bytes);
  }
  if (asked.empty()) return owners;
  for (const Task& task : kernel.tasks) {
    if (asked.contains(task.pid)) owners.insert(task.pid);
  }
  return owners;
}

/// The processes that a state names: the living and the zombies, and those whose pid a session or
/// group has.
class ProcessesLeft {
 public:
  explicit ProcessesLeft(const Kernel& kernel) : kernel_(kernel) {
    for (const Task& task : kernel.tasks) {
      if (task.pid == 0 || task.state == TaskState::kGone) continue;
      left_.push_back(&task);
      if (task.sid != 0) sessions_.insert(task.sid);
      if (task.pgid != 0) groups_.try_emplace(task.pgid, task.sid);
    }
    for (const Pid session : sessions_) groups_.erase(session);
  }

  /// `proc`: whose directories in /proc are open.
  void Bound(bool has_siblings, const std::unordered_set<Pid>& proc, Kinds* kinds) const {
    std::size_t births = left_.size();
    for (const Pid pid : proc) {
      births += IsGone(pid) && !sessions_.contains(pid) && !groups_.contains(pid);
    }
    for (const Task* task : left_) (*kinds)[CommandBound::kThread].least += task->threads.size();
    for (const Pid session : sessions_) births += IsGone(session);
    for (const auto& [group, session] : groups_) births += IsGone(group);
    if (!has_siblings) births += CountMoreDead();
    (*kinds)[CommandBound::kFork].least = births;
    (*kinds)[CommandBound::kEnd].least = births;
    (*kinds)[CommandBound::kSetSid].least = sessions_.size();
    (*kinds)[CommandBound::kNewGroup].least = groups_.size();
  }

 private:
  bool IsGone(Pid pid) const { return kernel_.FindTask(pid) == kNoTask; }
  bool IsDead(Pid pid) const {
    const TaskIndex task = kernel_.FindTask(pid);
    return task == kNoTask || kernel_.tasks[task].state == TaskState::kZombie;
  }

  /// How many must have died beside those. A child is born into its creator's session. It comes to
  /// a parent who never was in that session only by its creator's death, and all the children of
  /// one who dies come to the same parent.
  std::size_t CountMoreDead() const {
    std::unordered_map<Pid, std::size_t> dead;  // of each session
    std::size_t dead_leaders = 0;               // of whichever session they were in before
    for (const Pid session : sessions_) dead_leaders += IsGone(session);
    for (const auto& [group, session] : groups_) dead[session] += IsGone(group);
    std::unordered_map<Pid, std::unordered_set<TaskIndex>> adopters;  // of children of a session
    std::unordered_set<TaskIndex> leaders;
    for (const Task* task : left_) {
      if (task->state == TaskState::kZombie) {
        ++(task->sid == task->pid ? dead_leaders : dead[task->sid]);
      }
      const TaskIndex parent = kernel_.ParentOf(*task);
      const Task& adopter = kernel_.tasks[parent];
      if (parent == kRestorer || task->sid == 0 || task->sid == adopter.sid || IsDead(task->sid)) {
        continue;
      }
      if (task->sid == task->pid) continue;
      adopters[task->sid].insert(parent);
      if (adopter.sid == adopter.pid && parent != kernel_.root()) leaders.insert(parent);
    }
    std::size_t count = 0;
    for (const auto& [session, parents] : adopters) {
      count += parents.size() - std::min(parents.size(), dead[session]);
    }
    // Who leads a session was in another one before; the root in the restorer's.
    return count - std::min(count, dead_leaders + leaders.size());
  }

  const Kernel& kernel_;
  std::vector<const Task*> left_;
  std::unordered_set<Pid> sessions_;
  std::unordered_map<Pid, Pid> groups_;  // that no SET_SID creates; their sessions
};

}  // namespace
}  // namespace check

CommandBound BoundCommands(const Program& program, const SimulatedState& state) {
  CommandBound bound;
  const check::Kernel& kernel = *state.kernel();
  const check::OpeningsLeft openings(kernel);
  check::CountCommands(program, openings, &bound.kinds);
  check::ProcessesLeft(kernel).Bound(check::HasSiblings(program),
                                     check::OwnersOfProc(program, kernel, openings), &bound.kinds);
  return bound;
}

std::size_t CommandBound::Count() const {
  std::size_t sum = 0;
  for (const Kind& kind : kinds) sum += kind.count;
  return sum;
}

std::size_t CommandBound::Least() const {
  std::size_t sum = 0;
  for (const Kind& kind : kinds) sum += kind.least;
  return sum;
}

}  // namespace crgen

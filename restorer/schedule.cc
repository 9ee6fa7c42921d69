// SPDX-License-Identifier: Apache-2.0
#include "restorer/schedule.h"

#include <sched.h>

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "dsl/references.h"
#include "model/proc_path.h"

namespace crgen::restorer {
namespace {

constexpr std::uint32_t kNone = ~std::uint32_t{0};

/// A process on the way through the program.
struct Node {
  Pid pid = 0;
  std::uint32_t parent = 0;
  Pid pgid = 0;
  Pid sid = 0;
  bool exited = false;
  bool subreaper = false;
  std::uint32_t arrival = kNone;             ///< the step that brought it into its group
  std::vector<std::uint32_t> relied_on;      ///< joins that need it in its group
  std::uint32_t birth = kNone;               ///< the step that made it
  std::vector<std::uint32_t> proc_opened;    ///< steps that open its files of /proc
  std::uint32_t adopted = kNone;             ///< the step after which its parent is its parent
  std::vector<std::uint32_t> siblings_born;  ///< CLONE_PARENT: FORKs of children of this one
  std::unordered_set<std::uint32_t> children;
  std::vector<Pid> threads;
};

/// A number in a descriptor table.
struct Slot {
  std::uint32_t put = kNone;         ///< the last step that did something to it
  std::vector<std::uint32_t> taken;  ///< steps that take from there what is there since
};

bool Takes(const Program& program) {
  return std::ranges::any_of(program, [](const Command& command) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    return open != nullptr && open->from;
  });
}

class Scheduler {
 public:
  explicit Scheduler(const Program& program) : program_(program), takes_(Takes(program)) {
    schedule_.processes.emplace_back();
    schedule_.child.assign(program.size(), kNone);
    schedule_.executor.assign(program.size(), 0);
    nodes_.emplace_back();
    fs_.push_back(0);
    nodes_[0].subreaper = true;
    living_[0] = 0;
  }

  Schedule Make() {
    if (program_.empty()) return std::move(schedule_);
    for (command_ = 0; command_ < program_.size(); ++command_) {
      actor_ = living_.at(program_[command_].pid);
      schedule_.executor[command_] = actor_;
      if (IsFirstLate()) WatchZombies();
      step_ = AddStep(actor_, 0);
      std::visit([&](const auto& body) { Plan(body); }, program_[command_].body);
    }
    --command_;
    WatchZombies();
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      schedule_.processes[i].parent = nodes_[i].parent;
    }
    return std::move(schedule_);
  }

 private:
  std::uint32_t AddStep(std::uint32_t process, Pid watched) {
    const auto number = static_cast<std::uint32_t>(schedule_.steps.size());
    Step step;
    step.command = static_cast<std::uint32_t>(command_);
    step.watched = watched;
    schedule_.steps.push_back(std::move(step));
    owner_.push_back(process);
    schedule_.processes[process].steps.push_back(number);
    return number;
  }

  /// `step` comes after `earlier`.
  void Await(std::uint32_t step, std::uint32_t earlier) {
    if (earlier == kNone || owner_[earlier] == owner_[step]) return;
    std::vector<std::uint32_t>& await = schedule_.steps[step].await;
    if (std::find(await.begin(), await.end(), earlier) != await.end()) return;
    await.push_back(earlier);
    schedule_.steps[earlier].awaited = true;
  }

  Node& self() { return nodes_[actor_]; }

  void Plan(const Fork& fork) {
    const bool sibling = fork.flags.Has(CLONE_PARENT);
    AwaitFree(fork.child_pid);
    OnTable();
    OnFs();
    const auto number = static_cast<std::uint32_t>(nodes_.size());
    Node child;
    child.pid = fork.child_pid;
    child.parent = sibling ? self().parent : actor_;
    child.pgid = self().pgid;
    child.sid = self().sid;
    child.arrival = step_;
    child.birth = step_;
    if (sibling) {
      nodes_[child.parent].siblings_born.push_back(step_);
      child.adopted = step_;
    }
    nodes_.push_back(std::move(child));
    ScheduledProcess process;
    process.pid = fork.child_pid;
    process.table = number;
    fs_.push_back(fork.flags.Has(CLONE_FS) && actor_ != 0 ? fs_[actor_] : number);
    if (fs_.back() != number) shared_fs_.try_emplace(fs_.back(), step_);
    if (fork.flags.Has(CLONE_FILES) && actor_ != 0) {
      process.table = schedule_.processes[actor_].table;
      shared_.try_emplace(process.table, step_);
    }
    schedule_.processes.push_back(std::move(process));
    schedule_.child[command_] = number;
    nodes_[nodes_[number].parent].children.insert(number);
    living_[fork.child_pid] = number;
    used_.insert(fork.child_pid);
    Enter(number);
  }

  void Plan(const SetSid&) {
    const Pid pid = self().pid;
    for (std::uint32_t departure : departures_[pid]) Await(step_, departure);
    Leave(actor_, step_);
    freed_[self().sid].push_back(step_);
    self().pgid = self().sid = pid;
    self().arrival = step_;
    Enter(actor_);
  }

  void Plan(const SetPgid& join) {
    if (join.pgid != self().pid) {
      const auto members = groups_.find(join.pgid);
      if (members != groups_.end() && !members->second.empty()) {
        const std::uint32_t keeper = Keeper(join.pgid, members->second);
        Await(step_, nodes_[keeper].arrival);
        nodes_[keeper].relied_on.push_back(step_);
      }
    }
    if (join.pgid == self().pgid) return;
    Leave(actor_, step_);
    self().pgid = join.pgid;
    self().arrival = step_;
    Enter(actor_);
  }

  void Plan(const CreateThread& thread) {
    AwaitFree(thread.tid);
    used_.insert(thread.tid);
    self().threads.push_back(thread.tid);
    thread_births_[thread.tid] = step_;
  }

  void Plan(const Exit&) {
    Node& node = self();
    node.exited = true;
    for (std::uint32_t opened : node.proc_opened) Await(step_, opened);
    schedule_.processes[actor_].resumes = false;
    const bool reparents = !node.children.empty();
    if (reparents) {
      Await(step_, reparenting_);
      for (std::uint32_t birth : node.siblings_born) Await(step_, birth);
    }
    if (!reparents && node.threads.empty()) {
      unwatched_.insert(actor_);
      return;
    }
    const std::uint32_t watch = Watch(actor_);
    for (Pid tid : node.threads) freed_[tid].push_back(watch);
    if (!reparents) return;
    reparenting_ = watch;
    const std::uint32_t reaper = Reaper(actor_);
    for (std::uint32_t child : node.children) {
      nodes_[child].parent = reaper;
      nodes_[child].adopted = watch;
      nodes_[reaper].children.insert(child);
    }
    node.children.clear();
  }

  void Plan(const Wait& wait) {
    const std::uint32_t child = living_.at(wait.child_pid);
    Node& node = nodes_[child];
    Await(step_, node.adopted);
    for (std::uint32_t opened : node.proc_opened) Await(step_, opened);
    unwatched_.erase(child);
    Leave(child, step_);
    freed_[node.pid].push_back(step_);
    freed_[node.sid].push_back(step_);
    nodes_[node.parent].children.erase(child);
    living_.erase(wait.child_pid);
  }

  void Plan(const OpenFile& open) {
    if (open.from) return Take(open);
    OnTable();
    OnFs();  // a path is looked up, and a socket's name may need another place for the moment
    bool seals = false;
    ForEachOpened(open, [&](Fd fd, const File& file, bool) {
      OnSlot(fd);
      if (const RegularFile* regular = As<RegularFile>(file)) AwaitOwner(regular->path.bytes);
      ForEachValueOf<PidReference>(file, [&](PidReference pid) { AwaitNumber(pid.value); });
      ForEachObject(file, [&](ObjectKind kind, std::uint64_t id) {
        const auto [creation, first] = objects_.try_emplace({kind, id}, step_);
        if (!first) Await(step_, creation->second);
      });
      ForEachValueOf<SocketReference>(file, [&](SocketReference to) { Connect(to); });
      ForEachValueOf<Seals>(file, [&](Seals added) { seals |= added.bits != 0; });
    });
    if (!seals) return;
    for (const auto& [process, last] : touched_) Await(step_, last);
    touched_.clear();
  }
  /// It is there from the step on that has put it there, or the birth, and until another one does
  /// something to that number.
  void Take(const OpenFile& open) {
    OnTable();
    AwaitProcess(open.from->pid);
    const std::uint32_t table = schedule_.processes[living_.at(open.from->pid)].table;
    Slot& slot = slots_[{table, open.from->fd}];
    Await(step_, slot.put);
    slot.taken.push_back(step_);
    OnSlot(open.fd);
  }
  /// Something is put at `fd`, or what is there is closed.
  void OnSlot(Fd fd) {
    if (!takes_) return;
    Slot& slot = slots_[{schedule_.processes[actor_].table, fd}];
    for (const std::uint32_t taken : slot.taken) Await(step_, taken);
    slot = {step_, {}};
  }
  /// Connections to one socket keep their order: a listener accepts the first.
  void Connect(SocketReference to) {
    const auto made = objects_.find({ObjectKind::kSocket, to.value});
    if (made != objects_.end()) Await(step_, made->second);
    const auto [last, first] = connections_.try_emplace(to.value, step_);
    if (!first) Await(step_, std::exchange(last->second, step_));
  }
  void Plan(const DupFd& dup) {
    OnTable();
    if (dup.old_fd != dup.new_fd) OnSlot(dup.new_fd);
  }
  void Plan(const CloseFd& close) {
    OnTable();
    OnSlot(close.fd);
  }
  void Plan(const MapRegion& map) {
    if (map.fd || map.special == SpecialRegion::kAio) OnTable();  // it opens files for the moment
    touched_[actor_] = step_;
  }
  void Plan(const UnmapRegion&) { touched_[actor_] = step_; }
  void Plan(const MoveRegion&) {}
  void Plan(const ProtectRegion&) {}
  void Plan(const LoadPages&) {
    OnTable();  // the image is open for the moment
    touched_[actor_] = step_;
  }

  void Plan(const SetAttr& set) {
    if (!set.attributes->descriptors.empty()) PlanLate();
    if (set.attributes->fs) {
      OnFs();
      AwaitOwner(set.attributes->fs->cwd.bytes);
      AwaitOwner(set.attributes->fs->root.bytes);
    }
    if (!set.attributes->child_subreaper) return;
    self().subreaper = *set.attributes->child_subreaper;
    Await(step_, reparenting_);
    reparenting_ = step_;
  }

  /// Late state comes after all that anybody does, in the order of the program.
  void PlanLate() {
    if (late_ != kNone) {
      Await(step_, late_);
    } else {
      for (std::uint32_t process = 0; process < schedule_.processes.size(); ++process) {
        const std::vector<std::uint32_t>& steps = schedule_.processes[process].steps;
        if (process == 0 && steps.size() == 1) continue;  // the root is there
        // Nobody tells of an EXIT: its parent has seen it.
        const std::size_t told = steps.size() - (nodes_[process].exited ? 1 : 0);
        if (process == actor_ || told == 0) continue;
        schedule_.steps[step_].await.push_back(steps[told - 1]);
        schedule_.steps[steps[told - 1]].awaited = true;
      }
    }
    OnTable();
    late_ = step_;
  }

  void Plan(const Resume&) { schedule_.processes[actor_].resumes = true; }

  /// A file of /proc is there while its process, or thread, is.
  void AwaitOwner(const std::string& path) {
    const auto owner = ParseProcPath(path);
    if (!owner) return;
    AwaitNumber(owner->pid);
    const auto thread = thread_births_.find(owner->tid);
    if (thread != thread_births_.end()) Await(step_, thread->second);
  }
  /// A process or thread is named.
  void AwaitNumber(Pid number) {
    const auto thread = thread_births_.find(number);
    if (thread != thread_births_.end()) Await(step_, thread->second);
    AwaitProcess(number);
  }
  /// It is there, and not gone before this step.
  void AwaitProcess(Pid pid) {
    const auto process = living_.find(pid);
    if (process == living_.end() || process->second == 0) return;
    Await(step_, nodes_[process->second].birth);
    nodes_[process->second].proc_opened.push_back(step_);
  }

  /// Steps on a descriptor table with several users keep their order.
  void OnTable() { OnShared(shared_, schedule_.processes[actor_].table); }
  /// Likewise on a working directory, root and umask.
  void OnFs() { OnShared(shared_fs_, fs_[actor_]); }
  void OnShared(std::unordered_map<std::uint32_t, std::uint32_t>& last, std::uint32_t what) {
    const auto shared = last.find(what);
    if (shared == last.end()) return;
    Await(step_, shared->second);
    shared->second = step_;
  }

  /// The number is used for the first time, or comes after what freed it.
  void AwaitFree(Pid number) {
    if (!used_.contains(number)) return;
    for (std::uint32_t freed : freed_[number]) Await(step_, freed);
    for (std::uint32_t departure : departures_[number]) Await(step_, departure);
  }

  void Enter(std::uint32_t process) { groups_[nodes_[process].pgid].insert(process); }

  /// `step` takes `process` out of its group.
  void Leave(std::uint32_t process, std::uint32_t step) {
    Node& node = nodes_[process];
    for (std::uint32_t join : node.relied_on) Await(step, join);
    node.relied_on.clear();
    groups_[node.pgid].erase(process);
    departures_[node.pgid].push_back(step);
  }

  /// The member of a group that a join relies on: its leader if it is there.
  std::uint32_t Keeper(Pid pgid, const std::unordered_set<std::uint32_t>& members) const {
    const auto leader = living_.find(pgid);
    if (leader != living_.end() && members.contains(leader->second)) return leader->second;
    return *std::min_element(members.begin(), members.end());
  }

  /// Who adopts the children of `process`: forget_original_parent, kernel/exit.c.
  std::uint32_t Reaper(std::uint32_t process) const {
    for (std::uint32_t p = nodes_[process].parent; p != 0; p = nodes_[p].parent) {
      if (!nodes_[p].exited && (nodes_[p].subreaper || nodes_[p].pid == 1)) return p;
    }
    return 0;
  }

  /// The parent watches `process` become a zombie; the step.
  std::uint32_t Watch(std::uint32_t process) {
    const std::uint32_t watch = AddStep(nodes_[process].parent, nodes_[process].pid);
    Await(watch, nodes_[process].adopted);
    return watch;
  }

  bool IsFirstLate() const {
    const auto* set = std::get_if<SetAttr>(&program_[command_].body);
    return late_ == kNone && set != nullptr && !set->attributes->descriptors.empty();
  }

  /// The deaths that nobody has waited for are over before late state, and before anybody resumes.
  void WatchZombies() {
    std::vector<std::uint32_t> zombies(unwatched_.begin(), unwatched_.end());
    unwatched_.clear();
    std::sort(zombies.begin(), zombies.end());
    for (std::uint32_t zombie : zombies) {
      const std::uint32_t parent = nodes_[zombie].parent;
      Watch(zombie);
      // Before RESUME, which is a process's last step.
      std::vector<std::uint32_t>& steps = schedule_.processes[parent].steps;
      if (schedule_.processes[parent].resumes) std::swap(steps[steps.size() - 2], steps.back());
    }
  }

  const Program& program_;
  const bool takes_;                                    ///< some descriptors are taken from others
  std::map<std::pair<std::uint32_t, Fd>, Slot> slots_;  ///< by table
  Schedule schedule_;
  std::size_t command_ = 0;
  std::uint32_t actor_ = 0;
  std::uint32_t step_ = 0;
  std::vector<std::uint32_t> owner_;  ///< of each step, the process
  std::vector<Node> nodes_;
  std::unordered_map<Pid, std::uint32_t> living_;         ///< zombies included
  std::unordered_map<Pid, std::uint32_t> thread_births_;  ///< by tid: the step
  std::unordered_set<Pid> used_;
  std::unordered_map<Pid, std::unordered_set<std::uint32_t>> groups_;
  std::unordered_map<Pid, std::vector<std::uint32_t>> departures_;  ///< from the group
  std::unordered_map<Pid, std::vector<std::uint32_t>> freed_;       ///< pid reaped, session left
  std::unordered_map<std::uint32_t, std::uint32_t> shared_;         ///< table: its last step
  std::vector<std::uint32_t> fs_;  ///< of each process: the one that it has cwd, root, umask with
  std::unordered_map<std::uint32_t, std::uint32_t> shared_fs_;  ///< its last step
  std::unordered_map<std::uint32_t, std::uint32_t> touched_;  ///< process: its last step on memory
  /// The step that creates an object behind descriptions.
  std::map<std::pair<ObjectKind, std::uint64_t>, std::uint32_t> objects_;
  std::unordered_map<std::uint64_t, std::uint32_t> connections_;  ///< to a socket: the last step
  std::unordered_set<std::uint32_t> unwatched_;
  std::uint32_t reparenting_ = kNone;
  std::uint32_t late_ = kNone;  ///< the last step that sets late state
};

}  // namespace

Schedule MakeSchedule(const Program& program) { return Scheduler(program).Make(); }

}  // namespace crgen::restorer

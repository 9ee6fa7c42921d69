// SPDX-License-Identifier: Apache-2.0
#include "generator/generate.h"

#include <linux/sched.h>

#include <algorithm>

#include "generator/creation_tree.h"
#include "generator/descriptors/descriptors.h"
#include "generator/emitter.h"
#include "generator/files/file_opener.h"
#include "generator/files/late.h"
#include "generator/files/socket_plan.h"
#include "generator/memory/memory.h"
#include "generator/memory/spare_addresses.h"
#include "generator/tree_commands.h"
#include "model/proc_path.h"

namespace crgen {
namespace {

/// About as many commands as the program will have: a vector of millions of them that grows step by
/// step takes twice the memory.
std::size_t ExpectedCommands(const Snapshot& snapshot, const TreePlan& plan) {
  constexpr std::size_t kForEachProcess = 4;
  std::size_t commands = plan.ops.size() + kForEachProcess * snapshot.processes.size();
  for (const DescriptorTable& table : snapshot.tables) commands += table.slots.size();
  for (const Process& process : snapshot.processes) {
    commands += process.memory.regions.size() + process.memory.pages.size();
  }
  return commands;
}

/// What leads from `from` (nullptr: the restorer's) to `to`; none: nothing.
std::optional<CgroupMembership> Moves(const CgroupMembership* from, const CgroupMembership& to) {
  if (from == nullptr) return to;
  CgroupMembership moves;
  for (const CgroupPath& path : to.paths) {
    if (std::ranges::find(from->paths, path) == from->paths.end()) {
      moves.paths.push_back({path.controllers, path.path, {}});
    }
  }
  return moves.paths.empty() ? std::nullopt : std::optional(std::move(moves));
}

/// The attributes of a thread, but for what it has by its leader: filters that the leader's
/// SET_ATTR gives to all threads, and places.
std::shared_ptr<const Attributes> OfItsOwn(const Process& process, const Thread& thread) {
  const std::optional<Seccomp>& filters = process.attributes->seccomp;
  const auto& place = process.attributes->cgroup;
  const bool shares_filters = filters && filters->OfAllThreads();
  if (!shares_filters && !thread.attributes->cgroup) return thread.attributes;
  auto attributes = std::make_shared<Attributes>(*thread.attributes);
  if (shares_filters) attributes->seccomp.reset();
  if (attributes->cgroup) {
    attributes->cgroup = Moves(place ? &*place : nullptr, *thread.attributes->cgroup);
  }
  return attributes;
}

bool HasNamespaces(const Attributes& attributes) {
  return attributes.time || attributes.uts || attributes.ipc || attributes.net ||
         !attributes.mounts.empty();
}

/// But for what the process has set at its birth.
std::shared_ptr<const Attributes> WithoutBirthState(const std::shared_ptr<const Attributes>& from) {
  if (!HasNamespaces(*from) && !from->cgroup && !from->setns) return from;
  auto attributes = std::make_shared<Attributes>(*from);
  attributes->time.reset();
  attributes->cgroup.reset();
  attributes->uts.reset();
  attributes->ipc.reset();
  attributes->net.reset();
  attributes->further_nets.clear();
  attributes->mounts.clear();
  attributes->setns.reset();
  return attributes;
}

/// Emits the program of one snapshot whose tree is planned.
class Generation {
 public:
  Generation(const Snapshot& snapshot, const std::vector<TemporarySlot>& temporary,
             const TreePlan& plan, const GenerateOptions& options, const PageReader& read_page,
             Program* program, ProgramFollower* follower)
      : snapshot_(snapshot),
        temporary_(temporary),
        plan_(plan),
        options_(options),
        tree_(BuildCreationTree(snapshot, plan.ops)),
        out_(program, follower),
        spare_(snapshot),
        opener_(snapshot, tree_, spare_, out_),
        memory_(snapshot, tree_, descriptors_, spare_, opener_, read_page, out_),
        places_(tree_.nodes.size(), nullptr),
        entered_(tree_.nodes.size()) {}

  Result Run(Diagnostics& diag);

 private:
  Result EmitFork(const TreeOp& op, NodeIndex executor, NodeIndex child, Diagnostics& diag);
  void EmitRootState(Pid root);
  Result EmitMove(NodeIndex creator, NodeIndex child, Diagnostics& diag);
  Result MoveToCgroups(NodeIndex creator, NodeIndex child, Attributes* attributes,
                       Diagnostics& diag);
  void EmitTreeOp(const TreeOp& op, NodeIndex executor);
  void EmitThreads(NodeIndex node);
  void EmitEarlyThreads(NodeIndex node);
  Result FinishPlaces(NodeIndex node, Diagnostics& diag);
  bool IsOfGone(const std::string& path) const;
  bool HasDirectoryOfGone(NodeIndex node) const;
  void EmitEndsOfGone(std::size_t first);
  void EmitState(NodeIndex node);

  const Snapshot& snapshot_;
  const std::vector<TemporarySlot>& temporary_;
  const TreePlan& plan_;
  const GenerateOptions& options_;
  CreationTree tree_;
  Emitter out_;
  SpareAddresses spare_;
  FileOpener opener_;
  DescriptorPlan descriptors_;
  MemoryPlan memory_;
  /// Where each node is, from its birth on; nullptr: where the restorer is.
  std::vector<const CgroupMembership*> places_;
  std::vector<EnteredNamespaces> entered_;  ///< likewise
};

Result Generation::EmitFork(const TreeOp& op, NodeIndex executor, NodeIndex child,
                            Diagnostics& diag) {
  Fork fork = std::get<Fork>(TreeCommand(op).body);
  if (executor < 0) {
    if (snapshot_.new_pid_namespace) fork.flags.bits |= CLONE_NEWPID;
    fork.pid_namespace = snapshot_.pid_namespace;
    if (snapshot_.user_namespace) {
      fork.flags.bits |= CLONE_NEWUSER;
      fork.uid_map = snapshot_.user_namespace->uid_map;
      fork.gid_map = snapshot_.user_namespace->gid_map;
    }
    fork.about = options_.about;
    out_.Emit(op.pid, fork);
    opener_.proc_files().Appears(fork.child_pid);
    EmitRootState(fork.child_pid);
    EmitEarlyThreads(child);
    return Result::kOk;
  }
  const TreeTime time = tree_.nodes[child].birth;
  const bool shares_table = descriptors_.SharesCreatorsTable(child);
  if (shares_table) fork.flags.bits |= CLONE_FILES;
  if (!shares_table && Failed(descriptors_.BeforeFork(executor, time, opener_, out_, diag))) {
    return Result::kError;
  }
  if (Failed(memory_.BeforeFork(executor, time, diag))) return Result::kError;
  out_.Emit(op.pid, fork);
  opener_.proc_files().Appears(fork.child_pid);
  if (Failed(EmitMove(executor, child, diag))) return Result::kError;
  EmitEarlyThreads(child);
  descriptors_.AfterFork(executor, child, out_);
  memory_.AfterFork(executor, child);
  return Result::kOk;
}

/// The root's places and namespaces, before it opens a file or has to do with them otherwise: who
/// is born before stays outside, memory is charged where it was touched, and timers stay in the
/// namespace in which they are made.
void Generation::EmitRootState(Pid root) {
  const std::shared_ptr<const Attributes>& from = snapshot_.processes.front().attributes;
  if (from == nullptr) return;
  auto attributes = std::make_shared<Attributes>();
  attributes->time = from->time;
  attributes->uts = from->uts;
  attributes->ipc = from->ipc;
  attributes->net = from->net;
  attributes->further_nets = from->further_nets;
  attributes->mounts = from->mounts;
  attributes->cgroup = from->cgroup;
  if (from->cgroup) places_[NodeIndex(0)] = &*from->cgroup;
  if (!snapshot_.cgroup_directories.empty()) {
    if (!attributes->cgroup) attributes->cgroup.emplace();
    attributes->cgroup->directories = snapshot_.cgroup_directories;
  }
  if (!HasNamespaces(*attributes) && !attributes->cgroup) return;
  out_.Emit(root, SetAttr{{}, std::move(attributes)});
}

/// Of another process, to where it was.
Result Generation::EmitMove(NodeIndex creator, NodeIndex child, Diagnostics& diag) {
  places_[child] = places_[creator];
  entered_[child] = entered_[creator];
  const Process* process = tree_.Living(snapshot_, child);
  if (process == nullptr || process->attributes == nullptr) return Result::kOk;
  auto attributes = std::make_shared<Attributes>();
  if (Failed(MoveToCgroups(creator, child, attributes.get(), diag))) return Result::kError;
  const auto& there = process->attributes->setns;
  const EnteredNamespaces entered = there ? *there : EnteredNamespaces();
  if (!(entered_[child] == entered)) attributes->setns = entered;
  entered_[child] = entered;
  if (!attributes->cgroup && !attributes->setns) return Result::kOk;
  out_.Emit(tree_.nodes[child].pid, SetAttr{{}, std::move(attributes)});
  return Result::kOk;
}

Result Generation::MoveToCgroups(NodeIndex creator, NodeIndex child, Attributes* attributes,
                                 Diagnostics& diag) {
  const std::optional<CgroupMembership>& place = tree_.Living(snapshot_, child)->attributes->cgroup;
  if (!place) {
    if (places_[creator] == nullptr) return Result::kOk;
    const Pid pid = tree_.nodes[child].pid;
    diag.Unsupported(
        "pid " + std::to_string(pid),
        "the cgroups of the dumper, which no image names, while it is created by pid " +
            std::to_string(tree_.nodes[creator].pid) + " in others",
        Loss::kCgroups);
    return Result::kError;
  }
  attributes->cgroup = Moves(places_[creator], *place);
  places_[child] = &*place;
  return Result::kOk;
}

/// Everything but a fork.
void Generation::EmitTreeOp(const TreeOp& op, NodeIndex executor) {
  Command command = TreeCommand(op);
  const ProcessIndex process = executor < 0 ? ProcessIndex() : tree_.nodes[executor].process;
  if (op.kind == TreeOp::Kind::kExit && process >= 0) {
    const Process& zombie = snapshot_.processes[process];
    if (zombie.attributes != nullptr) out_.Emit(op.pid, SetAttr{{}, zombie.attributes});
    std::get<Exit>(command.body).status = zombie.exit_status;
  }
  out_.Emit(op.pid, std::move(command.body));
  const bool founds = op.kind == TreeOp::Kind::kSetSid && executor >= 0;
  if (!founds || tree_.Living(snapshot_, executor) == nullptr) return;
  opener_.terminals().TakeTerminal(op.pid, descriptors_.SpareFd(executor));
}

void Generation::EmitThreads(NodeIndex node) {
  for (const Thread& thread : tree_.Living(snapshot_, node)->threads) {
    out_.Emit(tree_.nodes[node].pid, CreateThread{thread.tid});
    opener_.proc_files().Appears(thread.tid);
  }
}

/// Those whose files are open, perhaps inherited: before the process has children.
void Generation::EmitEarlyThreads(NodeIndex node) {
  const bool early = opener_.proc_files().WantsThreadsEarly(tree_.nodes[node].pid);
  if (early && tree_.Living(snapshot_, node) != nullptr) EmitThreads(node);
}

/// Descriptors and regions in their places, and threads.
Result Generation::FinishPlaces(NodeIndex node, Diagnostics& diag) {
  if (Failed(descriptors_.Finish(node, opener_, out_, diag)) ||
      Failed(memory_.Finish(node, diag))) {
    return Result::kError;
  }
  if (!opener_.proc_files().WantsThreadsEarly(tree_.nodes[node].pid)) EmitThreads(node);
  return Result::kOk;
}

bool Generation::IsOfGone(const std::string& path) const {
  const auto owner = ParseProcPath(path);
  return owner && std::ranges::binary_search(snapshot_.tree.gone, owner->pid);
}

/// Of a working or root directory below /proc of who is gone.
bool Generation::HasDirectoryOfGone(NodeIndex node) const {
  const Process* process = tree_.Living(snapshot_, node);
  if (plan_.last == 0 || process == nullptr || !process->attributes->fs) return false;
  const FsAttributes& fs = *process->attributes->fs;
  return IsOfGone(fs.cwd.bytes) || IsOfGone(fs.root.bytes);
}

/// All is open that is of those who are gone; `first`: the first operation of their ends.
void Generation::EmitEndsOfGone(std::size_t first) {
  for (NodeIndex n(0); n < static_cast<std::int32_t>(tree_.nodes.size()); ++n) {
    if (!HasDirectoryOfGone(n)) continue;
    auto attributes = std::make_shared<Attributes>();
    attributes->fs = tree_.Living(snapshot_, n)->attributes->fs;
    out_.Emit(tree_.nodes[n].pid, SetAttr{{}, std::move(attributes)});
  }
  for (std::size_t i = first; i < plan_.ops.size(); ++i) {
    EmitTreeOp(plan_.ops[i], tree_.executor[i]);
  }
}

/// Attributes, and off it goes.
void Generation::EmitState(NodeIndex node) {
  const Process& process = *tree_.Living(snapshot_, node);
  const Pid pid = tree_.nodes[node].pid;
  for (const Thread& thread : process.threads) {
    out_.Emit(pid, SetAttr{thread.tid, OfItsOwn(process, thread)});
  }
  if (!process.leader_signal_queue.empty()) {
    auto attributes = std::make_shared<Attributes>();
    attributes->signal_queue = process.leader_signal_queue;
    out_.Emit(pid, SetAttr{pid, std::move(attributes)});
  }
  std::shared_ptr<const Attributes> attributes = WithoutBirthState(process.attributes);
  if (HasDirectoryOfGone(node)) {
    auto rest = std::make_shared<Attributes>(*attributes);
    rest->fs.reset();
    attributes = std::move(rest);
  }
  out_.Emit(pid, SetAttr{{}, std::move(attributes)});
  Resume resume;
  if (process.state == ProcessState::kStopped) resume.stopped = process.stop_signal;
  out_.Emit(pid, resume);
}

Result Generation::Run(Diagnostics& diag) {
  if (Failed(descriptors_.Build(snapshot_, tree_, opener_.openings(), diag)) ||
      Failed(memory_.Build(diag))) {
    return Result::kError;
  }
  NodeIndex born(0);
  const std::size_t last = plan_.ops.size() - plan_.last;
  for (std::size_t i = 0; i < last; ++i) {
    const TreeOp& op = plan_.ops[i];
    if (op.kind != TreeOp::Kind::kFork) {
      EmitTreeOp(op, tree_.executor[i]);
    } else {
      if (Failed(EmitFork(op, tree_.executor[i], born, diag))) return Result::kError;
      ++born;
    }
  }
  // Where nothing is late, and nobody relies on another, what a process does is found together.
  const bool at_once = snapshot_.late.empty() && temporary_.empty() && plan_.last == 0 &&
                       !descriptors_.RelyOnEachOther() && !HasUnlinkedDirectories(snapshot_);
  const auto nodes = static_cast<std::int32_t>(tree_.nodes.size());
  for (const NodeIndex n : descriptors_.FinishOrder()) {
    if (Failed(FinishPlaces(n, diag))) return Result::kError;
    if (at_once) EmitState(n);
  }
  if (at_once) return Result::kOk;
  EmitEndsOfGone(last);
  if (Failed(EmitLateState(snapshot_, temporary_, tree_, out_, diag))) return Result::kError;
  for (NodeIndex n(0); n < nodes; ++n) {
    if (tree_.Living(snapshot_, n) != nullptr) EmitState(n);
  }
  return Result::kOk;
}

}  // namespace

bool ReachesOutside(const TreeSnapshot& tree) {
  return tree.nodes.front().sid != tree.nodes.front().pid;
}

Result PrepareTree(const TreeSnapshot& tree, TreeSnapshot* prepared, TreeRefusal* refusal) {
  *prepared = tree;
  TreeNode& root = prepared->nodes.front();
  if (root.sid == root.pid) return Result::kOk;
  const Pid outer_sid = root.sid;
  // A group that a process of the tree made is inside; any other came from where the session came
  // from.
  const bool inside = std::any_of(tree.nodes.begin(), tree.nodes.end(),
                                  [&](const TreeNode& node) { return node.pid == root.pgid; });
  const Pid outer_pgid = inside ? outer_sid : root.pgid;
  for (const TreeNode& node : tree.nodes) {
    auto taken = [&](Pid number) {
      return number != 0 && (number == outer_sid || number == outer_pgid);
    };
    const bool clash = taken(node.pid) || std::any_of(node.tids.begin(), node.tids.end(), taken);
    if (clash) {
      *refusal = {node.pid,
                  "has the number of the session or group that the root has from outside"};
      return Result::kError;
    }
  }
  for (TreeNode& node : prepared->nodes) {
    if (node.sid == outer_sid) node.sid = 0;
    if (node.pgid == outer_sid || node.pgid == outer_pgid) node.pgid = 0;
  }
  return Result::kOk;
}

Result PrepareTree(const TreeSnapshot& tree, TreeSnapshot* prepared, Diagnostics& diag) {
  TreeRefusal refusal;
  if (Succeeded(PrepareTree(tree, prepared, &refusal))) return Result::kOk;
  return diag.Fail("pid " + std::to_string(refusal.pid), refusal.reason);
}

GenerateOutcome GenerateProgram(const Snapshot& snapshot, const GenerateOptions& options,
                                const PageReader& read_page, Program* program, Diagnostics& diag,
                                ProgramFollower* follower) {
  TreeSnapshot tree;
  if (Failed(PrepareTree(snapshot.tree, &tree, diag))) {
    return GenerateOutcome::kUnreachableTree;
  }
  TreePlan plan;
  TreeRefusal refusal;
  if (Failed(AnalyzeTreeWith(options.tree, tree, &plan, &refusal))) {
    diag.Error("pid " + std::to_string(refusal.pid), refusal.reason);
    return GenerateOutcome::kUnreachableTree;
  }
  program->reserve(ExpectedCommands(snapshot, plan));
  const std::size_t unsupported = diag.Count(Severity::kUnsupported);
  Snapshot with_temporary;
  std::vector<TemporarySlot> temporary;
  const bool has_sockets = HasUnixSockets(snapshot);
  const bool has_directories = HasUnlinkedDirectories(snapshot);
  const bool changes = has_sockets || has_directories;
  if (changes) with_temporary = snapshot;
  const Snapshot& planned = changes ? with_temporary : snapshot;
  const bool prepared = !has_sockets || Succeeded(PlanSockets(&with_temporary, &temporary, diag));
  if (prepared && has_directories) HoldUnlinkedDirectories(&with_temporary, &temporary);
  if (!prepared ||
      Failed(
          Generation(planned, temporary, plan, options, read_page, program, follower).Run(diag))) {
    return diag.Count(Severity::kUnsupported) != unsupported ? GenerateOutcome::kUnsupported
                                                             : GenerateOutcome::kBadInput;
  }
  return GenerateOutcome::kOk;
}

}  // namespace crgen

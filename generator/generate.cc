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

/// The attributes of a thread, but for filters that the leader's SET_ATTR gives to all threads.
std::shared_ptr<const Attributes> WithoutSharedFilters(const Process& process,
                                                       const Thread& thread) {
  const std::optional<Seccomp>& leader = process.attributes->seccomp;
  if (!leader || !leader->OfAllThreads()) return thread.attributes;
  auto attributes = std::make_shared<Attributes>(*thread.attributes);
  attributes->seccomp.reset();
  return attributes;
}

/// But for what the root has set at its birth.
std::shared_ptr<const Attributes> WithoutClocks(const std::shared_ptr<const Attributes>& from) {
  if (!from->time) return from;
  auto attributes = std::make_shared<Attributes>(*from);
  attributes->time.reset();
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
        memory_(snapshot, tree_, descriptors_, spare_, opener_, read_page, out_) {}

  Result Run(Diagnostics& diag);

 private:
  Result EmitFork(const TreeOp& op, NodeIndex executor, NodeIndex child, Diagnostics& diag);
  void EmitClocks(Pid root);
  void EmitTreeOp(const TreeOp& op, NodeIndex executor);
  void EmitThreads(NodeIndex node);
  Result FinishPlaces(NodeIndex node, Diagnostics& diag);
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
};

Result Generation::EmitFork(const TreeOp& op, NodeIndex executor, NodeIndex child,
                            Diagnostics& diag) {
  Fork fork = std::get<Fork>(TreeCommand(op).body);
  if (executor < 0) {
    if (snapshot_.new_pid_namespace) fork.flags.bits |= CLONE_NEWPID;
    fork.about = options_.about;
    out_.Emit(op.pid, fork);
    opener_.proc_files().Appears(fork.child_pid);
    EmitClocks(fork.child_pid);
    return Result::kOk;
  }
  const std::int32_t time = tree_.nodes[child].birth;
  const bool shares_table = descriptors_.SharesCreatorsTable(child);
  if (shares_table) fork.flags.bits |= CLONE_FILES;
  if (!shares_table && Failed(descriptors_.BeforeFork(executor, time, opener_, out_, diag))) {
    return Result::kError;
  }
  if (Failed(memory_.BeforeFork(executor, time, diag))) return Result::kError;
  out_.Emit(op.pid, fork);
  opener_.proc_files().Appears(fork.child_pid);
  descriptors_.AfterFork(executor, child, out_);
  memory_.AfterFork(executor, child);
  return Result::kOk;
}

/// The root's clocks, before anything that has to do with clocks: children are born into its time
/// namespace, and timers stay in the one in which they are made.
void Generation::EmitClocks(Pid root) {
  const std::shared_ptr<const Attributes>& from = snapshot_.processes.front().attributes;
  if (from == nullptr || !from->time) return;
  auto attributes = std::make_shared<Attributes>();
  attributes->time = from->time;
  out_.Emit(root, SetAttr{{}, std::move(attributes)});
}

/// Everything but a fork.
void Generation::EmitTreeOp(const TreeOp& op, NodeIndex executor) {
  Command command = TreeCommand(op);
  const std::int32_t process = executor < 0 ? -1 : tree_.nodes[executor].process;
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

/// Descriptors and regions in their places, and threads.
Result Generation::FinishPlaces(NodeIndex node, Diagnostics& diag) {
  if (Failed(descriptors_.Finish(node, opener_, out_, diag)) ||
      Failed(memory_.Finish(node, diag))) {
    return Result::kError;
  }
  if (!opener_.proc_files().WantsThreadsEarly(tree_.nodes[node].pid)) EmitThreads(node);
  return Result::kOk;
}

/// Attributes, and off it goes.
void Generation::EmitState(NodeIndex node) {
  const Process& process = *tree_.Living(snapshot_, node);
  const Pid pid = tree_.nodes[node].pid;
  for (const Thread& thread : process.threads) {
    out_.Emit(pid, SetAttr{thread.tid, WithoutSharedFilters(process, thread)});
  }
  if (!process.leader_signal_queue.empty()) {
    auto attributes = std::make_shared<Attributes>();
    attributes->signal_queue = process.leader_signal_queue;
    out_.Emit(pid, SetAttr{pid, std::move(attributes)});
  }
  out_.Emit(pid, SetAttr{{}, WithoutClocks(process.attributes)});
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
  for (std::size_t i = 0; i < plan_.ops.size(); ++i) {
    const TreeOp& op = plan_.ops[i];
    if (op.kind != TreeOp::Kind::kFork) {
      EmitTreeOp(op, tree_.executor[i]);
    } else {
      if (Failed(EmitFork(op, tree_.executor[i], born, diag))) return Result::kError;
      ++born;
    }
  }
  // Where nothing is late, and nobody relies on another, what a process does is found together.
  const bool at_once =
      snapshot_.late.empty() && temporary_.empty() && !descriptors_.RelyOnEachOther();
  const auto nodes = static_cast<std::int32_t>(tree_.nodes.size());
  for (NodeIndex n(0); n < nodes; ++n) {
    const bool early = opener_.proc_files().WantsThreadsEarly(tree_.nodes[n].pid);
    if (early && tree_.Living(snapshot_, n) != nullptr) EmitThreads(n);
  }
  for (const NodeIndex n : descriptors_.FinishOrder()) {
    if (Failed(FinishPlaces(n, diag))) return Result::kError;
    if (at_once) EmitState(n);
  }
  if (at_once) return Result::kOk;
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
  if (Failed(AnalyzeTree(tree, &plan, &refusal))) {
    diag.Error("pid " + std::to_string(refusal.pid), refusal.reason);
    return GenerateOutcome::kUnreachableTree;
  }
  program->reserve(ExpectedCommands(snapshot, plan));
  const std::size_t unsupported = diag.Count(Severity::kUnsupported);
  Snapshot with_temporary;
  std::vector<TemporarySlot> temporary;
  const bool has_sockets = HasUnixSockets(snapshot);
  if (has_sockets) with_temporary = snapshot;
  const Snapshot& planned = has_sockets ? with_temporary : snapshot;
  const bool prepared = !has_sockets || Succeeded(PlanSockets(&with_temporary, &temporary, diag));
  if (!prepared ||
      Failed(
          Generation(planned, temporary, plan, options, read_page, program, follower).Run(diag))) {
    return diag.Count(Severity::kUnsupported) != unsupported ? GenerateOutcome::kUnsupported
                                                             : GenerateOutcome::kBadInput;
  }
  if (follower != nullptr) follower->Complete();
  return GenerateOutcome::kOk;
}

}  // namespace crgen

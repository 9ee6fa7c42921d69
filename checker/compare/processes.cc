// SPDX-License-Identifier: Apache-2.0
// The comparison of processes, threads, attributes and descriptors with a snapshot.
#include <sched.h>

#include <algorithm>
#include <memory>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <variant>

#include "checker/compare/comparison.h"
#include "checker/compare/difference.h"
#include "dsl/references.h"
#include "model/one_of.h"

namespace crgen {
namespace check {
namespace {

std::string StateText(ProcessState state) {
  constexpr const char* kNames[] = {"running", "stopped", "zombie"};
  return kNames[static_cast<int>(state)];
}

ProcessState StateOf(const Task& task) {
  if (task.state == TaskState::kZombie) return ProcessState::kZombie;
  return task.stopped ? ProcessState::kStopped : ProcessState::kRunning;
}

bool SameStatus(const ExitStatus& a, const ExitStatus& b) {
  return a.code == b.code && a.signal == b.signal &&
         a.core_dumped.value_or(false) == b.core_dumped.value_or(false);
}

/// What was sent is compared where it arrived.
std::vector<const LateState*> WithoutQueues(const std::vector<LateState>& states) {
  std::vector<const LateState*> others;
  for (const LateState& state : states) {
    if (!std::holds_alternative<QueueSetting>(state)) others.push_back(&state);
  }
  return others;
}

std::string FileText(const File& file) { return "file " + std::to_string(file.id.value); }

/// Which field of a description says what object of that kind is behind it.
std::string FieldOf(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kMemfd:
      return "file.inode_id";
    case ObjectKind::kPipe:
    case ObjectKind::kFifo:
      return "file.pipe_id";
    case ObjectKind::kSocket:
      return "file.socket_id";
    case ObjectKind::kUnlinked:
      return "file.unlinked.id";
    case ObjectKind::kDead:
      return "file.dead";
    case ObjectKind::kTerminal:
      return "file.tty_id";
    case ObjectKind::kBpfMap:
      return "file.map_id";
  }
  __builtin_unreachable();
}

}  // namespace

Comparison::Comparison(const Kernel& kernel, const Snapshot& snapshot, const PageReader& read_page,
                       Diagnostics& diag)
    : kernel_(kernel), snapshot_(snapshot), read_page_(read_page), diag_(diag) {}

void Comparison::Differ(const std::string& where, const std::string& field,
                        const std::string& expected, const std::string& found) {
  diag_.Error(where, field + ": expected " + expected + ", found " + found);
}

void Comparison::ComparePlace(const std::string& where, const TreeNode& node, const Task& task) {
  auto compare = [&](const char* field, Pid expected, Pid found) {
    if (expected == found) return;
    Differ(where, field, std::to_string(expected), std::to_string(found));
  };
  const Pid parent = node.parent < 0 ? 0 : snapshot_.tree.nodes[node.parent].pid;
  compare("parent", parent, kernel_.tasks[kernel_.ParentOf(task)].pid);
  compare("pgid", node.pgid, task.pgid);
  compare("sid", node.sid, task.sid);
  if (!node.zombie && node.subreaper != task.subreaper) {
    Differ(where, "child_subreaper", ValueText(node.subreaper), ValueText(task.subreaper));
  }
}

void Comparison::CompareState(const std::string& where, const crgen::Process& process,
                              const Task& task) {
  const ProcessState found = StateOf(task);
  if (task.state == TaskState::kExecuting) {
    Differ(where, "state", StateText(process.state), "one that is still in the restorer");
    return;
  }
  if (process.state != found) {
    Differ(where, "state", StateText(process.state), StateText(found));
    return;
  }
  if (found == ProcessState::kZombie && !SameStatus(process.exit_status, task.exit_status)) {
    Differ(where, "exit status", ExitText(process.exit_status), ExitText(task.exit_status));
  }
  if (found == ProcessState::kZombie && process.attributes != nullptr) {
    // Of a zombie's attributes its name alone can be seen.
    Compare(where, "attributes.comm", process.attributes->comm, task.attributes->comm, diag_);
  }
  if (found == ProcessState::kStopped && !(process.stop_signal == *task.stopped)) {
    Differ(where, "stop signal", ValueText(process.stop_signal), ValueText(*task.stopped));
  }
}

void Comparison::CompareThreads(const std::string& where, const crgen::Process& process,
                                const Task& task) {
  std::unordered_map<Pid, const SimulatedThread*> found;
  for (const SimulatedThread& thread : task.threads) found[thread.tid] = &thread;
  for (const Thread& thread : process.threads) {
    auto it = found.find(thread.tid);
    const std::string name = where + " thread " + std::to_string(thread.tid);
    if (it == found.end()) {
      diag_.Error(name, "expected, does not exist");
      continue;
    }
    if (thread.attributes != nullptr) {
      CompareAttributes(name, *thread.attributes, *it->second->attributes, diag_);
    }
    found.erase(it);
  }
  for (const SimulatedThread& thread : task.threads) {
    if (!found.contains(thread.tid)) continue;
    diag_.Error(where + " thread " + std::to_string(thread.tid), "exists, not expected");
  }
}

void Comparison::CompareFile(const std::string& where, const File& expected, const File& found) {
  if (!files_.Pair(expected.id.value, found.id.value)) {
    Differ(where, "id", std::to_string(expected.id.value),
           std::to_string(found.id.value) + ", which stands for another one");
  }
  if (expected.body.index() != found.body.index()) {
    Differ(where, "type", std::string(TypeOf(expected)), std::string(TypeOf(found)));
    return;
  }
  Compare(where, "file.flags", expected.flags, found.flags, diag_);
  kernel_.files.Visit(expected, [&]<typename Body>(const auto& rules, const Body& body) {
    rules.Compare(where, body, std::get<Body>(found.body), diag_);
  });
  Compare(where, "file.external", expected.external, found.external, diag_);
  CompareObjects(where, expected, found);
}

void Comparison::CompareContent(const std::string& where, const File& expected,
                                const Description& found) {
  if (expected.external || expected.body.index() != found.file->body.index()) return;
  std::visit(
      [&]<typename Body>(const Body& body) {
        if constexpr (HasObjectBehind<Body>) CompareObject(where, body, found);
      },
      expected.body);
}

void Comparison::CompareObject(const std::string& where, const Pipe& expected,
                               const Description& found) {
  const auto known = snapshot_.pipes.find(expected.pipe_id);
  ComparePipe(where, known == snapshot_.pipes.end() ? nullptr : &known->second, found);
}

void Comparison::CompareObject(const std::string& where, const Fifo& expected,
                               const Description& found) {
  CompareUnlinked(where, expected.unlinked, As<Fifo>(*found.file)->unlinked);
  const auto known = snapshot_.fifos.find(expected.pipe_id);
  ComparePipe(where, known == snapshot_.fifos.end() ? nullptr : &known->second, found);
}

/// nullptr: nothing is in it.
void Comparison::ComparePipe(const std::string& where, const PipeContent* expected,
                             const Description& found) {
  if (found.pipe == nullptr) return;
  const PipeContent content = expected == nullptr ? PipeContent() : *expected;
  Compare(where, "file.capacity", content.capacity, found.pipe->content.capacity, diag_);
  Compare(where, "file.data", content.data, found.pipe->content.data, diag_);
}

void Comparison::CompareObject(const std::string& where, const BpfMap& expected,
                               const Description& found) {
  const auto known = snapshot_.bpf_maps.find(expected.map_id);
  if (known == snapshot_.bpf_maps.end() || found.bpf_map == nullptr) return;
  Compare(where, "file.map", known->second, *found.bpf_map, diag_);
}

void Comparison::CompareObject(const std::string& where, const RegularFile& expected,
                               const Description& found) {
  CompareUnlinked(where, expected.unlinked, As<RegularFile>(*found.file)->unlinked);
}

Renaming& Comparison::RenamingOf(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kMemfd:
      return memfds_;
    case ObjectKind::kPipe:
      return pipes_;
    case ObjectKind::kFifo:
      return fifos_;
    case ObjectKind::kSocket:
      return sockets_;
    case ObjectKind::kUnlinked:
      return unlinked_names_;
    case ObjectKind::kDead:
      return dead_;
    case ObjectKind::kTerminal:
      return terminals_;
    case ObjectKind::kBpfMap:
      return bpf_maps_;
  }
  __builtin_unreachable();
}

/// The objects behind a description: the same ones up to renaming.
void Comparison::CompareObjects(const std::string& where, const File& expected, const File& found) {
  std::vector<std::uint64_t> names;
  ForEachObject(found, [&](ObjectKind, std::uint64_t id) { names.push_back(id); });
  std::size_t next = 0;
  ForEachObject(expected, [&](ObjectKind kind, std::uint64_t id) {
    if (next == names.size()) return;  // reported: it has none
    const std::uint64_t name = names[next++];
    if (kind == ObjectKind::kUnlinked) return;  // CompareUnlinked()
    Renaming& renaming = RenamingOf(kind);
    if (renaming.Pair(id, name)) return;
    Differ(where, FieldOf(kind), std::to_string(id),
           std::to_string(name) + ", which stands for another one");
  });
}

/// The late state of the description: kinds in the order of LateState on both sides.
void Comparison::CompareLate(const std::string& where, FileIndex file, const Description& found) {
  auto expected = std::lower_bound(
      snapshot_.late.begin(), snapshot_.late.end(), file,
      [](const LateEntry& entry, FileIndex number) { return entry.file < number; });
  const std::vector<const LateState*> states = WithoutQueues(found.late);
  auto state = states.begin();
  const auto name = [](const LateState& late) {
    return std::visit([]<typename Late>(const Late&) { return std::string(LateKey<Late>()); },
                      late);
  };
  for (; expected != snapshot_.late.end() && expected->file == file; ++expected) {
    if (std::holds_alternative<LockSetting>(expected->state)) continue;  // CompareLocks()
    while (state != states.end() && (*state)->index() < expected->state.index()) {
      diag_.Error(where, name(**state++) + ": set, not expected");
    }
    if (state == states.end() || (*state)->index() != expected->state.index()) {
      diag_.Error(where, name(expected->state) + ": expected, not set");
      continue;
    }
    std::visit(
        [&]<typename Late>(const Late& late) {
          if constexpr (std::is_same_v<Late, EpollTargets>) {
            epoll_sets_.push_back({where, &*expected, &found});
          } else {
            Late same = std::get<Late>(**state);
            if constexpr (OneOf<Late, InotifyWatches, FanotifyMarks>) Rename(late, &same);
            Compare(where, "late", late, same, diag_);
          }
        },
        expected->state);
    ++state;
  }
  for (; state != states.end(); ++state) {
    diag_.Error(where, name(**state) + ": set, not expected");
  }
}

void Comparison::CompareDescription(const std::string& where, FileIndex file,
                                    const Description& found) {
  const File& expected = *snapshot_.files[file];
  auto [description, first_seen] = description_of_.try_emplace(file, &found);
  auto [known, is_new] = known_descriptions_.try_emplace(&found, file);
  if (description->second == &found && known->second == file) {
    if (!first_seen) return;
    CompareFile(where, expected, *found.file);
    CompareLate(where, file, found);
    CompareContent(where, expected, found);
    if (kernel_.HasLostTarget(found)) {
      diag_.Error(where, "file.target: the process that was meant is gone");
    }
    return;
  }
  const std::string opened =
      FileText(*found.file) + " (commands[" + std::to_string(found.command) + "])";
  if (description->second != &found) {
    Differ(where, "description", FileText(expected) + ", shared with all its descriptors",
           "another opening, " + opened);
  }
  if (known->second != file) {
    Differ(where, "description", FileText(expected),
           opened + ", which is shared with descriptors of " +
               FileText(*snapshot_.files[known->second]));
  }
}

void Comparison::CompareSlots(const std::string& where, const DescriptorTable& expected,
                              const Table& found) {
  for (const Descriptor& slot : expected.slots) {
    const std::string name = where + " fd " + std::to_string(slot.fd);
    const auto* other = found.slots.Find(slot.fd);
    if (other == nullptr) {
      diag_.Error(name, "expected " + FileText(*snapshot_.files[slot.file]) + ", not open");
      continue;
    }
    if (slot.cloexec != other->value.cloexec) {
      Differ(name, "cloexec", ValueText(slot.cloexec), ValueText(other->value.cloexec));
    }
    CompareDescription(name, slot.file, *other->value.description);
  }
  found.slots.ForEach([&](Fd fd, const Slot& slot) {
    auto at = std::lower_bound(expected.slots.begin(), expected.slots.end(), fd,
                               [](const Descriptor& it, Fd number) { return it.fd < number; });
    if (at != expected.slots.end() && at->fd == fd) return;
    diag_.Error(where + " fd " + std::to_string(fd),
                "open, not expected: " + FileText(*slot.description->file));
  });
}

void Comparison::CompareTable(std::size_t index, const Task& task) {
  static const DescriptorTable kNoSlots;
  const std::string where = "process " + std::to_string(task.pid);
  const TableIndex table = snapshot_.processes[index].table;
  const Table* found = task.table.get();
  if (table < 0) return CompareSlots(where, kNoSlots, *found);
  auto [expected, first_seen] = table_of_.try_emplace(table, found);
  auto [known, is_new] = known_tables_.try_emplace(found, table);
  if (expected->second != found) {
    Differ(where, "descriptor table", "one shared with another process", "one of its own");
  } else if (known->second != table) {
    Differ(where, "descriptor table", "one of its own", "one shared with another process");
  } else if (!first_seen) {
    return;
  }
  CompareSlots(where, snapshot_.tables[table], *found);
}

void Comparison::CompareProcess(std::size_t index) {
  const TreeNode& node = snapshot_.tree.nodes[index];
  const crgen::Process& process = snapshot_.processes[index];
  const std::string where = "process " + std::to_string(node.pid);
  const TaskIndex at = kernel_.FindTask(node.pid);
  if (at == kNoTask) {
    diag_.Error(where, "expected, does not exist");
    return;
  }
  const Task& task = kernel_.tasks[at];
  ComparePlace(where, node, task);
  CompareState(where, process, task);
  if (process.state == ProcessState::kZombie || task.state == TaskState::kZombie) return;
  const std::uint64_t entered =
      task.namespaces.bits & ~(snapshot_.user_namespace ? std::uint64_t{CLONE_NEWUSER} : 0);
  if (entered != 0) {
    Differ(where, "namespaces", "the restorer's", "new ones: " + ValueText(task.namespaces));
  }
  if (task.fs.use_count() > 1) {
    Differ(where, "cwd, root and umask", "of its own", "shared with another process");
  }
  CompareThreads(where, process, task);
  CompareAttributesOf(where, process.attributes.get(), *task.attributes);
  Compare(where, "leader's signal queue", process.leader_signal_queue, task.leader_signal_queue,
          diag_);
  CompareTable(index, task);
  CompareMemory(where, process.memory, *task.space);
}

void Comparison::ReportExtraProcesses() {
  std::unordered_map<Pid, bool> expected;
  for (const TreeNode& node : snapshot_.tree.nodes) expected[node.pid] = true;
  for (std::size_t at = kRestorer + 1; at < kernel_.tasks.size(); ++at) {
    const Task& task = kernel_.tasks[at];
    if (task.state == TaskState::kGone || expected.contains(task.pid)) continue;
    const char* state = task.state == TaskState::kZombie ? "is a zombie" : "exists";
    diag_.Error(
        "process " + std::to_string(task.pid),
        std::string(state) + ", not expected (commands[" + std::to_string(task.born) + "])");
  }
}

/// Whose files are open was there when they were opened; that it is gone is seen above.
void Comparison::CompareGone() {
  if (snapshot_.tree.gone.empty()) return;
  std::unordered_set<Pid> born;
  for (const Task& task : kernel_.tasks) born.insert(task.pid);
  for (const Pid pid : snapshot_.tree.gone) {
    if (born.contains(pid)) continue;
    diag_.Error("process " + std::to_string(pid),
                "files of its directory in /proc are open, and nobody had its number");
  }
}

void Comparison::CompareUserNamespaces() {
  const auto& expected = snapshot_.user_namespace;
  const auto& found = kernel_.user_namespace;
  if (expected.has_value() != found.has_value()) {
    return Differ("root", "user namespace", expected ? "a new one" : "the restorer's",
                  found ? "a new one" : "the restorer's");
  }
  if (!expected) return;
  Compare("root", "uid_map", expected->uid_map, found->uid_map, diag_);
  Compare("root", "gid_map", expected->gid_map, found->gid_map, diag_);
}

void Comparison::Run() {
  if (snapshot_.processes.size() != snapshot_.tree.nodes.size()) {
    diag_.Error("snapshot", "tree and processes differ in number");
    return;
  }
  const auto born_in = [](const auto& it) -> std::string {
    if (it.pid_namespace) return "that of outside, " + it.pid_namespace->external.bytes;
    return it.new_pid_namespace ? "a new one" : "the restorer's";
  };
  if (born_in(snapshot_) != born_in(kernel_)) {
    Differ("root", "pid namespace", Printable(born_in(snapshot_)), Printable(born_in(kernel_)));
  }
  CompareUserNamespaces();
  for (std::size_t i = 0; i < snapshot_.processes.size(); ++i) CompareProcess(i);
  ReportExtraProcesses();
  CompareGone();
  CompareSessions();
  CompareEpollSets();
  CompareSockets();
  CompareLocks();
  CompareCgroups();
  CompareMemfds();
  CompareShmems();
}

}  // namespace check

Result CompareWithSnapshot(const SimulatedState& state, const Snapshot& snapshot,
                           const PageReader& read_page, Diagnostics& diag) {
  const std::size_t before = diag.Count(Severity::kError);
  const check::Kernel empty;
  const check::Kernel& kernel = state.kernel() == nullptr ? empty : *state.kernel();
  check::Comparison(kernel, snapshot, read_page, diag).Run();
  return diag.Count(Severity::kError) == before ? Result::kOk : Result::kError;
}

}  // namespace crgen

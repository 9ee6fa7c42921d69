// SPDX-License-Identifier: Apache-2.0
// Processes of the simulated kernel: fork(2), setsid(2), setpgid(2), exit(2), wait(2), threads.
// Rules: Linux kernel/fork.c, kernel/exit.c, kernel/sys.c, kernel/pid.c.
#include <linux/sched.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr Pid kInit = 1;
/// Beginning a pid namespace is the root's alone (Kernel::new_pid_namespace).
constexpr std::uint64_t kNamespaces =
    CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWUSER | CLONE_NEWCGROUP;

/// Signals whose default action is not to terminate (signal(7)): nothing dies of them.
bool Kills(Signal signal) {
  switch (signal.value) {
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return false;
    default:
      return signal.value >= 1 && signal.value <= 64;
  }
}

bool DumpsCore(Signal signal) {
  switch (signal.value) {
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGSYS:
      return true;
    default:
      return false;
  }
}

bool Stops(Signal signal) {
  return signal.value == SIGSTOP || signal.value == SIGTSTP || signal.value == SIGTTIN ||
         signal.value == SIGTTOU;
}

/// Why no process can die with `status`; empty: it can.
std::string BadStatus(const ExitStatus& status) {
  if (status.code.has_value() == status.signal.has_value()) {
    return "a status has either a code or a signal";
  }
  if (status.code && *status.code > 255) return "an exit code is 0 to 255";
  if (status.signal && !Kills(*status.signal)) {
    return ValueName(SignalKind::Names(), status.signal->value) + " does not kill";
  }
  if (status.core_dumped.value_or(false) && !(status.signal && DumpsCore(*status.signal))) {
    return "no core is dumped with " + ExitText({status.code, status.signal, std::nullopt});
  }
  return "";
}

}  // namespace

void Kernel::Enter(TaskIndex task, ListKind kind, Pid number) {
  NumberUse& use = numbers[number];
  ListLink& link = tasks[task].links[kind];
  link = {kNoTask, use.head[kind]};
  if (link.next != kNoTask) tasks[link.next].links[kind].previous = task;
  use.head[kind] = task;
  if (kind == kSessionList) {
    tasks[task].sid = number;
    return;
  }
  tasks[task].pgid = number;
  tasks[task].joined = command_;
  CountMember(task, 1);
}

void Kernel::Leave(TaskIndex task, ListKind kind, Pid number) {
  if (kind == kGroupList) CountMember(task, -1);
  const ListLink link = tasks[task].links[kind];
  if (link.previous != kNoTask) {
    tasks[link.previous].links[kind].next = link.next;
  } else {
    numbers[number].head[kind] = link.next;
  }
  if (link.next != kNoTask) tasks[link.next].links[kind].previous = link.previous;
}

std::string Kernel::UserOf(const NumberUse& use, Pid number) const {
  std::string name = std::to_string(number);
  if (use.task != kNoTask) return Who(use.task) + " exists";
  if (use.thread_of != kNoTask) return name + " is a thread of " + Who(use.thread_of);
  if (use.head[kGroupList] != kNoTask) {
    return Who(use.head[kGroupList]) + " is in group " + name;
  }
  if (use.head[kSessionList] != kNoTask) {
    return Who(use.head[kSessionList]) + " is in session " + name;
  }
  return "";
}

bool Kernel::IsFree(Pid number, std::string* user) const {
  auto use = numbers.find(number);
  *user = use == numbers.end() ? "" : UserOf(use->second, number);
  if (number == kInit && user->empty() && root_ != kNoTask) {
    *user = "1 is the init of the " +
            std::string(pid_namespace ? "pid namespace from outside" : "restorer's pid namespace");
  }
  return user->empty();
}

void Kernel::AddChild(TaskIndex parent, TaskIndex child) {
  if (tasks[parent].family < 0) {
    tasks[parent].family = FamilyIndex(families.size());
    families.emplace_back().parent = parent;
  }
  const FamilyIndex family = tasks[parent].family;
  tasks[child].in_family = family;
  tasks[child].place = families[family].children.size();
  families[family].children.push_back(child);
}

void Kernel::RemoveChild(TaskIndex child) {
  std::vector<TaskIndex>& children = families[tasks[child].in_family].children;
  std::size_t place = tasks[child].place;
  children[place] = children.back();
  tasks[children[place]].place = place;
  children.pop_back();
}

/// pid_namespaces(7): whoever is born in one that is there already finds its init there.
static std::optional<Refusal> RefusedPidNamespace(const Fork& fork) {
  if (!fork.pid_namespace) return std::nullopt;
  const std::string& key = fork.pid_namespace->external.bytes;
  if (key.empty() || key.find('\0') != key.npos) {
    return Refusal{"EINVAL", "external is not empty, and has no NUL"};
  }
  if ((fork.flags.bits & (CLONE_NEWPID | CLONE_NEWUSER)) != 0) {
    return Refusal{"EINVAL", "the root is born in a new pid or user namespace"};
  }
  if (fork.child_pid == kInit) return Refusal{"EEXIST", "1 is its init"};
  return std::nullopt;
}

bool Kernel::CheckRootFork(const Fork& fork) {
  if (root_ != kNoTask) {
    Violation("EPERM", "the restorer has its root, " + Who(root_));
    return false;
  }
  if ((fork.flags.bits & (CLONE_PARENT | CLONE_FILES)) != 0) {
    Violation("EINVAL", "the root is the restorer's own child, with a descriptor table of its own");
    return false;
  }
  if ((fork.flags.bits & CLONE_NEWPID) != 0 && fork.child_pid != kInit) {
    Violation("EINVAL",
              "the first process of a pid namespace is 1, not " + std::to_string(fork.child_pid));
    return false;
  }
  if (const auto refusal = RefusedPidNamespace(fork)) {
    Violation(refusal->error, "pid_namespace: " + refusal->fact);
    return false;
  }
  if (fork.about == nullptr || !fork.about->network_lock) return true;
  const NetworkLock& lock = *fork.about->network_lock;
  const bool nftables = lock.method == kNftables, iptables = lock.method == kIptables;
  const bool plain = std::all_of(lock.table.begin(), lock.table.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
  if (iptables ? lock.table.empty() : nftables && plain && !lock.table.empty()) return true;
  Violation("EINVAL",
            "about.network_lock: iptables has no table, nftables one of letters, digits and -");
  return false;
}

bool Kernel::CheckFork(const Fork& fork) {
  if (!CheckBeforeLate()) return false;
  std::uint64_t unknown = fork.flags.bits;
  for (const FlagName& flag : CloneFlagKind::Names()) unknown &= ~flag.mask;
  if (unknown != 0) {
    Violation("EINVAL", "flags " + HexText(unknown) + " do not make a process of its own");
    return false;
  }
  if (fork.child_pid < 1 || fork.child_pid >= kPidLimit) {
    Violation("EINVAL", "pid " + std::to_string(fork.child_pid) + " is not in 1 to " +
                            std::to_string(kPidLimit - 1));
    return false;
  }
  if (fork.flags.Has(CLONE_FS) && (fork.flags.bits & (CLONE_NEWNS | CLONE_NEWUSER)) != 0) {
    Violation("EINVAL", "CLONE_FS with a new mount or user namespace");
    return false;
  }
  if (!CheckMaps(fork)) return false;
  if (self_ == kRestorer) return CheckRootFork(fork);
  if (fork.flags.Has(CLONE_NEWPID)) {
    Violation("EINVAL", "only the root may begin a pid namespace");
    return false;
  }
  if (fork.pid_namespace) {
    Violation("EINVAL", "pid_namespace: only the root is put into one");
    return false;
  }
  if (fork.flags.Has(CLONE_PARENT) && self_ == root_ && pid_namespace) {
    Violation("EINVAL", "the parent of the root is not in the pid namespace from outside");
    return false;
  }
  if (fork.flags.Has(CLONE_PARENT) && self().pid == kInit) {
    Violation("EINVAL", "process 1 is the init of its pid namespace and has no siblings");
    return false;
  }
  if (fork.about != nullptr) {
    Violation("EINVAL", "only the FORK of the root says what the program is");
    return false;
  }
  if (self().is_sealed) {
    Violation("EPERM", "creds or seccomp of the process are set " + At(self().sealed));
    return false;
  }
  std::string user;
  if (!IsFree(fork.child_pid, &user)) {
    Violation("EEXIST", user);
    return false;
  }
  return true;
}

void Kernel::Execute(const Fork& fork) {
  if (!CheckFork(fork)) return;
  const bool is_root = self_ == kRestorer;
  const TaskIndex child(tasks.size());
  tasks.emplace_back();
  Task& task = tasks[child];
  Task& caller = self();
  task.pid = fork.child_pid;
  task.born = command_;
  task.terminal = caller.terminal;
  if (caller.for_children == nullptr) {
    caller.for_children = InheritAttributes(*caller.attributes, /*thread=*/false);
  }
  task.attributes = caller.for_children;
  task.for_children = caller.for_children;
  if (is_root) {
    root_ = child;
    new_pid_namespace = fork.flags.Has(CLONE_NEWPID);
    pid_namespace = fork.pid_namespace;
    if (!fork.uid_map.empty()) user_namespace = UserNamespace{fork.uid_map, fork.gid_map};
    task.table = std::make_shared<Table>();
    task.space = std::make_unique<Space>();
  } else {
    task.table =
        fork.flags.Has(CLONE_FILES) ? caller.table : std::make_shared<Table>(*caller.table);
    task.space = ForkSpace(*caller.space);
  }
  task.fs = fork.flags.Has(CLONE_FS) ? caller.fs : std::make_shared<FsView>(*caller.fs);
  task.namespaces.bits = caller.namespaces.bits | (fork.flags.bits & kNamespaces);
  const bool sibling = fork.flags.Has(CLONE_PARENT);
  AddChild(sibling ? ParentOf(caller) : self_, child);
  numbers[fork.child_pid].task = child;
  if (!in_proc_.empty()) CheckTooEarly(fork.child_pid);
  Enter(child, kGroupList, caller.pgid);
  Enter(child, kSessionList, caller.sid);
  last_of_pid_[fork.child_pid] = child;
}

void Kernel::Execute(const SetSid&) {
  const Pid pid = self().pid;
  if (self().sid == pid) {
    return Violation("EPERM", "process " + std::to_string(pid) + " leads session " +
                                  std::to_string(pid) + " already");
  }
  const TaskIndex member = numbers[pid].head[kGroupList];
  if (member != kNoTask) {
    return Violation("EPERM", Who(member) + " is in group " + std::to_string(pid));
  }
  CountAllLinks(self_, -1);
  Leave(self_, kGroupList, self().pgid);
  Leave(self_, kSessionList, self().sid);
  Enter(self_, kGroupList, pid);
  Enter(self_, kSessionList, pid);
  self().terminal.reset();
  CountAllLinks(self_, 1);
}

void Kernel::Execute(const SetPgid& set) {
  const Pid pid = self().pid;
  const std::string group = "group " + std::to_string(set.pgid);
  if (set.pgid < 1) return Violation("EINVAL", group + " cannot be joined by name");
  if (self().sid == pid) {
    return Violation("EPERM", "process " + std::to_string(pid) + " leads a session");
  }
  if (set.pgid != pid) {
    auto use = numbers.find(set.pgid);
    const TaskIndex member = use == numbers.end() ? kNoTask : use->second.head[kGroupList];
    if (member == kNoTask) return Violation("EPERM", "there is no " + group);
    if (tasks[member].sid != self().sid) {
      return Violation("EPERM", group + " is in session " + std::to_string(tasks[member].sid) +
                                    ", process " + std::to_string(pid) + " in session " +
                                    std::to_string(self().sid));
    }
  }
  if (pid == kInit && set.pgid != pid) {
    // It pins the number that zap_pid_ns_processes() waits for.
    Suspect("a pid namespace whose init dies as a member of " + group + " never ends");
  }
  const Pid left = self().pgid;
  for (const Pid changed : {left, set.pgid}) CountLinks(self_, changed, -1);
  Leave(self_, kGroupList, left);
  Enter(self_, kGroupList, set.pgid);
  for (const Pid changed : {left, set.pgid}) CountLinks(self_, changed, 1);
}

void Kernel::Execute(const CreateThread& create) {
  if (!CheckBeforeLate()) return;
  if (create.tid < 1 || create.tid >= kPidLimit) {
    return Violation("EINVAL", "tid " + std::to_string(create.tid) + " is not in 1 to " +
                                   std::to_string(kPidLimit - 1));
  }
  if (self().is_sealed) {
    return Violation("EPERM", "creds or seccomp of the process are set " + At(self().sealed));
  }
  std::string user;
  if (!IsFree(create.tid, &user)) return Violation("EEXIST", user);
  NumberUse& use = numbers[create.tid];
  use.thread_of = self_;
  if (!in_proc_.empty()) CheckTooEarly(create.tid);
  use.thread_index = self().threads.size();
  if (self().for_threads == nullptr) {
    self().for_threads = InheritAttributes(*self().attributes, /*thread=*/true);
  }
  self().threads.push_back({create.tid, self().for_threads});
}

TaskIndex Kernel::HeirOf(TaskIndex dying) const {
  // Ancestors live: who exits hands its children on.
  for (TaskIndex at = ParentOf(tasks[dying]); at != kRestorer; at = ParentOf(tasks[at])) {
    if (tasks[at].subreaper) return at;
  }
  return tasks[root_].pid == kInit ? root_ : kRestorer;
}

/// Moves the contents of the family `from` to `to`.
void Kernel::MergeFamily(FamilyIndex from, FamilyIndex to) {
  Family source = std::exchange(families[from], {});
  Family& target = families[to];
  for (TaskIndex child : source.children) {
    tasks[child].in_family = to;
    tasks[child].place = target.children.size();
    target.children.push_back(child);
  }
  // Longer than the children, if most of them are reaped.
  if (source.zombies.size() > target.zombies.size()) std::swap(source.zombies, target.zombies);
  target.zombies.insert(target.zombies.end(), source.zombies.begin(), source.zombies.end());
  for (const auto& [group, count] : source.living_in) target.living_in[group] += count;
  for (const auto& [group, count] : source.zombies_in) target.zombies_in[group] += count;
}

void Kernel::Reparent(TaskIndex dying, TaskIndex heir) {
  const FamilyIndex own = tasks[dying].family;
  if (own < 0 || families[own].children.empty()) return;
  // An heir in the session is as good a link as the dying, but for the groups of the two.
  const auto count_links = [&](TaskIndex parent, int by) {
    if (tasks[dying].sid != tasks[heir].sid) return CountAllLinks(parent, by);
    CountLinks(parent, tasks[dying].pgid, by);
    if (tasks[dying].pgid != tasks[heir].pgid) CountLinks(parent, tasks[heir].pgid, by);
  };
  count_links(dying, -1);
  tasks[dying].family = {};
  const FamilyIndex others = std::exchange(tasks[heir].family, own);
  families[own].parent = heir;
  count_links(heir, 1);
  if (others < 0) return;
  // The smaller list moves into the larger one: O(n log n) in all.
  const bool is_larger = families[own].children.size() > families[others].children.size();
  tasks[heir].family = is_larger ? own : others;
  MergeFamily(is_larger ? others : own, tasks[heir].family);
}

void Kernel::Reap(TaskIndex zombie) {
  Task& task = tasks[zombie];
  RemoveChild(zombie);
  Leave(zombie, kGroupList, task.pgid);
  Leave(zombie, kSessionList, task.sid);
  numbers[task.pid].task = kNoTask;
  task.state = TaskState::kGone;
  // The namespaces of those it leaves behind are its own.
  if (zombie != root_) task.attributes.reset();
  task.for_children.reset();
  task.for_threads.reset();
}

void Kernel::Execute(const Exit& exit) {
  openings_.reset();
  const std::string bad = BadStatus(exit.status);
  if (!bad.empty()) return Violation("EINVAL", bad);
  Task& task = self();
  if (task.pid == kInit) {
    return Violation("SIGKILL",
                     "process 1 is the init of its pid namespace: all others die with it");
  }
  if (task.terminal && task.sid == task.pid) {
    return Violation("SIGHUP", "terminal " + std::to_string(task.terminal->value) +
                                   ", which controls the session, hangs up");
  }
  const bool has_children = task.family >= 0 && !families[task.family].children.empty();
  const TaskIndex heir = has_children ? HeirOf(self_) : kRestorer;
  if (has_children && heir == kRestorer && pid_namespace) {
    return Violation("EINVAL",
                     "its children would go to the init of the pid namespace from outside");
  }
  if (stopped_tasks_ != 0 && !CheckOrphanedGroups(self_, heir)) return;
  Reparent(self_, heir);
  for (const SimulatedThread& thread : task.threads) numbers[thread.tid].thread_of = kNoTask;
  task.threads.clear();
  task.table.reset();
  task.space.reset();
  task.fs.reset();
  task.leader_signal_queue.clear();
  CountMember(self_, -1);
  task.state = TaskState::kZombie;
  CountMember(self_, 1);
  families[task.in_family].zombies.push_back(self_);
  task.exit_status = exit.status;
  task.ended = command_;
}

void Kernel::Execute(const Wait& wait) {
  const std::string child = std::to_string(wait.child_pid);
  const TaskIndex task = FindTask(wait.child_pid);
  if (task == kNoTask) {
    auto last = last_of_pid_.find(wait.child_pid);
    return Violation("ECHILD", last == last_of_pid_.end()
                                   ? "there is no process " + child
                                   : "process " + child + " is reaped already");
  }
  if (ParentOf(tasks[task]) != self_) {
    return Violation("ECHILD", Who(task) + " is a child of " + Who(ParentOf(tasks[task])));
  }
  if (tasks[task].state != TaskState::kZombie) {
    return Violation("EAGAIN", Who(task) + " has not exited: the wait does not end");
  }
  Reap(task);
}

void Kernel::Execute(const Resume& resume) {
  Task& task = self();
  if (resume.stopped && !Stops(*resume.stopped)) {
    return Violation("EINVAL",
                     ValueName(SignalKind::Names(), resume.stopped->value) + " does not stop");
  }
  if (!CheckRseq(task.pid, *task.attributes)) return;
  for (const SimulatedThread& thread : task.threads) {
    if (!CheckRseq(thread.tid, *thread.attributes)) return;
  }
  task.state = TaskState::kResumed;
  task.ended = command_;
  task.stopped = resume.stopped;
  if (resume.stopped) CountStopped(self_);
}

}  // namespace crgen::check

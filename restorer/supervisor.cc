// SPDX-License-Identifier: Apache-2.0
#include "restorer/supervisor.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/rseq.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "restorer/cleanup.h"
#include "restorer/connections.h"
#include "restorer/deleted_mounts.h"
#include "restorer/files/pipe.h"
#include "restorer/files/unix_socket.h"
#include "restorer/from_outside.h"
#include "restorer/handover.h"
#include "restorer/inherited.h"
#include "restorer/mount_descriptors.h"
#include "restorer/mounts.h"
#include "restorer/namespaces.h"
#include "restorer/network_lock.h"
#include "restorer/pid_visit.h"
#include "restorer/proc_files.h"
#include "restorer/read_back.h"
#include "restorer/redraw.h"
#include "restorer/schedule.h"
#include "restorer/services.h"
#include "restorer/step_times.h"
#include "restorer/supervisor_calls.h"
#include "restorer/sysctl.h"
#include "restorer/unlinked.h"
#include "restorer/unlinked_content.h"
#include "restorer/watches.h"

namespace crgen::restorer {

#ifdef CRRESTORE_FAULTS
extern const Setup* fault_setup;
#endif

namespace {

constexpr const char* kStarterGone = "the process that was started has gone";

RestoreProblem FirstOf(const Diagnostics& diag) {
  return {diag.entries().back().where + ": " + diag.entries().back().what, -1};
}

/// The C library's registration would be inherited, with an address that is then unmapped.
void LeaveRseq() {
  constexpr std::uint32_t kRegistered = 32;
  char* area = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
  if (__rseq_size != 0) {
    syscall(__NR_rseq, area, std::max<std::uint32_t>(__rseq_size, kRegistered),
            RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
  }
}

void Raise(Word* word) {
  __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
  syscall(__NR_futex, word, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
}

/// What is to be said of connections whose lock had gone when the restore failed.
std::string LockAgain(NetworkUnlock* lock, const Connections& connections) {
  if (const std::string problem = lock->PutBack(); !problem.empty()) {
    return "; the network lock of the dump is gone: whatever the peers send now is answered with a "
           "reset, which ends their connections; to put it back, " +
           problem;
  }
  const std::string advanced = connections.Advanced();
  return advanced.empty() ? "" : "; what has come meanwhile is lost to a second try: " + advanced;
}

}  // namespace

RestoreProblem Supervisor::Run(std::uint64_t text_size, const std::function<bool()>& entered,
                               const std::function<bool(pid_t root)>& ready,
                               const std::function<bool()>& running) {
  const Ticks ticks;
  if (RestoreProblem problem = Build(text_size, entered)) return problem;
  watch_ = std::make_unique<Watch>(program_, arena_, script_, options_.timeout);
  if (OuterPidNamespace(program_, options_) != nullptr) {
    watch_->LookElsewhere([this](pid_t number, int error) {
      return WhyNobodyIsBorn(program_, options_, files_, number, error);
    });
  }
  ReadBack read_back(program_, cgroups_.has_namespace(), user_, options_, nets_);
  if (RestoreProblem problem = RunOwnCommands()) return problem;
  if (RestoreProblem problem = watch_->AwaitAll(&Board::arrived)) return problem;
  WarnOfKeptQueues(script_);
  if (std::string problem = RemoveMountedNames(&mounted_names_); !problem.empty()) {
    return {problem, -1};
  }
  if (RestoreProblem problem = FindNumbers()) return problem;
  if (std::string problem = FindMountNamespaces(); !problem.empty()) return {problem, -1};
  if (RestoreProblem problem = cgroups_.MoveThreads(script_)) return problem;
  if (user_.is_there()) {
    if (RestoreProblem problem = RaiseFromOutside(script_)) return problem;
  }
  Handover handover(script_, arena_, options_.timeout);
  if (std::string problem = handover.Trace(); !problem.empty()) return {problem, -1};
  watch_->Traced();
  Raise(&script_.board->arm);
  if (RestoreProblem problem = watch_->AwaitAll(&Board::armed)) return problem;
  if (std::string problem = handover.StopAll(); !problem.empty()) return {problem, -1};
  if (RestoreProblem problem = ScheduleFromOutside(script_)) return problem;
  if (RestoreProblem problem = read_back.Check(script_, paths_, unlinked_)) return problem;
  if (std::string problem = SetTimes(program_, unlinked_); !problem.empty()) return {problem, -1};
  if (RestoreProblem problem =
          SetWatches(program_, script_.late_files, groups_, {files_, paths_, unlinked_})) {
    return problem;
  }
  if (RestoreProblem problem = terminals_.Set(program_, script_.late_files, files_)) return problem;
  if (std::string problem = handover.Prepare(options_.stop); !problem.empty()) return {problem, -1};
  if (std::string problem = user_.End(); !problem.empty()) return {problem, -1};
  if (std::string problem = system_v_.Release(); !problem.empty()) return {problem, -1};
  if (RestoreProblem problem = cgroups_.SetProperties()) return problem;
  if (RestoreProblem problem = cgroups_.Check(script_)) return problem;
  for (const int fd : made_) close(fd);  // the descriptions are the processes' own now
  for (const auto& [socket, root] : name_roots_) RemoveNameRoot(socket, root);
  NetworkUnlock lock(program_, options_);
  if (std::string problem = lock.Find(); !problem.empty()) return {problem, -1};
  if (!ready(root_)) return {kStarterGone, -1};
  BlockStop();
  if (AskedToStop()) return {"interrupted", -1};
  if (!options_.console_socket.empty()) {
    const std::string problem = terminals_.SendOrphans(options_.console_socket);
    if (!problem.empty()) return {problem, -1};
  }
  const ForegroundGroups shown = terminals_.Foreground();
  terminals_.Close();
  const Attributes* networks = OwnNetworks(program_, options_);
  Connections connections(script_, files_, keeper_[1],
                          {nets_, networks == nullptr ? nullptr : &*networks->net});
  std::string problem = connections.Take();
  for (const int fd : keeper_) close(fd);
  if (problem.empty()) problem = connections.Start();
  if (problem.empty()) problem = cgroups_.Freeze();
  if (problem.empty() && lock.has_found()) problem = handover.CheckAlive();
  if (problem.empty()) problem = lock.Remove();
  if (problem.empty() && lock.may_be_gone()) connections.Probe();
  if (problem.empty()) problem = handover.Release(options_.stop);
  if (problem.empty() && !running()) problem = kStarterGone;
  if (!problem.empty()) {
    connections.Hold();
    const std::string unlocked = lock.may_be_gone() ? LockAgain(&lock, connections) : "";
    return {problem + unlocked, -1};
  }
  RemoveLinks(links_, paths_);
  for (const auto& [id, fd] : mounts_) close(fd);
  for (const int fd : roots_) close(fd);
  for (const auto& [id, fd] : nets_) close(fd);
  if (options_.redraw && !options_.stop) Redraw(script_, shown);
  return {};
}

RestoreProblem Supervisor::Build(std::uint64_t text_size, const std::function<bool()>& entered) {
  Services services;
  services.files = &files_;
  services.names = &names_;
  std::string mounts;
  services.ids.user = OwnUserNamespace(program_);
  if (services.ids.user) {
    services.user = &user_;
    mounts = user_.Start(program_, options_, files_);
    const FirstIds first(*services.ids.user);
    WriteSysctlsAs(services.ids.Uid(first.uid), services.ids.Gid(first.gid));
  }
  if (mounts.empty()) mounts = CopyMounts(program_, &services);
  if (mounts.empty() && options_.new_pid_namespace) mounts = MountOwnProc();
  if (!mounts.empty()) return {mounts, -1};
  if (std::string problem = ResetInherited(); !problem.empty()) return {problem, -1};
  if (RestoreProblem problem = EnterNamespaces(program_, files_, options_, services.user,
                                               services.ids, &system_v_, &services.nets)) {
    return problem;
  }
  if (!entered()) return {kStarterGone, -1};
  OwnMaps maps;
  services.cgroups = &cgroups_;
  services.time_namespace = options_.time_namespace;
  services.networks = OwnNetworks(program_, options_);
  nets_ = services.nets;
  services.inherited = options_.inherited;
  services.tcp_close = options_.tcp_close;
  services.handed_on = FindHandedOn(program_);
  services.timed = options_.timed;
  mounts = MakeFileSystems(program_, options_.timeout, &services);
  if (!mounts.empty()) return {mounts, -1};
  mounts_ = services.mounts;
  for (const auto& [id, fd] : services.callers_groups) made_.push_back(fd);
  mounted_names_ = services.mounted_names;
  spaces_ = services.spaces;
  paths_ = services.paths = TreePaths(OwnMounts(program_), mounts_);
  services.terminals.MakeIn(OwnDevpts(program_, services), paths_, services.ids);
  LeaveRseq();
  if (std::string problem = OpenServices(program_, &services); !problem.empty()) {
    return {problem, -1};
  }
  keeper_ = services.keeper;
  service_ = services.fd;
  source_ = services.pidfd;
  for (const auto& [inode, fd] : services.memfds) made_.push_back(std::stoi(fd));
  for (const auto& [file, fd] : services.made) made_.push_back(fd);
  groups_ = services.made;
  for (const auto& [id, pipe] : services.pipes) {
    made_.insert(made_.end(), pipe.ends.begin(), pipe.ends.end());
  }
  for (const auto& [key, fd] : options_.inherited) {
    if (fd > STDERR_FILENO) made_.push_back(fd);
  }
  for (const auto& [id, fd] : services.name_roots) {
    name_roots_.emplace_back(services.sockets.at(id), std::stoi(fd));
  }
  for (const auto& [id, fd] : services.unlinked) made_.push_back(std::stoi(fd));
  unlinked_ = services.unlinked;
  for (const auto& [key, fd] : services.linked) made_.push_back(std::stoi(fd));
  links_ = services.links;
  terminals_ = services.terminals;
  Diagnostics diag;
  if (Failed(ReadOwnMaps(&maps, diag)) ||
      Failed(arena_.Make(program_, maps, SizesFor(program_, schedule_, text_size, options_.timed),
                         board_, services.ids, diag))) {
    return FirstOf(diag);
  }
  OwnState own = ReadOwnState();
  if (services.ids.user) own.creds = CredsInside(*services.ids.user, own.creds);
  script_ = Compile(program_, schedule_, services, own, maps, arena_);
  if (!script_.problem.empty()) return {script_.problem, -1};
  ReportDeath();
#ifdef CRRESTORE_FAULTS
  fault_setup = script_.setup;
  if (const char* call = std::getenv("CRRESTORE_FAILING_CALL")) {
    script_.setup->failing_call = static_cast<Word>(std::strtoul(call, nullptr, 10));
  }
  if (const char* call = std::getenv("CRRESTORE_DEADLY_CALL")) {
    script_.setup->failing_call = static_cast<Word>(std::strtoul(call, nullptr, 10)) | kDeadly;
  }
  if (const char* call = std::getenv("CRRESTORE_SKIPPED_CALL")) {
    script_.setup->skipped_call = static_cast<Word>(std::strtoul(call, nullptr, 10));
  }
#endif
  if (Failed(arena_.Seal(diag))) return FirstOf(diag);
  return SetIgnored(program_, script_.late_files, groups_, {files_, paths_, unlinked_});
}

/// Those that the root has made for others, while it has descriptors of them.
std::string Supervisor::FindMountNamespaces() {
  const std::string folder = "/proc/" + std::to_string(root_) + "/fd/";
  for (const auto& [id, space] : spaces_) {
    if (!id) continue;
    const std::string root = folder + std::to_string(RootFd(script_.setup, space));
    const std::string name = folder + std::to_string(MountNamespaceFd(script_.setup, space));
    const int fd = FailsOnPurpose() ? -1 : open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ErrorText("open of " + root);
    roots_.push_back(fd);
    struct stat status = {};
    if (stat(name.c_str(), &status) != 0) return ErrorText("stat of " + name);
    paths_.AddNamespace(*id, fd, status.st_ino);
  }
  return "";
}

/// set_robust_list(2): when this process dies, however it does, the kernel marks the word.
void Supervisor::ReportDeath() const {
  static struct {
    robust_list_head head;
    robust_list node;
  } robust;
  Board* board = script_.board;
  board->supervisor = static_cast<Word>(gettid());
  robust.head.list.next = &robust.node;
  robust.node.next = &robust.head.list;
  robust.head.futex_offset =
      reinterpret_cast<char*>(&board->supervisor) - reinterpret_cast<char*>(&robust.node);
  syscall(__NR_set_robust_list, &robust.head, sizeof robust.head);
}

/// The commands of pid 0.
RestoreProblem Supervisor::RunOwnCommands() {
  const Process& own = *script_.processes[0];
  for (std::uint32_t i = 0; i < own.op_count; ++i) {
    const Op& op = own.ops[i];
    if (op.times != nullptr) op.times->reached = TimeNow();
    for (std::uint32_t j = 0; j < op.await_count; ++j) {
      if (RestoreProblem problem = watch_->AwaitChange(op.await[j], 0)) return problem;
    }
    __atomic_store_n(&own.words->step, i + 1, __ATOMIC_SEQ_CST);
    if (op.times != nullptr) op.times->begun = TimeNow();
    RestoreProblem problem = op.kind == OpKind::kFork   ? StartRoot(op)
                             : op.kind == OpKind::kWait ? WaitFor(op)
                                                        : RestoreProblem{};
    if (problem) return problem;
    if (op.times != nullptr) op.times->done = TimeNow();
    if (op.done != nullptr) Raise(op.done);
  }
  __atomic_store_n(&own.words->step, own.op_count + 1, __ATOMIC_SEQ_CST);
  return {};
}

/// clone3(2) of a child that has all signals blocked from the beginning, those of the C library
/// too.
static long CloneBlocked(clone_args& arguments) {
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  std::uint64_t before = 0;
  syscall(__NR_rt_sigprocmask, SIG_SETMASK, &kAll, &before, sizeof kAll);
  const long result = syscall(__NR_clone3, &arguments, sizeof arguments);
  const int error = errno;
  if (result != 0) syscall(__NR_rt_sigprocmask, SIG_SETMASK, &before, nullptr, sizeof before);
  errno = error;
  return result;
}

/// clone3(2), as the executor's AwaitNumber() has it. `first`: no process of the plan is there, so
/// whoever has ended, perhaps with the number, has been a program's that this process has run.
static long CloneWhenFree(clone_args& arguments, bool first, unsigned timeout) {
  constexpr unsigned kPause = 1000, kAtMost = 10;  // µs, s
  const Deadline deadline(timeout == 0 ? kAtMost : std::min(timeout, kAtMost));
  for (;;) {
    while (first && waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
    }
    const long result = CloneBlocked(arguments);
    if (result >= 0 || errno != EEXIST || deadline.Passed() || AskedToStop()) return result;
    usleep(kPause);
    errno = EEXIST;
  }
}

RestoreProblem Supervisor::StartRoot(const Op& op) {
  const Process* root = op.fork.child;
  clone_args arguments = {};
  arguments.flags = op.fork.flags;
  // Init of a new pid namespace that this process is not itself the init of.
  if (options_.new_pid_namespace && root->pid == 1) arguments.flags |= CLONE_NEWPID;
  arguments.exit_signal = SIGCHLD;
  arguments.set_tid = reinterpret_cast<std::uint64_t>(&root->pid);
  arguments.set_tid_size = 1;
  arguments.flags &= ~static_cast<std::uint64_t>(user_.is_there() ? CLONE_NEWUSER : 0);
  const bool inside = user_.is_there() && (arguments.flags & CLONE_NEWPID) != 0;
  PidVisit there(program_, options_, files_);
  if (!there.problem().empty()) return {there.problem(), op.command};
  // The new pid namespace belongs to the user namespace of who makes it.
  const long result = FailsOnPurpose() ? -1
                      : inside         ? user_.CloneInside(arguments)
                                       : CloneWhenFree(arguments, root_ == 0, options_.timeout);
  if (result < 0 && AskedToStop()) return {"interrupted", -1};
  if (result < 0) {
    const int error = errno;
    const std::string problem = ErrorText("clone3");
    (void)there.Leave();
    const bool elsewhere = (arguments.flags & CLONE_NEWPID) != 0;
    return {elsewhere ? problem : problem + watch_->WhyNot(root->pid, error), op.command};
  }
  if (result > 0) {
    root_ = static_cast<pid_t>(result);
    watch_->RootIsBorn(root_);
    return {there.Leave(), op.command};
  }
  ResetOfRoot();
  if (user_.is_there() && !inside && !user_.Enter()) _exit(1);
  // Either number may be the other's place.
  const int source = fcntl(source_, F_DUPFD, script_.setup->source_fd);
  if (source < 0 || dup2(service_, script_.setup->service_fd) < 0 ||
      dup2(source, script_.setup->source_fd) < 0) {
    _exit(1);
  }
  arena_.entry()(script_.setup, root);
  _exit(1);
}

RestoreProblem Supervisor::WaitFor(const Op& op) {
  for (const Process* process : script_.processes) {
    if (process->pid != op.wait.pid) continue;
    if (RestoreProblem problem = watch_->AwaitChange(&process->words->leaving, 0)) return problem;
  }
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(op.wait.pid), &info,
                WEXITED | __WALL | (op.wait.reap ? 0 : WNOWAIT)) < 0) {
    if (errno != EINTR) return {ErrorText("waitid"), op.command};
    if (RestoreProblem problem = watch_->Look()) return problem;
  }
  return {};
}

/// Threads that have other numbers here have said which: the kernel must agree, before anything is
/// done to whoever has such a number.
RestoreProblem Supervisor::FindNumbers() {
  for (ThreadStart& start : script_.threads) {
    const Thread& thread = *start.thread;
    if (thread.outer_tid == nullptr) {
      start.number = thread.tid;
      continue;
    }
    start.number = static_cast<pid_t>(__atomic_load_n(thread.outer_tid, __ATOMIC_SEQ_CST));
    if (!IsThreadOf(root_, start.number, thread.process->pid, thread.tid)) {
      return {NameOf(thread) + " says that its number here is " + std::to_string(start.number) +
                  ", which is not so",
              -1};
    }
  }
  return {};
}

}  // namespace crgen::restorer

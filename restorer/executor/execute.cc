// SPDX-License-Identifier: Apache-2.0
// One command after another, in the process that executes it.
#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/shm.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "restorer/executor/files/files.h"
#include "restorer/executor/system.h"

namespace crgen::restorer {
namespace {

constexpr uint64_t kAllSignals = ~0ul;
constexpr uint64_t kGuardInstall = 1ul << 63;
constexpr int kGuardInstallAdvice = 102;  // MADV_GUARD_INSTALL, Linux 6.13

struct Executor : Caller {
  const Op* op;

  void Run();
  void Execute();
  void Fork();
  [[noreturn]] void Exit();
  void Wait();
  void Open();
  void Map();
  void Lock();
  void MapView();
  void Attach();
  void MoveSpecial();
  void Move();
  void Protect();
  void Unmap();
  void Advise(uint64_t start, uint64_t size, uint64_t advice);
  long OpenDirectory(const char* path, bool held);
  void ChangeDirectories();
  void LeaveSupervisor();
};

[[noreturn]] void RunProcess(const Setup* setup, const Process* process) {
  Executor executor{{setup, process, 0}, nullptr};
  executor.Run();
  FinishThread(setup, &process->threads[0]);
}

/// Goes on as `process` on a fresh stack, however deep the caller was.
[[noreturn]] void Become(const Setup* setup, const Process* process) {
  __asm__ volatile(
      "mov %[top], %%rsp\n"
      "xor %%ebp, %%ebp\n"
      "call *%[run]\n"
      :
      : "D"(setup), "S"(process), [top] "r"(setup->stack_top), [run] "r"(&RunProcess)
      : "memory");
  __builtin_unreachable();
}

void Executor::Run() {
  op = process->ops;
  DieWithParent(*this);
  ReportNumber(setup, &process->threads[0]);
  if (process->loginuid != nullptr) WriteProc(*this, "../../self/loginuid", process->loginuid);
  for (uint32_t i = 0; i < process->op_count; ++i) {
    op = &process->ops[i];
    command = op->command;
    __atomic_store_n(&process->words->step, i + 1, __ATOMIC_RELAXED);
    StepTimes* const times = op->times;
    if (times != nullptr && times->reached == 0) times->reached = Now();
    for (uint32_t j = 0; j < op->await_count; ++j) AwaitChange(setup, op->await[j], 0);
    if (times != nullptr && times->begun == 0) times->begun = Now();
    if (op->kind == OpKind::kExit) Signal(&process->words->leaving, 1);
    Execute();
    if (times != nullptr) times->done = Now();
    if (op->done != nullptr) Signal(op->done, 1);
  }
  __atomic_store_n(&process->words->step, process->op_count + 1, __ATOMIC_RELAXED);
}

void Executor::Execute() {
  switch (op->kind) {
    case OpKind::kFork:
      return Fork();
    case OpKind::kSetSid:
      Must("setsid", __NR_setsid);
      return;
    case OpKind::kSetPgid:
      Must("setpgid", __NR_setpgid, 0, op->pgid.pgid);
      return;
    case OpKind::kCreateThread:
      if (const long result = StartThread(setup, op->thread.thread); result < 0) {
        Fail("clone3", result);
      }
      return;
    case OpKind::kExit:
      Exit();
    case OpKind::kWait:
      return Wait();
    case OpKind::kOpen:
      return Open();
    case OpKind::kOpenEventfd:
      return OpenEventfd(*this, op->open);
    case OpKind::kOpenSignalfd:
      return OpenSignalfd(*this, op->open);
    case OpKind::kOpenTimerfd:
      return OpenTimerfd(*this, op->open);
    case OpKind::kOpenEventpoll:
      return OpenEventpoll(*this, op->open);
    case OpKind::kOpenPidfd:
      return OpenPidfd(*this, op->open);
    case OpKind::kTakeDescriptor:
      return TakeDescriptor(*this, op->open);
    case OpKind::kOpenPipe:
      return OpenPipe(*this, op->open);
    case OpKind::kOpenFifo:
      return OpenFifo(*this, op->open);
    case OpKind::kOpenSocket:
      return OpenSocket(*this, *op->socket);
    case OpKind::kOpenBoundSocket:
      return OpenBoundSocket(*this, op->open);
    case OpKind::kDup:
      if (op->dup.old_fd == op->dup.new_fd) {
        Must("fcntl", __NR_fcntl, op->dup.old_fd, F_SETFD, op->dup.cloexec ? FD_CLOEXEC : 0);
      } else {
        Must("dup3", __NR_dup3, op->dup.old_fd, op->dup.new_fd, op->dup.cloexec ? O_CLOEXEC : 0);
      }
      return;
    case OpKind::kClose:
      Must("close", __NR_close, op->close.fd);
      return;
    case OpKind::kMap:
      return Map();
    case OpKind::kMapView:
      return MapView();
    case OpKind::kMapSpecial:
      return MoveSpecial();
    case OpKind::kMapAio:
      return MapAio(*this, op->map);
    case OpKind::kMapSysvIpc:
      return Attach();
    case OpKind::kUnmap:
      return Unmap();
    case OpKind::kMove:
      return Move();
    case OpKind::kProtect:
      return Protect();
    case OpKind::kLoad:
      return LoadPages(setup, process, op);
    case OpKind::kSubreaper:
      Must("prctl(PR_SET_CHILD_SUBREAPER)", __NR_prctl, PR_SET_CHILD_SUBREAPER, op->flag.value, 0,
           0, 0);
      return;
    case OpKind::kName:
      Must("prctl(PR_SET_NAME)", __NR_prctl, PR_SET_NAME, op->name.name, 0, 0, 0);
      return;
    case OpKind::kDirectories:
      return ChangeDirectories();
    case OpKind::kLock:
      return SetLocks(*this, op->lock);
    case OpKind::kBreakLease:
      return BreakLease(*this, op->lease_break);
    case OpKind::kSetOwner:
      return SetOwner(*this, op->owner);
    case OpKind::kSetTimer:
      return SetTimer(*this, op->timer);
    case OpKind::kFillEpoll:
      return FillEpoll(*this, op->epoll);
    case OpKind::kSetForeground:
      return SetForeground(*this, op->foreground);
    case OpKind::kShutdown:
      return ShutDown(*this, op->shutdown.fd, op->shutdown.how);
    case OpKind::kClocks:
      return EnterTimeNamespace(*this, op->clocks);
    case OpKind::kEnterCgroups:
      return EnterCgroups(*this, op->cgroups);
    case OpKind::kMounts:
      return MakeMounts(*this, op->mounts);
    case OpKind::kEnterMounts:
      Must("setns(CLONE_NEWNS)", __NR_setns, MountNamespaceFd(setup, op->enter_mounts.space),
           CLONE_NEWNS);
      return;
    case OpKind::kEnterNet: {
      const long net = Must("open of a network namespace", __NR_openat, setup->service_fd,
                            op->enter_net.name, O_RDONLY | O_CLOEXEC, 0);
      Must("setns(CLONE_NEWNET)", __NR_setns, net, CLONE_NEWNET);
      Must("close", __NR_close, net);
      return;
    }
    case OpKind::kTakeIds:
      return TakeIds(*this);
    case OpKind::kSend:
      return SendQueue(*this, op->send);
    case OpKind::kKeep:
      return KeepDescriptor(*this, op->keep);
    case OpKind::kSetOptions:
      return SetSocketOptions(*this, op->options);
    case OpKind::kNothing:
      return;
  }
}

void Executor::Fork() {
  const Process* child = op->fork.child;
  clone_args arguments = {};
  arguments.flags = op->fork.flags;
  arguments.exit_signal = (op->fork.flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
  arguments.set_tid = (uint64_t)&child->pid;
  arguments.set_tid_size = 1;
  const long result = AwaitNumber([&] { return Try(__NR_clone3, &arguments, sizeof arguments); });
  if (result < 0) Fail("clone3", result);
  if (result == 0) Become(setup, child);
}

void Executor::Exit() {
  const ExitOp& exit = op->exit;
  if (exit.signal != 0) {
    const uint64_t none[2] = {0, 0};
    RawCall(__NR_prlimit64, 0, RLIMIT_CORE, Argument(none), 0);
    const uint64_t mask = kAllSignals & ~(1ul << (exit.signal - 1));
    RawCall(__NR_rt_sigprocmask, SIG_SETMASK, Argument(&mask), 0, 8);
    RawCall(__NR_tgkill, RawCall(__NR_getpid), RawCall(__NR_gettid), exit.signal);
    Fail("tgkill", -1);
  }
  RawCall(__NR_exit_group, exit.code);
  __builtin_unreachable();
}

void Executor::Wait() {
  unsigned char info[128];
  const int options = WEXITED | __WALL | (op->wait.reap ? 0 : WNOWAIT);
  long result;
  do {
    result = Try(__NR_waitid, P_PID, op->wait.pid, info, options, 0);
  } while (result == -EINTR);
  if (result < 0) Fail("waitid", result);
}

void Executor::Open() {
  const OpenOp& open = op->open;
  constexpr uint32_t kOwnSignals = O_ASYNC;  // not for open(2)
  constexpr uint32_t kSettable = O_APPEND | O_NONBLOCK | O_NOATIME | kOwnSignals;
  const uint32_t flags = (open.flags & ~kOwnSignals) | O_NOCTTY | (open.cloexec ? O_CLOEXEC : 0);
  const bool taken_over = open.created >= 0;
  const long fd = taken_over ? Try(__NR_pidfd_getfd, setup->source_fd, open.created, 0)
                  : open.check != nullptr
                      ? OpenChecked(*this, open.directory, open.path, flags, *open.check)
                      : Try(__NR_openat, open.directory, open.path, flags, 0);
  if (fd < 0) Fail(taken_over ? "pidfd_getfd" : "open", fd, open.path);
  if (fd == open.fd) {
    if (taken_over) Must("fcntl(F_SETFD)", __NR_fcntl, fd, F_SETFD, open.cloexec ? FD_CLOEXEC : 0);
  } else {
    Must("dup3", __NR_dup3, fd, open.fd, open.cloexec ? O_CLOEXEC : 0);
    Must("close", __NR_close, fd);
  }
  if (open.controlling) TakeTerminal(*this, open.fd);
  if (open.tun != nullptr) AttachTun(*this, open.fd, *open.tun);
  if (open.pos >= 0 && (open.flags & O_PATH) == 0) {  // which has no position
    if (const long result = Try(__NR_lseek, open.fd, open.pos, 0); result < 0) {
      Fail("lseek", result, open.path);
    }
  }
  if (open.seals != 0) Must("fcntl(F_ADD_SEALS)", __NR_fcntl, open.fd, F_ADD_SEALS, open.seals);
  if ((open.flags & (taken_over ? kSettable : kOwnSignals)) != 0) {
    Must("fcntl(F_SETFL)", __NR_fcntl, open.fd, F_SETFL, open.flags);
  }
}

void Executor::Advise(uint64_t start, uint64_t size, uint64_t advice) {
  for (int value = 0; value < 63; ++value) {
    if ((advice >> value & 1) != 0) Must("madvise", __NR_madvise, start, size, value);
  }
  if ((advice & kGuardInstall) != 0) {
    Must("madvise(MADV_GUARD_INSTALL)", __NR_madvise, start, size, kGuardInstallAdvice);
  }
}

void Executor::Map() {
  const MapOp& map = op->map;
  const long result = Must("mmap", __NR_mmap, map.start, map.size, map.prot,
                           map.flags | MAP_FIXED_NOREPLACE, map.fd, map.offset);
  if ((uint64_t)result != map.start) Fail("mmap", -EEXIST);
  Advise(map.start, map.size, map.advice);
}

/// MAP_LOCKED of what mmap(2) did not make; while it can be accessed, or mlock(2) fails.
void Executor::Lock() {
  if ((op->map.flags & MAP_LOCKED) != 0) Must("mlock", __NR_mlock, op->map.start, op->map.size);
}

/// mremap(2) of nothing from a shared mapping is a second view of the same object.
void Executor::MapView() {
  const MapOp& map = op->map;
  Must("mremap", __NR_mremap, map.offset, 0, map.size, MREMAP_MAYMOVE | MREMAP_FIXED, map.start);
  Lock();
  if (map.prot != (PROT_READ | PROT_WRITE)) {
    Must("mprotect", __NR_mprotect, map.start, map.size, map.prot);
  }
  Advise(map.start, map.size, map.advice);
}

/// shmat(2) attaches a segment whole: a part of it is moved away from where it was for the moment.
void Executor::Attach() {
  const MapOp& map = op->map;
  const bool writes = (map.prot & PROT_WRITE) != 0;
  const uint32_t given = writes ? PROT_READ | PROT_WRITE : PROT_READ;
  struct shmid64_ds status;
  Must("shmctl(IPC_STAT)", __NR_shmctl, map.number, IPC_STAT, &status);
  const uint64_t whole = (status.shm_segsz + 4095) & ~uint64_t{4095};
  if (map.offset + map.size > whole) Fail("shmat", -EINVAL);
  const bool direct = map.size == whole;
  const uint64_t at = (uint64_t)Must("shmat", __NR_shmat, map.number, direct ? map.start : 0,
                                     writes ? 0 : SHM_RDONLY);
  if (!direct) {
    Must("mremap", __NR_mremap, at + map.offset, map.size, map.size, MREMAP_MAYMOVE | MREMAP_FIXED,
         map.start);
    const uint64_t end = map.offset + map.size;
    if (map.offset != 0) Must("munmap", __NR_munmap, at, map.offset);
    if (end != whole) Must("munmap", __NR_munmap, at + end, whole - end);
  }
  Lock();
  if (map.prot != given) Must("mprotect", __NR_mprotect, map.start, map.size, map.prot);
  Advise(map.start, map.size, map.advice);
}

void Executor::MoveSpecial() {
  uint64_t from = op->special.from, to = op->special.to;
  for (uint32_t i = 0; i < op->special.pieces; ++i) {
    const uint64_t size = op->special.sizes[i];
    Must("mremap", __NR_mremap, from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    from += size;
    to += size;
  }
}

void Executor::Move() {
  const RangeOp& range = op->range;
  const long result = Try(__NR_mremap, range.start, range.size, range.size,
                          MREMAP_MAYMOVE | MREMAP_FIXED, range.to);
  if (result >= 0) return;
  // To older kernels the region of the vvar is several, and mremap(2) takes one.
  uint64_t whole = 0;
  for (uint32_t i = 0; i < setup->vvar_pieces; ++i) whole += setup->vvar_sizes[i];
  if (result != -EFAULT || whole != range.size) Fail("mremap", result);
  uint64_t done = 0;
  for (uint32_t i = 0; i < setup->vvar_pieces; ++i) {
    const uint64_t size = setup->vvar_sizes[i];
    Must("mremap", __NR_mremap, range.start + done, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
         range.to + done);
    done += size;
  }
}

/// A range that spans holes may have the arena in one.
void Executor::Unmap() {
  const uint64_t start = op->range.start, end = start + op->range.size;
  const uint64_t below = end < setup->arena_start ? end : setup->arena_start;
  const uint64_t above = start > setup->arena_end ? start : setup->arena_end;
  if (start < below) Must("munmap", __NR_munmap, start, below - start);
  if (above < end) Must("munmap", __NR_munmap, above, end - above);
}

void Executor::Protect() {
  const RangeOp& range = op->range;
  if (range.prot >= 0) {
    Must("mprotect", __NR_mprotect, range.start, range.size, range.prot);
  }
  Advise(range.start, range.size, range.advice);
}

/// One that no name leads to any more is the supervisor's.
long Executor::OpenDirectory(const char* path, bool held) {
  constexpr uint32_t kHow = O_DIRECTORY | O_CLOEXEC;
  if (!held) return OpenTrusted(*this, path, kHow);
  const long fd = Try(__NR_openat, setup->service_fd, path, kHow | O_PATH, 0);
  if (fd < 0) Fail("open", fd, path);
  return fd;
}

void Executor::ChangeDirectories() {
  const DirectoriesOp& directories = op->directories;
  const long cwd = OpenDirectory(directories.cwd, directories.cwd_held);
  if (directories.root != nullptr) {
    const long root = OpenDirectory(directories.root, directories.root_held);
    if (const long r = Try(__NR_fchdir, root); r < 0) Fail("chdir", r, directories.root);
    if (const long r = Try(__NR_chroot, "."); r < 0) Fail("chroot", r, directories.root);
    Must("close", __NR_close, root);
  }
  if (const long r = Try(__NR_fchdir, cwd); r < 0) Fail("chdir", r, directories.cwd);
  Must("close", __NR_close, cwd);
  if (directories.umask >= 0) Must("umask", __NR_umask, directories.umask);
}

/// The root has all that the supervisor had: leaves only the arena and the service descriptor.
void Executor::LeaveSupervisor() {
  // Inherited by all: no signal reaches anybody, and none is lost, before the hand-over.
  Must("rt_sigprocmask", __NR_rt_sigprocmask, SIG_SETMASK, &kAllSignals, 0, 8);
  const int service = setup->service_fd;
  if (service > 0) Must("close_range", __NR_close_range, 0, service - 1, 0);
  Must("close_range", __NR_close_range, setup->source_fd + 1, ~0u, 0);
  const auto park = [&](uint64_t from, uint64_t to, const uint64_t* sizes, uint32_t pieces) {
    for (uint32_t i = 0; i < pieces; ++i) {
      Must("mremap", __NR_mremap, from, sizes[i], sizes[i], MREMAP_MAYMOVE | MREMAP_FIXED, to);
      from += sizes[i];
      to += sizes[i];
    }
  };
  park(setup->vvar_at, setup->vvar_park, setup->vvar_sizes, setup->vvar_pieces);
  park(setup->vdso_at, setup->vdso_park, setup->vdso_sizes, setup->vdso_pieces);
  Must("munmap", __NR_munmap, 0, setup->arena_start);
  Must("munmap", __NR_munmap, setup->arena_end, setup->user_end - setup->arena_end);
}

[[noreturn]] __attribute__((used)) void RunRoot(const Setup* setup, const Process* process) {
  Executor executor{{setup, process, process->ops->command}, process->ops};
  executor.LeaveSupervisor();
  RunProcess(setup, process);
}

}  // namespace
}  // namespace crgen::restorer

/// Entry: in the address space of the supervisor's copy that is to become the root.
extern "C" __attribute__((section(".text.begin"), used)) void Begin(
    const crgen::restorer::Setup* setup, const crgen::restorer::Process* process) {
  __asm__ volatile(
      "mov %[top], %%rsp\n"
      "xor %%ebp, %%ebp\n"
      "call *%[run]\n"
      :
      : "D"(setup), "S"(process), [top] "r"(setup->stack_top), [run] "r"(&crgen::restorer::RunRoot)
      : "memory");
  __builtin_unreachable();
}

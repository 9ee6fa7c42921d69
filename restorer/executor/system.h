// SPDX-License-Identifier: Apache-2.0
// System calls without a C library.
#pragma once

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "restorer/mount_descriptors.h"
#include "restorer/script.h"

namespace crgen::restorer {

inline long RawCall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                    long f = 0) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

template <typename T>
long Argument(T value) {
  return (long)value;
}

/// A negative errno, or what the call gives. In the build for tests, the call whose number the
/// setup says fails with EIO instead of being made (with kDeadly: the process is killed), or is not
/// made and succeeds (with kStray: instead of it the process leaves a namespace).
template <typename... Arguments>
long Call([[maybe_unused]] const Setup* setup, long number, Arguments... arguments) {
#ifdef CRRESTORE_FAULTS
  if (setup->failing_call != 0 && __atomic_add_fetch(&setup->board->calls, 1, __ATOMIC_SEQ_CST) ==
                                      (setup->failing_call & ~kDeadly)) {
    if ((setup->failing_call & kDeadly) != 0) RawCall(__NR_kill, RawCall(__NR_getpid), SIGKILL);
    return -EIO;
  }
  constexpr Word kStray = 1u << 31;
  if (setup->skipped_call != 0 && setup->board->arm != 0 &&
      __atomic_add_fetch(&setup->board->last_calls, 1, __ATOMIC_SEQ_CST) ==
          (setup->skipped_call & ~kStray)) {
    return (setup->skipped_call & kStray) != 0 ? RawCall(__NR_unshare, CLONE_NEWUTS) : 0;
  }
#endif
  return RawCall(number, Argument(arguments)...);
}

/// Sets `*word` and wakes who waits for it.
void Signal(Word* word, Word value);
/// Adds one to `*word`, wakes nobody; what it is then.
Word Increment(Word* word);
/// Wakes who waits for `*word`.
void Wake(Word* word);
/// Until `*word` is not `value`. Ends this process if the supervisor has died meanwhile.
void AwaitChange(const Setup* setup, Word* word, Word value);

/// Seen in a futex that the kernel marks (set_robust_list(2)).
bool SupervisorHasDied(const Setup* setup);

/// Reports that this process cannot go on, and waits to be killed with all others. `there`: what
/// is in the way.
[[noreturn]] void Fail(const Setup* setup, uint32_t command, int32_t pid, const char* what,
                       long error, const char* path = nullptr, const char* there = nullptr);

/// The system calls of one process, for one command.
struct Caller {
  const Setup* setup;
  const Process* process;
  uint32_t command;

  [[noreturn]] void Fail(const char* what, long error, const char* path = nullptr,
                         const char* there = nullptr) const {
    restorer::Fail(setup, command, process->pid, what, error, path, there);
  }
  template <typename... Arguments>
  long Try(long number, Arguments... arguments) const {
    return Call(setup, number, arguments...);
  }
  /// Makes a call that must succeed.
  template <typename... Arguments>
  long Must(const char* what, long number, Arguments... arguments) const {
    const long result = Call(setup, number, arguments...);
    if (result < 0) Fail(what, result);
    return result;
  }
};

/// Opens what the supervisor holds as `name`, which it has open likewise: in a user namespace of
/// the plan's own by taking that over, for nobody there has rights to what is outside.
long OpenHeld(const Setup* setup, const char* name, uint32_t flags);

/// setsockopt(2) of a buffer's size, whatever the limits are.
void SetBuffer(const Caller& caller, int fd, int option, int32_t value);

/// The root of a user namespace of the plan's own becomes whoever all are until the end.
void TakeIds(const Caller& caller);

/// Writes `text` into a file in /proc; `file` leads there from the service directory.
void WriteProc(const Caller& caller, const char* file, const char* text);

/// MAP_REGION of an AIO ring.
void MapAio(const Caller& caller, const MapOp& map);

/// SET_ATTR time.
void EnterTimeNamespace(const Caller& caller, const ClocksOp& clocks);

/// SET_ATTR cgroup, of a process.
void EnterCgroups(const Caller& caller, const CgroupsOp& cgroups);

/// SET_ATTR mounts.
void MakeMounts(const Caller& caller, const MountsOp& mounts);

/// Whoever ends the supervisor ends all others, one after another, whatever they are in. Not those
/// whose parent is to exit: these look after the supervisor while they wait. A change of ids undoes
/// it.
void DieWithParent(const Caller& caller);

/// Waits to be killed.
[[noreturn]] void Rest(const Setup* setup);

/// Makes a task by `clone()`, which gives what clone3(2) does, with a number that was free before:
/// for ten seconds it is tried again while the number is taken. release_task() of the kernel (since
/// Linux 6.15) frees the number of a thread a moment after wait(2) has told of the end of its
/// process.
template <typename Clone>
long AwaitNumber(Clone&& clone) {
  const uint64_t pause[2] = {0, 1000000};
  long result = clone();
  for (int tries = 0; result == -EEXIST && tries < 10000; ++tries) {
    RawCall(__NR_nanosleep, Argument(pause), 0);
    result = clone();
  }
  return result;
}

/// Starts a thread of this process that has the number `*tid` and runs `run(setup, argument)` below
/// `stack_top`. `*ended`, if given, becomes 0 when the thread has ended. A negative errno, or the
/// number.
using ThreadFunction = void (*)(const Setup* setup, const void* argument);
long StartThread(const Setup* setup, const int32_t* tid, uint64_t stack_top, Word* ended,
                 ThreadFunction run, const void* argument);

/// CREATE_THREAD. A negative errno, or the number.
long StartThread(const Setup* setup, const Thread* thread);

/// From the service directory to what this process has as `fd`: for calls that take a name.
constexpr uint32_t kSelfFdSize = 32;
void SelfFd(long fd, char (&name)[kSelfFdSize]);

/// The system calls of `caller` for a TrustedPath.
struct PathCalls {
  const Caller& caller;
  template <typename... Arguments>
  long operator()(long number, Arguments... arguments) const {
    return caller.Try(number, arguments...);
  }
};

/// O_PATH of what `path` leads to, as preflight/trusted_path.h has it; `flags` likewise. The
/// descriptor: it fails by name.
long OpenTrusted(const Caller& caller, const char* path, uint32_t flags);

/// Opens what `path` leads to from `directory` (AT_FDCWD: by OpenTrusted(); or what is held), after
/// it has made sure, without opening it, that this is what `check` says. Only regular files,
/// directories, devices and, with O_PATH, links: it never waits for a FIFO. `flags`: of open(2),
/// O_CLOEXEC too. The descriptor: it fails by name.
long OpenChecked(const Caller& caller, int directory, const char* path, uint32_t flags,
                 const FileCheck& check);

/// As StepTimes has it.
uint64_t Now();

/// LOAD_PAGES: from the image into memory.
void LoadPages(const Setup* setup, const Process* process, const Op* op);

/// The rest of a thread's life, from when nothing is left to build.
[[noreturn]] void FinishThread(const Setup* setup, const Thread* thread);

/// The number of this thread as the supervisor sees it, if it is another one.
void ReportNumber(const Setup* setup, const Thread* thread);

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
// What a process gets when nothing is left to build and the supervisor traces it: all that takes
// rights away, that the clock runs against, or that a signal could reach too early.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <signal.h>
#include <sys/resource.h>

#include "restorer/executor/system.h"

namespace crgen::restorer {
namespace {

constexpr uint64_t kOwnSignals = 1ul << (SIGCHLD - 1) | 1ul << (SIGIO - 1);
constexpr int kRestoreTimerIds = 77;  // PR_TIMER_CREATE_RESTORE_IDS, Linux 6.16
constexpr int kTimersAtMost = 1 << 20;
constexpr int kCapabilities = 64;

struct CapabilitySets {
  uint64_t effective, permitted, inheritable;
};

struct Finisher : Caller {
  const Thread* thread;

  template <typename... Arguments>
  void Control(const char* what, int option, Arguments... arguments) const {
    Must(what, __NR_prctl, option, arguments...);
  }

  bool leader() const { return thread == &process->threads[0]; }
  void SetThread() const;
  void SetProcess() const;
  void SetMemory() const;
  void ChangeIds() const;
  void Hide() const;
  void DropCapabilities() const;
  CapabilitySets Capabilities() const;
  void SetCapabilities(const CapabilitySets& sets) const;
  void DropBounding(uint64_t kept) const;
  void InstallFilters() const;
  void SetLimit(const LimitState& limit) const;
  void RaiseToTimers(LimitState limit) const;
  void CreateTimers() const;
  void LowerFromTimers() const;
  void DropOwnSignals() const;
  void CloseService() const;
};

void Finisher::SetThread() const {
  // Of the process in plans and images, of each thread in the kernel.
  if (process->personality >= 0) Must("personality", __NR_personality, process->personality);
  if (thread->name != nullptr) Control("prctl(PR_SET_NAME)", PR_SET_NAME, thread->name, 0, 0, 0);
  if (thread->timer_slack != 0) {
    Control("prctl(PR_SET_TIMERSLACK)", PR_SET_TIMERSLACK, thread->timer_slack, 0, 0, 0);
  }
  if (const SchedulingState* s = thread->scheduling) {
    // Of other policies, sched_setattr(2) leaves the niceness for when they end.
    if (s->policy != SCHED_NORMAL && s->policy != SCHED_BATCH) {
      Must("setpriority", __NR_setpriority, PRIO_PROCESS, 0, s->nice);
    }
    Must("sched_setattr", __NR_sched_setattr, 0, s, 0);
  }
  if (thread->has_altstack) {
    struct {
      uint64_t sp;
      uint32_t flags, padding;
      uint64_t size;
    } stack = {thread->altstack_sp, thread->altstack_flags, 0, thread->altstack_size};
    Must("sigaltstack", __NR_sigaltstack, &stack, 0);
  }
  if (thread->robust_list != 0) {
    Must("set_robust_list", __NR_set_robust_list, thread->robust_list, thread->robust_size);
  }
  if (thread->clear_tid_address != 0) {
    Must("set_tid_address", __NR_set_tid_address, thread->clear_tid_address);
  }
  for (uint32_t i = 0; i < thread->queue_count; ++i) {
    const QueuedSignal& queued = thread->queue[i];
    Must("rt_tgsigqueueinfo", __NR_rt_tgsigqueueinfo, process->pid, thread->tid, queued.signal,
         queued.info);
  }
}

void Finisher::SetMemory() const {
  const MemoryState& memory = *process->memory;
  struct {
    uint64_t bounds[11];
    const uint64_t* auxv;
    uint32_t auxv_size;
    uint32_t exe_fd;
  } map;
  for (int i = 0; i < 11; ++i) map.bounds[i] = memory.bounds[i];
  map.auxv = memory.auxv;
  map.auxv_size = memory.auxv_size;
  // Not from its own root, which may be another one by now.
  const long exe =
      OpenChecked(*this, memory.space < 0 ? setup->service_fd : RootFd(setup, memory.space),
                  memory.exe, O_RDONLY | O_CLOEXEC, memory.exe_check);
  map.exe_fd = (uint32_t)exe;
  Control("prctl(PR_SET_MM_MAP)", PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0);
  Must("close", __NR_close, exe);
}

void Finisher::SetProcess() const {
  if (process->memory != nullptr) SetMemory();
  for (uint32_t i = 0; i < process->action_count; ++i) {
    Must("rt_sigaction", __NR_rt_sigaction, process->actions[i].signal,
         &process->actions[i].handler, 0, 8);
  }
  if (process->oom_score_adj != nullptr) {
    WriteProc(*this, "../../self/oom_score_adj", process->oom_score_adj);
  }
  if (process->thp_disabled >= 0) {
    Control("prctl(PR_SET_THP_DISABLE)", PR_SET_THP_DISABLE, process->thp_disabled, 0, 0, 0);
  }
  for (int bit = 0; bit < 32; ++bit) {
    if ((process->membarrier >> bit & 1) != 0) {
      Must("membarrier", __NR_membarrier, 1 << bit, 0, 0);
    }
  }
  for (uint32_t i = 0; i < process->queue_count; ++i) {
    Must("rt_sigqueueinfo", __NR_rt_sigqueueinfo, process->pid, process->queue[i].signal,
         process->queue[i].info);
  }
  for (uint32_t i = 0; i < process->limit_count; ++i) {
    if (process->limits[i].resource == RLIMIT_SIGPENDING) {
      RaiseToTimers(process->limits[i]);
    } else {
      SetLimit(process->limits[i]);
    }
  }
}

void Finisher::SetLimit(const LimitState& limit) const {
  Must("prlimit64", __NR_prlimit64, 0, limit.resource, &limit.current, 0);
}

/// Timers take places among the pending signals, and are created when no right is left to raise a
/// limit; to lower one takes none.
void Finisher::RaiseToTimers(LimitState limit) const {
  uint64_t own[2];
  Must("prlimit64", __NR_prlimit64, 0, limit.resource, 0, own);
  if (limit.current < own[0]) limit.current = own[0];
  if (limit.maximum < own[1]) limit.maximum = own[1];
  SetLimit(limit);
}

void Finisher::InstallFilters() const {
  if (thread->seccomp_strict) {
    Control("prctl(PR_SET_SECCOMP)", PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
  }
  for (uint32_t i = 0; i < thread->filter_count; ++i) {
    const FilterState& filter = thread->filters[i];
    struct {
      uint16_t length;
      const void* program;
    } program = {filter.length, filter.program};
    // A thread that cannot be synchronized is an error, not a positive result.
    const uint64_t all_or_none =
        (filter.flags & SECCOMP_FILTER_FLAG_TSYNC) != 0 ? SECCOMP_FILTER_FLAG_TSYNC_ESRCH : 0;
    Must("seccomp", __NR_seccomp, SECCOMP_SET_MODE_FILTER, filter.flags | all_or_none, &program);
  }
}

CapabilitySets Finisher::Capabilities() const {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  Must("capget", __NR_capget, &header, data);
  const auto join = [](uint32_t low, uint32_t high) { return low | (uint64_t)high << 32; };
  return {join(data[0].effective, data[1].effective), join(data[0].permitted, data[1].permitted),
          join(data[0].inheritable, data[1].inheritable)};
}

void Finisher::SetCapabilities(const CapabilitySets& sets) const {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  for (int i = 0; i < 2; ++i) {
    data[i].effective = (uint32_t)(sets.effective >> (32 * i));
    data[i].permitted = (uint32_t)(sets.permitted >> (32 * i));
    data[i].inheritable = (uint32_t)(sets.inheritable >> (32 * i));
  }
  Must("capset", __NR_capset, &header, data);
}

void Finisher::DropBounding(uint64_t kept) const {
  for (int i = 0; i < kCapabilities; ++i) {
    const long held = Try(__NR_prctl, PR_CAPBSET_READ, i, 0, 0, 0);
    if (held == -EINVAL) break;  // the kernel has no more
    if (held < 0) Fail("prctl(PR_CAPBSET_READ)", held);
    if (held == 1 && (kept >> i & 1) == 0) {
      Control("prctl(PR_CAPBSET_DROP)", PR_CAPBSET_DROP, i, 0, 0, 0);
    }
  }
}

/// Each step keeps what the later ones need: only what is bounded can become inheritable, secure
/// bits forbid to raise ambient capabilities and need CAP_SETPCAP themselves, and with
/// SECBIT_NO_SETUID_FIXUP changed ids leave the capabilities alone.
void Finisher::ChangeIds() const {
  const CredentialsState& c = *thread->credentials;
  const CapabilitySets own = Capabilities();
  SetCapabilities({own.effective, own.permitted, c.inheritable});
  DropBounding(c.bounding);
  Control("prctl(PR_SET_SECUREBITS)", PR_SET_SECUREBITS, 1 << SECURE_NO_SETUID_FIXUP, 0, 0, 0);
  Must("setgroups", __NR_setgroups, c.group_count, c.groups);
  Must("setresgid", __NR_setresgid, c.gid, c.egid, c.sgid);
  Must("setfsgid", __NR_setfsgid, c.fsgid);
  Must("setresuid", __NR_setresuid, c.uid, c.euid, c.suid);
  Must("setfsuid", __NR_setfsuid, c.fsuid);
}

/// A change of ids makes the memory of the process as accessible as the administrator says
/// (fs.suid_dumpable: to a debugger of these ids, if it is 1). No thread that still has all
/// capabilities can be reached by such a debugger, so none gives them up before all have changed
/// their ids and memory is out of reach again.
void Finisher::Hide() const {
  ProcessWords* words = process->words;
  if (!leader()) {
    Increment(&words->changed);
    Wake(&words->changed);
    AwaitChange(setup, &words->hidden, 0);
    return;
  }
  for (Word n;
       (n = __atomic_load_n(&words->changed, __ATOMIC_SEQ_CST)) + 1 != process->thread_count;) {
    AwaitChange(setup, &words->changed, n);
  }
  Control("prctl(PR_SET_DUMPABLE)", PR_SET_DUMPABLE, 0, 0, 0, 0);
  Signal(&words->hidden, 1);
}

void Finisher::DropCapabilities() const {
  const CredentialsState& c = *thread->credentials;
  const uint64_t to_the_last = 1ul << CAP_SETPCAP;
  SetCapabilities({to_the_last, c.permitted | to_the_last, c.inheritable});
  Control("prctl(PR_CAP_AMBIENT)", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int i = 0; i < kCapabilities; ++i) {
    if ((c.ambient >> i & 1) != 0) {
      Control("prctl(PR_CAP_AMBIENT)", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0);
    }
  }
  Control("prctl(PR_SET_SECUREBITS)", PR_SET_SECUREBITS, c.securebits, 0, 0, 0);
  SetCapabilities({c.effective, c.permitted, c.inheritable});
  if (c.no_new_privs) {
    Control("prctl(PR_SET_NO_NEW_PRIVS)", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  }
}

void Finisher::CreateTimers() const {
  for (int which = 0; process->interval_timers != nullptr && which < 3; ++which) {
    Must("setitimer", __NR_setitimer, which, process->interval_timers + 4l * which, 0);
  }
  if (process->posix_timer_count == 0) return;
  const bool by_id = Try(__NR_prctl, kRestoreTimerIds, 1, 0, 0, 0) == 0;
  int32_t next = 0;
  for (uint32_t i = 0; i < process->posix_timer_count; ++i) {
    const PosixTimerState& timer = process->posix_timers[i];
    struct {
      uint64_t value;
      int32_t signal, notify, tid;
      int32_t padding[11];
    } event = {timer.value, timer.signal, timer.notify, timer.tid, {}};
    int32_t id = timer.id;
    for (;;) {  // without the prctl(2), ids are given out one after another
      Must("timer_create", __NR_timer_create, timer.clock, &event, &id);
      if (id == timer.id) break;
      Must("timer_delete", __NR_timer_delete, id);
      if (id > timer.id || ++next > kTimersAtMost) {
        Fail("timer_create: id passed", -EEXIST);
      }
    }
    const uint64_t spec[4] = {timer.interval_seconds, timer.interval_nanoseconds,
                              timer.left_seconds, timer.left_nanoseconds};
    Must("timer_settime", __NR_timer_settime, id, 0, spec, 0);
  }
  if (by_id) Control("prctl(PR_TIMER_CREATE_RESTORE_IDS)", kRestoreTimerIds, 0, 0, 0, 0);
}

void Finisher::LowerFromTimers() const {
  for (uint32_t i = 0; i < process->limit_count; ++i) {
    if (process->limits[i].resource == RLIMIT_SIGPENDING) SetLimit(process->limits[i]);
  }
}

/// What the restore itself has left pending: deaths of children, leases that were broken.
void Finisher::DropOwnSignals() const {
  const uint64_t no_time[2] = {0, 0};
  while (RawCall(__NR_rt_sigtimedwait, Argument(&kOwnSignals), 0, Argument(no_time), 8) > 0) {
  }
}

void Finisher::CloseService() const {
  Word* users = &process->descriptors->words->users;
  if (__atomic_sub_fetch(users, 1, __ATOMIC_SEQ_CST) == 0) {
    Must("close", __NR_close, setup->service_fd);
    Must("close", __NR_close, setup->source_fd);
    if (setup->mount_namespaces > 0) {
      Must("close_range", __NR_close_range, setup->root_fd, FirstFreeFd(setup) - 1, 0);
    }
  }
}

void Arrive(const Setup* setup, Word* counter) {
  if (Increment(counter) != setup->threads) return;
  Increment(&setup->board->wake);
  Wake(&setup->board->wake);
}

/// Answers what the kernel tells nobody but the thread itself, and waits for the tracer, in
/// registers alone: a thread in pause(2) has securebits in r12, dumpable in r13, the personality in
/// r14.
[[noreturn]] void AwaitTakeover() {
  __asm__ volatile(
      "mov %[prctl], %%eax\n"
      "mov %[securebits], %%edi\n"
      "syscall\n"
      "mov %%rax, %%r12\n"
      "mov %[prctl], %%eax\n"
      "mov %[dumpable], %%edi\n"
      "syscall\n"
      "mov %%rax, %%r13\n"
      "mov %[personality], %%eax\n"
      "mov $-1, %%edi\n"
      "syscall\n"
      "mov %%rax, %%r14\n"
      "1:\n"
      "mov %[pause], %%eax\n"
      "syscall\n"
      "jmp 1b\n"
      :
      : [prctl] "i"(__NR_prctl), [securebits] "i"(PR_GET_SECUREBITS),
        [dumpable] "i"(PR_GET_DUMPABLE), [personality] "i"(__NR_personality),
        [pause] "i"(__NR_pause), "S"(0), "d"(0)
      : "rax", "rdi", "rcx", "r11", "r12", "r13", "r14", "memory");
  __builtin_unreachable();
}

}  // namespace

void FinishThread(const Setup* setup, const Thread* thread) {
  const Finisher finisher{{setup, thread->process, thread->command}, thread};
  const Process* process = thread->process;
  StepTimes* const times = process->end_times;
  if (times != nullptr && finisher.leader()) times->reached = Now();
  Arrive(setup, &setup->board->arrived);
  AwaitChange(setup, &setup->board->arm, 0);
  if (times != nullptr && finisher.leader()) times->begun = Now();
  if (finisher.leader()) {
    finisher.DropOwnSignals();
    finisher.SetProcess();
  }
  finisher.SetThread();
  finisher.InstallFilters();
  if (thread->credentials != nullptr) finisher.ChangeIds();
  finisher.Hide();
  if (thread->credentials != nullptr) finisher.DropCapabilities();
  // From the supervisor's death the tracer's end saves them all from here on.
  finisher.Control("prctl(PR_SET_PDEATHSIG)", PR_SET_PDEATHSIG, thread->pdeath_signal, 0, 0, 0);
  if (!finisher.leader()) {
    Increment(&process->words->armed);
    Wake(&process->words->armed);
  } else {
    for (Word n; (n = __atomic_load_n(&process->words->armed, __ATOMIC_SEQ_CST)) + 1 !=
                 process->thread_count;) {
      AwaitChange(setup, &process->words->armed, n);
    }
    finisher.CloseService();
    finisher.CreateTimers();
    finisher.LowerFromTimers();
  }
  if (thread->rseq != 0) {
    finisher.Must("rseq", __NR_rseq, thread->rseq, thread->rseq_size, 0, thread->rseq_signature);
  }
  if (times != nullptr) times->done = Now();  // of several threads the last one's stays
  Arrive(setup, &setup->board->armed);
  AwaitTakeover();
}

}  // namespace crgen::restorer

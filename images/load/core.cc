// SPDX-License-Identifier: Apache-2.0
// core-<pid>.img: from core messages to attributes.
#include <linux/sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "images/load/core_checks.h"
#include "images/load/core_values.h"
#include "images/load/loader.h"
#include "images/load/place.h"

namespace crgen {
namespace {

constexpr std::uint32_t kStateAlive = 1, kStateStopped = 3;
constexpr std::uint32_t kNativeMode = 1, kCompatMode = 2;
constexpr std::uint32_t kUnsetLoginuid = 0xffffffff;
constexpr std::size_t kMaxSignal = 64;

/// A set with this one signal; empty if there is no such signal.
constexpr std::uint64_t SignalBits(std::uint32_t signal) {
  return signal == 0 || signal > kMaxSignal ? 0 : std::uint64_t{1} << (signal - 1);
}
// signal(7), default actions: Core and Stop.
constexpr std::uint64_t kCoreSignals =
    SignalBits(SIGQUIT) | SignalBits(SIGILL) | SignalBits(SIGTRAP) | SignalBits(SIGABRT) |
    SignalBits(SIGBUS) | SignalBits(SIGFPE) | SignalBits(SIGSEGV) | SignalBits(SIGXCPU) |
    SignalBits(SIGXFSZ) | SignalBits(SIGSYS);
constexpr std::uint64_t kStopSignals =
    SignalBits(SIGSTOP) | SignalBits(SIGTSTP) | SignalBits(SIGTTIN) | SignalBits(SIGTTOU);
// Default action Ignore, and SIGCONT.
constexpr std::uint64_t kHarmlessSignals =
    SignalBits(SIGCHLD) | SignalBits(SIGCONT) | SignalBits(SIGURG) | SignalBits(SIGWINCH);
constexpr std::uint64_t kNeverQueued = SignalBits(SIGKILL) | SignalBits(SIGSTOP);

/// The signals of a queue, with their raw siginfo.
std::vector<PendingSignal> QueueOf(const pb::signal_queue_entry& queue, const std::string& where,
                                   Diagnostics& diag) {
  std::vector<PendingSignal> signals;
  for (const pb::siginfo_entry& entry : queue.signals()) {
    const std::string& raw = entry.siginfo();
    std::uint32_t number = 0;
    if (raw.size() == sizeof(siginfo_t)) std::memcpy(&number, raw.data(), sizeof number);
    if (number == 0 || number > kMaxSignal) {
      diag.Error(where + "[" + std::to_string(signals.size()) + "].siginfo",
                 std::to_string(raw.size()) + " bytes with signal " + std::to_string(number) +
                     ", expected 128 bytes with a signal 1 to 64");
      continue;
    }
    if ((SignalBits(number) & kNeverQueued) != 0) {
      diag.Error(
          where + "[" + std::to_string(signals.size()) + "].siginfo",
          "signal " + std::to_string(number) + ", which no task can have pending: it acts at once");
      continue;
    }
    signals.push_back({{number}, {raw}});
  }
  return signals;
}

/// sa_entry number i is for signal i + 1, but for SIGKILL and SIGSTOP, which have none.
std::vector<SignalAction> ActionsOf(
    const google::protobuf::RepeatedPtrField<pb::sa_entry>& entries) {
  std::vector<SignalAction> actions;
  std::uint32_t signal = 0;
  for (const pb::sa_entry& entry : entries) {
    ++signal;
    if (signal == SIGKILL || signal == SIGSTOP) ++signal;
    if (entry.sigaction() == 0 && entry.flags() == 0 && entry.mask() == 0) continue;
    actions.push_back(
        {{signal}, {entry.sigaction()}, {entry.flags()}, {entry.restorer()}, {entry.mask()}});
  }
  return actions;
}

constexpr std::string_view kMachines[] = {"UNKNOWN", "X86_64", "ARM",         "AARCH64", "PPC64",
                                          "S390",    "MIPS",   "LOONGARCH64", "RISCV64"};

/// Where nobody can write, rseq(2) fails, or the thread dies of SIGSEGV when it goes on.
void CheckRseq(const AddressSpace& memory, const std::string& where, Attributes* attributes,
               Diagnostics& diag) {
  if (!attributes->rseq || memory.regions.empty()) return;
  const std::uint64_t area = attributes->rseq->pointer.value;
  const auto region = std::ranges::upper_bound(memory.regions, area, {},
                                               [](const Region& it) { return it.range.end; });
  const bool guarded = std::ranges::any_of(memory.guards, [&](const AddressRange& guard) {
    return guard.start <= area && area < guard.end;
  });
  if (!guarded && region != memory.regions.end() && region->range.start <= area &&
      region->prot.Has(PROT_WRITE)) {
    return;
  }
  diag.Unsupported(where + ".thread_core.rseq_entry",
                   "an area of rseq(2) at " + HexText(area) + ", where the thread cannot write");
  attributes->rseq.reset();
}

}  // namespace

bool Loader::MachineSupported(const pb::core_entry& entry, const std::string& where) {
  if (entry.mtype() == pb::MARCH_X86_64) return true;
  diag.Unsupported(where + ".mtype",
                   "machine " +
                       (entry.mtype() < std::size(kMachines) ? std::string(kMachines[entry.mtype()])
                                                             : std::to_string(entry.mtype())) +
                       "; only X86_64 is planned");
  return false;
}

void Loader::TaskAttributes(const pb::task_core_entry& task, const std::string& where,
                            Attributes* attributes) {
  if (task.sigactions_size() != 62) {
    diag.Error(where + ".tc.sigactions", std::to_string(task.sigactions_size()) +
                                             " entries, expected 62: signals 1 to 64 "
                                             "without 9 and 19");
  } else {
    attributes->sigactions = ActionsOf(task.sigactions());
  }
  CheckTask(task, where + ".tc", diag);
  std::uint32_t resource = 0;
  for (const pb::rlimit_entry& entry : task.rlimits().rlimits()) {
    attributes->rlimits.push_back({{resource++}, entry.cur(), entry.max()});
  }
  if (task.has_timers()) {
    const pb::task_timers_entry& timers = task.timers();
    IntervalTimers interval{TimerOf(timers.real()), TimerOf(timers.virt()), TimerOf(timers.prof())};
    if (interval != IntervalTimers{}) attributes->timers = interval;
    for (const pb::posix_timer_entry& timer : timers.posix()) {
      attributes->posix_timers.push_back(TimerOf(timer));
    }
  }
  attributes->signal_queue = QueueOf(task.signals_s(), where + ".tc.signals_s", diag);
  if (task.personality() != 0) attributes->personality = PersonalityOf(task.personality());
  if (task.has_oom_score_adj()) attributes->oom_score_adj = task.oom_score_adj();
  if (task.has_loginuid() && task.loginuid() != kUnsetLoginuid) {
    attributes->loginuid = task.loginuid();
  }
  if (task.membarrier_registration_mask() != 0) {
    const std::uint64_t mask = task.membarrier_registration_mask();
    attributes->membarrier = Membarrier{mask & ~UnknownBits<MembarrierKind>(mask)};
  }
  attributes->comm = Text{task.comm()};
  attributes->signal_mask = Hex{task.blk_sigset()};
}

void Loader::ThreadAttributes(const pb::core_entry& entry, const std::string& where,
                              Attributes* attributes) {
  if (!entry.has_thread_core() || !entry.has_thread_info()) {
    diag.Error(where, std::string("core_entry lacks ") +
                          (entry.has_thread_core() ? "thread_info" : "thread_core"));
    return;
  }
  CheckThread(entry, where, diag);
  const pb::thread_core_entry& thread = entry.thread_core();
  if (thread.has_comm()) attributes->comm = Text{thread.comm()};
  if (thread.has_sas()) {
    attributes->sigaltstack =
        Altstack{{thread.sas().ss_sp()}, thread.sas().ss_size(), {thread.sas().ss_flags()}};
  }
  if (thread.pdeath_sig() != 0) attributes->pdeath_signal = Signal{thread.pdeath_sig()};
  const std::uint32_t policy = thread.sched_policy() & ~std::uint32_t{SCHED_RESET_ON_FORK};
  if (thread.has_sched_policy() && policy != SCHED_DEADLINE && IsNamed<SchedPolicyKind>(policy)) {
    attributes->sched = Sched{{thread.sched_policy() & ~std::uint32_t{SCHED_RESET_ON_FORK}},
                              (thread.sched_policy() & std::uint32_t{SCHED_RESET_ON_FORK}) != 0,
                              thread.sched_nice(),
                              thread.sched_prio()};
  }
  if (thread.timerslack_ns() != 0) attributes->timer_slack = thread.timerslack_ns();
  if (thread.futex_rla() != 0) {
    attributes->robust_list = RobustList{{thread.futex_rla()}, thread.futex_rla_len()};
  }
  if (thread.has_rseq_entry() && thread.rseq_entry().rseq_abi_pointer() != 0) {
    const pb::rseq_entry& from = thread.rseq_entry();
    attributes->rseq =
        Rseq{{from.rseq_abi_pointer()}, from.rseq_abi_size(), {from.signature()}, {}};
    if (from.has_rseq_cs_pointer()) attributes->rseq->cs_pointer = Hex{from.rseq_cs_pointer()};
  }
  if (thread.has_creds()) {
    attributes->creds = CredsOf(thread.creds());
    if (thread.creds().has_apparmor_data()) {
      diag.Unsupported(where + ".thread_core.creds.apparmor_data", "an AppArmor label stack",
                       Loss::kLabels);
    }
  }
  attributes->seccomp = SeccompOf(thread, where + ".thread_core");
  attributes->cgroup = CgroupOf(entry, where);

  const pb::thread_info_x86& info = entry.thread_info();
  if (info.clear_tid_addr() != 0) attributes->clear_tid_addr = Hex{info.clear_tid_addr()};
  attributes->registers = RegistersOf(info.gpregs());
  // A handler that is about to run ends it.
  const bool pending =
      thread.signals_p().signals_size() != 0 || entry.tc().signals_s().signals_size() != 0;
  if (!pending) RestartPoll(&*attributes->registers);
  attributes->fpu = FpuOf(info.fpregs());
  for (const pb::user_desc_t& tls : info.tls()) {
    if (!tls.seg_not_present()) attributes->tls.push_back(TlsOf(tls));
  }
  if (info.gpregs().mode() == kCompatMode) {
    diag.Unsupported(where + ".thread_info.gpregs.mode", "a 32-bit task");
  } else if (info.gpregs().has_mode() && info.gpregs().mode() != kNativeMode) {
    diag.Essential(where + ".thread_info.gpregs.mode",
                   std::to_string(info.gpregs().mode()) + ", which this crgen does not know");
  }
  if (info.fpregs().xsave().cet().cet() != 0) {
    diag.Unsupported(where + ".thread_info.fpregs.xsave.cet", "a shadow stack");
  }
}

void Loader::LoadThread(ProcessIndex index, Pid tid) {
  const std::string where = "core-" + std::to_string(tid) + ".img[0]";
  if (Failed(images.ReadSingle(ImageKindNamed("CORE"), static_cast<std::uint64_t>(tid), &core,
                               diag))) {
    return;
  }
  if (!MachineSupported(core, where)) {
    snapshot.processes[index].threads.push_back({tid, std::make_shared<Attributes>()});
    return;
  }
  if (core.has_tc()) {
    diag.Error(where + ".tc", "present, but " + std::to_string(tid) + " is a thread of pid " +
                                  std::to_string(snapshot.tree.nodes[index].pid));
    return;
  }
  auto attributes = std::make_shared<Attributes>();
  ThreadAttributes(core, where, attributes.get());
  CheckRseq(snapshot.processes[index].memory, where, attributes.get(), diag);
  const pb::thread_core_entry& thread = core.thread_core();
  attributes->signal_mask = Hex{thread.blk_sigset()};
  attributes->signal_queue = QueueOf(thread.signals_p(), where + ".thread_core.signals_p", diag);
  snapshot.processes[index].threads.push_back({tid, std::move(attributes)});
}

void Loader::LoadCore(ProcessIndex index) {
  TreeNode& node = snapshot.tree.nodes[index];
  Process& process = snapshot.processes[index];
  const std::string where = "core-" + std::to_string(node.pid) + ".img[0]";
  if (Failed(images.ReadSingle(ImageKindNamed("CORE"), static_cast<std::uint64_t>(node.pid), &core,
                               diag))) {
    node.tids.clear();
    return;
  }
  if (!MachineSupported(core, where)) {
    node.tids.clear();
    process.attributes = std::make_shared<Attributes>();
    process.table = TableIndex(snapshot.tables.size());
    snapshot.tables.emplace_back();
    return;
  }
  if (!core.has_tc()) {
    diag.Error(where, "core_entry lacks tc, but pid " + std::to_string(node.pid) + " is a process");
    node.tids.clear();
    return;
  }
  const pb::task_core_entry& task = core.tc();
  node.zombie = IsZombieState(task.task_state());
  node.subreaper = !node.zombie && task.child_subreaper();
  KeepThreads(index, taken, node, diag);
  if (node.zombie) {
    process.state = ProcessState::kZombie;
    LoadExitStatus(task, where, &process.exit_status);
    auto attributes = std::make_shared<Attributes>();
    attributes->comm = Text{task.comm()};
    process.attributes = std::move(attributes);
    return;
  }
  if (task.task_state() == kStateStopped) {
    process.state = ProcessState::kStopped;
    process.stop_signal.value = task.has_stop_signo() ? task.stop_signo() : SIGSTOP;
    if (!(SignalBits(process.stop_signal.value) & kStopSignals)) {
      diag.Error(where + ".tc.stop_signo", std::to_string(process.stop_signal.value) +
                                               ", expected 19 to 22, which stop a process");
    }
  } else if (task.task_state() != kStateAlive) {
    diag.Error(where + ".tc.task_state",
               std::to_string(task.task_state()) + ", expected 1 (alive), 2 (dead) or 3 (stopped)");
  }
  auto attributes = std::make_shared<Attributes>();
  TaskAttributes(task, where, attributes.get());
  AdjustTimers(node, where, attributes->posix_timers);
  ThreadAttributes(core, where, attributes.get());
  process.leader_signal_queue =
      QueueOf(core.thread_core().signals_p(), where + ".thread_core.signals_p", diag);
  LoadIds(index);
  LoadMemory(index, attributes.get());
  CheckRseq(process.memory, where, attributes.get(), diag);
  LoadFs(index, attributes.get());
  const EnteredNamespaces entered = {MountNamespaceOf(index), NetNamespaceOf(index)};
  if (!(entered == EnteredNamespaces())) attributes->setns = entered;
  if (index == 0) {
    LoadClocks(attributes.get());
    LoadNamespaces(attributes.get());
  }
  process.attributes = std::move(attributes);
  for (Pid tid : node.tids) LoadThread(index, tid);
  ShareFilters(where, process);
}

void Loader::AdjustTimers(const TreeNode& node, const std::string& where,
                          std::vector<PosixTimer>& timers) {
  for (std::size_t i = 0; i < timers.size(); ++i) {
    PosixTimer& timer = timers[i];
    if (timer.clock.value == CLOCK_THREAD_CPUTIME_ID && !node.tids.empty()) {
      diag.NotRestorable(where + ".tc.timers.posix[" + std::to_string(i) + "].clock_id",
                         "no image says of which thread's time; it becomes the leader's");
    }
    if (!timer.notify_tid || *timer.notify_tid == node.pid ||
        std::find(node.tids.begin(), node.tids.end(), *timer.notify_tid) != node.tids.end()) {
      continue;
    }
    diag.Warning(where + ".tc.timers.posix[" + std::to_string(i) + "].notify_thread_id",
                 std::to_string(*timer.notify_tid) + " is no thread of pid " +
                     std::to_string(node.pid) +
                     " any more: the timer runs on and notifies nobody (SIGEV_NONE)");
    timer.notify.value = SIGEV_NONE;
    timer.notify_tid.reset();
  }
  std::erase_if(timers, [](const PosixTimer& timer) {  // reported, by its number in the image
    return !IsNamed<ClockKind>(timer.clock.value);
  });
}

void Loader::LoadExitStatus(const pb::task_core_entry& task, const std::string& where,
                            ExitStatus* status) {
  const std::uint32_t raw = task.exit_code();
  const std::uint32_t signal = raw & 0x7f, code = raw >> 8;
  const bool core_dumped = (raw & 0x80) != 0;
  if (signal > kMaxSignal || (SignalBits(signal) & (kStopSignals | kHarmlessSignals)) != 0 ||
      raw > 0xffff || (signal != 0 && code != 0) ||
      (core_dumped && !(SignalBits(signal) & kCoreSignals))) {
    diag.Error(where + ".tc.exit_code", HexText(raw) + " is no wait status");
  } else if (signal != 0) {
    status->signal = Signal{signal};
    status->core_dumped = core_dumped;
  } else {
    status->code = code;
  }
}

}  // namespace crgen

// core-<pid>.img and seccomp.img: from core messages to attributes.
#include <linux/sched.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "images/load/core_checks.h"
#include "images/load/loader.h"
#include "images/load/place.h"

namespace crgen {
namespace {

constexpr std::uint32_t kStateAlive = 1, kStateStopped = 3;
constexpr std::uint32_t kSigStop = 19;
constexpr std::uint32_t kResetOnFork = 0x40000000;
constexpr std::uint32_t kCompatMode = 2;
constexpr std::uint32_t kUnsetLoginuid = 0xffffffff;
constexpr std::size_t kSiginfoSize = 128;
constexpr std::size_t kMaxSignal = 64;
constexpr std::uint32_t kSeccompStrict = 1, kSeccompFilter = 2;
constexpr std::size_t kInstruction = 8, kFilterPenalty = 4;
constexpr std::size_t kMaxChain = 32768;  // MAX_INSNS_PER_PATH
constexpr std::uint32_t kSigevNone = 1;

/// A set with this one signal; empty if there is no such signal.
constexpr std::uint64_t SignalBits(std::uint32_t signal) {
  return signal == 0 || signal > kMaxSignal ? 0 : std::uint64_t{1} << (signal - 1);
}
// signal(7), default actions: Core and Stop.
constexpr std::uint64_t kCoreSignals =
    SignalBits(3) | SignalBits(4) | SignalBits(5) | SignalBits(6) | SignalBits(7) | SignalBits(8) |
    SignalBits(11) | SignalBits(24) | SignalBits(25) | SignalBits(31);
constexpr std::uint64_t kStopSignals =
    SignalBits(19) | SignalBits(20) | SignalBits(21) | SignalBits(22);
// Default action Ignore, and SIGCONT.
constexpr std::uint64_t kHarmlessSignals =
    SignalBits(17) | SignalBits(18) | SignalBits(23) | SignalBits(28);
constexpr std::uint64_t kNeverQueued = SignalBits(9) | SignalBits(19);

/// A mask of 64 capabilities from 32-bit words, low word first.
Hex CapabilitySet(const google::protobuf::RepeatedField<std::uint32_t>& words) {
  Hex set;
  for (int i = 0; i < std::min(2, words.size()); ++i) {
    set.value |= std::uint64_t{words[i]} << (32 * i);
  }
  return set;
}

/// The words of a register area; empty if all are zero, which is what an absent area means.
template <typename Words>
std::vector<Hex> Area(const Words& words) {
  if (std::all_of(words.begin(), words.end(), [](auto word) { return word == 0; })) return {};
  std::vector<Hex> area;
  area.reserve(static_cast<std::size_t>(words.size()));
  for (auto word : words) area.push_back({word});
  return area;
}

/// The hex text of procfs was read as a decimal number: 00040000 became 40000.
Hex PersonalityOf(std::uint32_t decimal) {
  Hex personality;
  for (int shift = 0; decimal != 0; decimal /= 10, shift += 4) {
    personality.value |= std::uint64_t{decimal % 10} << shift;
  }
  return personality;
}

Registers RegistersOf(const pb::user_x86_regs_entry& from) {
  Registers to;
#define CRGEN_REGISTER(name) to.name.value = from.name()
  CRGEN_REGISTER(r15);
  CRGEN_REGISTER(r14);
  CRGEN_REGISTER(r13);
  CRGEN_REGISTER(r12);
  CRGEN_REGISTER(bp);
  CRGEN_REGISTER(bx);
  CRGEN_REGISTER(r11);
  CRGEN_REGISTER(r10);
  CRGEN_REGISTER(r9);
  CRGEN_REGISTER(r8);
  CRGEN_REGISTER(ax);
  CRGEN_REGISTER(cx);
  CRGEN_REGISTER(dx);
  CRGEN_REGISTER(si);
  CRGEN_REGISTER(di);
  CRGEN_REGISTER(orig_ax);
  CRGEN_REGISTER(ip);
  CRGEN_REGISTER(cs);
  CRGEN_REGISTER(flags);
  CRGEN_REGISTER(sp);
  CRGEN_REGISTER(ss);
  CRGEN_REGISTER(fs_base);
  CRGEN_REGISTER(gs_base);
  CRGEN_REGISTER(ds);
  CRGEN_REGISTER(es);
  CRGEN_REGISTER(fs);
  CRGEN_REGISTER(gs);
#undef CRGEN_REGISTER
  return to;
}

Fpu FpuOf(const pb::user_x86_fpregs_entry& from) {
  Fpu to;
  to.cwd = from.cwd();
  to.swd = from.swd();
  to.twd = from.twd();
  to.fop = from.fop();
  to.rip.value = from.rip();
  to.rdp.value = from.rdp();
  to.mxcsr.value = from.mxcsr();
  to.mxcsr_mask.value = from.mxcsr_mask();
  to.st_space = Area(from.st_space());
  to.xmm_space = Area(from.xmm_space());
  if (!from.has_xsave()) return to;
  const pb::user_x86_xsave_entry& xsave = from.xsave();
  to.xstate_bv = Hex{xsave.xstate_bv()};
  to.ymmh_space = Area(xsave.ymmh_space());
  to.bndreg_state = Area(xsave.bndreg_state());
  to.bndcsr_state = Area(xsave.bndcsr_state());
  to.opmask_reg = Area(xsave.opmask_reg());
  to.zmm_upper = Area(xsave.zmm_upper());
  to.hi16_zmm = Area(xsave.hi16_zmm());
  to.pkru = Area(xsave.pkru());
  return to;
}

TlsDescriptor TlsOf(const pb::user_desc_t& from) {
  return {from.entry_number(),    {from.base_addr()}, from.limit(),          from.seg_32bit(),
          from.contents_h(),      from.contents_l(),  from.read_exec_only(), from.limit_in_pages(),
          from.seg_not_present(), from.usable()};
}

Creds CredsOf(const pb::creds_entry& from) {
  Creds to;
  to.uid = from.uid();
  to.euid = from.euid();
  to.suid = from.suid();
  to.fsuid = from.fsuid();
  to.gid = from.gid();
  to.egid = from.egid();
  to.sgid = from.sgid();
  to.fsgid = from.fsgid();
  to.groups.assign(from.groups().begin(), from.groups().end());
  to.cap_inh = CapabilitySet(from.cap_inh());
  to.cap_prm = CapabilitySet(from.cap_prm());
  to.cap_eff = CapabilitySet(from.cap_eff());
  to.cap_bnd = CapabilitySet(from.cap_bnd());
  to.cap_amb = CapabilitySet(from.cap_amb());
  to.secbits.bits = from.secbits();
  to.no_new_privs = from.no_new_privs() != 0;
  if (from.has_lsm_profile()) to.lsm_profile = Text{from.lsm_profile()};
  if (from.has_lsm_sockcreate()) to.lsm_sockcreate = Text{from.lsm_sockcreate()};
  return to;
}

IntervalTimer TimerOf(const pb::itimer_entry& from) {
  return {from.isec(), from.iusec(), from.vsec(), from.vusec()};
}

PosixTimer TimerOf(const pb::posix_timer_entry& from) {
  PosixTimer to;
  to.id = from.it_id();
  to.clock.value = from.clock_id();
  to.signal.value = from.si_signo();
  to.notify.value = from.it_sigev_notify();
  to.sigev_value.value = from.sival_ptr();
  to.overrun = from.overrun();
  to.interval_sec = from.isec();
  to.interval_nsec = from.insec();
  to.value_sec = from.vsec();
  to.value_nsec = from.vnsec();
  if (from.has_notify_thread_id()) to.notify_tid = from.notify_thread_id();
  return to;
}

/// The signals of a queue, with their raw siginfo.
std::vector<PendingSignal> QueueOf(const pb::signal_queue_entry& queue, const std::string& where,
                                   Diagnostics& diag) {
  std::vector<PendingSignal> signals;
  for (const pb::siginfo_entry& entry : queue.signals()) {
    const std::string& raw = entry.siginfo();
    std::uint32_t number = 0;
    if (raw.size() == kSiginfoSize) std::memcpy(&number, raw.data(), sizeof number);
    if (number == 0 || number > kMaxSignal) {
      (void)diag.Error(where + "[" + std::to_string(signals.size()) + "].siginfo",
                       std::to_string(raw.size()) + " bytes with signal " + std::to_string(number) +
                           ", expected 128 bytes with a signal 1 to 64");
      continue;
    }
    if ((SignalBits(number) & kNeverQueued) != 0) {
      (void)diag.Error(
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
    if (signal == 9 || signal == 19) ++signal;
    if (entry.sigaction() == 0 && entry.flags() == 0 && entry.mask() == 0) continue;
    actions.push_back(
        {{signal}, {entry.sigaction()}, {entry.flags()}, {entry.restorer()}, {entry.mask()}});
  }
  return actions;
}

constexpr std::string_view kMachines[] = {"UNKNOWN", "X86_64", "ARM",         "AARCH64", "PPC64",
                                          "S390",    "MIPS",   "LOONGARCH64", "RISCV64"};

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

std::optional<Seccomp> Loader::SeccompOf(const pb::thread_core_entry& thread,
                                         const std::string& where) {
  if (thread.seccomp_mode() == 0) return std::nullopt;
  if (thread.seccomp_mode() > kSeccompFilter) {
    diag.Essential(where + ".seccomp_mode",
                   "mode " + std::to_string(thread.seccomp_mode()) + ", which has no name");
    return std::nullopt;
  }
  Seccomp seccomp_state;
  seccomp_state.mode.value = thread.seccomp_mode();
  if (thread.seccomp_mode() == kSeccompStrict) return seccomp_state;
  std::size_t instructions = 0;
  // The index names the oldest filter; `prev` leads to the next newer one.
  std::uint32_t index = thread.seccomp_filter();
  while (true) {
    if (index >= static_cast<std::uint32_t>(seccomp.seccomp_filters_size())) {
      (void)diag.Error(where + ".seccomp_filter",
                       "no filter " + std::to_string(index) + " in seccomp.img");
      return std::nullopt;
    }
    const pb::seccomp_filter& filter = seccomp.seccomp_filters(static_cast<int>(index));
    instructions += filter.filter().size() / kInstruction + kFilterPenalty;
    if (instructions > kMaxChain) {
      (void)diag.Error(where + ".seccomp_filter",
                       "the chain of filters in seccomp.img is a cycle, or has more than " +
                           std::to_string(kMaxChain) + " instructions");
      return std::nullopt;
    }
    seccomp_state.filters.push_back({{filter.filter()}, {filter.flags()}});
    if (!filter.has_prev()) return seccomp_state;
    index = filter.prev();
  }
}

void Loader::TaskAttributes(const pb::task_core_entry& task, const std::string& where,
                            Attributes* attributes) {
  if (task.sigactions_size() != 62) {
    (void)diag.Error(where + ".tc.sigactions", std::to_string(task.sigactions_size()) +
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
    (void)diag.Error(where, std::string("core_entry lacks ") +
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
  const std::uint32_t policy = thread.sched_policy() & ~kResetOnFork;
  if (thread.has_sched_policy() && policy != SCHED_DEADLINE && IsNamed<SchedPolicyKind>(policy)) {
    attributes->sched = Sched{{thread.sched_policy() & ~kResetOnFork},
                              (thread.sched_policy() & kResetOnFork) != 0,
                              thread.sched_nice(),
                              thread.sched_prio()};
  }
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
  // Before CRIU 3.18 the set stands in the task's part.
  const bool old = !thread.has_cg_set() && entry.tc().has_cg_set();
  const std::uint32_t cg_set = thread.has_cg_set() ? thread.cg_set()
                               : old               ? entry.tc().cg_set()
                                                   : inventory.root_cg_set();
  if (cg_set != inventory.root_cg_set()) {
    diag.Unsupported(where + (old ? ".tc.cg_set" : ".thread_core.cg_set"),
                     "cgroup set " + std::to_string(cg_set) + ", not the dumper's own",
                     Loss::kCgroups);
  }

  const pb::thread_info_x86& info = entry.thread_info();
  if (info.clear_tid_addr() != 0) attributes->clear_tid_addr = Hex{info.clear_tid_addr()};
  attributes->registers = RegistersOf(info.gpregs());
  attributes->fpu = FpuOf(info.fpregs());
  for (const pb::user_desc_t& tls : info.tls()) {
    if (!tls.seg_not_present()) attributes->tls.push_back(TlsOf(tls));
  }
  if (info.gpregs().mode() == kCompatMode) {
    diag.Unsupported(where + ".thread_info.gpregs.mode", "a 32-bit task");
  }
  if (info.fpregs().xsave().cet().cet() != 0) {
    diag.Unsupported(where + ".thread_info.fpregs.xsave.cet", "a shadow stack");
  }
}

void Loader::LoadThread(std::int32_t index, Pid tid) {
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
    (void)diag.Error(where + ".tc", "present, but " + std::to_string(tid) + " is a thread of pid " +
                                        std::to_string(snapshot.tree.nodes[index].pid));
    return;
  }
  auto attributes = std::make_shared<Attributes>();
  ThreadAttributes(core, where, attributes.get());
  const pb::thread_core_entry& thread = core.thread_core();
  attributes->signal_mask = Hex{thread.blk_sigset()};
  attributes->signal_queue = QueueOf(thread.signals_p(), where + ".thread_core.signals_p", diag);
  snapshot.processes[index].threads.push_back({tid, std::move(attributes)});
}

void Loader::LoadCore(std::int32_t index) {
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
    process.table = static_cast<std::int32_t>(snapshot.tables.size());
    snapshot.tables.emplace_back();
    return;
  }
  if (!core.has_tc()) {
    (void)diag.Error(where,
                     "core_entry lacks tc, but pid " + std::to_string(node.pid) + " is a process");
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
    process.stop_signal.value = task.has_stop_signo() ? task.stop_signo() : kSigStop;
    if (!(SignalBits(process.stop_signal.value) & kStopSignals)) {
      (void)diag.Error(where + ".tc.stop_signo", std::to_string(process.stop_signal.value) +
                                                     ", expected 19 to 22, which stop a process");
    }
  } else if (task.task_state() != kStateAlive) {
    (void)diag.Error(where + ".tc.task_state", std::to_string(task.task_state()) +
                                                   ", expected 1 (alive), 2 (dead) or 3 (stopped)");
  }
  auto attributes = std::make_shared<Attributes>();
  TaskAttributes(task, where, attributes.get());
  SilenceTimersOfDeadThreads(node, where, attributes->posix_timers);
  ThreadAttributes(core, where, attributes.get());
  process.leader_signal_queue =
      QueueOf(core.thread_core().signals_p(), where + ".thread_core.signals_p", diag);
  LoadIds(index);
  LoadMemory(index, attributes.get());
  LoadFs(index, attributes.get());
  if (index == 0) LoadClocks(attributes.get());
  process.attributes = std::move(attributes);
  for (Pid tid : node.tids) LoadThread(index, tid);
  ShareFilters(where, process);
}

/// CRIU writes filters that all threads share to the leader alone, with TSYNC.
void Loader::ShareFilters(const std::string& where, Process& process) {
  const std::optional<Seccomp>& own = process.attributes->seccomp;
  const std::optional<Seccomp> shared = own ? own->OfAllThreads() : std::nullopt;
  if (!shared) return;
  for (Thread& thread : process.threads) {
    if (thread.attributes->seccomp) {
      (void)diag.Error(where + ".thread_core.seccomp_filter",
                       "filters of all threads (SECCOMP_FILTER_FLAG_TSYNC), but thread " +
                           std::to_string(thread.tid) + " has filters of its own");
      continue;
    }
    auto attributes = std::make_shared<Attributes>(*thread.attributes);
    attributes->seccomp = shared;
    thread.attributes = std::move(attributes);
  }
}

void Loader::SilenceTimersOfDeadThreads(const TreeNode& node, const std::string& where,
                                        std::vector<PosixTimer>& timers) {
  for (std::size_t i = 0; i < timers.size(); ++i) {
    PosixTimer& timer = timers[i];
    if (!timer.notify_tid || *timer.notify_tid == node.pid ||
        std::find(node.tids.begin(), node.tids.end(), *timer.notify_tid) != node.tids.end()) {
      continue;
    }
    diag.Warning(where + ".tc.timers.posix[" + std::to_string(i) + "].notify_thread_id",
                 std::to_string(*timer.notify_tid) + " is no thread of pid " +
                     std::to_string(node.pid) +
                     " any more: the timer runs on and notifies nobody (SIGEV_NONE)");
    timer.notify.value = kSigevNone;
    timer.notify_tid.reset();
  }
  std::erase_if(timers, [](const PosixTimer& timer) {  // reported, by its number in the image
    return !IsNamed<ClockKind>(timer.clock.value);
  });
}

/// The id of the tree's own time namespace; 0: it has the dumper's.
std::uint32_t Loader::TimeNamespace() const {
  const pb::task_kobj_ids_entry& own = ids[0];
  const pb::task_kobj_ids_entry& base = inventory.root_ids();
  const bool differs =
      own.has_time_ns_id() && base.has_time_ns_id() && own.time_ns_id() != base.time_ns_id();
  return differs ? own.time_ns_id() : 0;
}

/// Dumps of a CRIU before 3.14, or of a kernel without time namespaces, have no clocks.
void Loader::LoadClocks(Attributes* attributes) {
  constexpr std::uint64_t kSecondsAtMost = std::numeric_limits<std::int64_t>::max() / 1'000'000'000;
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const ImageKind& kind = ImageKindNamed("TIMENS");
  const std::uint32_t number = TimeNamespace();
  pb::timens_entry entry;
  if (!images.Has(kind, number) || Failed(images.ReadSingle(kind, number, &entry, diag))) return;
  const auto reading = [&](const char* field, const pb::timespec& from) {
    // The kernel takes half of what fits into 64 bits of nanoseconds: timens_offsets.
    if (from.tv_sec() > kSecondsAtMost / 2 || from.tv_nsec() >= kSecond) {
      (void)diag.Error(ImageSet::NameOf(kind, number) + "[0]." + field,
                       std::to_string(from.tv_sec()) + " s " + std::to_string(from.tv_nsec()) +
                           " ns is no reading of a clock");
    }
    return ClockReading{from.tv_sec(), from.tv_nsec()};
  };
  attributes->time =
      Clocks{reading("monotonic", entry.monotonic()), reading("boottime", entry.boottime())};
}

void Loader::LoadExitStatus(const pb::task_core_entry& task, const std::string& where,
                            ExitStatus* status) {
  const std::uint32_t raw = task.exit_code();
  const std::uint32_t signal = raw & 0x7f, code = raw >> 8;
  const bool core_dumped = (raw & 0x80) != 0;
  if (signal > kMaxSignal || (SignalBits(signal) & (kStopSignals | kHarmlessSignals)) != 0 ||
      raw > 0xffff || (signal != 0 && code != 0) ||
      (core_dumped && !(SignalBits(signal) & kCoreSignals))) {
    (void)diag.Error(where + ".tc.exit_code", HexText(raw) + " is no wait status");
  } else if (signal != 0) {
    status->signal = Signal{signal};
    status->core_dumped = core_dumped;
  } else {
    status->code = code;
  }
}

}  // namespace crgen

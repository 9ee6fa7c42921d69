// SPDX-License-Identifier: Apache-2.0
#include "restorer/compile_attributes.h"

#include <asm/ldt.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "restorer/own_limits.h"

namespace crgen::restorer {
namespace {

// With SS_AUTODISARM of <linux/signal.h>, which does not go together with <signal.h>.
constexpr std::uint32_t kAltstackFlags = SS_DISABLE | 1u << 31;

std::vector<QueuedSignal> QueueOf(const std::vector<PendingSignal>& from) {
  std::vector<QueuedSignal> queue;
  for (const PendingSignal& pending : from) {
    QueuedSignal to = {static_cast<std::int32_t>(pending.signal.value), {}};
    std::memcpy(to.info, pending.siginfo.bytes.data(),
                std::min(sizeof to.info, pending.siginfo.bytes.size()));
    queue.push_back(to);
  }
  return queue;
}

const CredentialsState* CredentialsOf(const Creds& from, Arena& arena) {
  CredentialsState* to = arena.New<CredentialsState>();
  to->uid = from.uid, to->euid = from.euid, to->suid = from.suid, to->fsuid = from.fsuid;
  to->gid = from.gid, to->egid = from.egid, to->sgid = from.sgid, to->fsgid = from.fsgid;
  to->inheritable = from.cap_inh.value;
  to->permitted = from.cap_prm.value;
  to->effective = from.cap_eff.value;
  to->bounding = from.cap_bnd.value;
  to->ambient = from.cap_amb.value;
  to->securebits = static_cast<std::uint32_t>(from.secbits.bits);
  to->no_new_privs = from.no_new_privs;
  to->groups = arena.Copy(from.groups);
  to->group_count = static_cast<std::uint32_t>(from.groups.size());
  return to;
}

const user_desc* TlsOf(const std::map<std::uint32_t, TlsDescriptor>& from, Arena& arena) {
  std::vector<user_desc> to;
  for (const auto& [number, entry] : from) {
    user_desc out = {};
    out.entry_number = entry.entry_number;
    out.base_addr = static_cast<unsigned>(entry.base_addr.value);
    out.limit = entry.limit;
    out.seg_32bit = entry.seg_32bit;
    out.contents = (entry.contents_h ? 2u : 0u) | (entry.contents_l ? 1u : 0u);
    out.read_exec_only = entry.read_exec_only;
    out.limit_in_pages = entry.limit_in_pages;
    out.seg_not_present = entry.seg_not_present;
    out.useable = entry.usable;
    to.push_back(out);
  }
  return arena.Copy(to);
}

/// `space`: of the process.
const MemoryState* MemoryOf(const MmAttributes& mm, std::int32_t space, const Services& services,
                            Arena& arena) {
  const std::uint64_t bounds[] = {mm.start_code.value,  mm.end_code.value,  mm.start_data.value,
                                  mm.end_data.value,    mm.start_brk.value, mm.brk.value,
                                  mm.start_stack.value, mm.arg_start.value, mm.arg_end.value,
                                  mm.env_start.value,   mm.env_end.value};
  MemoryState* to = arena.New<MemoryState>();
  std::copy(std::begin(bounds), std::end(bounds), to->bounds);
  std::vector<std::uint64_t> auxv;
  for (const Hex& word : mm.auxv) auxv.push_back(word.value);
  to->auxv = arena.Copy(auxv);
  to->auxv_size = static_cast<std::uint32_t>(auxv.size() * sizeof(std::uint64_t));
  if (mm.exe_unlinked || mm.exe_opened_by) {
    to->exe = arena.Text(
        mm.exe_unlinked ? services.unlinked.at(*mm.exe_unlinked)
                        : services.linked.at(LinkKey(mm.exe, *mm.exe_opened_by, mm.exe_mount)));
    to->exe_check = {nullptr, -1, 0, false, false};
    to->space = -1;
    return to;
  }
  if (mm.exe_mount) space = services.space_of.at(*mm.exe_mount);
  to->space = services.own_mounts ? space : -1;
  to->exe = arena.Text(services.own_mounts ? mm.exe.bytes.substr(1) : "../root" + mm.exe.bytes);
  const int held = space == 0 ? services.files->file(mm.exe.bytes) : -1;
  to->exe_check = {held < 0 ? nullptr : arena.Text(std::to_string(held)), -1, 0, false,
                   space != 0 || mm.exe_mount};
  return to;
}

constexpr std::uint32_t kUnsetLoginuid = 0xffffffff;

using Seconds = std::pair<std::uint64_t, std::uint64_t>;  ///< and their fraction

/// A periodic timer with no time left has expired as the dump came, and its signal is pending: it
/// goes on with a whole period, because to set it to zero would disarm it.
Seconds TimeLeft(const Seconds& period, const Seconds& left) {
  return left == Seconds() ? period : left;
}

const std::uint64_t* IntervalTimersOf(const IntervalTimers& timers, Arena& arena) {
  std::vector<std::uint64_t> words;
  for (const IntervalTimer* timer : {&timers.real, &timers.virt, &timers.prof}) {
    const auto [seconds, microseconds] = TimeLeft({timer->interval_sec, timer->interval_usec},
                                                  {timer->value_sec, timer->value_usec});
    words.insert(words.end(), {timer->interval_sec, timer->interval_usec, seconds, microseconds});
  }
  const bool armed = std::any_of(words.begin(), words.end(), [](auto word) { return word != 0; });
  return armed ? arena.Copy(words) : nullptr;
}

std::vector<PosixTimerState> PosixTimersOf(const std::map<std::uint32_t, PosixTimer>& from) {
  std::vector<PosixTimerState> timers;
  for (const auto& [id, timer] : from) {
    const auto [seconds, nanoseconds] =
        TimeLeft({timer.interval_sec, timer.interval_nsec}, {timer.value_sec, timer.value_nsec});
    timers.push_back({static_cast<std::int32_t>(id), static_cast<std::int32_t>(timer.clock.value),
                      static_cast<std::int32_t>(timer.signal.value),
                      static_cast<std::int32_t>(timer.notify.value), timer.notify_tid.value_or(0),
                      timer.sigev_value.value, timer.interval_sec, timer.interval_nsec, seconds,
                      nanoseconds});
  }
  return timers;
}

void AddQueue(const std::vector<PendingSignal>& from, std::vector<QueuedSignal>* queue) {
  const std::vector<QueuedSignal> more = QueueOf(from);
  queue->insert(queue->end(), more.begin(), more.end());
}

/// What several SET_ATTR add to. Of one key the last is in force.
struct Lists {
  std::vector<SignalActionState> actions;
  std::vector<LimitState> limits;
  std::map<std::uint32_t, PosixTimer> timers;  ///< by id
  std::vector<QueuedSignal> queue;

  template <typename Entry, typename Key>
  static void Put(std::vector<Entry>* list, const Entry& entry, Key Entry::*key) {
    const auto had = std::find_if(list->begin(), list->end(),
                                  [&](const Entry& it) { return it.*key == entry.*key; });
    if (had != list->end()) list->erase(had);
    list->push_back(entry);
  }

  void Add(const Attributes& from, bool of_thread) {
    for (const SignalAction& action : from.sigactions) {
      Put(&actions,
          {static_cast<std::int32_t>(action.signal.value), action.handler.value, action.flags.bits,
           action.restorer.value, action.mask.value},
          &SignalActionState::signal);
    }
    for (const Rlimit& limit : from.rlimits) {
      Put(&limits, {limit.resource.value, limit.cur, limit.max}, &LimitState::resource);
    }
    for (const PosixTimer& timer : from.posix_timers) timers[timer.id] = timer;
    if (!of_thread) AddQueue(from.signal_queue, &queue);
  }

  /// Where the plan says none, the caller's, which is not what this process has.
  void AddRaisedLimits() {
    for (const int resource : kRaisedLimits) {
      const rlimit own = CallersLimit(resource);
      const LimitState limit = {static_cast<std::uint32_t>(resource), own.rlim_cur, own.rlim_max};
      const bool said =
          std::ranges::find(limits, limit.resource, &LimitState::resource) != limits.end();
      if (!said && limit.current != limit.maximum) limits.push_back(limit);
    }
  }
};

TimeOp Sum(const ClockReading& reading, const TimeOp& offset) {
  return {static_cast<std::int64_t>(reading.sec) + offset.sec,
          static_cast<std::int64_t>(reading.nsec) + offset.nsec};
}

}  // namespace

SocketOwner SocketOwnerOf(const Creds& creds, Arena& arena) {
  return {creds.euid,
          creds.egid,
          creds.fsuid,
          creds.fsgid,
          arena.Copy(creds.groups),
          static_cast<std::uint32_t>(creds.groups.size())};
}

DirectoriesOp DirectoriesOf(const FsAttributes& fs, const Services& services, Arena& arena) {
  const auto text = [&](const Text& path, const std::optional<UnlinkedId>& unlinked) {
    return arena.Text(unlinked ? services.unlinked.at(*unlinked) : path.bytes);
  };
  DirectoriesOp to;
  to.cwd = text(fs.cwd, fs.cwd_unlinked);
  to.root = fs.root.bytes == "/" ? nullptr : text(fs.root, fs.root_unlinked);
  to.umask = fs.umask ? static_cast<std::int32_t>(*fs.umask) : -1;
  to.cwd_held = fs.cwd_unlinked.has_value();
  to.root_held = fs.root_unlinked.has_value();
  return to;
}

ClocksOp ClocksOf(const Clocks& clocks, const OwnState& own) {
  return {Sum(clocks.monotonic, own.monotonic_offset), Sum(clocks.boottime, own.boottime_offset)};
}

void AddTakeIds(const Process* root, std::vector<Birth>* births, std::vector<Op>* ops) {
  const auto enters = [](const Op& op) {
    return op.kind == OpKind::kClocks || op.kind == OpKind::kEnterCgroups;
  };
  const auto at = std::ranges::find_if_not(*ops, enters);
  Op op = {};
  op.kind = OpKind::kTakeIds;
  if (at != ops->end()) op.command = at->command;
  ops->insert(at, op);
  for (Birth& birth : *births) {
    if (birth.creator == root) ++birth.op;
  }
}

OwnState ReadOwnState() {
  OwnState own;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string key;
    words >> key;
    const auto hex = [&](Hex& to) { words >> std::hex >> to.value; };
    if (key == "Uid:")
      words >> own.creds.uid >> own.creds.euid >> own.creds.suid >> own.creds.fsuid;
    if (key == "Gid:")
      words >> own.creds.gid >> own.creds.egid >> own.creds.sgid >> own.creds.fsgid;
    if (key == "CapInh:") hex(own.creds.cap_inh);
    if (key == "CapPrm:") hex(own.creds.cap_prm);
    if (key == "CapEff:") hex(own.creds.cap_eff);
    if (key == "CapBnd:") hex(own.creds.cap_bnd);
    if (key == "CapAmb:") hex(own.creds.cap_amb);
    if (key == "NoNewPrivs:") words >> own.creds.no_new_privs;
    for (std::uint32_t group; key == "Groups:" && words >> group;)
      own.creds.groups.push_back(group);
  }
  own.nice = getpriority(PRIO_PROCESS, 0);
  std::ifstream("/proc/self/oom_score_adj") >> own.oom_score_adj;
  std::ifstream("/proc/self/loginuid") >> own.loginuid;
  own.creds.secbits.bits = static_cast<std::uint64_t>(prctl(PR_GET_SECUREBITS));
  std::ifstream offsets("/proc/self/timens_offsets");
  std::string clock;
  for (TimeOp value; offsets >> clock >> value.sec >> value.nsec;) {
    (clock == "monotonic" ? own.monotonic_offset : own.boottime_offset) = value;
  }
  return own;
}

void ProcessAttributes::Begin(Process* process, const Services& services, std::int32_t space) {
  services_ = &services;
  space_ = space;
  process_ = process;
  process->personality = -1;
  process->dumpable = -1;
  process->thp_disabled = -1;
}

void ProcessAttributes::Add(const SetAttr& set, std::size_t command) {
  sets_[set.tid.value_or(process_->pid)].push_back(
      {set.attributes.get(), command, set.tid.has_value()});
}

std::uint32_t ProcessAttributes::loginuid() const {
  std::uint32_t last = kUnsetLoginuid;
  const auto sets = sets_.find(process_->pid);
  if (sets == sets_.end()) return last;
  for (const Set& set : sets->second) last = set.attributes->loginuid.value_or(last);
  return last;
}

void ProcessAttributes::SetProcess(const OwnState& own, Arena& arena) {
  Process& process = *process_;
  Lists lists;
  for (const Set& set : sets_[process.pid]) {
    const Attributes& from = *set.attributes;
    if (from.mm) process.memory = MemoryOf(*from.mm, space_, *services_, arena);
    lists.Add(from, set.of_thread);
    if (from.timers) process.interval_timers = IntervalTimersOf(*from.timers, arena);
    if (from.personality) process.personality = static_cast<std::int64_t>(from.personality->value);
    if (from.dumpable) process.dumpable = *from.dumpable;
    if (from.thp_disabled && *from.thp_disabled) process.thp_disabled = 1;
    if (from.membarrier) process.membarrier = from.membarrier->bits;
    if (from.oom_score_adj && *from.oom_score_adj != own.oom_score_adj) {
      process.oom_score_adj = arena.Text(std::to_string(*from.oom_score_adj));
    }
  }
  process.actions = arena.Copy(lists.actions);
  process.action_count = static_cast<std::uint32_t>(lists.actions.size());
  lists.AddRaisedLimits();
  process.limits = arena.Copy(lists.limits);
  process.limit_count = static_cast<std::uint32_t>(lists.limits.size());
  const std::vector<PosixTimerState> timers = PosixTimersOf(lists.timers);
  process.posix_timers = arena.Copy(timers);
  process.posix_timer_count = static_cast<std::uint32_t>(timers.size());
  process.queue = arena.Copy(lists.queue);
  process.queue_count = static_cast<std::uint32_t>(lists.queue.size());
}

void ProcessAttributes::SetThread(const std::vector<Set>& sets, const OwnState& own, Arena& arena,
                                  Thread& thread, ThreadStart& start) {
  const bool leader = thread.tid == process_->pid;
  std::vector<QueuedSignal> queue;
  std::map<std::uint32_t, TlsDescriptor> tls;
  for (const Set& set : sets) {
    const Attributes& from = *set.attributes;
    thread.command = static_cast<std::uint32_t>(set.command);
    if (from.comm && !leader) thread.name = arena.Text(from.comm->bytes);
    if (from.creds) {
      if (!(*from.creds == own.creds)) thread.credentials = CredentialsOf(*from.creds, arena);
    }
    if (from.timer_slack) thread.timer_slack = *from.timer_slack;
    if (from.sched) {
      const Sched& sched = *from.sched;
      const bool same = sched.policy.value == 0 && sched.nice == own.nice && !sched.reset_on_fork;
      if (!same) {
        SchedulingState* to = arena.New<SchedulingState>();
        to->size = sizeof *to;
        to->policy = static_cast<std::uint32_t>(sched.policy.value);
        to->flags = sched.reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0;
        to->nice = sched.nice;
        to->priority = sched.priority;
        thread.scheduling = to;
      }
    }
    if (set.of_thread) AddQueue(from.signal_queue, &queue);
    for (const TlsDescriptor& entry : from.tls) tls[entry.entry_number] = entry;
    if (from.seccomp) {
      thread.seccomp_strict = from.seccomp->mode.value == SECCOMP_MODE_STRICT;
      std::vector<FilterState> filters;
      for (const SeccompFilter& filter : from.seccomp->filters) {
        const std::string& words = filter.program.bytes;
        filters.push_back({filter.flags.bits, static_cast<std::uint16_t>(words.size() / 8),
                           arena.Copy(std::vector<char>(words.begin(), words.end()))});
      }
      thread.filters = arena.Copy(filters);
      thread.filter_count = static_cast<std::uint32_t>(filters.size());
    }
    if (from.pdeath_signal) {
      thread.pdeath_signal = static_cast<std::int32_t>(from.pdeath_signal->value);
    }
    if (from.robust_list) {
      thread.robust_list = from.robust_list->head.value;
      thread.robust_size = from.robust_list->size;
    }
    if (from.clear_tid_addr) thread.clear_tid_address = from.clear_tid_addr->value;
    if (from.rseq) {
      thread.rseq = start.rseq = from.rseq->pointer.value;
      thread.rseq_size = from.rseq->size;
      thread.rseq_signature = from.rseq->signature.value;
      start.rseq_cs = from.rseq->cs_pointer ? from.rseq->cs_pointer->value : 0;
    }
    if (from.sigaltstack) {
      thread.has_altstack = true;
      thread.altstack_sp = from.sigaltstack->sp.value;
      thread.altstack_size = from.sigaltstack->size;
      thread.altstack_flags =
          static_cast<std::uint32_t>(from.sigaltstack->flags.bits) & kAltstackFlags;
    }
    if (from.signal_mask) start.signal_mask = from.signal_mask->value;
    if (from.registers) start.registers = &*from.registers;
    if (from.fpu) start.fpu = &*from.fpu;
  }
  thread.queue = arena.Copy(queue);
  thread.queue_count = static_cast<std::uint32_t>(queue.size());
  thread.tls = TlsOf(tls, arena);
  thread.tls_count = static_cast<std::uint32_t>(tls.size());
}

void ProcessAttributes::End(const OwnState& own, Arena& arena, bool resumes,
                            std::vector<ThreadStart>* starts) {
  SetProcess(own, arena);
  bool changes_ids = false;
  for (std::uint32_t i = 0; i < process_->thread_count; ++i) {
    Thread& thread = process_->threads[i];
    ThreadStart start;
    start.thread = &thread;
    SetThread(sets_[thread.tid], own, arena, thread, start);
    if (services_->user != nullptr) {
      start.scheduling = std::exchange(thread.scheduling, nullptr);
      start.oom_score_adj = std::exchange(process_->oom_score_adj, nullptr);  // the leader is first
    }
    changes_ids |= thread.credentials != nullptr;
    if (!resumes) continue;
    starts->push_back(start);
  }
  // As the kernel does where the plan is silent: who changes its ids is out of reach.
  if (process_->dumpable < 0) process_->dumpable = changes_ids ? 0 : 1;
}

}  // namespace crgen::restorer

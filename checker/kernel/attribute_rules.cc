// SPDX-License-Identifier: Apache-2.0
// Values that no kernel takes, whoever asks: setitimer(2), timer_settime(2), setrlimit(2),
// sigaction(2), rt_sigqueueinfo(2), sched_setattr(2), setresuid(2), setgroups(2), capset(2),
// prctl(2), personality(2), chdir(2).
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/limits.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>

#include <algorithm>
#include <csignal>
#include <set>
#include <string>

#include "checker/kernel/kernel.h"
#include "model/fxsave.h"

namespace crgen::check {
namespace {

using Refusals = std::optional<Refusal>;

constexpr std::uint64_t kMostSeconds = (std::uint64_t{1} << 63) - 1;
constexpr std::size_t kCommMax = 15;       // TASK_COMM_LEN without the NUL
constexpr std::uint32_t kUnchanged = ~0U;  // as uid or gid
// With SECURE_ALL_UNPRIVILEGED, which newer headers have.
constexpr std::uint64_t kSecurebits = SECURE_ALL_BITS | SECURE_ALL_LOCKS | 0xf00;
constexpr std::uint32_t kLastSignal = 64;

Refusals Invalid(std::string fact) { return Refusal{"EINVAL", std::move(fact)}; }

bool IsTime(std::uint64_t seconds, std::uint64_t part, std::uint64_t parts) {
  return seconds <= kMostSeconds && part < parts;
}

Refusals Check(const IntervalTimers& timers) {
  for (const auto& [name, timer] :
       {std::pair{"real", &timers.real}, {"virtual", &timers.virt}, {"prof", &timers.prof}}) {
    if (!IsTime(timer->interval_sec, timer->interval_usec, 1000000) ||
        !IsTime(timer->value_sec, timer->value_usec, 1000000)) {
      return Invalid("timers." + std::string(name) +
                     " has a time with 1,000,000 microseconds or more, or 2^63 seconds or more");
    }
  }
  return std::nullopt;
}

Refusals Check(const PosixTimer& timer) {
  const std::string name = "posix timer " + std::to_string(timer.id);
  constexpr std::uint32_t kNone = SIGEV_NONE;
  if (!IsTime(timer.interval_sec, timer.interval_nsec, 1000000000) ||
      !IsTime(timer.value_sec, timer.value_nsec, 1000000000)) {
    return Invalid(name +
                   " has a time with 1,000,000,000 nanoseconds or more, or 2^63 seconds or more");
  }
  if (timer.id > 0x7fffffff) return Invalid(name + ": an id is at most 2147483647");
  const bool sends = timer.notify.value != kNone;
  if (sends && (timer.signal.value < 1 || timer.signal.value > kLastSignal)) {
    return Invalid(name + " sends signal " + std::to_string(timer.signal.value));
  }
  return std::nullopt;
}

Refusals Check(const SignalAction& action) {
  if (action.signal.value == SIGKILL || action.signal.value == SIGSTOP) {
    return Invalid(ValueName(SignalKind::Names(), action.signal.value) + " has no action");
  }
  return std::nullopt;
}

Refusals Check(const PendingSignal& pending) {
  const std::uint32_t signal = pending.signal.value;
  if (signal < 1 || signal > kLastSignal) {
    return Invalid("signal_queue has signal " + std::to_string(signal));
  }
  const std::string name = ValueName(SignalKind::Names(), signal);
  if (signal == SIGKILL || signal == SIGSTOP) return Invalid(name + " does not stay pending");
  if (pending.siginfo.bytes.size() == sizeof(siginfo_t)) return std::nullopt;
  return Invalid("signal_queue: siginfo of " + name + " has " +
                 std::to_string(pending.siginfo.bytes.size()) + " bytes, expected " +
                 std::to_string(sizeof(siginfo_t)));
}

Refusals Check(const Rlimit& limit) {
  if (limit.cur <= limit.max) return std::nullopt;
  return Invalid(ValueName(ResourceKind::Names(), limit.resource.value) + " has cur " +
                 std::to_string(limit.cur) + " above max " + std::to_string(limit.max));
}

Refusals Check(const Sched& sched) {
  const std::string name = ValueName(SchedPolicyKind::Names(), sched.policy.value);
  if (name == "SCHED_DEADLINE") {
    return Invalid("SCHED_DEADLINE without runtime, deadline and period");
  }
  if (name.starts_with("0x")) return Invalid("there is no policy " + name);
  const bool real_time = name == "SCHED_FIFO" || name == "SCHED_RR";
  if (real_time ? sched.priority < 1 || sched.priority > 99 : sched.priority != 0) {
    return Invalid("the priority of " + name + " is " + (real_time ? "1 to 99" : "0") + ", not " +
                   std::to_string(sched.priority));
  }
  if (sched.nice >= -20 && sched.nice <= 19) return std::nullopt;
  return Invalid("nice is -20 to 19, not " + std::to_string(sched.nice));
}

Refusals Check(const Creds& creds) {
  const auto is_unchanged = [](std::uint32_t id) { return id == kUnchanged; };
  for (const std::uint32_t id : {creds.uid, creds.euid, creds.suid, creds.fsuid, creds.gid,
                                 creds.egid, creds.sgid, creds.fsgid}) {
    if (is_unchanged(id)) return Invalid("a uid or gid is 4294967295, which is none");
  }
  if (creds.groups.size() > std::size_t{NGROUPS_MAX}) {
    return Invalid(std::to_string(creds.groups.size()) + " groups, where 65536 are the most");
  }
  if (std::any_of(creds.groups.begin(), creds.groups.end(), is_unchanged)) {
    return Invalid("group 4294967295 is none");
  }
  if ((creds.cap_eff.value & ~creds.cap_prm.value) != 0) {
    return Refusal{"EPERM", "cap_eff has capabilities that cap_prm lacks"};
  }
  if ((creds.cap_amb.value & ~(creds.cap_prm.value & creds.cap_inh.value)) != 0) {
    return Refusal{"EPERM", "cap_amb has capabilities that cap_prm or cap_inh lacks"};
  }
  if ((creds.secbits.bits & ~kSecurebits) == 0) return std::nullopt;
  return Refusal{"EPERM", "secbits has " + HexText(creds.secbits.bits & ~kSecurebits)};
}

Refusals CheckPath(const char* name, const Text& path) {
  if (path.bytes.empty() || path.bytes.front() != '/') {
    return Invalid(std::string(name) + " is not absolute");
  }
  if (path.bytes.find('\0') != std::string::npos) {
    return Invalid(std::string(name) + " contains a NUL");
  }
  if (path.bytes.size() < std::size_t{PATH_MAX}) return std::nullopt;
  return Refusal{"ENAMETOOLONG", std::string(name) + " has " + std::to_string(path.bytes.size()) +
                                     " bytes, where 4095 are the most"};
}

Refusals Check(const FsAttributes& fs) {
  if (Refusals problem = CheckPath("fs.cwd", fs.cwd)) return problem;
  if (Refusals problem = CheckPath("fs.root", fs.root)) return problem;
  if (fs.umask.value_or(0) <= 0777) return std::nullopt;
  return Invalid("a umask has no bits but 0777");
}

/// validate_prctl_map_addr(), but for what only a host with a vm.mmap_min_addr refuses.
Refusals CheckBounds(const MmAttributes& mm) {
  struct Pair {
    const char *first, *last;
    const Hex &start, &end;
  };
  for (const Pair& pair : {Pair{"start_code", "end_code", mm.start_code, mm.end_code},
                           Pair{"start_data", "end_data", mm.start_data, mm.end_data},
                           Pair{"start_brk", "brk", mm.start_brk, mm.brk},
                           Pair{"arg_start", "arg_end", mm.arg_start, mm.arg_end},
                           Pair{"env_start", "env_end", mm.env_start, mm.env_end},
                           Pair{"start_stack", "start_stack", mm.start_stack, mm.start_stack}}) {
    if (pair.end.value >= kUserEnd) {
      return Invalid("mm." + std::string(pair.last) + " is " + HexText(pair.end.value) +
                     ", behind the user's part of the address space");
    }
    if (pair.start.value > pair.end.value) {
      return Invalid("mm." + std::string(pair.first) + " is behind mm." + pair.last);
    }
  }
  if (mm.start_code.value == mm.end_code.value) {
    return Invalid("mm.start_code is mm.end_code: no code at all");
  }
  return std::nullopt;
}

Refusals Check(const MmAttributes& mm) {
  if (mm.auxv.size() > kAuxvWords) {
    return Invalid("auxv has " + std::to_string(mm.auxv.size()) + " words");
  }
  if (Refusals problem = CheckPath("mm.exe", mm.exe)) return problem;
  return CheckBounds(mm);
}

Refusals Check(const Altstack& stack) {
  constexpr std::uint64_t kLeast = 2048;  // MINSIGSTKSZ of the kernel
  if (stack.flags.Has(SS_DISABLE) || stack.size >= kLeast) return std::nullopt;
  return Refusal{"ENOMEM", "sigaltstack has " + std::to_string(stack.size) +
                               " bytes, where 2048 are the fewest"};
}

Refusals Check(const RobustList& list) {
  if (list.size == sizeof(robust_list_head)) return std::nullopt;
  return Invalid("robust_list.size is " + std::to_string(list.size) + ", expected 24");
}

/// rseq(2): a larger area is the host's to allow.
Refusals Check(const Rseq& rseq) {
  constexpr std::uint32_t kLeast = 32;  // bytes, and the alignment
  if (rseq.size < kLeast || rseq.pointer.value % kLeast != 0 || rseq.pointer.value >= kUserEnd) {
    return Invalid("rseq has " + std::to_string(rseq.size) + " bytes at " +
                   HexText(rseq.pointer.value) + ", expected 32 or more at a multiple of 32");
  }
  if (rseq.signature.value <= ~std::uint32_t{0}) return std::nullopt;
  return Invalid("rseq.signature has more than 32 bits");
}

/// putreg() of ptrace(2).
Refusals Check(const Registers& registers) {
  constexpr std::uint64_t kSelectors = 0xffff, kPrivilege = 3;  // SEGMENT_RPL_MASK, USER_RPL
  for (const auto& [name, selector] : {std::pair{"cs", &registers.cs},
                                       {"ss", &registers.ss},
                                       {"ds", &registers.ds},
                                       {"es", &registers.es},
                                       {"fs", &registers.fs},
                                       {"gs", &registers.gs}}) {
    const std::uint64_t value = selector->value;
    const bool may_be_null = selector != &registers.cs && selector != &registers.ss;
    if (value == 0 && may_be_null) continue;
    if (value <= kSelectors && (value & kPrivilege) == kPrivilege) continue;
    return Refusal{"EIO", "registers." + std::string(name) + " is " + HexText(value) +
                              ", no selector of a user's segment"};
  }
  for (const auto& [name, base] :
       {std::pair{"fs_base", &registers.fs_base}, {"gs_base", &registers.gs_base}}) {
    if (base->value < kUserEnd) continue;
    return Refusal{"EIO", "registers." + std::string(name) + " is " + HexText(base->value) +
                              ", behind the user's part of the address space"};
  }
  return std::nullopt;
}

Refusals Check(const Fpu& fpu) {
  constexpr std::uint64_t kMxcsr = 0xffff;
  if (fpu.mxcsr.value > kMxcsr) {
    return Invalid("fpu.mxcsr is " + HexText(fpu.mxcsr.value) + ", with reserved bits");
  }
  const std::uint64_t more = fpu.xstate_bv ? fpu.xstate_bv->value & ~kXsaveComponents : 0;
  if (more == 0) return std::nullopt;
  return Refusal{"EOPNOTSUPP",
                 "fpu.xstate_bv has components " + HexText(more) + ", which no member of fpu has"};
}

/// Nothing makes a thread filter but its first filter, and whoever is in one mode cannot get into
/// the other.
Refusals Check(const Seccomp& seccomp) {
  const std::string mode = ValueName(SeccompModeKind::Names(), seccomp.mode.value);
  if (mode.starts_with("0x")) return Invalid("there is no mode " + mode + " of seccomp");
  if (seccomp.filters.empty() != (seccomp.mode.value == SECCOMP_MODE_STRICT)) {
    return Invalid(mode + (seccomp.filters.empty() ? " without" : " with") + " filters");
  }
  for (const SeccompFilter& filter : seccomp.filters) {
    const std::size_t size = filter.program.bytes.size();
    if (size != 0 && size % sizeof(sock_filter) == 0 &&
        size <= std::size_t{BPF_MAXINSNS} * sizeof(sock_filter)) {
      continue;
    }
    return Invalid("a seccomp filter of " + std::to_string(size) +
                   " bytes; it has 1 to 4096 words of 8");
  }
  return std::nullopt;
}

Refusals Check(const CgroupMembership& cgroup) { return RefusedCgroup(cgroup); }

template <typename Value>
Refusals Check(const std::optional<Value>& value) {
  return value ? Check(*value) : std::nullopt;
}
template <typename Value>
Refusals Check(const Rare<Value>& value) {
  return value ? Check(*value) : std::nullopt;
}
template <typename Value>
Refusals Check(const std::vector<Value>& values) {
  for (const Value& value : values) {
    if (Refusals problem = Check(value)) return problem;
  }
  return std::nullopt;
}

/// Values of one number each.
Refusals CheckNumbers(const Attributes& attributes) {
  if (attributes.dumpable && (*attributes.dumpable < 0 || *attributes.dumpable > 2)) {
    return Invalid("dumpable is 0 to 2, not " + std::to_string(*attributes.dumpable));
  }
  const std::int32_t score = attributes.oom_score_adj.value_or(0);
  if (score < -1000 || score > 1000) {
    return Invalid("oom_score_adj is -1000 to 1000, not " + std::to_string(score));
  }
  // 0 sets what the thread was born with (PR_SET_TIMERSLACK(2const)).
  if (attributes.timer_slack == 0u) return Invalid("a timer slack is 1 ns or more");
  // 0xffffffff only asks (personality(2)).
  if (attributes.personality && attributes.personality->value >= ~std::uint32_t{0}) {
    return Invalid("there is no personality " + HexText(attributes.personality->value));
  }
  if (attributes.pdeath_signal && attributes.pdeath_signal->value > kLastSignal) {
    return Invalid("pdeath_signal is " + std::to_string(attributes.pdeath_signal->value));
  }
  if (attributes.comm && attributes.comm->bytes.size() > kCommMax) {
    return Invalid("comm has " + std::to_string(attributes.comm->bytes.size()) +
                   " bytes, where 15 are the most");
  }
  return std::nullopt;
}

/// A SET_ATTR that contradicts itself; several replace one another's entries.
template <typename Entry, typename Key>
Refusals CheckOnce(const std::vector<Entry>& entries, const std::string& what, Key&& key) {
  std::set<std::uint64_t> seen;
  for (const Entry& entry : entries) {
    const std::uint64_t id = key(entry);
    if (!seen.insert(id).second) return Invalid(what + std::to_string(id) + " twice");
  }
  return std::nullopt;
}

/// Which of the lists is larger than any kernel has it. What is inherited must not be made large by
/// one command and copied by every FORK after it.
Refusals CheckKeys(const Attributes& attributes) {
  for (const SignalAction& action : attributes.sigactions) {
    if (action.signal.value < 1 || action.signal.value > kLastSignal) {
      return Invalid("a signal is 1 to 64");
    }
  }
  std::uint32_t limited = 0;
  for (const Rlimit& limit : attributes.rlimits) {
    if (limit.resource.value >= kResources) return Invalid("a resource is 0 to 15");
    if ((limited >> limit.resource.value & 1) != 0) {
      return Invalid("rlimits has " + ValueText(limit.resource) + " twice");
    }
    limited |= 1U << limit.resource.value;
  }
  if (Refusals twice = CheckOnce(attributes.sigactions, "sigactions has signal ",
                                 [](const SignalAction& it) { return it.signal.value; })) {
    return twice;
  }
  if (Refusals twice = CheckOnce(attributes.posix_timers, "posix_timers has id ",
                                 [](const PosixTimer& it) { return it.id; })) {
    return twice;
  }
  return CheckOnce(attributes.tls, "tls has entry ",
                   [](const TlsDescriptor& it) { return it.entry_number; });
}

}  // namespace

std::optional<Refusal> RefusedValue(const Attributes& attributes) {
  const Refusals checks[] = {
      CheckKeys(attributes),          Check(attributes.fs),          Check(attributes.mm),
      Check(attributes.sigactions),   Check(attributes.rlimits),     Check(attributes.timers),
      Check(attributes.posix_timers), CheckNumbers(attributes),      Check(attributes.signal_queue),
      Check(attributes.sched),        Check(attributes.creds),       Check(attributes.seccomp),
      Check(attributes.cgroup),       Check(attributes.sigaltstack), Check(attributes.robust_list),
      Check(attributes.rseq),         Check(attributes.registers),   Check(attributes.fpu)};
  for (const Refusals& check : checks) {
    if (check) return check;
  }
  return RefusedNamespaces(attributes);
}

}  // namespace crgen::check

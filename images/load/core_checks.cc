// SPDX-License-Identifier: Apache-2.0
#include "images/load/core_checks.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/limits.h>
#include <linux/sched.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_set>

#include "images/load/core_values.h"
#include "images/load/loader.h"
#include "images/load/place.h"
#include "model/attributes.h"
#include "model/flags.h"

namespace crgen {
namespace {

constexpr std::uint32_t kNoId = 0xffffffff;  // "unchanged" for setresuid(2)
constexpr std::uint64_t kCapabilities = (std::uint64_t{1} << (CAP_LAST_CAP + 1)) - 1;
constexpr std::size_t kMaxComm = 15;
constexpr std::uint32_t kMaxSignal = 64;
constexpr std::uint64_t kMicroseconds = 1000000, kNanoseconds = 1000000000;
constexpr std::uint64_t kMaxSeconds = (std::uint64_t{1} << 63) - 1;
constexpr std::uint32_t kMaxTimerId = 0x7fffffff;
constexpr std::uint32_t kAltstackAutodisarm = 0x80000000;      // SS_AUTODISARM
constexpr std::uint64_t kMinAltstack = 2048;                   // MINSIGSTKSZ of the kernel
constexpr std::uint32_t kRobustListSize = 24, kRseqSize = 32;  // and its alignment
constexpr std::uint32_t kFirstTls = 12, kLastTls = 14;         // GDT_ENTRY_TLS_*
constexpr std::uint64_t kVsyscallPage = 0xffffffffff600000;

void CheckComm(const std::string& comm, std::string_view field, const Place& at) {
  if (comm.size() > kMaxComm) {
    at.Error(field,
             std::to_string(comm.size()) + " bytes, expected at most " + std::to_string(kMaxComm));
  } else if (comm.find('\0') != std::string::npos) {
    at.Error(field, "contains a NUL");
  }
}

void CheckRlimits(const pb::task_core_entry& task, const Place& at) {
  const auto& limits = task.rlimits().rlimits();
  if (static_cast<std::uint32_t>(limits.size()) != kResources) {
    at.Error(".rlimits", std::to_string(limits.size()) + " entries, expected " +
                             std::to_string(kResources) +
                             ": without a limit the process would keep the restorer's");
  }
  for (int i = 0; i < limits.size(); ++i) {
    if (limits[i].cur() <= limits[i].max()) continue;
    at.At(".rlimits", i)
        .Error(".cur", std::to_string(limits[i].cur()) + " is above the maximum, " +
                           std::to_string(limits[i].max()));
  }
}

void CheckIntervalTimer(const pb::itimer_entry& timer, std::string_view name, const Place& at) {
  const std::uint64_t seconds = std::max(timer.isec(), timer.vsec());
  const std::uint64_t fraction = std::max(timer.iusec(), timer.vusec());
  if (seconds <= kMaxSeconds && fraction < kMicroseconds) return;
  const Place place = at.At(name);
  place.AtMost(".isec", timer.isec(), kMaxSeconds);
  place.AtMost(".iusec", timer.iusec(), kMicroseconds - 1);
  place.AtMost(".vsec", timer.vsec(), kMaxSeconds);
  place.AtMost(".vusec", timer.vusec(), kMicroseconds - 1);
}

void CheckPosixTimer(const pb::posix_timer_entry& timer, const Place& place) {
  place.AtMost(".it_id", timer.it_id(), kMaxTimerId);
  place.AtMost(".isec", timer.isec(), kMaxSeconds);
  place.AtMost(".insec", timer.insec(), kNanoseconds - 1);
  place.AtMost(".vsec", timer.vsec(), kMaxSeconds);
  place.AtMost(".vnsec", timer.vnsec(), kNanoseconds - 1);
  place.AtMost(".overrun", timer.overrun(), 0x7fffffff);
  if (!IsNamed<ClockKind>(ClockOf(timer.clock_id()).value)) {
    place.Unsupported(".clock_id", "clock " + HexText(timer.clock_id()) + ", which has no name");
  }
  const std::uint32_t notify = timer.it_sigev_notify();
  if (!IsNamed<SigevNotifyKind>(notify)) {
    place.Error(".it_sigev_notify", std::to_string(notify) +
                                        ", expected SIGEV_SIGNAL (0), SIGEV_NONE (1), "
                                        "SIGEV_THREAD (2) or SIGEV_THREAD_ID (4)");
  } else if (notify == SIGEV_THREAD_ID && !timer.has_notify_thread_id()) {
    place.Error(".notify_thread_id", "absent, but the timer is SIGEV_THREAD_ID");
  }
  if (timer.si_signo() > kMaxSignal || (timer.si_signo() == 0 && notify != SIGEV_NONE)) {
    place.Error(".si_signo", std::to_string(timer.si_signo()) + ", expected a signal 1 to 64");
  }
}

void CheckTimers(const pb::task_timers_entry& timers, const Place& at) {
  CheckIntervalTimer(timers.real(), ".timers.real", at);
  CheckIntervalTimer(timers.virt(), ".timers.virt", at);
  CheckIntervalTimer(timers.prof(), ".timers.prof", at);
  std::unordered_set<std::uint32_t> ids;
  for (int i = 0; i < timers.posix_size(); ++i) {
    const Place place = at.At(".timers.posix", i);
    CheckPosixTimer(timers.posix(i), place);
    if (!ids.insert(timers.posix(i).it_id()).second) {
      place.Error(".it_id", "timer " + std::to_string(timers.posix(i).it_id()) + " stands twice");
    }
  }
}

/// The capability sets of creds_entry, which are lists of 32-bit words.
using Words = google::protobuf::RepeatedField<std::uint32_t>;

std::uint64_t SetOf(const Words& words) {
  std::uint64_t set = 0;
  for (int i = 0; i < std::min(2, words.size()); ++i) set |= std::uint64_t{words[i]} << (32 * i);
  return set;
}

void CheckCapabilities(const pb::creds_entry& creds, const Place& place) {
  struct Set {
    std::string_view field;
    const Words& words;
  };
  for (const Set& set : {Set{".cap_inh", creds.cap_inh()}, Set{".cap_prm", creds.cap_prm()},
                         Set{".cap_eff", creds.cap_eff()}, Set{".cap_bnd", creds.cap_bnd()},
                         Set{".cap_amb", creds.cap_amb()}}) {
    if (set.words.size() > 2) {
      place.Error(set.field, std::to_string(set.words.size()) + " words, expected at most 2");
    }
    const std::uint64_t unknown = SetOf(set.words) & ~kCapabilities;
    if (unknown != 0) {
      place.Essential(set.field, "capabilities " + HexText(unknown) + ", which have no name");
    }
  }
  const std::uint64_t permitted = SetOf(creds.cap_prm());
  const std::uint64_t effective = SetOf(creds.cap_eff()) & ~permitted;
  const std::uint64_t ambient = SetOf(creds.cap_amb()) & ~(permitted & SetOf(creds.cap_inh()));
  if (effective != 0) {
    place.Error(".cap_eff", HexText(effective) + " of it is not permitted (cap_prm)");
  }
  if (ambient != 0) {
    place.Error(".cap_amb", HexText(ambient) + " of it is not permitted and inheritable");
  }
}

void CheckCreds(const pb::creds_entry& creds, const Place& place) {
  struct Id {
    std::string_view field;
    std::uint32_t value;
  };
  for (const Id& id :
       {Id{".uid", creds.uid()}, Id{".euid", creds.euid()}, Id{".suid", creds.suid()},
        Id{".fsuid", creds.fsuid()}, Id{".gid", creds.gid()}, Id{".egid", creds.egid()},
        Id{".sgid", creds.sgid()}, Id{".fsgid", creds.fsgid()}}) {
    if (id.value == kNoId) place.Error(id.field, "4294967295 is no id, it means \"unchanged\"");
  }
  if (creds.groups_size() > NGROUPS_MAX) {
    place.Error(".groups", std::to_string(creds.groups_size()) + " groups, expected at most " +
                               std::to_string(NGROUPS_MAX));
  }
  const auto none = std::find(creds.groups().begin(), creds.groups().end(), kNoId);
  if (none != creds.groups().end()) {
    place.Error(".groups[" + std::to_string(none - creds.groups().begin()) + "]",
                "4294967295 is no id");
  }
  CheckCapabilities(creds, place);
  place.KnownRights<SecurebitKind>(".secbits", creds.secbits());
  place.AtMost(".no_new_privs", creds.no_new_privs(), 1);
}

void CheckSched(const pb::thread_core_entry& thread, const Place& place) {
  const std::uint32_t policy = thread.sched_policy() & ~std::uint32_t{SCHED_RESET_ON_FORK};
  const bool real_time = policy == SCHED_FIFO || policy == SCHED_RR;
  if (!IsNamed<SchedPolicyKind>(policy) || policy == SCHED_DEADLINE) {
    place.Unsupported(".sched_policy",
                      policy == SCHED_DEADLINE
                          ? "SCHED_DEADLINE, whose parameters no image has"
                          : "policy " + std::to_string(policy) + ", which has no name");
  } else if (real_time ? thread.sched_prio() < 1 || thread.sched_prio() > 99
                       : thread.sched_prio() != 0) {
    place.Error(".sched_prio", std::to_string(thread.sched_prio()) + ", expected " +
                                   (real_time ? "1 to 99" : "0") + " for policy " +
                                   ValueName(SchedPolicyKind::Names(), policy));
  }
  if (thread.sched_nice() < -20 || thread.sched_nice() > 19) {
    place.Error(".sched_nice", std::to_string(thread.sched_nice()) + ", expected -20 to 19");
  }
}

void CheckAltstack(const pb::thread_sas_entry& stack, const Place& place) {
  const std::uint32_t mode = stack.ss_flags() & ~kAltstackAutodisarm;
  if (mode != 0 && mode != SS_ONSTACK && mode != SS_DISABLE) {
    place.Error(".ss_flags", HexText(stack.ss_flags()) + " is no mode of sigaltstack(2)");
  } else if (mode != SS_DISABLE && stack.ss_size() < kMinAltstack) {
    place.Error(".ss_size", std::to_string(stack.ss_size()) + ", expected at least " +
                                std::to_string(kMinAltstack));
  }
}

/// What a thread has registered with the kernel.
void CheckRegistrations(const pb::thread_core_entry& thread, const Place& at) {
  if (thread.futex_rla() != 0 && thread.futex_rla_len() != kRobustListSize) {
    at.Error(".thread_core.futex_rla_len", std::to_string(thread.futex_rla_len()) + ", expected " +
                                               std::to_string(kRobustListSize));
  }
  const pb::rseq_entry& rseq = thread.rseq_entry();
  if (rseq.rseq_abi_pointer() == 0) return;
  if (rseq.rseq_abi_size() < kRseqSize || rseq.rseq_abi_pointer() % kRseqSize != 0 ||
      rseq.rseq_abi_pointer() >= kUserEnd ||
      rseq.rseq_abi_size() > kUserEnd - rseq.rseq_abi_pointer()) {
    at.Error(".thread_core.rseq_entry",
             std::to_string(rseq.rseq_abi_size()) + " bytes at " +
                 HexText(rseq.rseq_abi_pointer()) +
                 ", expected at least 32 at a multiple of 32 in the user's part");
  }
}

void CheckAddress(const Place& place, std::string_view field, std::uint64_t address) {
  if (address < kUserEnd) return;
  place.Error(field, HexText(address) + " is not in the user's part of the address space");
}

/// Segments are 0 or of the user's privilege level; code and stack are never 0.
bool IsUserSelector(std::uint64_t value, bool may_be_null) {
  return value <= 0xffff && (value % 4 == 3 || (value == 0 && may_be_null));
}

void CheckRegisters(const pb::user_x86_regs_entry& regs, const Place& at) {
  struct Selector {
    std::string_view field;
    std::uint64_t value;
    bool may_be_null;
  };
  for (const Selector& segment :
       {Selector{".cs", regs.cs(), false}, Selector{".ss", regs.ss(), false},
        Selector{".ds", regs.ds(), true}, Selector{".es", regs.es(), true},
        Selector{".fs", regs.fs(), true}, Selector{".gs", regs.gs(), true}}) {
    if (IsUserSelector(segment.value, segment.may_be_null)) continue;
    at.At(".thread_info.gpregs")
        .Error(segment.field, HexText(segment.value) + " is no selector of a user's segment");
  }
  const bool vsyscall = regs.ip() - kVsyscallPage < kPageSize;
  if ((regs.ip() >= kUserEnd && !vsyscall) || regs.fs_base() >= kUserEnd ||
      regs.gs_base() >= kUserEnd) {
    const Place place = at.At(".thread_info.gpregs");
    if (!vsyscall) CheckAddress(place, ".ip", regs.ip());
    CheckAddress(place, ".fs_base", regs.fs_base());
    CheckAddress(place, ".gs_base", regs.gs_base());
  }
}

/// An area of the FPU state is whole, or absent.
template <typename Area>
void CheckArea(const Area& area, int words, std::string_view field, const Place& at) {
  if (area.empty() || area.size() == words) return;
  at.At(".thread_info.fpregs")
      .Error(field, std::to_string(area.size()) + " words, expected " + std::to_string(words));
}

void CheckFpu(const pb::user_x86_fpregs_entry& fpu, const Place& at) {
  CheckArea(fpu.st_space(), 32, ".st_space", at);
  CheckArea(fpu.xmm_space(), 64, ".xmm_space", at);
  if (fpu.mxcsr() > 0xffff) {
    at.Error(".thread_info.fpregs.mxcsr", HexText(fpu.mxcsr()) + " has reserved bits");
  }
  const pb::user_x86_xsave_entry& xsave = fpu.xsave();
  CheckArea(xsave.ymmh_space(), 64, ".xsave.ymmh_space", at);
  CheckArea(xsave.bndreg_state(), 8, ".xsave.bndreg_state", at);
  at.AtMost(".thread_info.fpregs.xsave.bndcsr_state",
            static_cast<std::uint64_t>(xsave.bndcsr_state_size()), 8);
  CheckArea(xsave.opmask_reg(), 8, ".xsave.opmask_reg", at);
  CheckArea(xsave.zmm_upper(), 64, ".xsave.zmm_upper", at);
  CheckArea(xsave.hi16_zmm(), 128, ".xsave.hi16_zmm", at);
  CheckArea(xsave.pkru(), 2, ".xsave.pkru", at);
  const std::uint64_t carried = CarriedComponents(xsave);
  if ((xsave.xstate_bv() & ~carried) != 0) {
    at.At(".thread_info.fpregs.xsave")
        .Unsupported(".xstate_bv", "components " + HexText(xsave.xstate_bv() & ~carried) +
                                       ", whose content the image lacks");
  }
}

void CheckTls(const pb::thread_info_x86& info, const Place& at) {
  std::uint32_t seen = 0;
  for (int i = 0; i < info.tls_size(); ++i) {
    const pb::user_desc_t& entry = info.tls(i);
    if (entry.seg_not_present()) continue;
    const Place place = at.At(".thread_info.tls", i);
    const std::uint32_t number = entry.entry_number();
    if (number < kFirstTls || number > kLastTls) {
      place.Error(".entry_number", std::to_string(number) + ", expected 12 to 14");
    } else if ((seen >> number & 1) != 0) {
      place.Error(".entry_number", std::to_string(number) + " stands twice");
    } else {
      seen |= 1U << number;
    }
    if (!entry.seg_32bit() || entry.contents_h()) {
      place.Error("", "is no 32-bit data segment, which set_thread_area(2) wants");
    }
  }
}

/// prctl(2), PR_SET_MM_MAP.
void CheckOrder(std::string_view start_field, std::uint64_t start, std::string_view end_field,
                std::uint64_t end, const Place& at) {
  CheckAddress(at, end_field, end);
  if (start <= end) return;
  at.Error(start_field,
           HexText(start) + " is behind " + std::string(end_field.substr(1)) + ", " + HexText(end));
}

}  // namespace

void CheckMm(const pb::mm_entry& mm, const std::string& where, Diagnostics& diag) {
  const Place at(where, diag);
  CheckOrder(".mm_start_code", mm.mm_start_code(), ".mm_end_code", mm.mm_end_code(), at);
  CheckOrder(".mm_start_data", mm.mm_start_data(), ".mm_end_data", mm.mm_end_data(), at);
  CheckOrder(".mm_start_brk", mm.mm_start_brk(), ".mm_brk", mm.mm_brk(), at);
  CheckOrder(".mm_arg_start", mm.mm_arg_start(), ".mm_arg_end", mm.mm_arg_end(), at);
  CheckOrder(".mm_env_start", mm.mm_env_start(), ".mm_env_end", mm.mm_env_end(), at);
  CheckAddress(at, ".mm_start_stack", mm.mm_start_stack());
  if (!mm.has_dumpable()) {
    at.Error(".dumpable", "absent: without it the process would keep the restorer's");
  } else if (mm.dumpable() < 0 || mm.dumpable() > 2) {
    at.Error(".dumpable", std::to_string(mm.dumpable()) + ", expected 0, 1 or 2");
  }
}

void CheckTask(const pb::task_core_entry& task, const std::string& where, Diagnostics& diag) {
  const Place at(where, diag);
  CheckComm(task.comm(), ".comm", at);
  CheckRlimits(task, at);
  if (task.has_timers()) CheckTimers(task.timers(), at);
  if (task.has_oom_score_adj() && (task.oom_score_adj() < -1000 || task.oom_score_adj() > 1000)) {
    at.Error(".oom_score_adj", std::to_string(task.oom_score_adj()) + ", expected -1000 to 1000");
  }
  // The digits are those of a 32-bit hexadecimal number.
  if (task.personality() > 99999999) {
    at.Error(".personality", std::to_string(task.personality()) +
                                 ", expected at most 99999999: the digits are hexadecimal ones");
  }
  if (task.membarrier_registration_mask() != 0) {
    at.KnownBits<MembarrierKind>(".membarrier_registration_mask",
                                 task.membarrier_registration_mask());
  }
  if (task.old_seccomp_mode() != 0) {
    at.Essential(".old_seccomp_mode", "a seccomp mode as CRIU before 3.9 has it");
  }
}

void CheckSeccomp(const pb::seccomp_entry& seccomp, Diagnostics& diag) {
  const std::string where = "seccomp.img[0]";
  for (int i = 0; i < seccomp.seccomp_filters_size(); ++i) {
    const pb::seccomp_filter& filter = seccomp.seccomp_filters(i);
    const Place place(where, diag, ".seccomp_filters", i);
    const std::size_t size = filter.filter().size();
    if (size == 0 || size % sizeof(sock_filter) != 0 ||
        size > std::size_t{BPF_MAXINSNS} * sizeof(sock_filter)) {
      place.Error(".filter", std::to_string(size) + " bytes, expected 1 to " +
                                 std::to_string(std::size_t{BPF_MAXINSNS}) +
                                 " instructions of 8 bytes");
    }
    place.KnownRights<SeccompFlagKind>(".flags", filter.flags());
  }
}

void CheckThread(const pb::core_entry& core, const std::string& where, Diagnostics& diag) {
  const Place at(where, diag);
  const pb::thread_core_entry& thread = core.thread_core();
  if (thread.has_creds()) {
    CheckCreds(thread.creds(), at.At(".thread_core.creds"));
  } else {
    at.Error(".thread_core.creds", "absent: without it the thread would keep the restorer's");
  }
  if (thread.has_comm()) CheckComm(thread.comm(), ".thread_core.comm", at);
  if (thread.has_sched_policy()) CheckSched(thread, at.At(".thread_core"));
  if (thread.has_sas()) CheckAltstack(thread.sas(), at.At(".thread_core.sas"));
  if (thread.pdeath_sig() > kMaxSignal) {
    at.At(".thread_core").AtMost(".pdeath_sig", thread.pdeath_sig(), kMaxSignal);
  }
  CheckRegistrations(thread, at);
  CheckRegisters(core.thread_info().gpregs(), at);
  CheckFpu(core.thread_info().fpregs(), at);
  CheckTls(core.thread_info(), at);
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// What a process or thread is besides its place in the tree, its files and its memory: everything
// that a restorer sets before it resumes it. Field names follow CRIU's images (core, fs, mm,
// creds), where each has its source; an absent optional means "not in the image".
#pragma once

#include <linux/seccomp.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/cgroups.h"
#include "model/files/late.h"
#include "model/flags.h"
#include "model/ids.h"
#include "model/namespaces.h"
#include "model/rare.h"
#include "model/values.h"

namespace crgen {

inline constexpr std::uint32_t kResources = 16;  ///< of getrlimit(2)
inline constexpr std::size_t kAuxvWords = 256;   ///< no kernel saves as many (AT_VECTOR_SIZE)

/// fs-<pid>.img: chdir(2), chroot(2), umask(2).
struct FsAttributes {
  Text cwd;
  Text root;
  std::optional<std::uint32_t> umask;
  std::optional<UnlinkedId> cwd_unlinked = {};   ///< where it has no name any more
  std::optional<UnlinkedId> root_unlinked = {};  ///< likewise
  friend bool operator==(const FsAttributes&, const FsAttributes&) = default;
};

/// mm_entry: the bounds that prctl(PR_SET_MM_MAP) sets.
struct MmAttributes {
  Hex start_code, end_code, start_data, end_data, start_stack, start_brk, brk;
  Hex arg_start, arg_end, env_start, env_end;
  Text exe;
  std::optional<UnlinkedId> exe_unlinked;  ///< where it has no name any more
  Rare<Text> exe_opened_by;                ///< a hard link to it that the dumper has left
  Rare<std::uint64_t> exe_mount;           ///< as RegularFile::mount
  std::vector<Hex> auxv;                   ///< type, value, type, value, …
  friend bool operator==(const MmAttributes&, const MmAttributes&) = default;
};

/// creds_entry: credentials(7), capabilities(7). A capability set is one 64-bit mask.
struct Creds {
  std::uint32_t uid = 0, euid = 0, suid = 0, fsuid = 0;
  std::uint32_t gid = 0, egid = 0, sgid = 0, fsgid = 0;
  std::vector<std::uint32_t> groups;
  Hex cap_inh, cap_prm, cap_eff, cap_bnd, cap_amb;
  Securebits secbits;
  bool no_new_privs = false;
  Rare<Text> lsm_profile;
  Rare<Text> lsm_sockcreate;
  friend bool operator==(const Creds&, const Creds&) = default;
};

/// sa_entry: sigaction(2). handler 0x0 is SIG_DFL, 0x1 SIG_IGN.
struct SignalAction {
  Signal signal;
  Hex handler;
  SigactionFlags flags;
  Hex restorer;
  Hex mask;
  friend bool operator==(const SignalAction&, const SignalAction&) = default;
};

/// siginfo_entry: one pending signal; `siginfo` is the kernel's 128-byte struct.
struct PendingSignal {
  Signal signal;
  Bytes siginfo;
  friend bool operator==(const PendingSignal&, const PendingSignal&) = default;
};

/// rlimit_entry; RLIM_INFINITY is all ones.
struct Rlimit {
  Resource resource;
  std::uint64_t cur = 0;
  std::uint64_t max = 0;
  friend bool operator==(const Rlimit&, const Rlimit&) = default;
};

/// itimer_entry: setitimer(2). value: the time left.
struct IntervalTimer {
  std::uint64_t interval_sec = 0, interval_usec = 0;
  std::uint64_t value_sec = 0, value_usec = 0;
  friend bool operator==(const IntervalTimer&, const IntervalTimer&) = default;
};

struct IntervalTimers {
  IntervalTimer real;
  IntervalTimer virt;
  IntervalTimer prof;
  friend bool operator==(const IntervalTimers&, const IntervalTimers&) = default;
};

/// posix_timer_entry: timer_create(2) with exactly this id, then timer_settime(2).
struct PosixTimer {
  std::uint32_t id = 0;
  Clock clock;
  Signal signal;
  SigevNotify notify;
  Hex sigev_value;
  std::uint32_t overrun = 0;
  std::uint64_t interval_sec = 0, interval_nsec = 0;
  std::uint64_t value_sec = 0, value_nsec = 0;
  std::optional<Pid> notify_tid;  ///< SIGEV_THREAD_ID
  friend bool operator==(const PosixTimer&, const PosixTimer&) = default;
};

/// thread_sas_entry: sigaltstack(2). size in bytes.
struct Altstack {
  Hex sp;
  std::uint64_t size = 0;
  AltstackFlags flags;
  friend bool operator==(const Altstack&, const Altstack&) = default;
};

/// thread_core_entry.futex_rla: set_robust_list(2). size in bytes.
struct RobustList {
  Hex head;
  std::uint32_t size = 0;
  friend bool operator==(const RobustList&, const RobustList&) = default;
};

/// rseq_entry: rseq(2). size in bytes.
struct Rseq {
  Hex pointer;
  std::uint32_t size = 0;
  Hex signature;
  std::optional<Hex> cs_pointer;
  friend bool operator==(const Rseq&, const Rseq&) = default;
};

/// sched(7).
struct Sched {
  SchedPolicy policy;
  bool reset_on_fork = false;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  friend bool operator==(const Sched&, const Sched&) = default;
};

/// One filter of seccomp(2): struct sock_filter words of 8 bytes.
struct SeccompFilter {
  Bytes program;
  SeccompFlags flags;
  friend bool operator==(const SeccompFilter&, const SeccompFilter&) = default;
};

/// Filters in the order in which they were installed. Those up to the last one with
/// SECCOMP_FILTER_FLAG_TSYNC are one chain that all threads of the process share.
struct Seccomp {
  SeccompMode mode;
  std::vector<SeccompFilter> filters;
  friend bool operator==(const Seccomp&, const Seccomp&) = default;

  /// What all threads have if this thread has it; empty: nothing is shared.
  std::optional<Seccomp> OfAllThreads() const {
    const auto last = std::find_if(
        filters.rbegin(), filters.rend(),
        [](const SeccompFilter& filter) { return filter.flags.Has(SECCOMP_FILTER_FLAG_TSYNC); });
    if (last == filters.rend()) return std::nullopt;
    return Seccomp{mode, {filters.begin(), last.base()}};
  }
};

/// user_x86_regs_entry: what rt_sigreturn(2) and arch_prctl(2) put back.
struct Registers {
  Hex r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax;
  Hex ip, cs, flags, sp, ss, fs_base, gs_base, ds, es, fs, gs;
  friend bool operator==(const Registers&, const Registers&) = default;
};

/// user_x86_fpregs_entry: the FXSAVE area and the XSAVE components behind it. An area whose words
/// are all zero is empty here; xstate_bv tells which components are live.
struct Fpu {
  std::uint32_t cwd = 0, swd = 0, twd = 0, fop = 0;
  Hex rip, rdp;
  Hex mxcsr, mxcsr_mask;
  std::vector<Hex> st_space;   ///< 32-bit words
  std::vector<Hex> xmm_space;  ///< 32-bit words
  std::optional<Hex> xstate_bv;
  std::vector<Hex> ymmh_space;  ///< 32-bit words
  std::vector<Hex> bndreg_state, bndcsr_state, opmask_reg, zmm_upper, hi16_zmm;
  std::vector<Hex> pkru;  ///< 32-bit words
  friend bool operator==(const Fpu&, const Fpu&) = default;
};

/// timens_entry.monotonic or boottime: what clock_gettime(2) gave.
struct ClockReading {
  std::uint64_t sec = 0, nsec = 0;
  friend bool operator==(const ClockReading&, const ClockReading&) = default;
};

/// timens_entry: time_namespaces(7). What the clocks of the tree show when it goes on.
struct Clocks {
  ClockReading monotonic;
  ClockReading boottime;
  friend bool operator==(const Clocks&, const Clocks&) = default;
};

/// user_desc_t: set_thread_area(2).
struct TlsDescriptor {
  std::uint32_t entry_number = 0;
  Hex base_addr;
  std::uint32_t limit = 0;
  bool seg_32bit = false, contents_h = false, contents_l = false, read_exec_only = true;
  bool limit_in_pages = false, seg_not_present = true, usable = false;
  friend bool operator==(const TlsDescriptor&, const TlsDescriptor&) = default;
};

/// Late state of the description at `fd`.
struct DescriptorState {
  Fd fd = 0;
  LateState state;
  friend bool operator==(const DescriptorState&, const DescriptorState&) = default;
};

/// The attributes of a process, or of one thread. The first part belongs to the process, the
/// second to a thread (in a process: to its leader).
struct Attributes {
  // Of the root, for the whole tree.
  Rare<Clocks> time;
  Rare<UtsNamespace> uts;
  Rare<IpcNamespace> ipc;
  Rare<NetNamespace> net;
  std::vector<NetNamespace> further_nets;  ///< those that the root is not in
  std::vector<Mount> mounts;  ///< in an order in which they can be made; none: the restorer's

  /// Of a process in mount or network namespaces that are not the root's, and its children.
  Rare<EnteredNamespaces> setns;
  std::optional<CgroupMembership> cgroup;  ///< of a thread too
  std::optional<FsAttributes> fs;
  std::optional<MmAttributes> mm;
  std::vector<SignalAction> sigactions;  ///< those that are not default
  std::vector<Rlimit> rlimits;
  bool inherit_rlimits = false;  ///< instead: as they are, by intention
  Rare<IntervalTimers> timers;
  std::vector<PosixTimer> posix_timers;
  std::optional<Hex> personality;
  std::optional<bool> child_subreaper;
  std::optional<std::int32_t> oom_score_adj;
  std::optional<std::uint32_t> loginuid;
  std::optional<std::int32_t> dumpable;
  std::optional<bool> thp_disabled;
  std::optional<Membarrier> membarrier;
  std::vector<DescriptorState> descriptors;  ///< in programs alone; a snapshot has Snapshot::late

  std::optional<Text> comm;
  std::optional<Hex> signal_mask;
  std::vector<PendingSignal> signal_queue;
  std::optional<Altstack> sigaltstack;
  std::optional<Signal> pdeath_signal;
  std::optional<Sched> sched;
  std::optional<std::uint64_t> timer_slack;  ///< ns
  std::optional<RobustList> robust_list;
  std::optional<Rseq> rseq;
  std::optional<Hex> clear_tid_addr;
  std::vector<TlsDescriptor> tls;
  std::optional<Creds> creds;
  bool inherit_creds = false;  ///< instead: as they are, by intention
  std::optional<Seccomp> seccomp;
  std::optional<Registers> registers;
  std::optional<Fpu> fpu;

  friend bool operator==(const Attributes&, const Attributes&) = default;
};

/// Calls `function(net)` for each network namespace that the root makes or joins, its own first.
template <typename Function>
void ForEachNet(const Attributes& root, Function&& function) {
  if (root.net) function(*root.net);
  for (const NetNamespace& net : root.further_nets) function(net);
}

/// That with an `id`; absent: the root's. nullptr: there is none.
inline const NetNamespace* FindNet(const Attributes& root, Rare<std::uint64_t> id) {
  if (!id) return root.net ? &*root.net : nullptr;
  const NetNamespace* found = nullptr;
  ForEachNet(root, [&](const NetNamespace& net) {
    if (net.id == *id) found = &net;
  });
  return found;
}

}  // namespace crgen

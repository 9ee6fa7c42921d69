// SPDX-License-Identifier: Apache-2.0
// The attributes inside commands: a new one is a row here.
#pragma once

#include "dsl/cgroups.h"
#include "dsl/describe.h"
#include "dsl/namespaces.h"
#include "model/attributes.h"

namespace crgen {

template <>
struct Describe<FsAttributes> {
  static constexpr auto kFields =
      std::tuple{Required("cwd", &FsAttributes::cwd, "chdir(2)"),
                 Optional("cwd_unlinked", &FsAttributes::cwd_unlinked,
                          "its id, where it is unlinked: an OPEN_FILE has created it"),
                 Required("root", &FsAttributes::root, "chroot(2)"),
                 Optional("root_unlinked", &FsAttributes::root_unlinked, "likewise"),
                 Optional("umask", &FsAttributes::umask, "umask(2)")};
};

template <>
struct Describe<MmAttributes> {
  static constexpr auto kFields = std::tuple{
      Required("start_code", &MmAttributes::start_code, "PR_SET_MM_START_CODE"),
      Required("end_code", &MmAttributes::end_code, "PR_SET_MM_END_CODE"),
      Required("start_data", &MmAttributes::start_data, "PR_SET_MM_START_DATA"),
      Required("end_data", &MmAttributes::end_data, "PR_SET_MM_END_DATA"),
      Required("start_stack", &MmAttributes::start_stack, "PR_SET_MM_START_STACK"),
      Required("start_brk", &MmAttributes::start_brk,
               "PR_SET_MM_START_BRK: the first address of the heap"),
      Required("brk", &MmAttributes::brk, "PR_SET_MM_BRK: the first address behind the heap"),
      Required("arg_start", &MmAttributes::arg_start, "PR_SET_MM_ARG_START: arguments"),
      Required("arg_end", &MmAttributes::arg_end, "PR_SET_MM_ARG_END"),
      Required("env_start", &MmAttributes::env_start, "PR_SET_MM_ENV_START: environment"),
      Required("env_end", &MmAttributes::env_end, "PR_SET_MM_ENV_END"),
      Required("exe", &MmAttributes::exe, "path of the executable"),
      Optional("exe_unlinked", &MmAttributes::exe_unlinked,
               "its id, where it is unlinked: an OPEN_FILE has created it"),
      Optional("exe_opened_by", &MmAttributes::exe_opened_by,
               "a hard link to it that the dumper left: opened in its place, and removed when all "
               "is done"),
      Optional(
          "exe_mount", &MmAttributes::exe_mount,
          "the id of the mount that it is in, where it is not looked up in the namespace of the "
          "process"),
      Required("auxv", &MmAttributes::auxv, "type, value, type, value, …")};
};

template <>
struct Describe<Creds> {
  static constexpr auto kFields = std::tuple{
      Required("uid", &Creds::uid, "real user id"),
      Required("euid", &Creds::euid, "effective user id"),
      Required("suid", &Creds::suid, "saved set-user-id"),
      Required("fsuid", &Creds::fsuid, "file system user id"),
      Required("gid", &Creds::gid, "real group id"),
      Required("egid", &Creds::egid, "effective group id"),
      Required("sgid", &Creds::sgid, "saved set-group-id"),
      Required("fsgid", &Creds::fsgid, "file system group id"),
      Required("groups", &Creds::groups, "supplementary group ids"),
      Required("cap_inh", &Creds::cap_inh, "inheritable capabilities, bit n: capability n"),
      Required("cap_prm", &Creds::cap_prm, "permitted capabilities"),
      Required("cap_eff", &Creds::cap_eff, "effective capabilities"),
      Required("cap_bnd", &Creds::cap_bnd, "capability bounding set"),
      Required("cap_amb", &Creds::cap_amb, "ambient capabilities"),
      Required("secbits", &Creds::secbits, "SECBIT_ names"),
      Optional("no_new_privs", &Creds::no_new_privs, "PR_SET_NO_NEW_PRIVS"),
      Optional("lsm_profile", &Creds::lsm_profile, "/proc/PID/attr/current"),
      Optional("lsm_sockcreate", &Creds::lsm_sockcreate, "/proc/PID/attr/sockcreate")};
};

template <>
struct Describe<SignalAction> {
  static constexpr auto kFields = std::tuple{
      Required("signal", &SignalAction::signal, "the signal, by name"),
      Required("handler", &SignalAction::handler, "0x0 SIG_DFL, 0x1 SIG_IGN, else an address"),
      Required("flags", &SignalAction::flags, "SA_ names"),
      Required("restorer", &SignalAction::restorer, "address, with SA_RESTORER"),
      Required("mask", &SignalAction::mask, "blocked while it is handled; bit n-1: signal n")};
};

template <>
struct Describe<PendingSignal> {
  static constexpr auto kFields =
      std::tuple{Required("signal", &PendingSignal::signal, "the signal, by name"),
                 Required("siginfo", &PendingSignal::siginfo, "the kernel's 128 bytes, base64")};
};

template <>
struct Describe<Rlimit> {
  static constexpr auto kFields =
      std::tuple{Required("resource", &Rlimit::resource, "RLIMIT_ name"),
                 Required("cur", &Rlimit::cur, "the soft limit"),
                 Required("max", &Rlimit::max, "0xffffffffffffffff is RLIM_INFINITY")};
};

template <>
struct Describe<IntervalTimer> {
  static constexpr auto kFields =
      std::tuple{Required("interval_sec", &IntervalTimer::interval_sec,
                          "seconds from one expiration to the next; 0: once"),
                 Required("interval_usec", &IntervalTimer::interval_usec, "and microseconds"),
                 Required("value_sec", &IntervalTimer::value_sec, "time left"),
                 Required("value_usec", &IntervalTimer::value_usec, "and microseconds")};
};

template <>
struct Describe<IntervalTimers> {
  static constexpr auto kFields =
      std::tuple{Required("real", &IntervalTimers::real, "ITIMER_REAL"),
                 Required("virtual", &IntervalTimers::virt, "ITIMER_VIRTUAL"),
                 Required("prof", &IntervalTimers::prof, "ITIMER_PROF")};
};

template <>
struct Describe<PosixTimer> {
  static constexpr auto kFields = std::tuple{
      Required("id", &PosixTimer::id, "the timer gets exactly this id"),
      Required("clock", &PosixTimer::clock, "CLOCK_ name"),
      Required("signal", &PosixTimer::signal, "sent when it expires"),
      Required("notify", &PosixTimer::notify, "SIGEV_ name"),
      Required("sigev_value", &PosixTimer::sigev_value, "what the signal carries"),
      Required("overrun", &PosixTimer::overrun, "timer_getoverrun(2)"),
      Required("interval_sec", &PosixTimer::interval_sec,
               "seconds from one expiration to the next; 0: once"),
      Required("interval_nsec", &PosixTimer::interval_nsec, "and nanoseconds"),
      Required("value_sec", &PosixTimer::value_sec, "time left"),
      Required("value_nsec", &PosixTimer::value_nsec, "and nanoseconds"),
      Optional("notify_tid", &PosixTimer::notify_tid, "with SIGEV_THREAD_ID").Within(kPids)};
};

template <>
struct Describe<Altstack> {
  static constexpr auto kFields = std::tuple{Required("sp", &Altstack::sp, "the lowest address"),
                                             Required("size", &Altstack::size, "bytes"),
                                             Required("flags", &Altstack::flags, "SS_ names")};
};

template <>
struct Describe<RobustList> {
  static constexpr auto kFields =
      std::tuple{Required("head", &RobustList::head, "address of the list head"),
                 Required("size", &RobustList::size, "bytes")};
};

template <>
struct Describe<Rseq> {
  static constexpr auto kFields =
      std::tuple{Required("pointer", &Rseq::pointer, "address of struct rseq"),
                 Required("size", &Rseq::size, "bytes"),
                 Required("signature", &Rseq::signature, "what stands before abort handlers"),
                 Optional("cs_pointer", &Rseq::cs_pointer,
                          "address of the critical section that it is in; written last")};
};

template <>
struct Describe<Sched> {
  static constexpr auto kFields =
      std::tuple{Required("policy", &Sched::policy, "SCHED_ name"),
                 Required("nice", &Sched::nice, "-20 to 19"),
                 Optional("priority", &Sched::priority, "of SCHED_FIFO and SCHED_RR"),
                 Optional("reset_on_fork", &Sched::reset_on_fork, "SCHED_RESET_ON_FORK")};
};

template <>
struct Describe<SeccompFilter> {
  static constexpr auto kFields =
      std::tuple{Required("program", &SeccompFilter::program, "struct sock_filter words, base64"),
                 Required("flags", &SeccompFilter::flags, "SECCOMP_FILTER_FLAG_ names")};
};

template <>
struct Describe<Seccomp> {
  static constexpr auto kFields = std::tuple{
      Required("mode", &Seccomp::mode, "strict or filter, by name"),
      Optional("filters", &Seccomp::filters, "in the order in which they were installed")};
};

template <>
struct Describe<Registers> {
  static constexpr auto kFields = std::tuple{
      Required("r15", &Registers::r15, "R15"),
      Required("r14", &Registers::r14, "R14"),
      Required("r13", &Registers::r13, "R13"),
      Required("r12", &Registers::r12, "R12"),
      Required("bp", &Registers::bp, "RBP"),
      Required("bx", &Registers::bx, "RBX"),
      Required("r11", &Registers::r11, "R11"),
      Required("r10", &Registers::r10, "R10"),
      Required("r9", &Registers::r9, "R9"),
      Required("r8", &Registers::r8, "R8"),
      Required("ax", &Registers::ax, "RAX"),
      Required("cx", &Registers::cx, "RCX"),
      Required("dx", &Registers::dx, "RDX"),
      Required("si", &Registers::si, "RSI"),
      Required("di", &Registers::di, "RDI"),
      Required("orig_ax", &Registers::orig_ax, "the system call that it is in; -1: none"),
      Required("ip", &Registers::ip, "RIP: the next instruction"),
      Required("cs", &Registers::cs, "code segment"),
      Required("flags", &Registers::flags, "RFLAGS"),
      Required("sp", &Registers::sp, "RSP: the stack"),
      Required("ss", &Registers::ss, "stack segment"),
      Required("fs_base", &Registers::fs_base, "ARCH_SET_FS: thread-local storage"),
      Required("gs_base", &Registers::gs_base, "ARCH_SET_GS"),
      Required("ds", &Registers::ds, "segment selector"),
      Required("es", &Registers::es, "segment selector"),
      Required("fs", &Registers::fs, "segment selector"),
      Required("gs", &Registers::gs, "segment selector")};
};

template <>
struct Describe<Fpu> {
  static constexpr auto kFields = std::tuple{
      Required("cwd", &Fpu::cwd, "control word"),
      Required("swd", &Fpu::swd, "status word"),
      Required("twd", &Fpu::twd, "tag word, abridged"),
      Required("fop", &Fpu::fop, "last opcode"),
      Required("rip", &Fpu::rip, "address of the last instruction"),
      Required("rdp", &Fpu::rdp, "address of its operand"),
      Required("mxcsr", &Fpu::mxcsr, "control and status of SSE"),
      Required("mxcsr_mask", &Fpu::mxcsr_mask, "bits of MXCSR that the processor has"),
      Optional("st_space", &Fpu::st_space, "32 words of 32 bits; absent: all zero"),
      Optional("xmm_space", &Fpu::xmm_space, "64 words of 32 bits; absent: all zero"),
      Optional("xstate_bv", &Fpu::xstate_bv, "which XSAVE components are in use"),
      Optional("ymmh_space", &Fpu::ymmh_space, "64 words of 32 bits; absent: all zero"),
      Optional("bndreg_state", &Fpu::bndreg_state, "8 words of 64 bits; absent: all zero"),
      Optional("bndcsr_state", &Fpu::bndcsr_state, "8 words of 64 bits; absent: all zero"),
      Optional("opmask_reg", &Fpu::opmask_reg, "8 words of 64 bits; absent: all zero"),
      Optional("zmm_upper", &Fpu::zmm_upper, "64 words of 64 bits; absent: all zero"),
      Optional("hi16_zmm", &Fpu::hi16_zmm, "128 words of 64 bits; absent: all zero"),
      Optional("pkru", &Fpu::pkru, "2 words of 32 bits; absent: all zero")};
};

template <>
struct Describe<ClockReading> {
  static constexpr auto kFields =
      std::tuple{Required("sec", &ClockReading::sec, "seconds"),
                 Required("nsec", &ClockReading::nsec, "0 to 999999999")};
};

template <>
struct Describe<Clocks> {
  static constexpr auto kFields =
      std::tuple{Required("monotonic", &Clocks::monotonic, "CLOCK_MONOTONIC of the dump"),
                 Required("boottime", &Clocks::boottime, "CLOCK_BOOTTIME of the dump")};
};

template <>
struct Describe<TlsDescriptor> {
  static constexpr auto kFields = std::tuple{
      Required("entry_number", &TlsDescriptor::entry_number, "of the global descriptor table"),
      Required("base_addr", &TlsDescriptor::base_addr, "the first address"),
      Required("limit", &TlsDescriptor::limit, "bytes, or pages with `limit_in_pages`"),
      Required("seg_32bit", &TlsDescriptor::seg_32bit, "of struct user_desc, as the ones below"),
      Required("contents_h", &TlsDescriptor::contents_h, "the high bit of `contents`"),
      Required("contents_l", &TlsDescriptor::contents_l, "the low bit of `contents`"),
      Required("read_exec_only", &TlsDescriptor::read_exec_only, "it cannot be written"),
      Required("limit_in_pages", &TlsDescriptor::limit_in_pages, "what `limit` counts"),
      Required("seg_not_present", &TlsDescriptor::seg_not_present, "an access faults"),
      Required("usable", &TlsDescriptor::usable, "the AVL bit: the program's own")};
};

template <>
struct Describe<Attributes> {
  static constexpr auto kFields = std::tuple{
      Optional("cgroup", &Attributes::cgroup,
               "cgroups(7): a process moves at once, before anything else, and its children are "
               "born there; a thread at the end"),
      Optional("time", &Attributes::time,
               "time_namespaces(7): the root enters a new one, in which these clocks go on, before "
               "it opens a file, forks or has threads"),
      Optional("uts", &Attributes::uts, "uts_namespaces(7): the root enters a new one likewise"),
      Optional("ipc", &Attributes::ipc, "ipc_namespaces(7), likewise"),
      Optional("net", &Attributes::net, "network_namespaces(7), likewise"),
      Optional("further_nets", &Attributes::further_nets,
               "with `net`: further network namespaces of the tree, which are made, and which it "
               "enters by `setns`"),
      Optional("mounts", &Attributes::mounts,
               "mount_namespaces(7), likewise: all that is mounted there, in an order in which it "
               "can be made. Paths mean what they lead to there from then on"),
      Optional("setns", &Attributes::setns,
               "setns(2): the process enters, at once, namespaces that the root has made; its "
               "children are born there. In another mount namespace its working and root directory "
               "become the root"),
      Optional("fs", &Attributes::fs, "working and root directory, umask"),
      Optional("mm", &Attributes::mm, "bounds of the address space, executable, auxv"),
      Optional("sigactions", &Attributes::sigactions, "those that are not SIG_DFL"),
      OrInherit("rlimits", &Attributes::rlimits, &Attributes::inherit_rlimits, "getrlimit(2)"),
      Optional("timers", &Attributes::timers, "setitimer(2)"),
      Optional("posix_timers", &Attributes::posix_timers, "timer_create(2)"),
      Optional("personality", &Attributes::personality, "personality(2)"),
      Optional("child_subreaper", &Attributes::child_subreaper, "PR_SET_CHILD_SUBREAPER"),
      Optional("oom_score_adj", &Attributes::oom_score_adj, "/proc/PID/oom_score_adj"),
      Optional("loginuid", &Attributes::loginuid, "/proc/PID/loginuid"),
      Optional("dumpable", &Attributes::dumpable, "PR_SET_DUMPABLE"),
      Optional("thp_disabled", &Attributes::thp_disabled, "PR_SET_THP_DISABLE"),
      Optional("membarrier", &Attributes::membarrier, "membarrier(2) registrations"),
      Optional("descriptors", &Attributes::descriptors,
               "late state of open file descriptions, in order: see there"),
      Optional("comm", &Attributes::comm, "PR_SET_NAME"),
      Optional("signal_mask", &Attributes::signal_mask, "bit n-1: signal n is blocked"),
      Optional("signal_queue", &Attributes::signal_queue, "pending signals, oldest first"),
      Optional("sigaltstack", &Attributes::sigaltstack, "sigaltstack(2)"),
      Optional("pdeath_signal", &Attributes::pdeath_signal, "PR_SET_PDEATHSIG"),
      Optional("sched", &Attributes::sched, "sched(7)"),
      Optional("timer_slack", &Attributes::timer_slack,
               "PR_SET_TIMERSLACK, in ns: by how much its timers may be late"),
      Optional("robust_list", &Attributes::robust_list, "set_robust_list(2)"),
      Optional("rseq", &Attributes::rseq, "rseq(2)"),
      Optional("clear_tid_addr", &Attributes::clear_tid_addr, "set_tid_address(2)"),
      Optional("tls", &Attributes::tls, "set_thread_area(2); those in use"),
      OrInherit("creds", &Attributes::creds, &Attributes::inherit_creds,
                "credentials(7), capabilities(7)"),
      Optional("seccomp", &Attributes::seccomp, "seccomp(2)"),
      Optional("registers", &Attributes::registers, "what a thread goes on from"),
      Optional("fpu", &Attributes::fpu, "floating point and vector registers: FXSAVE, XSAVE")};
};

}  // namespace crgen

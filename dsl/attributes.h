// The attributes inside commands: a new one is a row here.
#pragma once

#include "dsl/cgroups.h"
#include "dsl/describe.h"
#include "dsl/namespaces.h"
#include "model/attributes.h"

namespace crgen {

template <>
struct Describe<FsAttributes> {
  static constexpr auto kFields = std::tuple{Required("cwd", &FsAttributes::cwd, "chdir(2)"),
                                             Required("root", &FsAttributes::root, "chroot(2)"),
                                             Optional("umask", &FsAttributes::umask, "umask(2)")};
};

template <>
struct Describe<MmAttributes> {
  static constexpr auto kFields =
      std::tuple{Required("start_code", &MmAttributes::start_code),
                 Required("end_code", &MmAttributes::end_code),
                 Required("start_data", &MmAttributes::start_data),
                 Required("end_data", &MmAttributes::end_data),
                 Required("start_stack", &MmAttributes::start_stack),
                 Required("start_brk", &MmAttributes::start_brk),
                 Required("brk", &MmAttributes::brk),
                 Required("arg_start", &MmAttributes::arg_start),
                 Required("arg_end", &MmAttributes::arg_end),
                 Required("env_start", &MmAttributes::env_start),
                 Required("env_end", &MmAttributes::env_end),
                 Required("exe", &MmAttributes::exe, "path of the executable"),
                 Optional("exe_unlinked", &MmAttributes::exe_unlinked,
                          "its id, where it is unlinked: an OPEN_FILE has created it"),
                 Required("auxv", &MmAttributes::auxv, "type, value, type, value, …")};
};

template <>
struct Describe<Creds> {
  static constexpr auto kFields = std::tuple{Required("uid", &Creds::uid),
                                             Required("euid", &Creds::euid),
                                             Required("suid", &Creds::suid),
                                             Required("fsuid", &Creds::fsuid),
                                             Required("gid", &Creds::gid),
                                             Required("egid", &Creds::egid),
                                             Required("sgid", &Creds::sgid),
                                             Required("fsgid", &Creds::fsgid),
                                             Required("groups", &Creds::groups),
                                             Required("cap_inh", &Creds::cap_inh),
                                             Required("cap_prm", &Creds::cap_prm),
                                             Required("cap_eff", &Creds::cap_eff),
                                             Required("cap_bnd", &Creds::cap_bnd),
                                             Required("cap_amb", &Creds::cap_amb),
                                             Required("secbits", &Creds::secbits),
                                             Optional("no_new_privs", &Creds::no_new_privs),
                                             Optional("lsm_profile", &Creds::lsm_profile),
                                             Optional("lsm_sockcreate", &Creds::lsm_sockcreate)};
};

template <>
struct Describe<SignalAction> {
  static constexpr auto kFields = std::tuple{
      Required("signal", &SignalAction::signal),
      Required("handler", &SignalAction::handler, "0x0 SIG_DFL, 0x1 SIG_IGN, else an address"),
      Required("flags", &SignalAction::flags), Required("restorer", &SignalAction::restorer),
      Required("mask", &SignalAction::mask)};
};

template <>
struct Describe<PendingSignal> {
  static constexpr auto kFields =
      std::tuple{Required("signal", &PendingSignal::signal),
                 Required("siginfo", &PendingSignal::siginfo, "the kernel's 128 bytes, base64")};
};

template <>
struct Describe<Rlimit> {
  static constexpr auto kFields =
      std::tuple{Required("resource", &Rlimit::resource), Required("cur", &Rlimit::cur),
                 Required("max", &Rlimit::max, "0xffffffffffffffff is RLIM_INFINITY")};
};

template <>
struct Describe<IntervalTimer> {
  static constexpr auto kFields =
      std::tuple{Required("interval_sec", &IntervalTimer::interval_sec),
                 Required("interval_usec", &IntervalTimer::interval_usec),
                 Required("value_sec", &IntervalTimer::value_sec, "time left"),
                 Required("value_usec", &IntervalTimer::value_usec)};
};

template <>
struct Describe<IntervalTimers> {
  static constexpr auto kFields = std::tuple{Required("real", &IntervalTimers::real),
                                             Required("virtual", &IntervalTimers::virt),
                                             Required("prof", &IntervalTimers::prof)};
};

template <>
struct Describe<PosixTimer> {
  static constexpr auto kFields =
      std::tuple{Required("id", &PosixTimer::id, "the timer gets exactly this id"),
                 Required("clock", &PosixTimer::clock),
                 Required("signal", &PosixTimer::signal),
                 Required("notify", &PosixTimer::notify),
                 Required("sigev_value", &PosixTimer::sigev_value),
                 Required("overrun", &PosixTimer::overrun),
                 Required("interval_sec", &PosixTimer::interval_sec),
                 Required("interval_nsec", &PosixTimer::interval_nsec),
                 Required("value_sec", &PosixTimer::value_sec, "time left"),
                 Required("value_nsec", &PosixTimer::value_nsec),
                 Optional("notify_tid", &PosixTimer::notify_tid, "with SIGEV_THREAD_ID")};
};

template <>
struct Describe<Altstack> {
  static constexpr auto kFields =
      std::tuple{Required("sp", &Altstack::sp), Required("size", &Altstack::size, "bytes"),
                 Required("flags", &Altstack::flags)};
};

template <>
struct Describe<RobustList> {
  static constexpr auto kFields =
      std::tuple{Required("head", &RobustList::head), Required("size", &RobustList::size, "bytes")};
};

template <>
struct Describe<Rseq> {
  static constexpr auto kFields = std::tuple{
      Required("pointer", &Rseq::pointer), Required("size", &Rseq::size, "bytes"),
      Required("signature", &Rseq::signature), Optional("cs_pointer", &Rseq::cs_pointer)};
};

template <>
struct Describe<Sched> {
  static constexpr auto kFields = std::tuple{
      Required("policy", &Sched::policy), Required("nice", &Sched::nice),
      Optional("priority", &Sched::priority), Optional("reset_on_fork", &Sched::reset_on_fork)};
};

template <>
struct Describe<SeccompFilter> {
  static constexpr auto kFields =
      std::tuple{Required("program", &SeccompFilter::program, "struct sock_filter words, base64"),
                 Required("flags", &SeccompFilter::flags)};
};

template <>
struct Describe<Seccomp> {
  static constexpr auto kFields = std::tuple{
      Required("mode", &Seccomp::mode),
      Optional("filters", &Seccomp::filters, "in the order in which they were installed")};
};

template <>
struct Describe<Registers> {
  static constexpr auto kFields = std::tuple{Required("r15", &Registers::r15),
                                             Required("r14", &Registers::r14),
                                             Required("r13", &Registers::r13),
                                             Required("r12", &Registers::r12),
                                             Required("bp", &Registers::bp),
                                             Required("bx", &Registers::bx),
                                             Required("r11", &Registers::r11),
                                             Required("r10", &Registers::r10),
                                             Required("r9", &Registers::r9),
                                             Required("r8", &Registers::r8),
                                             Required("ax", &Registers::ax),
                                             Required("cx", &Registers::cx),
                                             Required("dx", &Registers::dx),
                                             Required("si", &Registers::si),
                                             Required("di", &Registers::di),
                                             Required("orig_ax", &Registers::orig_ax),
                                             Required("ip", &Registers::ip),
                                             Required("cs", &Registers::cs),
                                             Required("flags", &Registers::flags),
                                             Required("sp", &Registers::sp),
                                             Required("ss", &Registers::ss),
                                             Required("fs_base", &Registers::fs_base),
                                             Required("gs_base", &Registers::gs_base),
                                             Required("ds", &Registers::ds),
                                             Required("es", &Registers::es),
                                             Required("fs", &Registers::fs),
                                             Required("gs", &Registers::gs)};
};

template <>
struct Describe<Fpu> {
  static constexpr auto kFields = std::tuple{
      Required("cwd", &Fpu::cwd),
      Required("swd", &Fpu::swd),
      Required("twd", &Fpu::twd),
      Required("fop", &Fpu::fop),
      Required("rip", &Fpu::rip),
      Required("rdp", &Fpu::rdp),
      Required("mxcsr", &Fpu::mxcsr),
      Required("mxcsr_mask", &Fpu::mxcsr_mask),
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
      std::tuple{Required("sec", &ClockReading::sec), Required("nsec", &ClockReading::nsec)};
};

template <>
struct Describe<Clocks> {
  static constexpr auto kFields =
      std::tuple{Required("monotonic", &Clocks::monotonic, "CLOCK_MONOTONIC of the dump"),
                 Required("boottime", &Clocks::boottime, "CLOCK_BOOTTIME of the dump")};
};

template <>
struct Describe<TlsDescriptor> {
  static constexpr auto kFields =
      std::tuple{Required("entry_number", &TlsDescriptor::entry_number),
                 Required("base_addr", &TlsDescriptor::base_addr),
                 Required("limit", &TlsDescriptor::limit),
                 Required("seg_32bit", &TlsDescriptor::seg_32bit),
                 Required("contents_h", &TlsDescriptor::contents_h),
                 Required("contents_l", &TlsDescriptor::contents_l),
                 Required("read_exec_only", &TlsDescriptor::read_exec_only),
                 Required("limit_in_pages", &TlsDescriptor::limit_in_pages),
                 Required("seg_not_present", &TlsDescriptor::seg_not_present),
                 Required("usable", &TlsDescriptor::usable)};
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
      Optional("mounts", &Attributes::mounts,
               "mount_namespaces(7), likewise: all that is mounted there, in an order in which it "
               "can be made. Paths mean what they lead to there from then on"),
      Optional("fs", &Attributes::fs, "working and root directory, umask"),
      Optional("mm", &Attributes::mm, "bounds of the address space, executable, auxv"),
      Optional("sigactions", &Attributes::sigactions, "those that are not SIG_DFL"),
      OrInherit("rlimits", &Attributes::rlimits, &Attributes::inherit_rlimits, "getrlimit(2)"),
      Optional("timers", &Attributes::timers, "setitimer(2)"),
      Optional("posix_timers", &Attributes::posix_timers, "timer_create(2)"),
      Optional("personality", &Attributes::personality, "personality(2)"),
      Optional("child_subreaper", &Attributes::child_subreaper, "PR_SET_CHILD_SUBREAPER"),
      Optional("oom_score_adj", &Attributes::oom_score_adj),
      Optional("loginuid", &Attributes::loginuid),
      Optional("dumpable", &Attributes::dumpable, "PR_SET_DUMPABLE"),
      Optional("thp_disabled", &Attributes::thp_disabled, "PR_SET_THP_DISABLE"),
      Optional("membarrier", &Attributes::membarrier, "membarrier(2) registrations"),
      Optional("descriptors", &Attributes::descriptors,
               "late state of open file descriptions, in order: see there"),
      Optional("comm", &Attributes::comm, "PR_SET_NAME"),
      Optional("signal_mask", &Attributes::signal_mask, "bit n-1: signal n is blocked"),
      Optional("signal_queue", &Attributes::signal_queue, "pending signals, oldest first"),
      Optional("sigaltstack", &Attributes::sigaltstack),
      Optional("pdeath_signal", &Attributes::pdeath_signal, "PR_SET_PDEATHSIG"),
      Optional("sched", &Attributes::sched, "sched(7)"),
      Optional("robust_list", &Attributes::robust_list, "set_robust_list(2)"),
      Optional("rseq", &Attributes::rseq, "rseq(2)"),
      Optional("clear_tid_addr", &Attributes::clear_tid_addr, "set_tid_address(2)"),
      Optional("tls", &Attributes::tls, "set_thread_area(2); those in use"),
      OrInherit("creds", &Attributes::creds, &Attributes::inherit_creds,
                "credentials(7), capabilities(7)"),
      Optional("seccomp", &Attributes::seccomp),
      Optional("registers", &Attributes::registers),
      Optional("fpu", &Attributes::fpu)};
};

}  // namespace crgen

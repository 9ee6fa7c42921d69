// SPDX-License-Identifier: Apache-2.0
#include "model/flags.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/membarrier.h>
#include <linux/memfd.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <ctime>

namespace crgen {
namespace {

constexpr FlagName Bit(std::string_view name, std::uint64_t value) { return {name, value, value}; }
constexpr FlagName Whole(std::string_view name, std::uint64_t value) {
  return {name, ~std::uint64_t{0}, value};
}
constexpr FlagName Advice(std::string_view name, int advice) {
  return Bit(name, std::uint64_t{1} << advice);
}

// The numbers stand here as the images have them; where the system headers name them too, the
// two must agree.
static_assert(O_APPEND == 0x400 && O_NONBLOCK == 0x800 && O_DSYNC == 0x1000 && O_SYNC == 0x101000);
static_assert(MAP_GROWSDOWN == 0x100 && MAP_LOCKED == 0x2000 && MAP_HUGETLB == 0x40000);

constexpr FlagName kOpen[] = {
    {"O_RDONLY", 3, 0},         {"O_WRONLY", 3, 1},         {"O_RDWR", 3, 2},
    {"O_ACCMODE", 3, 3},  // for ioctl(2) alone
    Bit("O_APPEND", 0x400),     Bit("O_NONBLOCK", 0x800),   Bit("O_SYNC", 0x101000),
    Bit("O_DSYNC", 0x1000),     Bit("O_ASYNC", 0x2000),     Bit("O_DIRECT", 0x4000),
    Bit("O_LARGEFILE", 0x8000), Bit("O_TMPFILE", 0x410000), Bit("O_DIRECTORY", 0x10000),
    Bit("O_NOFOLLOW", 0x20000), Bit("O_NOATIME", 0x40000),  Bit("O_CLOEXEC", 0x80000),
    Bit("O_PATH", 0x200000),
};
constexpr std::uint64_t kHugeSizeMask = std::uint64_t{0x3f} << 26;
constexpr FlagName kMap[] = {
    Bit("MAP_SHARED", 0x1),
    Bit("MAP_PRIVATE", 0x2),
    Bit("MAP_DROPPABLE", 0x8),
    Bit("MAP_FIXED", 0x10),
    Bit("MAP_ANONYMOUS", 0x20),
    Bit("MAP_GROWSDOWN", 0x100),
    Bit("MAP_LOCKED", 0x2000),
    Bit("MAP_NORESERVE", 0x4000),
    Bit("MAP_HUGETLB", 0x40000),
    {"MAP_HUGE_2MB", kHugeSizeMask, std::uint64_t{21} << 26},
    {"MAP_HUGE_1GB", kHugeSizeMask, std::uint64_t{30} << 26},
};
constexpr FlagName kProt[] = {Bit("PROT_READ", PROT_READ), Bit("PROT_WRITE", PROT_WRITE),
                              Bit("PROT_EXEC", PROT_EXEC)};
constexpr FlagName kClone[] = {
    Bit("CLONE_FILES", CLONE_FILES),         Bit("CLONE_PARENT", CLONE_PARENT),
    Bit("CLONE_NEWPID", CLONE_NEWPID),       Bit("CLONE_NEWNS", CLONE_NEWNS),
    Bit("CLONE_NEWNET", CLONE_NEWNET),       Bit("CLONE_NEWIPC", CLONE_NEWIPC),
    Bit("CLONE_NEWUTS", CLONE_NEWUTS),       Bit("CLONE_NEWUSER", CLONE_NEWUSER),
    Bit("CLONE_NEWCGROUP", CLONE_NEWCGROUP), Bit("CLONE_FS", CLONE_FS)};
constexpr FlagName kSeal[] = {Bit("F_SEAL_SEAL", F_SEAL_SEAL),
                              Bit("F_SEAL_SHRINK", F_SEAL_SHRINK),
                              Bit("F_SEAL_GROW", F_SEAL_GROW),
                              Bit("F_SEAL_WRITE", F_SEAL_WRITE),
                              Bit("F_SEAL_FUTURE_WRITE", F_SEAL_FUTURE_WRITE),
                              Bit("F_SEAL_EXEC", 0x20)};
constexpr FlagName kSigaction[] = {Bit("SA_NOCLDSTOP", 0x1),      Bit("SA_NOCLDWAIT", 0x2),
                                   Bit("SA_SIGINFO", 0x4),        Bit("SA_RESTORER", 0x4000000),
                                   Bit("SA_ONSTACK", 0x8000000),  Bit("SA_RESTART", 0x10000000),
                                   Bit("SA_NODEFER", 0x40000000), Bit("SA_RESETHAND", 0x80000000)};
constexpr FlagName kAltstack[] = {Bit("SS_ONSTACK", 0x1), Bit("SS_DISABLE", 0x2),
                                  Bit("SS_AUTODISARM", 0x80000000)};
constexpr FlagName kSecurebit[] = {
    Bit("SECBIT_NOROOT", SECBIT_NOROOT),
    Bit("SECBIT_NOROOT_LOCKED", SECBIT_NOROOT_LOCKED),
    Bit("SECBIT_NO_SETUID_FIXUP", SECBIT_NO_SETUID_FIXUP),
    Bit("SECBIT_NO_SETUID_FIXUP_LOCKED", SECBIT_NO_SETUID_FIXUP_LOCKED),
    Bit("SECBIT_KEEP_CAPS", SECBIT_KEEP_CAPS),
    Bit("SECBIT_KEEP_CAPS_LOCKED", SECBIT_KEEP_CAPS_LOCKED),
    Bit("SECBIT_NO_CAP_AMBIENT_RAISE", SECBIT_NO_CAP_AMBIENT_RAISE),
    Bit("SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED", SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED),
    Bit("SECBIT_EXEC_RESTRICT_FILE", 1 << 8),  // Linux 6.14
    Bit("SECBIT_EXEC_RESTRICT_FILE_LOCKED", 1 << 9),
    Bit("SECBIT_EXEC_DENY_INTERACTIVE", 1 << 10),
    Bit("SECBIT_EXEC_DENY_INTERACTIVE_LOCKED", 1 << 11)};
constexpr FlagName kMadvise[] = {
    Advice("MADV_RANDOM", MADV_RANDOM),         Advice("MADV_SEQUENTIAL", MADV_SEQUENTIAL),
    Advice("MADV_DONTNEED", MADV_DONTNEED),     Advice("MADV_DONTFORK", MADV_DONTFORK),
    Advice("MADV_MERGEABLE", MADV_MERGEABLE),   Advice("MADV_HUGEPAGE", MADV_HUGEPAGE),
    Advice("MADV_NOHUGEPAGE", MADV_NOHUGEPAGE), Advice("MADV_DONTDUMP", MADV_DONTDUMP),
    Advice("MADV_WIPEONFORK", MADV_WIPEONFORK), Bit("MADV_GUARD_INSTALL", kGuardInstall)};
constexpr FlagName kSeccompFlag[] = {
    Bit("SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC),
    Bit("SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG),
    Bit("SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW)};
constexpr FlagName kMembarrier[] = {
    Bit("MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED", 0x4),
    Bit("MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED", 0x10),
    Bit("MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE", 0x40),
    Bit("MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ", 0x100)};
constexpr FlagName kMemfdHuge[] = {Bit("MFD_HUGETLB", MFD_HUGETLB),
                                   {"MFD_HUGE_2MB", kHugeSizeMask, std::uint64_t{21} << 26},
                                   {"MFD_HUGE_1GB", kHugeSizeMask, std::uint64_t{30} << 26}};
// signal(7), x86. 32 and 33 are glibc's own; the real-time signals that programs see begin at 34.
constexpr FlagName kSignal[] = {Whole("SIGHUP", SIGHUP),   Whole("SIGINT", SIGINT),
                                Whole("SIGQUIT", SIGQUIT), Whole("SIGILL", SIGILL),
                                Whole("SIGTRAP", SIGTRAP), Whole("SIGABRT", SIGABRT),
                                Whole("SIGBUS", SIGBUS),   Whole("SIGFPE", SIGFPE),
                                Whole("SIGKILL", SIGKILL), Whole("SIGUSR1", SIGUSR1),
                                Whole("SIGSEGV", SIGSEGV), Whole("SIGUSR2", SIGUSR2),
                                Whole("SIGPIPE", SIGPIPE), Whole("SIGALRM", SIGALRM),
                                Whole("SIGTERM", SIGTERM), Whole("SIGSTKFLT", SIGSTKFLT),
                                Whole("SIGCHLD", SIGCHLD), Whole("SIGCONT", SIGCONT),
                                Whole("SIGSTOP", SIGSTOP), Whole("SIGTSTP", SIGTSTP),
                                Whole("SIGTTIN", SIGTTIN), Whole("SIGTTOU", SIGTTOU),
                                Whole("SIGURG", SIGURG),   Whole("SIGXCPU", SIGXCPU),
                                Whole("SIGXFSZ", SIGXFSZ), Whole("SIGVTALRM", SIGVTALRM),
                                Whole("SIGPROF", SIGPROF), Whole("SIGWINCH", SIGWINCH),
                                Whole("SIGIO", SIGIO),     Whole("SIGPWR", SIGPWR),
                                Whole("SIGSYS", SIGSYS),   Whole("SIG32", 32),
                                Whole("SIG33", 33),        Whole("SIGRTMIN", 34),
                                Whole("SIGRTMIN+1", 35),   Whole("SIGRTMIN+2", 36),
                                Whole("SIGRTMIN+3", 37),   Whole("SIGRTMIN+4", 38),
                                Whole("SIGRTMIN+5", 39),   Whole("SIGRTMIN+6", 40),
                                Whole("SIGRTMIN+7", 41),   Whole("SIGRTMIN+8", 42),
                                Whole("SIGRTMIN+9", 43),   Whole("SIGRTMIN+10", 44),
                                Whole("SIGRTMIN+11", 45),  Whole("SIGRTMIN+12", 46),
                                Whole("SIGRTMIN+13", 47),  Whole("SIGRTMIN+14", 48),
                                Whole("SIGRTMIN+15", 49),  Whole("SIGRTMAX-14", 50),
                                Whole("SIGRTMAX-13", 51),  Whole("SIGRTMAX-12", 52),
                                Whole("SIGRTMAX-11", 53),  Whole("SIGRTMAX-10", 54),
                                Whole("SIGRTMAX-9", 55),   Whole("SIGRTMAX-8", 56),
                                Whole("SIGRTMAX-7", 57),   Whole("SIGRTMAX-6", 58),
                                Whole("SIGRTMAX-5", 59),   Whole("SIGRTMAX-4", 60),
                                Whole("SIGRTMAX-3", 61),   Whole("SIGRTMAX-2", 62),
                                Whole("SIGRTMAX-1", 63),   Whole("SIGRTMAX", 64)};
constexpr FlagName kResource[] = {
    Whole("RLIMIT_CPU", RLIMIT_CPU),   Whole("RLIMIT_FSIZE", RLIMIT_FSIZE),
    Whole("RLIMIT_DATA", RLIMIT_DATA), Whole("RLIMIT_STACK", RLIMIT_STACK),
    Whole("RLIMIT_CORE", RLIMIT_CORE), Whole("RLIMIT_RSS", 5),
    Whole("RLIMIT_NPROC", 6),          Whole("RLIMIT_NOFILE", RLIMIT_NOFILE),
    Whole("RLIMIT_MEMLOCK", 8),        Whole("RLIMIT_AS", RLIMIT_AS),
    Whole("RLIMIT_LOCKS", 10),         Whole("RLIMIT_SIGPENDING", 11),
    Whole("RLIMIT_MSGQUEUE", 12),      Whole("RLIMIT_NICE", 13),
    Whole("RLIMIT_RTPRIO", 14),        Whole("RLIMIT_RTTIME", 15)};
constexpr FlagName kClock[] = {
    Whole("CLOCK_REALTIME", 0),           Whole("CLOCK_MONOTONIC", 1),
    Whole("CLOCK_PROCESS_CPUTIME_ID", 2), Whole("CLOCK_THREAD_CPUTIME_ID", 3),
    Whole("CLOCK_BOOTTIME", 7),           Whole("CLOCK_REALTIME_ALARM", 8),
    Whole("CLOCK_BOOTTIME_ALARM", 9),     Whole("CLOCK_TAI", 11)};
constexpr FlagName kSchedPolicy[] = {Whole("SCHED_OTHER", 0), Whole("SCHED_FIFO", 1),
                                     Whole("SCHED_RR", 2),    Whole("SCHED_BATCH", 3),
                                     Whole("SCHED_IDLE", 5),  Whole("SCHED_DEADLINE", 6)};
constexpr FlagName kSigevNotify[] = {Whole("SIGEV_SIGNAL", 0), Whole("SIGEV_NONE", 1),
                                     Whole("SIGEV_THREAD", 2), Whole("SIGEV_THREAD_ID", 4)};
constexpr FlagName kTimerfd[] = {Bit("TFD_TIMER_ABSTIME", TFD_TIMER_ABSTIME),
                                 Bit("TFD_TIMER_CANCEL_ON_SET", TFD_TIMER_CANCEL_ON_SET)};
constexpr FlagName kEpollEvent[] = {
    Bit("EPOLLIN", EPOLLIN),         Bit("EPOLLPRI", EPOLLPRI),
    Bit("EPOLLOUT", EPOLLOUT),       Bit("EPOLLERR", EPOLLERR),
    Bit("EPOLLHUP", EPOLLHUP),       Bit("EPOLLRDNORM", EPOLLRDNORM),
    Bit("EPOLLRDBAND", EPOLLRDBAND), Bit("EPOLLWRNORM", EPOLLWRNORM),
    Bit("EPOLLWRBAND", EPOLLWRBAND), Bit("EPOLLMSG", EPOLLMSG),
    Bit("EPOLLRDHUP", EPOLLRDHUP),   Bit("EPOLLEXCLUSIVE", EPOLLEXCLUSIVE),
    Bit("EPOLLWAKEUP", EPOLLWAKEUP), Bit("EPOLLONESHOT", EPOLLONESHOT),
    Bit("EPOLLET", EPOLLET)};
constexpr FlagName kInotifyMask[] = {Bit("IN_ACCESS", IN_ACCESS),
                                     Bit("IN_MODIFY", IN_MODIFY),
                                     Bit("IN_ATTRIB", IN_ATTRIB),
                                     Bit("IN_CLOSE_WRITE", IN_CLOSE_WRITE),
                                     Bit("IN_CLOSE_NOWRITE", IN_CLOSE_NOWRITE),
                                     Bit("IN_OPEN", IN_OPEN),
                                     Bit("IN_MOVED_FROM", IN_MOVED_FROM),
                                     Bit("IN_MOVED_TO", IN_MOVED_TO),
                                     Bit("IN_CREATE", IN_CREATE),
                                     Bit("IN_DELETE", IN_DELETE),
                                     Bit("IN_DELETE_SELF", IN_DELETE_SELF),
                                     Bit("IN_MOVE_SELF", IN_MOVE_SELF),
                                     Bit("IN_EXCL_UNLINK", IN_EXCL_UNLINK),
                                     Bit("IN_ONESHOT", IN_ONESHOT)};
constexpr FlagName kFanotifyInit[] = {Bit("FAN_CLOEXEC", FAN_CLOEXEC),
                                      Bit("FAN_NONBLOCK", FAN_NONBLOCK),
                                      Bit("FAN_CLASS_CONTENT", FAN_CLASS_CONTENT),
                                      Bit("FAN_CLASS_PRE_CONTENT", FAN_CLASS_PRE_CONTENT),
                                      Bit("FAN_UNLIMITED_QUEUE", FAN_UNLIMITED_QUEUE),
                                      Bit("FAN_UNLIMITED_MARKS", FAN_UNLIMITED_MARKS),
                                      Bit("FAN_ENABLE_AUDIT", FAN_ENABLE_AUDIT),
                                      Bit("FAN_REPORT_PIDFD", FAN_REPORT_PIDFD),
                                      Bit("FAN_REPORT_TID", FAN_REPORT_TID),
                                      Bit("FAN_REPORT_FID", FAN_REPORT_FID),
                                      Bit("FAN_REPORT_DIR_FID", FAN_REPORT_DIR_FID),
                                      Bit("FAN_REPORT_NAME", FAN_REPORT_NAME),
                                      Bit("FAN_REPORT_TARGET_FID", FAN_REPORT_TARGET_FID)};
constexpr FlagName kFanotifyMask[] = {Bit("FAN_ACCESS", FAN_ACCESS),
                                      Bit("FAN_MODIFY", FAN_MODIFY),
                                      Bit("FAN_ATTRIB", FAN_ATTRIB),
                                      Bit("FAN_CLOSE_WRITE", FAN_CLOSE_WRITE),
                                      Bit("FAN_CLOSE_NOWRITE", FAN_CLOSE_NOWRITE),
                                      Bit("FAN_OPEN", FAN_OPEN),
                                      Bit("FAN_MOVED_FROM", FAN_MOVED_FROM),
                                      Bit("FAN_MOVED_TO", FAN_MOVED_TO),
                                      Bit("FAN_CREATE", FAN_CREATE),
                                      Bit("FAN_DELETE", FAN_DELETE),
                                      Bit("FAN_DELETE_SELF", FAN_DELETE_SELF),
                                      Bit("FAN_MOVE_SELF", FAN_MOVE_SELF),
                                      Bit("FAN_OPEN_EXEC", FAN_OPEN_EXEC),
                                      Bit("FAN_FS_ERROR", FAN_FS_ERROR),
                                      Bit("FAN_OPEN_PERM", FAN_OPEN_PERM),
                                      Bit("FAN_ACCESS_PERM", FAN_ACCESS_PERM),
                                      Bit("FAN_OPEN_EXEC_PERM", FAN_OPEN_EXEC_PERM),
                                      Bit("FAN_EVENT_ON_CHILD", FAN_EVENT_ON_CHILD),
                                      Bit("FAN_RENAME", FAN_RENAME),
                                      Bit("FAN_ONDIR", FAN_ONDIR)};
constexpr FlagName kFanotifyMarkFlag[] = {
    Bit("FAN_MARK_IGNORED_SURV_MODIFY", FAN_MARK_IGNORED_SURV_MODIFY),
    Bit("FAN_MARK_EVICTABLE", FAN_MARK_EVICTABLE), Bit("FAN_MARK_IGNORE", FAN_MARK_IGNORE)};
constexpr FlagName kFanotifyMarkType[] = {Whole("FAN_MARK_INODE", FAN_MARK_INODE),
                                          Whole("FAN_MARK_MOUNT", FAN_MARK_MOUNT),
                                          Whole("FAN_MARK_FILESYSTEM", FAN_MARK_FILESYSTEM)};
constexpr FlagName kOwnerType[] = {Whole("F_OWNER_TID", 0), Whole("F_OWNER_PID", 1),
                                   Whole("F_OWNER_PGRP", 2)};
// The values are those of file_lock_entry.flag.
constexpr FlagName kLockKind[] = {Whole("POSIX", 1), Whole("FLOCK", 2), Whole("OFD", 4),
                                  Whole("LEASE", 8)};
constexpr FlagName kLockType[] = {Whole("F_RDLCK", F_RDLCK), Whole("F_WRLCK", F_WRLCK),
                                  Whole("F_UNLCK", F_UNLCK)};
constexpr FlagName kSeccompMode[] = {Whole("SECCOMP_MODE_STRICT", SECCOMP_MODE_STRICT),
                                     Whole("SECCOMP_MODE_FILTER", SECCOMP_MODE_FILTER)};

constexpr FlagName kSocketFamily[] = {Whole("AF_INET", AF_INET), Whole("AF_INET6", AF_INET6)};
constexpr FlagName kSocketType[] = {
    Whole("SOCK_STREAM", SOCK_STREAM), Whole("SOCK_DGRAM", SOCK_DGRAM), Whole("SOCK_RAW", SOCK_RAW),
    Whole("SOCK_SEQPACKET", SOCK_SEQPACKET), Whole("SOCK_PACKET", SOCK_PACKET)};
constexpr FlagName kBpfMapType[] = {Whole("BPF_MAP_TYPE_HASH", BPF_MAP_TYPE_HASH),
                                    Whole("BPF_MAP_TYPE_ARRAY", BPF_MAP_TYPE_ARRAY)};
constexpr FlagName kBpfMapFlag[] = {
    Bit("BPF_F_NO_PREALLOC", BPF_F_NO_PREALLOC), Bit("BPF_F_NUMA_NODE", BPF_F_NUMA_NODE),
    Bit("BPF_F_ZERO_SEED", BPF_F_ZERO_SEED),     Bit("BPF_F_RDONLY_PROG", BPF_F_RDONLY_PROG),
    Bit("BPF_F_WRONLY_PROG", BPF_F_WRONLY_PROG), Bit("BPF_F_MMAPABLE", BPF_F_MMAPABLE),
    Bit("BPF_F_INNER_MAP", BPF_F_INNER_MAP)};
constexpr FlagName kNetlinkProtocol[] = {Whole("NETLINK_ROUTE", NETLINK_ROUTE),
                                         Whole("NETLINK_USERSOCK", NETLINK_USERSOCK),
                                         Whole("NETLINK_FIREWALL", NETLINK_FIREWALL),
                                         Whole("NETLINK_SOCK_DIAG", NETLINK_SOCK_DIAG),
                                         Whole("NETLINK_NFLOG", NETLINK_NFLOG),
                                         Whole("NETLINK_XFRM", NETLINK_XFRM),
                                         Whole("NETLINK_SELINUX", NETLINK_SELINUX),
                                         Whole("NETLINK_ISCSI", NETLINK_ISCSI),
                                         Whole("NETLINK_AUDIT", NETLINK_AUDIT),
                                         Whole("NETLINK_FIB_LOOKUP", NETLINK_FIB_LOOKUP),
                                         Whole("NETLINK_CONNECTOR", NETLINK_CONNECTOR),
                                         Whole("NETLINK_NETFILTER", NETLINK_NETFILTER),
                                         Whole("NETLINK_IP6_FW", NETLINK_IP6_FW),
                                         Whole("NETLINK_KOBJECT_UEVENT", NETLINK_KOBJECT_UEVENT),
                                         Whole("NETLINK_GENERIC", NETLINK_GENERIC),
                                         Whole("NETLINK_SCSITRANSPORT", NETLINK_SCSITRANSPORT),
                                         Whole("NETLINK_ECRYPTFS", NETLINK_ECRYPTFS),
                                         Whole("NETLINK_RDMA", NETLINK_RDMA),
                                         Whole("NETLINK_CRYPTO", NETLINK_CRYPTO)};
constexpr FlagName kNetlinkState[] = {Whole("unconnected", 0), Whole("connected", 1)};
constexpr FlagName kEtherProtocol[] = {
    Whole("ETH_P_ALL", ETH_P_ALL),   Whole("ETH_P_IP", ETH_P_IP),
    Whole("ETH_P_ARP", ETH_P_ARP),   Whole("ETH_P_8021Q", ETH_P_8021Q),
    Whole("ETH_P_IPV6", ETH_P_IPV6), Whole("ETH_P_PAE", ETH_P_PAE),
    Whole("ETH_P_LLDP", ETH_P_LLDP)};
constexpr FlagName kPacketVersion[] = {Whole("TPACKET_V1", TPACKET_V1),
                                       Whole("TPACKET_V2", TPACKET_V2),
                                       Whole("TPACKET_V3", TPACKET_V3)};
constexpr FlagName kPacketMembership[] = {Whole("PACKET_MR_MULTICAST", PACKET_MR_MULTICAST),
                                          Whole("PACKET_MR_PROMISC", PACKET_MR_PROMISC),
                                          Whole("PACKET_MR_ALLMULTI", PACKET_MR_ALLMULTI),
                                          Whole("PACKET_MR_UNICAST", PACKET_MR_UNICAST)};
constexpr FlagName kNamespaceType[] = {
    Whole("mnt", CLONE_NEWNS),  Whole("cgroup", CLONE_NEWCGROUP), Whole("uts", CLONE_NEWUTS),
    Whole("ipc", CLONE_NEWIPC), Whole("user", CLONE_NEWUSER),     Whole("pid", CLONE_NEWPID),
    Whole("net", CLONE_NEWNET), Whole("time", CLONE_NEWTIME)};
constexpr FlagName kInetProtocol[] = {
    Whole("IPPROTO_TCP", IPPROTO_TCP),         Whole("IPPROTO_UDP", IPPROTO_UDP),
    Whole("IPPROTO_ICMP", IPPROTO_ICMP),       Whole("IPPROTO_ICMPV6", IPPROTO_ICMPV6),
    Whole("IPPROTO_UDPLITE", IPPROTO_UDPLITE), Whole("IPPROTO_RAW", IPPROTO_RAW)};
constexpr FlagName kInetState[] = {Whole("TCP_ESTABLISHED", TCP_ESTABLISHED),
                                   Whole("TCP_SYN_SENT", TCP_SYN_SENT),
                                   Whole("TCP_FIN_WAIT1", TCP_FIN_WAIT1),
                                   Whole("TCP_FIN_WAIT2", TCP_FIN_WAIT2),
                                   Whole("TCP_CLOSE", TCP_CLOSE),
                                   Whole("TCP_CLOSE_WAIT", TCP_CLOSE_WAIT),
                                   Whole("TCP_LAST_ACK", TCP_LAST_ACK),
                                   Whole("TCP_LISTEN", TCP_LISTEN),
                                   Whole("TCP_CLOSING", TCP_CLOSING)};
constexpr FlagName kShutdown[] = {Whole("SHUT_RD", 1), Whole("SHUT_WR", 2), Whole("SHUT_RDWR", 3)};
constexpr FlagName kBufferLock[] = {Bit("SOCK_SNDBUF_LOCK", 1), Bit("SOCK_RCVBUF_LOCK", 2)};
constexpr FlagName kNetworkLock[] = {Whole("iptables", 0), Whole("nftables", 1)};
constexpr FlagName kRepairMode[] = {Whole("off", 0)};
constexpr FlagName kMount[] = {Bit("MS_RDONLY", MS_RDONLY),
                               Bit("MS_NOSUID", MS_NOSUID),
                               Bit("MS_NODEV", MS_NODEV),
                               Bit("MS_NOEXEC", MS_NOEXEC),
                               Bit("MS_SYNCHRONOUS", MS_SYNCHRONOUS),
                               Bit("MS_MANDLOCK", MS_MANDLOCK),
                               Bit("MS_DIRSYNC", MS_DIRSYNC),
                               Bit("MS_NOSYMFOLLOW", 0x100),
                               Bit("MS_NOATIME", MS_NOATIME),
                               Bit("MS_NODIRATIME", MS_NODIRATIME),
                               Bit("MS_UNBINDABLE", MS_UNBINDABLE),
                               Bit("MS_PRIVATE", MS_PRIVATE),
                               Bit("MS_SLAVE", MS_SLAVE),
                               Bit("MS_SHARED", MS_SHARED),
                               Bit("MS_RELATIME", MS_RELATIME),
                               Bit("MS_STRICTATIME", MS_STRICTATIME),
                               Bit("MS_LAZYTIME", MS_LAZYTIME)};
constexpr FlagName kUnixState[] = {Whole("connected", 1), Whole("unconnected", 7),
                                   Whole("listening", 10)};
constexpr FlagName kTtyDriver[] = {Whole("ptm", 0),      Whole("pts", 1),    Whole("console", 2),
                                   Whole("vt", 3),       Whole("serial", 4), Whole("current", 5),
                                   Whole("external", 6), Whole("tty", 7)};

}  // namespace

std::span<const FlagName> OpenFlagKind::Names() { return kOpen; }
std::span<const FlagName> MapFlagKind::Names() { return kMap; }
std::span<const FlagName> ProtKind::Names() { return kProt; }
std::span<const FlagName> CloneFlagKind::Names() { return kClone; }
std::span<const FlagName> SealKind::Names() { return kSeal; }
std::span<const FlagName> SigactionFlagKind::Names() { return kSigaction; }
std::span<const FlagName> AltstackFlagKind::Names() { return kAltstack; }
std::span<const FlagName> SecurebitKind::Names() { return kSecurebit; }
std::span<const FlagName> MadviseKind::Names() { return kMadvise; }
std::span<const FlagName> SeccompFlagKind::Names() { return kSeccompFlag; }
std::span<const FlagName> MembarrierKind::Names() { return kMembarrier; }
std::span<const FlagName> MemfdHugeKind::Names() { return kMemfdHuge; }
std::span<const FlagName> SignalKind::Names() { return kSignal; }
std::span<const FlagName> ResourceKind::Names() { return kResource; }
std::span<const FlagName> ClockKind::Names() { return kClock; }
std::span<const FlagName> SchedPolicyKind::Names() { return kSchedPolicy; }
std::span<const FlagName> SigevNotifyKind::Names() { return kSigevNotify; }
std::span<const FlagName> TimerfdFlagKind::Names() { return kTimerfd; }
std::span<const FlagName> EpollEventKind::Names() { return kEpollEvent; }
std::span<const FlagName> InotifyMaskKind::Names() { return kInotifyMask; }
std::span<const FlagName> FanotifyInitKind::Names() { return kFanotifyInit; }
std::span<const FlagName> FanotifyMaskKind::Names() { return kFanotifyMask; }
std::span<const FlagName> FanotifyMarkFlagKind::Names() { return kFanotifyMarkFlag; }
std::span<const FlagName> FanotifyMarkTypeKind::Names() { return kFanotifyMarkType; }
std::span<const FlagName> OwnerTypeKind::Names() { return kOwnerType; }
std::span<const FlagName> SocketFamilyKind::Names() { return kSocketFamily; }
std::span<const FlagName> SocketTypeKind::Names() { return kSocketType; }
std::span<const FlagName> InetProtocolKind::Names() { return kInetProtocol; }
std::span<const FlagName> InetStateKind::Names() { return kInetState; }
std::span<const FlagName> NetlinkProtocolKind::Names() { return kNetlinkProtocol; }
std::span<const FlagName> NetlinkStateKind::Names() { return kNetlinkState; }
std::span<const FlagName> EtherProtocolKind::Names() { return kEtherProtocol; }
std::span<const FlagName> PacketVersionKind::Names() { return kPacketVersion; }
std::span<const FlagName> PacketMembershipKind::Names() { return kPacketMembership; }
std::span<const FlagName> NamespaceTypeKind::Names() { return kNamespaceType; }
std::span<const FlagName> BpfMapTypeKind::Names() { return kBpfMapType; }
std::span<const FlagName> BpfMapFlagKind::Names() { return kBpfMapFlag; }
std::span<const FlagName> ShutdownKind::Names() { return kShutdown; }
std::span<const FlagName> BufferLockKind::Names() { return kBufferLock; }
std::span<const FlagName> NetworkLockKind::Names() { return kNetworkLock; }
std::span<const FlagName> RepairModeKind::Names() { return kRepairMode; }
std::span<const FlagName> UnixStateKind::Names() { return kUnixState; }
std::span<const FlagName> TtyDriverKind::Names() { return kTtyDriver; }
std::span<const FlagName> LockKindKind::Names() { return kLockKind; }
std::span<const FlagName> LockTypeKind::Names() { return kLockType; }
std::span<const FlagName> MountFlagKind::Names() { return kMount; }
std::span<const FlagName> SeccompModeKind::Names() { return kSeccompMode; }

std::vector<std::string> FlagNames(std::span<const FlagName> names, std::uint64_t bits) {
  std::vector<std::string> out;
  ForEachFlagName(names, bits, [&](std::string_view name) { out.emplace_back(name); });
  return out;
}

bool AddFlagByName(std::span<const FlagName> names, std::string_view name, std::uint64_t* bits) {
  for (const FlagName& row : names) {
    if (row.name == name) {
      *bits |= row.value;
      return true;
    }
  }
  std::uint64_t value = 0;
  if (!ParseHex(name, &value)) return false;
  *bits |= value;
  return true;
}

std::string ValueName(std::span<const FlagName> names, std::uint64_t value) {
  for (const FlagName& row : names) {
    if (row.value == value) return std::string(row.name);
  }
  return HexText(value);
}

std::string HexText(std::uint64_t value) {
  std::array<char, 18> buffer{'0', 'x'};
  auto end = std::to_chars(buffer.data() + 2, buffer.data() + buffer.size(), value, 16).ptr;
  return {buffer.data(), end};
}

bool ParseHex(std::string_view text, std::uint64_t* value) {
  if (text.size() < 3 || text.size() > 18 || text[0] != '0' || text[1] != 'x') return false;
  for (char c : text.substr(2)) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), *value, 16);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace crgen

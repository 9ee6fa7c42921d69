// SPDX-License-Identifier: Apache-2.0
// Sets of kernel flags and their names: what a plan prints as ["O_RDWR","O_APPEND"].
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace crgen {

/// One named value: present in `bits` if (bits & mask) == value. A row with several bits stands
/// before the rows of its parts (O_SYNC before O_DSYNC).
struct FlagName {
  std::string_view name;
  std::uint64_t mask;
  std::uint64_t value;
};

/// A set of flags of one kind. Kind::Names() lists the rows.
template <typename Kind>
struct Flags {
  std::uint64_t bits = 0;
  bool Has(std::uint64_t mask) const { return (bits & mask) == mask; }
  friend bool operator==(const Flags&, const Flags&) = default;
};

/// A number that stands for exactly one name (a signal, a clock, a resource).
template <typename Kind>
struct Named {
  std::uint32_t value = 0;
  friend bool operator==(const Named&, const Named&) = default;
};

/// The kinds of names. kTitle names the kind in the schema.
struct OpenFlagKind {  // open(2)
  static constexpr std::string_view kTitle = "openFlag";
  /// Exactly one of the names with this mask is there.
  static constexpr std::uint64_t kChoice = O_ACCMODE;
  static std::span<const FlagName> Names();
};
/// O_LARGEFILE of open(2) as the kernel has it; the C library's is 0.
inline constexpr std::uint64_t kLargeFile = 0100000;
struct MapFlagKind {  // mmap(2)
  static constexpr std::string_view kTitle = "mapFlag";
  static std::span<const FlagName> Names();
};
struct ProtKind {  // mmap(2), PROT_*
  static constexpr std::string_view kTitle = "prot";
  static std::span<const FlagName> Names();
};
struct CloneFlagKind {  // clone(2)
  static constexpr std::string_view kTitle = "cloneFlag";
  static std::span<const FlagName> Names();
};
struct SealKind {  // fcntl(2), F_SEAL_*
  static constexpr std::string_view kTitle = "seal";
  static std::span<const FlagName> Names();
};
struct SigactionFlagKind {  // sigaction(2), SA_*
  static constexpr std::string_view kTitle = "sigactionFlag";
  static std::span<const FlagName> Names();
};
struct AltstackFlagKind {  // sigaltstack(2), SS_*
  static constexpr std::string_view kTitle = "altstackFlag";
  static std::span<const FlagName> Names();
};
struct SecurebitKind {  // capabilities(7), SECBIT_*
  static constexpr std::string_view kTitle = "securebit";
  static std::span<const FlagName> Names();
};
struct MadviseKind {  // madvise(2); bit n: MADV value n
  static constexpr std::string_view kTitle = "madvise";
  static std::span<const FlagName> Names();
};
struct SeccompFlagKind {  // seccomp(2)
  static constexpr std::string_view kTitle = "seccompFlag";
  static std::span<const FlagName> Names();
};
struct MembarrierKind {  // membarrier(2)
  static constexpr std::string_view kTitle = "membarrier";
  static std::span<const FlagName> Names();
};
struct MemfdHugeKind {  // memfd_create(2)
  static constexpr std::string_view kTitle = "memfdHuge";
  static std::span<const FlagName> Names();
};
struct TimerfdFlagKind {  // timerfd_settime(2), TFD_TIMER_*
  static constexpr std::string_view kTitle = "timerfdFlag";
  static std::span<const FlagName> Names();
};
struct EpollEventKind {  // epoll_ctl(2)
  static constexpr std::string_view kTitle = "epollEvent";
  static std::span<const FlagName> Names();
};
struct InotifyMaskKind {  // inotify_add_watch(2)
  static constexpr std::string_view kTitle = "inotifyMask";
  static std::span<const FlagName> Names();
};
struct FanotifyInitKind {  // fanotify_init(2)
  static constexpr std::string_view kTitle = "fanotifyInit";
  static std::span<const FlagName> Names();
};
struct FanotifyMaskKind {  // fanotify_mark(2), events
  static constexpr std::string_view kTitle = "fanotifyMask";
  static std::span<const FlagName> Names();
};
struct FanotifyMarkFlagKind {  // fanotify_mark(2), flags that stay
  static constexpr std::string_view kTitle = "fanotifyMarkFlag";
  static std::span<const FlagName> Names();
};
struct FanotifyMarkTypeKind {  // fanotify_mark(2)
  static constexpr std::string_view kTitle = "fanotifyMarkType";
  static std::span<const FlagName> Names();
};
struct SignalKind {  // signal(7)
  static constexpr std::string_view kTitle = "signal";
  static std::span<const FlagName> Names();
};
struct ResourceKind {  // getrlimit(2)
  static constexpr std::string_view kTitle = "resource";
  static std::span<const FlagName> Names();
};
struct ClockKind {  // timer_create(2)
  static constexpr std::string_view kTitle = "clock";
  static std::span<const FlagName> Names();
};
struct SchedPolicyKind {  // sched(7)
  static constexpr std::string_view kTitle = "schedPolicy";
  static std::span<const FlagName> Names();
};
struct SigevNotifyKind {  // sigevent(7)
  static constexpr std::string_view kTitle = "sigevNotify";
  static std::span<const FlagName> Names();
};
struct OwnerTypeKind {  // fcntl(2), F_SETOWN_EX
  static constexpr std::string_view kTitle = "ownerType";
  static std::span<const FlagName> Names();
};
struct SocketFamilyKind {  // socket(2), AF_*
  static constexpr std::string_view kTitle = "socketFamily";
  static std::span<const FlagName> Names();
};
struct SocketTypeKind {  // socket(2), SOCK_*
  static constexpr std::string_view kTitle = "socketType";
  static std::span<const FlagName> Names();
};
struct InetProtocolKind {  // <netinet/in.h>, IPPROTO_*
  static constexpr std::string_view kTitle = "inetProtocol";
  static std::span<const FlagName> Names();
};
struct InetStateKind {  // <netinet/tcp.h>, TCP_*
  static constexpr std::string_view kTitle = "inetState";
  static std::span<const FlagName> Names();
};
struct NetlinkProtocolKind {  // <linux/netlink.h>, NETLINK_*
  static constexpr std::string_view kTitle = "netlinkProtocol";
  static std::span<const FlagName> Names();
};
struct NetlinkStateKind {  // what a netlink socket is to others
  static constexpr std::string_view kTitle = "netlinkState";
  static std::span<const FlagName> Names();
};
struct EtherProtocolKind {  // <linux/if_ether.h>, ETH_P_*
  static constexpr std::string_view kTitle = "etherProtocol";
  static std::span<const FlagName> Names();
};
struct PacketVersionKind {  // packet(7), PACKET_VERSION
  static constexpr std::string_view kTitle = "packetVersion";
  static std::span<const FlagName> Names();
};
struct PacketMembershipKind {  // packet(7), PACKET_MR_*
  static constexpr std::string_view kTitle = "packetMembership";
  static std::span<const FlagName> Names();
};
struct NamespaceTypeKind {  // namespaces(7): names of /proc/PID/ns, values CLONE_NEW*
  static constexpr std::string_view kTitle = "namespaceType";
  static std::span<const FlagName> Names();
};
struct BpfMapTypeKind {  // <linux/bpf.h>, BPF_MAP_TYPE_*: those that CRIU dumps
  static constexpr std::string_view kTitle = "bpfMapType";
  static std::span<const FlagName> Names();
};
struct BpfMapFlagKind {  // <linux/bpf.h>, BPF_F_*: those that stay with a map
  static constexpr std::string_view kTitle = "bpfMapFlag";
  static std::span<const FlagName> Names();
};
struct ShutdownKind {  // shutdown(2); the number is one more than the system call's
  static constexpr std::string_view kTitle = "shutdown";
  static std::span<const FlagName> Names();
};
struct BufferLockKind {  // socket(7), SO_BUF_LOCK
  static constexpr std::string_view kTitle = "bufferLock";
  static std::span<const FlagName> Names();
};
struct UnixStateKind {  // what a unix socket is to others
  static constexpr std::string_view kTitle = "unixState";
  static std::span<const FlagName> Names();
};
struct TtyDriverKind {  // what a terminal is
  static constexpr std::string_view kTitle = "ttyDriver";
  static std::span<const FlagName> Names();
};
struct LockKindKind {  // fcntl(2), flock(2)
  static constexpr std::string_view kTitle = "lockKind";
  static std::span<const FlagName> Names();
};
struct LockTypeKind {  // fcntl(2), F_*LCK
  static constexpr std::string_view kTitle = "lockType";
  static std::span<const FlagName> Names();
};
struct NetworkLockKind {  // inventory_entry.network_lock_method
  static constexpr std::string_view kTitle = "networkLock";
  static std::span<const FlagName> Names();
};
struct RepairModeKind {  // <netinet/tcp.h>, TCP_REPAIR
  static constexpr std::string_view kTitle = "repairMode";
  static std::span<const FlagName> Names();
};
struct MountFlagKind {  // mount(2), MS_*
  static constexpr std::string_view kTitle = "mountFlag";
  static std::span<const FlagName> Names();
};
struct SeccompModeKind {  // seccomp(2)
  static constexpr std::string_view kTitle = "seccompMode";
  static std::span<const FlagName> Names();
};

using MountFlags = Flags<MountFlagKind>;
using OpenFlags = Flags<OpenFlagKind>;
using MapFlags = Flags<MapFlagKind>;
using Prot = Flags<ProtKind>;
using CloneFlags = Flags<CloneFlagKind>;
using Seals = Flags<SealKind>;
using SigactionFlags = Flags<SigactionFlagKind>;
using AltstackFlags = Flags<AltstackFlagKind>;
using Securebits = Flags<SecurebitKind>;
using Madvise = Flags<MadviseKind>;
using SeccompFlags = Flags<SeccompFlagKind>;
using Membarrier = Flags<MembarrierKind>;
using MemfdHuge = Flags<MemfdHugeKind>;
using TimerfdFlags = Flags<TimerfdFlagKind>;
using EpollEvents = Flags<EpollEventKind>;
using InotifyMask = Flags<InotifyMaskKind>;
using FanotifyInit = Flags<FanotifyInitKind>;
using FanotifyMask = Flags<FanotifyMaskKind>;
using FanotifyMarkFlags = Flags<FanotifyMarkFlagKind>;
using FanotifyMarkType = Named<FanotifyMarkTypeKind>;
using Signal = Named<SignalKind>;
using Resource = Named<ResourceKind>;
using Clock = Named<ClockKind>;
using SchedPolicy = Named<SchedPolicyKind>;
using SigevNotify = Named<SigevNotifyKind>;
using OwnerType = Named<OwnerTypeKind>;
using LockKind = Named<LockKindKind>;
using LockType = Named<LockTypeKind>;
using SeccompMode = Named<SeccompModeKind>;
using SocketFamily = Named<SocketFamilyKind>;
using SocketType = Named<SocketTypeKind>;
using InetProtocol = Named<InetProtocolKind>;
using InetState = Named<InetStateKind>;
using NetlinkProtocol = Named<NetlinkProtocolKind>;
using NetlinkState = Named<NetlinkStateKind>;
using EtherProtocol = Named<EtherProtocolKind>;
using PacketVersion = Named<PacketVersionKind>;
using PacketMembershipType = Named<PacketMembershipKind>;
using BpfMapType = Named<BpfMapTypeKind>;
using BpfMapFlags = Flags<BpfMapFlagKind>;
using NamespaceType = Named<NamespaceTypeKind>;
using Shutdown = Named<ShutdownKind>;
using BufferLocks = Flags<BufferLockKind>;
using NetworkLockMethod = Named<NetworkLockKind>;
using RepairMode = Named<RepairModeKind>;
using UnixState = Named<UnixStateKind>;
using TtyDriver = Named<TtyDriverKind>;

/// MADV_GUARD_INSTALL (102) as a Madvise bit: the one value that is no bit number of its own.
inline constexpr std::uint64_t kGuardInstall = std::uint64_t{1} << 63;

/// MADV_x, x below 63, as a Madvise bit.
constexpr std::uint64_t MadviseBit(int advice) { return std::uint64_t{1} << advice; }

/// "0x" and lower-case hex digits without leading zeros.
std::string HexText(std::uint64_t value);

/// The names of all set bits in table order; bits without a name are one more string "0x…".
std::vector<std::string> FlagNames(std::span<const FlagName> names, std::uint64_t bits);

/// The same without a list: calls `function(name)` for each.
template <typename Function>
void ForEachFlagName(std::span<const FlagName> names, std::uint64_t bits, Function&& function) {
  std::uint64_t left = bits;
  for (const FlagName& row : names) {
    if ((left & row.mask) == row.value && (row.value != 0 || (bits & row.mask) == 0)) {
      function(row.name);
      left &= ~row.mask;
    }
  }
  if (left != 0) function(HexText(left));
}

/// Adds the bits of `name` (or of a "0x…" string) to `*bits`. False: no such name.
bool AddFlagByName(std::span<const FlagName> names, std::string_view name, std::uint64_t* bits);

/// The name of `value`, or "0x…": names never fail.
std::string ValueName(std::span<const FlagName> names, std::uint64_t value);

/// The inverse of HexText. False: not of that form, or above 64 bits.
bool ParseHex(std::string_view text, std::uint64_t* value);

}  // namespace crgen

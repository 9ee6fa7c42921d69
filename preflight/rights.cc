// SPDX-License-Identifier: Apache-2.0
// Rights: what the program takes that this process must have. docs/restorer.md has the table.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "dsl/references.h"
#include "model/one_of.h"
#include "preflight/credentials.h"
#include "preflight/descriptors.h"
#include "preflight/limits.h"
#include "preflight/question.h"

namespace crgen::preflight {
namespace {

constexpr std::uint32_t kNoId = ~std::uint32_t{0};
constexpr const char* kGive = "run with that capability: as root, outside of what drops it";

constexpr const char* kLoginuid = "/proc/self/loginuid";

class RightsQuestion : public QuestionOn<RightsQuestion> {
 public:
  explicit RightsQuestion(Context& context)
      : QuestionOn(context),
        limits_(host_),
        oom_scores_(host_),
        own_(ReadCredentials(host_)),
        nr_open_(NumberIn("fs/nr_open", 0)),
        lowest_address_(NumberIn("vm/mmap_min_addr", 0)),
        most_in_pipe_(NumberIn("fs/pipe-max-size", 0)),
        lowest_port_(NumberIn("net/ipv4/ip_unprivileged_port_start", 1024)),
        unprivileged_bpf_disabled_(NumberIn("kernel/unprivileged_bpf_disabled", 0)),
        spare_descriptors_(SpareDescriptors(context.program)),
        descriptors_(limits_.Of(RLIMIT_NOFILE).rlim_max) {}

  template <typename Body>
  void On(const Body&) {}

  void On(const Fork& fork) {
    NeedCheckpointRestore("processes with given pids");
    Need(CAP_SYS_PTRACE, "processes that nobody else reaches before they are let go");
    const bool pid_namespace =
        fork.flags.Has(CLONE_NEWPID) || (pid_ == 0 && context_.options.own_numbers);
    if (pid_namespace) Need(CAP_SYS_ADMIN, "a new pid namespace");
    if (pid_ != 0) return;
    CheckConfinement();
    CheckNice(0);  // what its children begin with
    CheckOomScore(0);
  }
  void On(const CreateThread&) { NeedCheckpointRestore("threads with given tids"); }

  void On(const OpenFile& open) {
    if (open.from) {
      CheckNumber(open.fd);
      return NeedBeyondUser(CAP_SYS_PTRACE, "a descriptor that is taken from another process");
    }
    ForEachOpened(open, [&](Fd fd, const File& file, bool) {
      CheckNumber(fd);
      if (file.flags.Has(O_NOATIME) && own_.uid[1] != 0) Need(CAP_FOWNER, "O_NOATIME");
      if (!file.external) std::visit([&](const auto& body) { Make(body); }, file.body);
      if (const auto* map = As<BpfMap>(file)) OpenMap(file.flags, *map);
    });
  }

  void On(const DupFd& dup) { CheckNumber(dup.new_fd); }

  /// What making an object of a type takes: nothing of these (a BPFMAP: OpenMap()).
  template <
      OneOf<Eventfd, Signalfd, Eventpoll, Inotify, Pidfd, NamespaceFile, TunFile, BpfMap, OtherFile>
          Body>
  void Make(const Body&) {}
  void Make(const Memfd& memfd) { Own("a memfd", memfd.uid.value_or(0), memfd.gid.value_or(0)); }
  void Make(const RegularFile& file) {
    if (file.unlinked) MakeUnlinked(*file.unlinked);
  }
  void MakeUnlinked(const Unlinked& file) {
    if (file.uid) Own("an unlinked file", *file.uid, file.gid.value_or(0));
    if (file.rdev) Need(CAP_MKNOD, "an unlinked device");
  }
  void Own(const std::string& what, std::uint32_t uid, std::uint32_t gid) {
    CheckId(own_.uid_map, "uid", uid);
    CheckId(own_.gid_map, "gid", gid);
    if (uid != own_.uid[3] || (gid != own_.gid[3] && !InGroup(gid))) {
      Need(CAP_CHOWN, what + " of uid " + std::to_string(uid) + ", gid " + std::to_string(gid));
    }
  }
  void Make(const Tty& tty) {
    if (tty.uid || tty.gid) {
      Own("a pty", tty.uid.value_or(own_.uid[3]), tty.gid.value_or(own_.gid[3]));
    }
    if (!tty.locked_termios) return;
    const Termios& locked = *tty.locked_termios;
    bool any =
        (locked.iflag.value | locked.oflag.value | locked.cflag.value | locked.lflag.value) != 0;
    for (const std::uint32_t bits : locked.cc) any = any || bits != 0;
    if (any) NeedCheckpointRestore("locked termios");
  }
  /// Both ways to a map are the whole system's, whatever namespace somebody is in.
  void OpenMap(OpenFlags flags, const BpfMap& map) {
    if (!map.map || (flags.bits & O_ACCMODE) != O_RDWR) {
      NeedBeyondUser(CAP_SYS_ADMIN, "a BPF map that is opened by its id");
    }
    if (!map.map) return;
    if (map.map->map_flags.Has(BPF_F_ZERO_SEED)) NeedBeyondUser(CAP_SYS_ADMIN, "BPF_F_ZERO_SEED");
    if (unprivileged_bpf_disabled_ == 0 || own_.Has(CAP_SYS_ADMIN)) return;
    NeedBeyondUser(CAP_BPF, "BPF maps: kernel.unprivileged_bpf_disabled is " +
                                std::to_string(unprivileged_bpf_disabled_));
  }
  void Make(const Fanotify&) { NeedBeyondUser(CAP_SYS_ADMIN, "fanotify_init(2)"); }
  void Make(const Timerfd& timer) { CheckClock(timer.clock.value); }
  void CheckClock(std::uint64_t clock) {
    if (clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM) {
      NeedBeyondUser(CAP_WAKE_ALARM, "a timer that wakes the machine");
    }
  }

  void Make(const Pipe& pipe) { CheckCapacity(pipe.capacity.value_or(0)); }
  void Make(const Fifo& fifo) {
    CheckCapacity(fifo.capacity.value_or(0));
    if (fifo.unlinked) MakeUnlinked(*fifo.unlinked);
  }
  void Make(const UnixSocket& socket) {
    if (socket.unlinked_name && !socket.accept_from) {
      Need(CAP_SYS_CHROOT, "the name of a unix socket that no path leads to");
      Need(CAP_SYS_ADMIN, "the name of a unix socket that no path leads to");
    }
    if ((socket.name_root || socket.mount) && !socket.accept_from) {
      Need(CAP_SYS_CHROOT, "the name of a unix socket below another root");
    }
    if ((socket.HasFile() || socket.unlinked_name) && !socket.accept_from) {
      NeedOfNetwork(CAP_NET_ADMIN, "the files of unix sockets");  // SIOCUNIXFILE
    }
    if (!socket.permissions) return;
    Own("a socket file", socket.permissions->uid, socket.permissions->gid);
  }

  template <OneOf<TtyInput, ShutdownSetting, EpollTargets, LockSetting, TtyForeground, TtyLock,
                  LeaseSetting, OwnerSetting, InotifyWatches, FanotifyMarks, TimerfdSetting,
                  RepairSetting>
                Late>
  void MakeLate(const Late&) {}
  void MakeLate(const QueueSetting&) { Need(CAP_NET_ADMIN, "messages on their way"); }
  void MakeLate(const SocketOptionsSetting& setting) {
    const SocketOptions& options = setting.options;
    constexpr std::uint32_t kHighestFree = 6;  // SO_PRIORITY
    if (options.so_sndbuf || options.so_rcvbuf) Need(CAP_NET_ADMIN, "the buffer size of a socket");
    if (options.so_mark) NeedOfNetwork(CAP_NET_ADMIN, "SO_MARK of a socket");
    if (options.so_priority.value_or(0) > kHighestFree)
      NeedOfNetwork(CAP_NET_ADMIN, "SO_PRIORITY above 6");
    if (options.so_bindtodevice) NeedOfNetwork(CAP_NET_RAW, "SO_BINDTODEVICE of a socket");
  }

  void Make(const PacketSocket& socket) {
    MakeLate(SocketOptionsSetting{*socket.options});
    NeedOfNetwork(CAP_NET_RAW, "packet sockets");
  }
  void Make(const NetlinkSocket& socket) { MakeLate(SocketOptionsSetting{*socket.options}); }
  void Make(const InetSocket& socket) {
    MakeLate(SocketOptionsSetting{*socket.options});
    if (socket.stream) NeedOfNetwork(CAP_NET_ADMIN, "TCP connections");
    if (socket.socket_type.value == SOCK_RAW) NeedOfNetwork(CAP_NET_RAW, "raw sockets");
    const std::uint32_t state = socket.state.value;
    if (socket.stream && state != TCP_ESTABLISHED && state != TCP_SYN_SENT &&
        state != TCP_FIN_WAIT1) {
      NeedOfNetwork(CAP_NET_RAW, "TCP connections that are half closed");
    }
    if (socket.source && socket.source->port != 0 && socket.source->port < lowest_port_) {
      NeedOfNetwork(CAP_NET_BIND_SERVICE, "port " + std::to_string(socket.source->port) +
                                              " below " + std::to_string(lowest_port_));
    }
  }
  void On(const MapRegion& map) {
    if (map.start.value < lowest_address_) {
      NeedBeyondUser(CAP_SYS_RAWIO, "memory below vm.mmap_min_addr");
    }
    if (!map.flags.Has(MAP_LOCKED)) return;
    std::uint64_t& locked = locked_[pid_];
    locked += map.end.value - map.start.value;
    if (locked > limits_.Of(RLIMIT_MEMLOCK).rlim_cur)
      NeedBeyondUser(CAP_IPC_LOCK, "locked memory above RLIMIT_MEMLOCK");
  }

  /// They belong to the user namespace of the cgroup namespace.
  void CheckCgroupMounts(const Attributes& attributes) {
    if (attributes.cgroup) {
      for (const auto& path : attributes.cgroup->paths) own_cgroups_ |= path.prefix.has_value();
    }
    const auto is_cgroup = [](const Mount& mount) { return mount.fstype.starts_with("cgroup"); };
    if (!own_cgroups_ && std::ranges::any_of(attributes.mounts, is_cgroup)) {
      Beyond("a cgroup file system of another cgroup namespace");
    }
  }

  void On(const SetAttr& set) {
    const Attributes& attributes = *set.attributes;
    if (attributes.creds) CheckCreds(*attributes.creds);
    if (attributes.inherit_creds && context_.user) Beyond("creds that are inherited");
    for (const PosixTimer& timer : attributes.posix_timers) {
      const auto clock = static_cast<int>(timer.clock.value);
      const bool wakes = clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM;
      if (wakes && context_.user) Beyond("a timer that wakes the machine");
    }
    if (attributes.cgroup && context_.options.cgroups.mode != CgroupMode::kIgnore) {
      CheckCgroup(*attributes.cgroup);
    }
    if (context_.user) CheckCgroupMounts(attributes);
    if (attributes.mm) NeedCheckpointRestore("the bounds of memory and the executable");
    if (attributes.fs && attributes.fs->root.bytes != "/") Need(CAP_SYS_CHROOT, "another root");
    if (attributes.sched) CheckScheduling(*attributes.sched);
    for (const Rlimit& limit : attributes.rlimits) CheckLimit(limit);
    if (attributes.oom_score_adj) CheckOomScore(*attributes.oom_score_adj);
    if (attributes.loginuid) CheckLoginuid(*attributes.loginuid);
    for (const DescriptorState& late : attributes.descriptors) {
      std::visit([&](const auto& state) { Set(state); }, late.state);
    }
    if (attributes.seccomp) Need(CAP_SYS_ADMIN, "seccomp");  // and to suspend it meanwhile
    CheckQueues(attributes);
    for (const DescriptorState& late : attributes.descriptors) {
      std::visit([&](const auto& state) { MakeLate(state); }, late.state);
    }
  }

  void On(const Resume&) { locked_.erase(pid_); }

 private:
  void CheckCgroup(const CgroupMembership& cgroup) {
    Need(CAP_SYS_ADMIN, "cgroups: to reach their hierarchies");
    const auto own = [&](const std::optional<FilePermissions>& perms) {
      if (!perms) return;
      Own("a cgroup", perms->uid, perms->gid);
      if (perms->uid != own_.uid[3]) Need(CAP_DAC_OVERRIDE, "cgroups of another user");
    };
    for (const CgroupDirectory& directory : cgroup.directories) {
      own(directory.perms);
      for (const CgroupProperty& property : directory.properties) own(property.perms);
    }
  }

  // What the kernel drops in silence from who may not have it.
  template <OneOf<QueueSetting, TtyInput, ShutdownSetting, SocketOptionsSetting, LockSetting,
                  TtyForeground, TtyLock, LeaseSetting, OwnerSetting, InotifyWatches, FanotifyMarks,
                  TimerfdSetting, RepairSetting>
                Late>
  void Set(const Late&) {}
  void Set(const EpollTargets& set) {
    const bool wakes = std::ranges::any_of(
        set.targets, [](const EpollTarget& target) { return target.events.Has(kEpollWakeup); });
    if (wakes) Need(CAP_BLOCK_SUSPEND, "EPOLLWAKEUP");
  }

  void Need(int capability, const std::string& reason) {
    if (own_.Has(capability)) return;
    findings_.Wrong(CapabilityName(capability) + " is missing, for " + reason, kGive);
  }

  /// Nobody in a user namespace of the plan's own has it.
  void NeedBeyondUser(int capability, const std::string& reason) {
    if (context_.user) return Beyond(reason);
    NeedEverywhere(capability, reason);
  }
  void Beyond(const std::string& what) {
    findings_.Unsupported(what + ", in a user namespace of the plan's own");
  }
  /// In there it is one over a network that belongs to it.
  void NeedOfNetwork(int capability, const std::string& reason) {
    if (context_.user && !context_.new_network) {
      return Beyond(reason + ", which take rights in a network that is the caller's");
    }
    Need(capability, reason);
  }

  /// As root of a user namespace has it, it does not count.
  void NeedEverywhere(int capability, const std::string& reason) {
    if (own_.Has(capability) && !own_.initial_namespace()) {
      findings_.Wrong(
          CapabilityName(capability) + " is missing outside of this user namespace, for " + reason,
          "run in the first user namespace");
    }
    Need(capability, reason);
  }

  void NeedCheckpointRestore(const std::string& reason) {
    if (own_.Has(CAP_CHECKPOINT_RESTORE) || own_.Has(CAP_SYS_ADMIN)) return;
    findings_.Wrong("CAP_CHECKPOINT_RESTORE is missing, for " + reason, kGive);
  }

  /// What nobody gets rid of.
  void CheckConfinement() {
    if (IsWriteExecuteDenied(host_)) {
      findings_.Wrong(
          "PR_SET_MDWE is set in crrestore: nobody can unset it, and code cannot be loaded",
          "run without it");
    }
    if (own_.seccomp_filters != 0) {
      findings_.Warn("crrestore runs under " + std::to_string(own_.seccomp_filters) +
                         " seccomp filters: so will all that it restores",
                     "run outside of them");
    }
  }

  void CheckCapacity(std::uint64_t capacity) {
    if (capacity <= most_in_pipe_ || most_in_pipe_ == 0) return;
    NeedBeyondUser(CAP_SYS_RESOURCE,
                   "a pipe of " + std::to_string(capacity) + " bytes, above fs.pipe-max-size");
  }

  bool InGroup(std::uint32_t gid) const {
    return std::find(own_.groups.begin(), own_.groups.end(), gid) != own_.groups.end();
  }

  void CheckId(const std::vector<IdRange>& map, const char* kind, std::uint32_t id) {
    if (context_.user) return CheckIdInside(kind, id);
    const bool known = map.empty() || std::any_of(map.begin(), map.end(), [&](const IdRange& in) {
                         return id >= in.first && id - in.first < in.count;
                       });
    if (known || id == kNoId) return;
    findings_.Wrong(
        std::string(kind) + " " + std::to_string(id) + " does not exist in this user namespace",
        std::string("see /proc/self/") + kind + "_map");
  }

  /// As the plan has it, it is one inside.
  void CheckIdInside(const std::string& kind, std::uint32_t id) {
    const UserNamespace& user = *context_.user;
    if (IsMapped(kind == "uid" ? user.uid_map : user.gid_map, id)) return;
    findings_.Unsupported(kind + " " + std::to_string(id) +
                          ", which nobody in the user namespace of the plan's own has");
  }

  void CheckCreds(const Creds& creds) {
    const std::uint32_t uids[] = {creds.uid, creds.euid, creds.suid, creds.fsuid};
    const std::uint32_t gids[] = {creds.gid, creds.egid, creds.sgid, creds.fsgid};
    for (const std::uint32_t id : uids) CheckId(own_.uid_map, "uid", id);
    for (const std::uint32_t id : gids) CheckId(own_.gid_map, "gid", id);
    for (const std::uint32_t id : creds.groups) CheckId(own_.gid_map, "gid", id);
    const bool same_groups = std::ranges::equal(gids, own_.gid) && creds.groups == own_.groups;
    const bool same_caps =
        creds.cap_inh.value == own_.inheritable && creds.cap_prm.value == own_.permitted &&
        creds.cap_eff.value == own_.effective && creds.cap_bnd.value == own_.bounding &&
        creds.cap_amb.value == own_.ambient;
    const bool same_uids = std::ranges::equal(uids, own_.uid);
    CheckCapabilities(creds);
    if (own_.no_new_privs && !creds.no_new_privs) {
      findings_.Wrong("no_new_privs is set in crrestore, and not in the plan: nobody can unset it",
                      "run without it");
    }
    if (same_uids && same_groups && same_caps && creds.secbits.bits == 0 && !creds.lsm_profile)
      return;
    if (!same_uids) Need(CAP_SETUID, "credentials with other uids");
    Need(CAP_SETGID, "credentials: setgroups(2)");
    if (!own_.may_set_groups) {
      findings_.Wrong("setgroups(2) is denied in this user namespace", "see user_namespaces(7)");
    }
    Need(CAP_SETPCAP, "credentials: securebits and the bounding set");
  }

  void CheckCapabilities(const Creds& creds) {
    const std::uint64_t known = ~std::uint64_t{0} >> (63 - std::min(own_.last_capability, 63u));
    const std::uint64_t all = creds.cap_inh.value | creds.cap_prm.value | creds.cap_eff.value |
                              creds.cap_bnd.value | creds.cap_amb.value;
    if ((all & ~known) != 0) {
      findings_.Wrong(
          "the plan has " + CapabilityNames(all & ~known) + ", which this kernel does not know",
          "restore on a kernel as new as the dump's");
    }
    if (context_.user) return;  // who is born in there has all
    const auto lack = [&](const char* set, std::uint64_t wanted, std::uint64_t own) {
      const std::uint64_t missing = wanted & known & ~own;
      if (missing == 0) return;
      findings_.Wrong("a process of the plan has " + CapabilityNames(missing) + " in its " + set +
                          " set, and crrestore has not",
                      kGive);
    };
    lack("permitted", creds.cap_prm.value, own_.permitted);
    lack("bounding", creds.cap_bnd.value, own_.bounding);
    lack("inheritable", creds.cap_inh.value, own_.inheritable | own_.bounding);
  }

  void CheckScheduling(const Sched& sched) {
    if (sched.policy.value == SCHED_DEADLINE)
      return findings_.Unsupported("sched.policy SCHED_DEADLINE");
    if (sched.policy.value == SCHED_FIFO || sched.policy.value == SCHED_RR) {
      return Need(CAP_SYS_NICE, "a real-time scheduling policy");
    }
    CheckNice(sched.nice);
  }

  void CheckNice(std::int32_t nice) {
    constexpr std::int64_t kAboveAll = 20;  // getrlimit(2), RLIMIT_NICE
    const rlimit& limit = limits_.Of(RLIMIT_NICE);
    const auto lowest = kAboveAll - static_cast<std::int64_t>(std::min<rlim_t>(limit.rlim_cur, 40));
    if (nice < own_.nice && nice < lowest) {
      Need(CAP_SYS_NICE,
           "nice " + std::to_string(nice) + " below its own " + std::to_string(own_.nice));
    }
  }

  void CheckOomScore(std::int32_t wanted) {
    if (wanted >= own_.oom_score_adj || wanted >= oom_scores_.Lowest()) return;
    NeedEverywhere(CAP_SYS_RESOURCE, "oom_score_adj " + std::to_string(wanted) + " below " +
                                         std::to_string(oom_scores_.Lowest()) +
                                         ", the lowest without it");
  }

  void CheckLimit(const Rlimit& limit) {
    const rlimit& own = limits_.Of(limit.resource.value);
    const std::string name = LimitName(limit.resource.value);
    if (limit.resource.value == RLIMIT_NOFILE && nr_open_ != 0 && limit.max > nr_open_) {
      findings_.Wrong(name + " of at most " + std::to_string(limit.max) + " is above fs.nr_open, " +
                          std::to_string(nr_open_),
                      "sysctl fs.nr_open=" + std::to_string(limit.max));
    }
    if (limit.max > own.rlim_max) {
      NeedEverywhere(CAP_SYS_RESOURCE, "a hard limit " + name + " above its own");
    }
  }

  /// The first that is too high is told.
  void CheckNumber(Fd fd) {
    const std::uint64_t needed = static_cast<std::uint64_t>(fd) + 1 + spare_descriptors_;
    if (has_too_high_ || needed <= descriptors_) return;
    has_too_high_ = true;
    const std::string what =
        "descriptor " + std::to_string(fd) + ", with those of the restore, above ";
    if (nr_open_ != 0 && needed > nr_open_) {
      return findings_.Wrong(what + "fs.nr_open, " + std::to_string(nr_open_), "raise it");
    }
    NeedEverywhere(CAP_SYS_RESOURCE, what + "RLIMIT_NOFILE, " + std::to_string(descriptors_));
  }

  void CheckLoginuid(std::uint32_t wanted) {
    const bool has_audit = !host_.File(kLoginuid).empty();
    const std::uint32_t own = host_.NumberIn(kLoginuid, kNoId);
    if (own == wanted) return;
    if (context_.user) return Beyond("another loginuid than that of who restores");
    if (!has_audit) {
      return findings_.Wrong("loginuid " + std::to_string(wanted) + ": this kernel has none",
                             "a kernel with CONFIG_AUDIT has");
    }
    if (own != kNoId) NeedBeyondUser(CAP_AUDIT_CONTROL, "another loginuid than its own");
  }

  /// Each queued signal and each timer counts (getrlimit(2), RLIMIT_SIGPENDING).
  void CheckQueues(const Attributes& attributes) {
    for (const PosixTimer& timer : attributes.posix_timers) CheckClock(timer.clock.value);
    const rlimit& limit = limits_.Of(RLIMIT_SIGPENDING);
    pending_ += attributes.signal_queue.size() + attributes.posix_timers.size();
    if (pending_ <= limit.rlim_cur) return;
    findings_.Wrong("the plan has more timers and pending signals than RLIMIT_SIGPENDING, " +
                        std::to_string(limit.rlim_cur),
                    "ulimit -i");
  }

  std::uint64_t NumberIn(const char* sysctl, std::uint64_t none) {
    return host_.NumberIn(std::string("/proc/sys/") + sysctl, none);
  }

  Limits limits_;
  OomScores oom_scores_;
  const Credentials own_;
  const std::uint64_t nr_open_, lowest_address_, most_in_pipe_, lowest_port_;
  const std::uint64_t unprivileged_bpf_disabled_;
  const std::uint64_t spare_descriptors_, descriptors_;  ///< RLIMIT_NOFILE
  bool own_cgroups_ = false;                             ///< a cgroup namespace of the plan's own
  bool has_too_high_ = false;
  std::uint64_t pending_ = 0;
  std::unordered_map<Pid, std::uint64_t> locked_;  ///< bytes, by process
};

}  // namespace

std::unique_ptr<Question> AskForRights(Context& context) {
  return std::make_unique<RightsQuestion>(context);
}

void AskForAllRights(Host& host) {
  (void)ReadCredentials(host);
  for (const char* sysctl :
       {"fs/nr_open", "vm/mmap_min_addr", "fs/pipe-max-size", "net/ipv4/ip_unprivileged_port_start",
        "kernel/unprivileged_bpf_disabled"}) {
    (void)host.File(std::string("/proc/sys/") + sysctl);
  }
  (void)host.File(kLoginuid);
  for (const FlagName& row : ResourceKind::Names()) (void)LimitOf(host, row.value);
  (void)IsWriteExecuteDenied(host);
  (void)OomScores(host).Lowest();
}

}  // namespace crgen::preflight

// SPDX-License-Identifier: Apache-2.0
// Namespaces of the plan's own: what the caller has to give for them, and what the kernel must
// know.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <vector>

#include "model/flags.h"
#include "model/mount_sharing.h"
#include "model/printable.h"
#include "preflight/credentials.h"
#include "preflight/doing.h"
#include "preflight/held_mounts.h"
#include "preflight/held_namespaces.h"
#include "preflight/outside_devices.h"
#include "preflight/pid_namespace.h"
#include "preflight/question.h"
#include "preflight/root_view.h"

namespace crgen::preflight {
namespace {

constexpr const char* kGive = "run with that capability: as root, outside of what drops it";

constexpr const char* kTmpfsTools[] = {"tar", "gzip"};
constexpr const char* kShmNextId = "kernel/shm_next_id";

std::string ConfPath(const std::string& family, std::string_view name) {
  return "net/" + family + "/conf/all/" + std::string(name);
}

// Not known: it is there.

bool HasSysctl(Host& host, const std::string& path) {
  const auto there = host.Number(FactKind::kKernel, "sysctl " + path,
                                 [&] { return access(("/proc/sys/" + path).c_str(), F_OK) == 0; });
  return there.value_or(1) != 0;
}

int TunError(Host& host) {
  const auto error = host.Number(FactKind::kKernel, "open /dev/net/tun", [] {
    return access("/dev/net/tun", R_OK | W_OK) == 0 ? 0 : errno;
  });
  return static_cast<int>(error.value_or(0));
}

struct MountCall {
  const char* name;
  long number;
};
constexpr MountCall kMountCalls[] = {{"open_tree(2)", SYS_open_tree},
                                     {"mount_setattr(2)", SYS_mount_setattr}};

bool HasCall(Host& host, const MountCall& call) {
  const auto there = host.Number(FactKind::kKernel, call.name, [&] {
    return syscall(call.number, -1, "", 0, nullptr, 0) >= 0 || errno != ENOSYS;
  });
  return there.value_or(1) != 0;
}

/// Whether mount_namespaces(7) has the mount that `fd` is on in a peer group, or, if `or_master`,
/// it gets the events of another one. Not known: it is.
bool SharesEvents(int fd, bool or_master) {
  struct statx facts = {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &facts) != 0) return true;
  const std::string wanted = std::to_string(facts.stx_mnt_id) + " ";
  std::ifstream table("/proc/self/mountinfo");
  for (std::string line; std::getline(table, line);) {
    if (!line.starts_with(wanted)) continue;
    const std::string_view before = std::string_view(line).substr(0, line.find(" - "));
    return before.find(" shared:") != before.npos ||
           (or_master && before.find(" master:") != before.npos);
  }
  return true;
}

class NamespaceQuestion : public QuestionOn<NamespaceQuestion> {
 public:
  using QuestionOn::QuestionOn;

  template <typename Body>
  void On(const Body&) {}

  void On(const Fork& fork) {
    if (pid_ == 0 && fork.flags.Has(CLONE_NEWUSER)) CheckUser(fork);
    if (pid_ != 0 && alone_) NeedPidNamespace();
    if (pid_ != 0) return;
    if (fork.pid_namespace && !context_.options.own_numbers) Need("a pid namespace from outside");
    CheckPidNamespace(context_, fork.pid_namespace ? &*fork.pid_namespace : nullptr);
  }
  void On(const CreateThread&) {
    if (alone_) NeedPidNamespace();
  }
  void On(const SetAttr& set) {
    const Attributes& attributes = *set.attributes;
    if (attributes.uts) Need("a UTS namespace");
    if (attributes.ipc) CheckIpc(*attributes.ipc);
    if (attributes.net) CheckNet(*attributes.net);
    if (!attributes.further_nets.empty()) CheckFurtherNets(attributes.further_nets);
    if (!attributes.mounts.empty()) CheckMounts(attributes.mounts);
  }

  /// A descriptor of tun(4): its device is made with the network namespace that it is in.
  void On(const OpenFile& open) {
    const auto* tun = As<TunFile>(*open.file);
    const NamespaceOptions& options = context_.options.namespaces;
    const bool joins = options.joined.contains("net");
    if (tun == nullptr || !tun->device || !(joins || options.empty_net)) return;
    findings_.Wrong("the network device " + Printable(tun->device->bytes) +
                        ", which a descriptor is attached to, is made only with the network "
                        "namespace of the plan",
                    std::string("leave out ") + (joins ? "--join-ns net" : "--empty-ns net"));
  }

  void Finish() override {
    const NamespaceOptions& options = context_.options.namespaces;
    for (const auto& [kind, path] : options.joined) {
      if (kind == "pid") continue;
      Need("--join-ns");
      (void)HoldNamespace(context_, "--join-ns " + kind, path, kind, JoinPlace(kind));
    }
    const bool has_net = net_ || options.joined.contains("net");
    if (options.lo_up && !has_net) {
      findings_.Wrong("--net-lo-up: the plan has no network namespace of its own", "leave it out");
    }
    if (!options.root.empty() && context_.mounts == nullptr) {
      findings_.Wrong("--root " + options.root + ": the plan has no mount namespace of its own",
                      "leave it out");
    }
    for (const auto& [key, name] : options.devices) {
      if (device_keys_.contains(key)) continue;
      findings_.Warn("--external " + Printable(key) + ": nothing in the plan has that key");
    }
    for (const auto& [key, path] : options.mounts) {
      if (keys_.contains(key)) continue;
      findings_.Warn("--external mnt[" + Printable(key) + "]: nothing in the plan has that key");
    }
  }

 private:
  void CheckUser(const Fork& fork) {
    alone_ = !fork.flags.Has(CLONE_NEWPID);
    if ((fork.flags.bits & ~std::uint64_t{CLONE_NEWUSER | CLONE_NEWPID}) != 0) {
      findings_.Unsupported("a FORK with CLONE_NEWUSER and other flags than CLONE_NEWPID");
    }
    if (fork.uid_map.empty() || fork.gid_map.empty()) {
      findings_.Unsupported("a user namespace without maps");
    }
    if (!own_.initial_namespace()) {
      findings_.Unsupported("a user namespace of the plan's own, below one that is not the first");
    }
    Need("a user namespace");
    Need(CAP_SETUID, "CAP_SETUID", "uid_map of a user namespace");
    Need(CAP_SETGID, "CAP_SETGID", "gid_map of a user namespace");
    const auto maps_root = [](const crgen::IdRange& range) { return range.outside == 0; };
    if (std::ranges::any_of(fork.uid_map, maps_root)) {
      Need(CAP_SETFCAP, "CAP_SETFCAP", "uid_map of a user namespace that has root");
    }
  }

  /// To give out a number takes rights in the pid namespace.
  void NeedPidNamespace() {
    findings_.Unsupported(
        "several processes or threads in a user namespace of the plan's own without a pid "
        "namespace of its own");
  }

  void Need(const std::string& reason) { Need(CAP_SYS_ADMIN, "CAP_SYS_ADMIN", reason); }
  void Need(int capability, const std::string& name, const std::string& reason) {
    if (own_.Has(capability)) return;
    findings_.Wrong(name + " is missing, for " + reason, kGive);
  }

  void CheckIpc(const IpcNamespace& ipc) {
    Need("an IPC namespace");
    if (ipc.shm.empty() && ipc.msg.empty() && ipc.sem.empty()) return;
    if (context_.options.namespaces.joined.contains("ipc")) {
      findings_.Wrong(
          "the plan has segments, message queues or semaphores of its own, which are not made in a "
          "namespace that others use",
          "leave out --join-ns ipc");
    }
    if (!HasSysctl(host_, kShmNextId)) {
      findings_.Wrong("this kernel cannot give objects of System V the ids of the dump",
                      "a kernel with CONFIG_SYSVIPC and CONFIG_CHECKPOINT_RESTORE can");
    }
    Need(CAP_IPC_OWNER, "CAP_IPC_OWNER", "what is in an IPC namespace");
    Need(CAP_SETUID, "CAP_SETUID", "the creators of what is in an IPC namespace");
    Need(CAP_SETGID, "CAP_SETGID", "the creators of what is in an IPC namespace");
    const auto wide = [](const MsgQueue& queue) { return queue.qbytes > kMostMessageBytes; };
    if (std::ranges::any_of(ipc.msg, wide)) {
      Need(CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE", "a message queue of more than 2147483647 bytes");
    }
    const auto locked = [](const ShmSegment& segment) { return segment.locked; };
    if (std::ranges::any_of(ipc.shm, locked)) Need(CAP_IPC_LOCK, "CAP_IPC_LOCK", "SHM_LOCK");
  }

  void CheckNet(const NetNamespace& net) {
    net_ = true;
    Need("a network namespace");
    const NamespaceOptions& options = context_.options.namespaces;
    if (options.empty_net || options.joined.contains("net")) return;
    if (!net.external) return CheckOwnNet(net);
    const std::string& key = net.external->bytes;
    const auto path = options.networks.find(key);
    if (path != options.networks.end()) {
      (void)HoldNamespace(context_, "--external net[" + path->second + "]", path->second, "net",
                          NetworkPlace(key));
      return;
    }
    const auto handed_over = context_.options.inherited.find(key);
    if (handed_over == context_.options.inherited.end()) {
      return findings_.Wrong(
          "the network namespace " + Printable(key) + " comes from outside, and is not handed over",
          "--inherit-fd fd[N]:" + Printable(key) +
              ", --join-ns net:PATH, or --empty-ns net for a new one");
    }
    (void)CheckNamespace(context_, handed_over->second, key, "net");
  }

  void CheckFurtherNets(const std::vector<NetNamespace>& nets) {
    const NamespaceOptions& options = context_.options.namespaces;
    const bool joins = options.joined.contains("net");
    if (joins || options.empty_net) {
      findings_.Wrong("the plan has several network namespaces, of which the first alone has " +
                          std::string(joins ? "--join-ns" : "--empty-ns") + " net",
                      "leave it out");
    }
    for (const NetNamespace& net : nets) CheckOwnNet(net);
  }

  void CheckOwnNet(const NetNamespace& net) {
    if (!net.devices.empty() && !own_.Has(CAP_NET_ADMIN)) {
      findings_.Wrong("CAP_NET_ADMIN is missing, for network devices", kGive);
    }
    for (const NetDevice& device : net.devices) CheckDevice(device);
    CheckConf("ipv4", net.sysctls.ipv4_all, kIpv4Conf);
    CheckConf("ipv6", net.sysctls.ipv6_all, kIpv6Conf);
    for (const NetImageRow& row : kNetImages) {
      if (net.*row.image) CheckWhole(*(net.*row.image), "of a network namespace");
    }
    if (net.addresses || net.routes || net.routes6 || net.rules) NeedTool({"ip"});
    if (net.nftables) NeedTool({"nft"});
    if (net.iptables) NeedTool({"iptables-legacy-restore", "iptables-restore"});
    if (net.ip6tables) NeedTool({"ip6tables-legacy-restore", "ip6tables-restore"});
  }

  /// Any of `names` does.
  void NeedTool(const std::vector<std::string>& names) {
    if (std::ranges::any_of(names, [&](const auto& name) { return HasTool(host_, name); })) return;
    findings_.Wrong(names.back() + " is not here, for the network namespace", "install it");
  }

  template <typename Conf, std::size_t kCount>
  void CheckConf(const std::string& family, const Conf& conf, const ConfRow<Conf> (&rows)[kCount]) {
    for (const ConfRow<Conf>& row : rows) {
      const std::string path = ConfPath(family, row.name);
      if (!(conf.*row.member) || HasSysctl(host_, path)) continue;
      findings_.Wrong("this kernel has no sysctl " + path,
                      "restore on a kernel that has what that of the dump had");
    }
  }

  void CheckDevice(const NetDevice& device) {
    const int error = device.type == kTunDevice ? TunError(host_) : 0;
    if (error != 0) {
      findings_.Wrong("/dev/net/tun: " + std::string(std::strerror(error)) +
                      ", for a network device");
    }
    if (!device.NeedsOutside()) return;
    device_keys_.insert(device.OutsideKey());
    CheckOutsideDevice(context_, device);
  }

  void CheckMounts(const std::vector<Mount>& mounts) {
    Need("a mount namespace");
    for (const MountCall& call : kMountCalls) {
      if (HasCall(host_, call)) continue;
      findings_.Wrong("this kernel has no " + std::string(call.name),
                      "restore on Linux 5.12 or later");
    }
    HoldRoot();
    for (const Mount& mount : mounts) {
      if (mount.external) HoldMount(mount);
      if (mount.shared_with_caller) CheckSharing(mount);
      if (mount.content) CheckContent(mount);
      if (mount.deleted) CheckDeletedMount(context_, mount);
    }
    CheckMasters(mounts);
    std::map<std::uint64_t, const Mount*> by_id;
    for (const Mount& mount : mounts) by_id.emplace(mount.id, &mount);
    const RootView root(&mounts, context_.files);
    for (const Mount& mount : mounts) {
      if (mount.parent) CheckMountpoint(mount, *by_id.at(*mount.parent), root);
    }
  }

  /// Whether it is there, and of the mount's kind: both are directories, or neither is. What is not
  /// given, or what only the restore makes, is not looked at.
  void CheckMountpoint(const Mount& mount, const Mount& parent, const RootView& root) {
    struct stat it = {}, place = {};
    it.st_mode = S_IFDIR;  // a new file system
    const std::string name = Printable(mount.mountpoint.bytes);
    const Doing doing("looking at what is to be mounted there", name);
    const bool known =
        mount.IsNew() || (mount.external &&
                          fstat(context_.files.place(MountPlace(mount.external->bytes)), &it) == 0);
    const int fd = root.OpenIn(parent, mount.mountpoint.bytes, O_NOFOLLOW);
    const int error = errno;
    const bool there = fd >= 0 && fstat(fd, &place) == 0;
    if (fd >= 0) close(fd);
    if (fd < 0 && (error == ENOENT || error == ENOTDIR)) {
      const char* const what = known && !S_ISDIR(it.st_mode) ? "an empty file" : "a directory";
      findings_.Wrong(
          "nothing is at " + name + " in what is given for the mount on " +
              Printable(parent.mountpoint.bytes) + ", and something is mounted there",
          std::string("make ") + (known ? what : "a file or directory") + " of that name");
    } else if (there && known && S_ISDIR(it.st_mode) != S_ISDIR(place.st_mode)) {
      const auto kind = [](const struct stat& of) {
        return S_ISDIR(of.st_mode) ? "a directory" : "no directory";
      };
      findings_.Wrong(std::string("what is to be mounted at ") + name + " is " + kind(it) +
                          ", and what is there is " + kind(place),
                      "give one of the same kind");
    }
  }

  void HoldRoot() {
    const std::string& root = context_.options.namespaces.root;
    if (root.empty()) {
      return findings_.Wrong("the plan has a mount namespace of its own",
                             "--root DIR says where its root file system is");
    }
    const int fd = OpenPath(AT_FDCWD, root, O_DIRECTORY, 0);
    if (fd < 0) return findings_.Wrong("--root " + root + ": " + std::strerror(errno));
    context_.files.HoldPlace(RootPlace(), fd);
  }

  void HoldMount(const Mount& mount) {
    const std::string& key = mount.external->bytes;
    if (!keys_.insert(key).second) return;
    const std::string name = "mnt[" + Printable(key) + "]";
    const NamespaceOptions& options = context_.options.namespaces;
    auto given = options.mounts.find(key);
    const bool configured = given == options.mounts.end();
    if (configured) given = options.configured.find(key);
    if (configured && given == options.configured.end()) {
      return findings_.Wrong("what is mounted at " + Printable(mount.mountpoint.bytes) +
                                 " comes from outside, and is not given",
                             "--external " + name + ":PATH");
    }
    const int fd = OpenPath(AT_FDCWD, given->second, 0, 0);
    if (fd < 0) {
      return findings_.Wrong(
          (configured ? "--oci, mount " + Printable(key) : "--external " + name) + ": " +
          Printable(given->second) + ": " + std::strerror(errno));
    }
    context_.files.HoldPlace(MountPlace(key), fd);
  }

  void CheckSharing(const Mount& mount) {
    const std::string& key = mount.external->bytes;
    const std::string name = "the mount from outside at " + Printable(mount.mountpoint.bytes);
    const int fd = context_.files.place(MountPlace(key));
    if (context_.user) {
      findings_.Unsupported(name +
                            ", which shares events with those of outside, in a user namespace of "
                            "the plan's own");
    } else if (fd >= 0 && !SharesEvents(fd, false)) {
      findings_.Wrong(name + " shares events with those of outside, and what is given for mnt[" +
                          Printable(key) + "] shares none",
                      "mount --make-shared, of what it is on");
    }
  }

  /// Those of outside, of which what is given may have no events to pass on.
  void CheckMasters(const std::vector<Mount>& mounts) {
    SharingProblem problem;
    const std::optional<MountSharing> sharing = PlanSharing(mounts, &problem);
    std::string without;
    for (std::size_t i = 0; sharing && i < mounts.size(); ++i) {
      if (!sharing->slaves_of_outside[i]) continue;
      const std::string place =
          mounts[i].external ? MountPlace(mounts[i].external->bytes) : RootPlace();
      const int fd = context_.files.place(place);
      if (fd < 0 || SharesEvents(fd, true)) continue;
      without += (without.empty() ? "" : ", ") + Printable(mounts[i].mountpoint.bytes);
    }
    if (without.empty()) return;
    findings_.Warn("what is given for the mounts at " + without +
                       " shares no events: they had those of outside, and get none",
                   "mount --make-shared, of what it is on");
  }

  /// A program is given the whole file.
  void CheckWhole(const ImageBytes& content, const std::string& what) {
    const int image = context_.files.image(content.image);
    struct stat status = {};
    if (image < 0 || fstat(image, &status) != 0) return;  // images.cc has told
    if (content.offset == 0 && content.bytes == static_cast<std::uint64_t>(status.st_size)) return;
    findings_.Unsupported("content " + what + " that is a part of " + content.image);
  }

  void CheckContent(const Mount& mount) {
    CheckWhole(*mount.content, "of a tmpfs");
    for (const char* tool : kTmpfsTools) {
      if (HasTool(host_, tool)) continue;
      findings_.Wrong(std::string(tool) + " is not here, for the content of a tmpfs", "install it");
    }
  }

  const Credentials own_ = ReadCredentials(host_);
  bool net_ = false;
  bool alone_ = false;                 ///< a user namespace without a pid namespace
  std::set<std::string> keys_;         ///< of external mounts of the plan
  std::set<std::string> device_keys_;  ///< likewise of what is outside of devices
};

}  // namespace

std::unique_ptr<Question> AskForNamespaces(Context& context) {
  return std::make_unique<NamespaceQuestion>(context);
}

void AskAllOfNamespaces(Host& host) {
  (void)HasSysctl(host, kShmNextId);
  for (const auto& row : kIpv4Conf) (void)HasSysctl(host, ConfPath("ipv4", row.name));
  for (const auto& row : kIpv6Conf) (void)HasSysctl(host, ConfPath("ipv6", row.name));
  (void)TunError(host);
  for (const MountCall& call : kMountCalls) (void)HasCall(host, call);
  for (const char* tool : kTmpfsTools) (void)HasTool(host, tool);
}

}  // namespace crgen::preflight

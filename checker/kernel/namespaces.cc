// SPDX-License-Identifier: Apache-2.0
// Namespaces that the root enters: time_namespaces(7), uts_namespaces(7), ipc_namespaces(7),
// network_namespaces(7), mount_namespaces(7).
#include <linux/utsname.h>

#include <algorithm>
#include <bit>
#include <climits>
#include <limits>
#include <set>
#include <string>
#include <unordered_map>

#include "checker/compare/difference.h"
#include "checker/kernel/kernel.h"
#include "checker/kernel/network.h"
#include "model/mount_bases.h"
#include "model/mount_sharing.h"

namespace crgen::check {
namespace {

using Refusals = std::optional<Refusal>;

constexpr std::size_t kNameAtMost = __NEW_UTS_LEN;
constexpr std::size_t kMountsAtMost = 100'000;  // fs.mount-max

Refusals Invalid(std::string fact) { return Refusal{"EINVAL", std::move(fact)}; }

bool HasNul(const Text& text) { return text.bytes.find('\0') != std::string::npos; }
bool HasNul(const std::optional<Text>& text) { return text && HasNul(*text); }

Refusals Check(const UtsNamespace& uts) {
  for (const Text* name : {&uts.nodename, &uts.domainname}) {
    if (name->bytes.size() <= kNameAtMost && !HasNul(*name)) continue;
    return Invalid("uts: a name has at most 64 bytes, and no NUL");
  }
  return std::nullopt;
}

Refusals Check(const IpcNamespace& ipc) {
  const IpcSysctls& it = ipc.sysctls;
  for (const std::uint32_t value :
       {it.sem_msl, it.sem_mns, it.sem_opm, it.sem_mni, it.msgmax, it.msgmnb, it.msgmni, it.shmmni,
        it.queues_max, it.msg_max, it.msgsize_max, it.msg_default.value_or(0),
        it.msgsize_default.value_or(0), it.msg_next_id.value_or(0), it.sem_next_id.value_or(0),
        it.shm_next_id.value_or(0)}) {
    if (value <= static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max())) continue;
    return Invalid("ipc: a limit of " + std::to_string(value) + " is above 2147483647");
  }
  return RefusedSystemV(ipc);
}

/// What is mounted so far.
class MountTable {
 public:
  /// Why `mount` cannot be the next one.
  Refusals Add(const Mount& mount) {
    Refusals refusal = CheckPlace(mount);
    if (!refusal) refusal = CheckSource(mount);
    if (!refusal) refusal = CheckFlags(mount);
    if (!refusal && (mount.shared == 0U || mount.master == 0U)) {
      refusal = Invalid("is in group 0, which is none");
    }
    if (refusal) {
      refusal->fact = "mount " + std::to_string(mount.id) + " " + refusal->fact;
      return refusal;
    }
    if (mount.superblock) by_superblock_.try_emplace(*mount.superblock, &mount);
    if (mount.superblock && !mount.IsBind()) {
      bases_.Add(*mount.superblock, mount.root.bytes, bases_by_index_.size());
      bases_by_index_.push_back(&mount);
    }
    by_id_.emplace(mount.id, &mount);
    if (mount.parent) {
      places_.emplace(*mount.parent, mount.mountpoint.bytes);
    } else {
      roots_.insert(mount.namespace_id);
    }
    return std::nullopt;
  }

 private:
  Refusals CheckPlace(const Mount& mount) const {
    const std::string& place = mount.mountpoint.bytes;
    if (mount.id == 0 || by_id_.contains(mount.id)) {
      return Refusal{"EEXIST", "has an id that is 0, or another one's"};
    }
    if (by_id_.size() >= kMountsAtMost) return Refusal{"ENOSPC", "is one of more than 100000"};
    if (!IsCanonical(place)) return Invalid("has no plain absolute path as its mountpoint");
    if (place.size() >= std::size_t{PATH_MAX}) {
      return Refusal{"ENAMETOOLONG", "has a mountpoint of " + std::to_string(place.size()) +
                                         " bytes, where 4095 are the most"};
    }
    if (by_id_.empty() && mount.namespace_id) {
      return Invalid("is the first one, and not in the namespace that the root enters");
    }
    if (!mount.parent) {
      if (place == "/" && !roots_.contains(mount.namespace_id)) return std::nullopt;
      return Invalid("has no parent: that is the first one, at /");
    }
    const auto parent = by_id_.find(*mount.parent);
    if (parent == by_id_.end()) {
      return Refusal{"ENOENT", "has parent " + std::to_string(*mount.parent) +
                                   ", which is not mounted by now"};
    }
    if (parent->second->namespace_id != mount.namespace_id) {
      return Invalid("is in another namespace than its parent");
    }
    const std::string& above = parent->second->mountpoint.bytes;
    if (!IsBelow(place, above)) return Invalid("is not below its parent at " + above);
    const std::string hidden = FirstMountOn(*parent->second, place);
    if (hidden.empty()) return std::nullopt;
    return Refusal{"ENOENT", "would be at " + place + " of its parent, where " + hidden +
                                 " is mounted over it"};
  }

  /// The first place on the way from the root of `mount` to `path` where something is mounted on
  /// it; empty: none.
  std::string FirstMountOn(const Mount& mount, const std::string& path) const {
    const std::size_t from = mount.mountpoint.bytes == "/" ? 0 : mount.mountpoint.bytes.size();
    for (std::size_t at = from; at < path.size();) {
      const std::size_t end = std::min(path.find('/', at + 1), path.size());
      std::string place = path.substr(0, end);
      if (places_.contains({mount.id, place})) return place;
      at = end;
    }
    return "";
  }

  Refusals CheckSource(const Mount& mount) const {
    if (mount.root.bytes.empty() || HasNul(mount.root)) return Invalid("has no root");
    if (HasNul(mount.source) || HasNul(mount.options) || HasNul(mount.external)) {
      return Invalid("has a NUL in a text");
    }
    if (mount.shared_with_caller && !(mount.external && mount.shared)) {
      return Invalid("is shared_with_caller: it is external, and has shared");
    }
    const bool is_new = mount.IsNew();
    if (mount.deleted && !mount.IsBind()) return Invalid("is deleted, and no bind mount");
    if (!is_new && (mount.source || mount.options || mount.sb_flags.bits != 0 || mount.content)) {
      return Invalid("makes no file system: source, options, sb_flags and content go with fstype");
    }
    if (mount.external) {
      if (!mount.IsFirstRoot() && !is_new && !mount.external->bytes.empty()) return std::nullopt;
      return Invalid("is external: it has a parent and a key, and no fstype");
    }
    if (mount.IsFirstRoot()) {
      if (!is_new) return std::nullopt;
      return Invalid("is the root, which the caller of a restore has");
    }
    if (!mount.superblock) return Invalid("has no superblock");
    const auto base = by_superblock_.find(*mount.superblock);
    if (is_new) return CheckNew(mount, base == by_superblock_.end());
    if (base == by_superblock_.end()) {
      return Invalid("is of a file system that no mount before it has, and makes none");
    }
    const auto of = bases_.Find(*mount.superblock, mount.root.bytes);
    return CheckBind(mount, of ? *bases_by_index_[*of] : *base->second);
  }

  static Refusals CheckNew(const Mount& mount, bool first) {
    const auto* type = std::ranges::find(kMountableTypes, mount.fstype);
    if (type == std::end(kMountableTypes)) {
      return Refusal{"ENODEV",
                     "has fstype " + mount.fstype +
                         ", expected proc, sysfs, tmpfs, devpts, mqueue, cgroup or cgroup2"};
    }
    if (!first) return Refusal{"EBUSY", "makes a file system that is there already"};
    if (mount.root.bytes != "/") return Invalid("makes a file system: its root is /");
    if (!mount.content || mount.fstype == "tmpfs") return std::nullopt;
    return Invalid("has content, and is no tmpfs");
  }

  static Refusals CheckBind(const Mount& mount, const Mount& base) {
    if (!IsCanonical(mount.root.bytes) || !IsBelow(mount.root.bytes, base.root.bytes)) {
      return Refusal{"ENOENT",
                     "has a root that is not below that of mount " + std::to_string(base.id)};
    }
    if (mount.deleted && mount.root.bytes == base.root.bytes) {
      return Refusal{"EBUSY", "is deleted, and all of its file system"};
    }
    return std::nullopt;
  }

  static Refusals CheckFlags(const Mount& mount) {
    const std::uint64_t wrong =
        (mount.flags.bits & ~kMountFlags) | (mount.sb_flags.bits & ~kSuperblockFlags);
    if (wrong != 0) {
      return Invalid("has flags that no mount, or no file system, can be given: " +
                     ValueText(MountFlags{wrong}));
    }
    if (std::popcount(mount.flags.bits & kAccessTimeFlags) <= 1) return std::nullopt;
    return Invalid("has several of MS_NOATIME, MS_RELATIME and MS_STRICTATIME");
  }

  std::unordered_map<std::uint64_t, const Mount*> by_id_;
  std::unordered_map<std::uint64_t, const Mount*> by_superblock_;  ///< the first
  MountBases bases_;
  std::vector<const Mount*> bases_by_index_;
  std::set<std::pair<std::uint64_t, std::string>> places_;  ///< parent, mountpoint
  std::set<std::optional<std::uint64_t>> roots_;            ///< namespaces that have theirs
};

Refusals Check(const std::vector<Mount>& mounts) {
  MountTable table;
  for (const Mount& mount : mounts) {
    if (Refusals refusal = table.Add(mount)) return refusal;
  }
  SharingProblem problem;
  if (PlanSharing(mounts, &problem)) return std::nullopt;
  return Invalid("mount " + std::to_string(mounts[problem.mount].id) + " " + problem.what);
}

}  // namespace

std::optional<Refusal> RefusedNamespaces(const Attributes& attributes) {
  if (attributes.uts) {
    if (Refusals refusal = Check(*attributes.uts)) return refusal;
  }
  if (attributes.ipc) {
    if (Refusals refusal = Check(*attributes.ipc)) return refusal;
  }
  if (Refusals refusal = RefusedNetworks(attributes)) return refusal;
  return Check(attributes.mounts);
}

/// Whoever is in a time namespace freezes its offsets, only a process without other threads can
/// enter one, and what a process has opened or born before it enters any stays outside.
bool Kernel::CheckNamespaces(const Attributes& attributes) {
  if (attributes.time && !CheckClocks(*attributes.time)) return false;
  const Task& task = self();
  const Attributes& known = *task.attributes;
  const bool paths = task.fs->set_by != nullptr || known.mm;
  for (const auto& [name, set, already] :
       {std::tuple{"time", attributes.time.has_value(), known.time.has_value()},
        std::tuple{"uts", attributes.uts.has_value(), known.uts.has_value()},
        std::tuple{"ipc", attributes.ipc.has_value(), known.ipc.has_value()},
        std::tuple{"net", attributes.net.has_value(), known.net.has_value()},
        std::tuple{"mounts", !attributes.mounts.empty(), !known.mounts.empty()}}) {
    if (!set) continue;
    const bool mounts = std::string_view(name) == "mounts", ipc = std::string_view(name) == "ipc";
    const char* reason = self_ != root_              ? "only the root has it"
                         : already                   ? "it is set already"
                         : tasks.size() > 2          ? "the root has forked"
                         : !task.threads.empty()     ? "the root has other threads"
                         : !file_ids_.empty()        ? "the root has opened files"
                         : mounts && paths           ? "the root has directories, or its executable"
                         : ipc && !segments_.empty() ? "the root has attached a segment"
                                                     : nullptr;
    if (reason == nullptr) continue;
    Violation(std::string_view(name) == "time" ? "EUSERS" : "EINVAL",
              std::string(name) + ": " + reason);
    return false;
  }
  if (attributes.ipc && !AddSystemV(*attributes.ipc)) return false;
  bool has_sources = true;
  ForEachNet(attributes, [&](const NetNamespace& net) {
    for (const NetImageRow& row : kNetImages) {
      const std::optional<ImageBytes>& image = net.*row.image;
      if (!image || !has_sources) continue;
      has_sources = CheckSource({image->image, image->offset}, image->bytes);
    }
  });
  if (!has_sources) return false;
  for (const Mount& mount : attributes.mounts) {
    if (!mount.content) continue;
    const ImageBytes& content = *mount.content;
    if (!CheckSource({content.image, content.offset}, content.bytes)) return false;
  }
  return true;
}

bool Kernel::CheckClocks(const Clocks& clocks) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  constexpr std::uint64_t kSecondsAtMost = (std::uint64_t{1} << 63) / kSecond / 2;
  for (const ClockReading& clock : {clocks.monotonic, clocks.boottime}) {
    if (clock.nsec < kSecond && clock.sec <= kSecondsAtMost) continue;
    Violation("ERANGE", "time: " + std::to_string(clock.sec) + " s " + std::to_string(clock.nsec) +
                            " ns is no reading of a clock");
    return false;
  }
  return true;
}

}  // namespace crgen::check

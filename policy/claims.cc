// SPDX-License-Identifier: Apache-2.0
// Who a tree becomes, what it maps, where it is.
#include "policy/claims.h"

#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "model/digest.h"
#include "model/mount_bases.h"
#include "preflight/credentials.h"
#include "views/words.h"

namespace crgen::policy {
namespace {

constexpr std::uint32_t kNoId = ~std::uint32_t{0};

std::string OfProcess(Pid pid) { return "process " + std::to_string(pid); }

std::string RegionPlace(Pid pid, const AddressRange& range) {
  return HexText(range.start).substr(2) + "-" + HexText(range.end).substr(2) + " of " +
         OfProcess(pid);
}

/// What the memory is called.
std::string MemoryName(const MappedPart& region) {
  switch (region.kind) {
    case RegionKind::kPrivateFile:
    case RegionKind::kSharedFile:
      return region.file == nullptr || As<RegularFile>(*region.file) == nullptr
                 ? "[file]"
                 : As<RegularFile>(*region.file)->path.bytes;
    case RegionKind::kPrivateMemfd:
    case RegionKind::kSharedMemfd:
      return "[memfd:" + region.memfd + "]";
    case RegionKind::kSharedAnonymous:
      return "[shared]";
    case RegionKind::kSysvShm:
      return "[sysv]";
    default:
      return "[anonymous]";
  }
}

/// Some are those of who restores.
bool InheritsLimits(const Attributes& attributes) {
  return attributes.inherit_rlimits && attributes.rlimits.size() < kResources;
}

/// In what AddProcess() looks at.
bool AreAlike(const Attributes& a, const Attributes& b) {
  const bool same_exe =
      a.mm.has_value() == b.mm.has_value() &&
      (!a.mm || (a.mm->exe == b.mm->exe && a.mm->exe_unlinked == b.mm->exe_unlinked &&
                 a.mm->exe_opened_by == b.mm->exe_opened_by));
  return same_exe && InheritsLimits(a) == InheritsLimits(b) && a.dumpable == b.dumpable &&
         a.oom_score_adj == b.oom_score_adj && a.personality == b.personality &&
         a.loginuid == b.loginuid && a.fs == b.fs && a.posix_timers == b.posix_timers;
}

bool IsKernels(RegionKind kind) {
  return kind == RegionKind::kVdso || kind == RegionKind::kVvar || kind == RegionKind::kVsyscall;
}

}  // namespace

std::string OfThread(Pid pid, Pid tid) {
  if (tid == pid) return OfProcess(pid);
  return "thread " + std::to_string(tid) + " of " + OfProcess(pid);
}

std::string SeccompName(const Seccomp& seccomp) {
  if (seccomp.mode.value == SECCOMP_MODE_STRICT) return "strict";
  Sha256 digest;
  for (const SeccompFilter& filter : seccomp.filters) {
    const std::string& program = filter.program.bytes;
    // Its length first: filters are told apart from one that is as long as all of them.
    digest.Add(std::to_string(program.size()) + "\n");
    digest.Add(program);
  }
  return digest.Finish().text;
}

void Claims::Thread(Pid pid, Pid tid, const Attributes& attributes) {
  const Attributes* last = std::exchange(last_thread_, &attributes);
  if (last != nullptr && last->creds == attributes.creds && last->seccomp == attributes.seccomp &&
      last->sched == attributes.sched) {
    return out_.Again(of_thread_);
  }
  of_thread_.clear();
  out_.Record(&of_thread_);
  AddThread(attributes, OfThread(pid, tid));
  out_.Record(nullptr);
}

void Claims::AddThread(const Attributes& attributes, const std::string& where) {
  if (attributes.creds) {
    Credentials(*attributes.creds, where);
  } else {
    External("credentials", "", where);
  }
  SeccompOf(attributes, where);
  SchedulingOf(attributes, where);
}

void Claims::Mask(Kind kind, std::uint64_t mask, const std::string& where) {
  for (int bit = 0; bit < 64; ++bit) {
    if ((mask >> bit & 1) == 0) continue;
    out_.Add(kind, preflight::CapabilityName(bit), [&] { return where; });
  }
}

void Claims::Credentials(const Creds& creds, const std::string& where) {
  const auto at = [&] { return where; };
  std::set<std::uint32_t> gids(creds.groups.begin(), creds.groups.end());
  gids.insert({creds.gid, creds.egid, creds.sgid, creds.fsgid});
  for (const std::uint32_t uid : std::set{creds.uid, creds.euid, creds.suid, creds.fsuid}) {
    out_.AddNumber(Kind::kUids, uid, at);
  }
  for (const std::uint32_t gid : gids) out_.AddNumber(Kind::kGids, gid, at);
  Mask(Kind::kCapabilities, creds.cap_prm.value | creds.cap_eff.value, where);
  Mask(Kind::kInheritable, creds.cap_inh.value, where);
  Mask(Kind::kAmbient, creds.cap_amb.value, where);
  Mask(Kind::kBounding, creds.cap_bnd.value, where);
  for (const std::string& name : FlagNames(SecurebitKind::Names(), creds.secbits.bits)) {
    out_.Add(Kind::kSecurebits, name, at);
  }
  if (!creds.no_new_privs) out_.Add(Kind::kNewPrivileges, {}, {}, at);
  out_.Add(Kind::kLsm, creds.lsm_profile ? creds.lsm_profile->bytes : "none", at);
  if (creds.lsm_sockcreate) out_.Add(Kind::kLsm, creds.lsm_sockcreate->bytes, at);
}

void Claims::SeccompOf(const Attributes& attributes, const std::string& where) {
  const std::optional<Seccomp>& seccomp = attributes.seccomp;
  const bool none =
      !seccomp || (seccomp->mode.value != SECCOMP_MODE_STRICT &&
                   (seccomp->mode.value != SECCOMP_MODE_FILTER || seccomp->filters.empty()));
  out_.Add(Kind::kSeccomp, none ? "none" : SeccompName(*seccomp), [&] { return where; });
}

void Claims::SchedulingOf(const Attributes& attributes, const std::string& where) {
  if (!attributes.sched) return;
  constexpr std::uint32_t kOther = 0, kBatch = 3, kIdle = 5;  // sched(7)
  const Sched& sched = *attributes.sched;
  const std::uint32_t policy = sched.policy.value;
  const auto at = [&] { return where; };
  if (policy != kOther && policy != kBatch && policy != kIdle) {
    out_.Add(Kind::kScheduling, NameText(sched.policy), at);
  } else if (sched.nice < 0) {
    out_.Add(Kind::kScheduling, "nice " + std::to_string(sched.nice), at);
  }
}

void Claims::Process(Pid pid, const Attributes& attributes, const File* exe) {
  const Attributes* last = std::exchange(last_process_, &attributes);
  const File* last_exe = std::exchange(last_exe_, exe);
  if (last != nullptr && last_exe == exe && AreAlike(*last, attributes)) {
    return out_.Again(of_process_);
  }
  of_process_.clear();
  out_.Record(&of_process_);
  AddProcess(attributes, exe, OfProcess(pid));
  out_.Record(nullptr);
}

void Claims::AddProcess(const Attributes& attributes, const File* exe, const std::string& where) {
  const auto at = [&] { return where; };
  if (InheritsLimits(attributes)) External("limits", "", where);
  if (attributes.dumpable.value_or(1) != 0) out_.Add(Kind::kDumpable, {}, {}, at);
  if (attributes.oom_score_adj.value_or(0) < 0) {
    out_.Add(Kind::kOomScore, std::to_string(*attributes.oom_score_adj), at);
  }
  if (attributes.personality && attributes.personality->value != 0) {
    out_.Add(Kind::kPersonality, HexText(attributes.personality->value), at);
  }
  if (attributes.loginuid.value_or(kNoId) != kNoId) {
    out_.AddNumber(Kind::kLoginuids, *attributes.loginuid, at);
  }
  for (const PosixTimer& timer : attributes.posix_timers) {
    WakeAlarm(timer.clock.value, "timer " + std::to_string(timer.id) + " of " + where);
  }
  if (attributes.mm) {
    const std::string& path = attributes.mm->exe.bytes;
    Path(path, "execute", "the executable of " + where);
    executed_.emplace(path, where);
    const RegularFile* file = exe == nullptr ? nullptr : As<RegularFile>(*exe);
    if (file != nullptr) Setuid(path, file->mode, "the executable of " + where);
    const Rare<Text>& link = attributes.mm->exe_opened_by;
    if (link) Path(link->bytes, "read", "the executable of " + where);
    if (!attributes.mm->exe_unlinked) {
      out_.AddFile(link ? link->bytes : path,
                   file == nullptr ? FileWas{} : FileWas{file->mode, file->size, file->build_id});
    }
  }
  if (!attributes.fs) return;
  const std::string& root = attributes.fs->root.bytes;
  const std::string& cwd = attributes.fs->cwd.bytes;
  Path(root, "enter", "the root directory of " + where);
  Path(cwd, "enter", "the working directory of " + where);
  out_.AddFile(root, {});
  out_.AddFile(cwd, {});
  if (!IsBelow(WithoutDots(cwd), root)) {
    out_.Add(Kind::kBeyondRoot, cwd, [&] { return "the working directory of " + where; });
  }
}

void Claims::Mapped(Pid pid, const AddressRange& range, const MappedPart& region) {
  if (region.object != 0) Shared(region, RegionPlace(pid, range));
  if (!region.memfd.empty()) return AddMapped(region, RegionPlace(pid, range));
  const auto [known, fresh] = of_regions_.try_emplace(
      {region.file, region.open_flags.bits, region.prot.bits, region.kind, region.loaded});
  if (!fresh) return out_.Again(known->second);
  out_.Record(&known->second);
  AddMapped(region, RegionPlace(pid, range));
  out_.Record(nullptr);
}

/// Who may execute an object, and whether somebody may write it: by another mapping, or, as a memfd
/// is always opened for both, by that opening.
void Claims::Shared(const MappedPart& region, const std::string& where) {
  SharedCode& code = shared_[{MemoryName(region), region.object}];
  const bool memfd =
      region.kind == RegionKind::kPrivateMemfd || region.kind == RegionKind::kSharedMemfd;
  const bool executable = region.prot.Has(PROT_EXEC);
  if (executable && code.where.empty()) code.where = where;
  // What is writable and executable at once is called so.
  if (memfd ? !region.sealed : region.prot.Has(PROT_WRITE) && !executable) code.written = true;
}

void Claims::AddMapped(const MappedPart& region, const std::string& where) {
  const auto at = [&] { return where; };
  const bool executable = region.prot.Has(PROT_EXEC);
  const RegularFile* file = region.file == nullptr ? nullptr : As<RegularFile>(*region.file);
  if (file != nullptr) {
    Accessed(*file, region.open_flags, where);
    if (executable) {
      Path(file->path.bytes, "execute", where);
      executed_.emplace(file->path.bytes, where);
    }
  }
  if (region.outside) External("sysv", "", where);
  if (!executable || IsKernels(region.kind)) return;
  const std::string name = MemoryName(region);
  if (region.prot.Has(PROT_WRITE)) out_.Add(Kind::kCode, {name}, "writable", at);
  if (region.loaded) out_.Add(Kind::kCode, {name}, "loaded", at);
}

/// "0-65535", "7".
static std::string RangeText(std::uint64_t first, std::uint64_t count) {
  const std::string text = std::to_string(first);
  return count == 1 ? text : text + "-" + std::to_string(first + count - 1);
}

void Claims::Maps(const UserNamespace& user) {
  for (const auto& [name, map] : {std::pair{"uid:", &user.uid_map}, {"gid:", &user.gid_map}}) {
    for (const IdRange& range : *map) {
      out_.Add(
          Kind::kIdMaps,
          name + RangeText(range.inside, range.count) + ":" + RangeText(range.outside, range.count),
          [] { return std::string("the root"); });
    }
  }
}

/// An NS has no `namespace_id` where it is the tree's own of such a kind (contract, 12.6).
constexpr std::string_view kWithoutId[] = {"user", "pid", "time", "mnt", "cgroup"};

void Claims::Namespaces(const Attributes& root, bool new_pid, const PidNamespace* pid,
                        const UserNamespace* user) {
  const auto add = [&](std::string_view name, bool own) {
    out_.Add(Kind::kNamespaces, std::string(name) + (own ? ":own" : ":caller"),
             [] { return std::string("the root"); });
    if (own && std::ranges::find(kWithoutId, name) != std::end(kWithoutId)) {
      own_namespaces_.emplace(name);
    }
  };
  add("user", user != nullptr);
  if (user != nullptr) Maps(*user);
  if (pid != nullptr) {
    out_.Add(Kind::kNamespaces, "pid:external", [] { return std::string("the root"); });
    External("pid_namespace", pid->external.bytes, "the root");
  }
  if (pid == nullptr || new_pid) add("pid", new_pid);
  add("uts", root.uts.has_value());
  add("ipc", root.ipc.has_value());
  add("time", root.time.has_value());
  add("mnt", !root.mounts.empty());
  bool cgroup = false;
  if (root.cgroup) {
    for (const CgroupPath& path : root.cgroup->paths) cgroup = cgroup || path.prefix.has_value();
  }
  add("cgroup", cgroup);
  if (root.net && root.net->external) {
    out_.Add(Kind::kNamespaces, "net:external", [] { return std::string("the root"); });
    External("network", root.net->external->bytes, "the root");
  } else {
    add("net", root.net.has_value());
  }
  ForEachNet(root, [&](const NetNamespace& net) {
    for (const NetDevice& device : net.devices) {
      if (device.NeedsOutside()) External("device", device.OutsideKey(), "the root");
    }
  });
  if (root.mounts.empty()) return;
  out_.SetMounts(root.mounts);
  External("root", "", "the root");
  MountBases bases;
  std::set<std::uint64_t> groups;
  for (std::size_t i = 0; i < root.mounts.size(); ++i) {
    const Mount& mount = root.mounts[i];
    if (mount.shared) groups.insert(*mount.shared);
    if (!mount.IsBind() && mount.superblock) bases.Add(*mount.superblock, mount.root.bytes, i);
  }
  for (const Mount& mount : root.mounts) {
    std::optional<std::size_t> base;
    if (mount.IsBind() && mount.superblock) base = bases.Find(*mount.superblock, mount.root.bytes);
    MountAt(mount, base ? &root.mounts[*base] : nullptr);
    if (mount.shared_with_caller || (mount.master && !groups.contains(*mount.master))) {
      External("mount_events", mount.mountpoint.bytes, "mount " + std::to_string(mount.id));
    }
  }
}

/// What a bind mount is a part of: "root", "external data", "tmpfs at /tmp".
static std::string BaseName(const Mount* base) {
  if (base == nullptr) return "unknown";
  if (base->external) return "external " + base->external->bytes;
  return base->IsNew() ? base->fstype + " at " + base->mountpoint.bytes : "root";
}

void Claims::MountAt(const Mount& mount, const Mount* base) {
  std::string where = "mount " + std::to_string(mount.id);
  const std::string type = mount.IsNew()    ? mount.fstype
                           : mount.external ? "external"
                           : mount.IsBind() ? "bind"
                                            : "root";
  const std::string source = mount.external   ? mount.external->bytes
                             : mount.IsBind() ? BaseName(base) + ":" + mount.root.bytes
                             : mount.source   ? mount.source->bytes
                                              : "";
  if (mount.external) External("mount", mount.external->bytes, where);
  const std::vector<std::string> parts = {type, source, mount.mountpoint.bytes};
  out_.Add(Kind::kMounts, parts, "", [&] { return where; });
  constexpr std::pair<std::uint64_t, std::string_view> kFlags[] = {
      {mount_flag::kReadOnly, "read_only"},
      {mount_flag::kNoSuid, "nosuid"},
      {mount_flag::kNoDevices, "nodev"},
      {mount_flag::kNoExec, "noexec"}};
  const std::uint64_t flags = mount.flags.bits | (mount.sb_flags.bits & mount_flag::kReadOnly);
  for (const auto& [flag, word] : kFlags) {
    if ((flags & flag) == 0) out_.Add(Kind::kMounts, parts, word, [&] { return where; });
  }
}

void Claims::CgroupPlace(Pid tid, const CgroupPath& path) {
  out_.Add(Kind::kCgroups, CgroupText(path.controllers, path.path.bytes),
           [&] { return "thread " + std::to_string(tid); });
}

/// "0755 0:0".
static std::string PermissionsText(const FilePermissions& it) {
  char mode[16];
  std::snprintf(mode, sizeof mode, "%04o", it.mode & 07777);
  return std::string(mode) + " " + std::to_string(it.uid) + ":" + std::to_string(it.gid);
}

void Claims::CgroupMade(const CgroupDirectory& directory) {
  std::string place = CgroupText(directory.controllers, directory.path.bytes);
  out_.Add(Kind::kCgroups, place, [] { return std::string("the tree"); });
  const auto permissions = [&](const std::string& what, const FilePermissions& it) {
    out_.Add(Kind::kCgroupProperties, what + "=" + PermissionsText(it), [&] { return place; });
  };
  if (directory.perms) permissions("permissions", *directory.perms);
  for (const CgroupProperty& property : directory.properties) {
    if (property.perms) permissions("permissions of " + property.name, *property.perms);
    out_.Add(Kind::kCgroupProperties, property.name + "=" + property.value.bytes,
             [&] { return place; });
  }
}

void Claims::Finish() {
  for (const auto& [type, where] : namespaces_) {
    if (!own_namespaces_.contains(type)) External("namespace", type, where);
  }
  for (const auto& executed : executed_) {
    if (!written_.contains(WithoutDots(executed.first))) continue;
    out_.Add(Kind::kCode, {executed.first}, "written", [&] { return executed.second; });
  }
  for (const auto& part : shared_) {
    const auto& code = part.second;
    if (!code.written || code.where.empty()) continue;
    out_.Add(Kind::kCode, {part.first.first}, "written", [&] { return code.where; });
  }
  for (const auto& [terminal, slave] : slaves_) {
    if (masters_.contains(terminal) || hung_up_.contains(terminal)) continue;
    External("terminal", "pty " + std::to_string(slave.index), slave.where);
  }
  out_.Sort();
}

}  // namespace crgen::policy

// SPDX-License-Identifier: Apache-2.0
#include "restorer/mounts.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "model/mount_bases.h"
#include "model/mount_paths.h"
#include "model/mount_sharing.h"
#include "preflight/held_mounts.h"
#include "preflight/namespace_options.h"
#include "restorer/deleted_mounts.h"
#include "restorer/namespaces.h"
#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"
#include "restorer/tools.h"
#include "restorer/user_namespace.h"

namespace crgen::restorer {
namespace {

struct Attribute {
  std::uint64_t flag;  ///< of mount(2)
  std::uint64_t set;   ///< MOUNT_ATTR_ of mount_setattr(2)
};
constexpr Attribute kAttributes[] = {{mount_flag::kReadOnly, MOUNT_ATTR_RDONLY},
                                     {mount_flag::kNoSuid, MOUNT_ATTR_NOSUID},
                                     {mount_flag::kNoDevices, MOUNT_ATTR_NODEV},
                                     {mount_flag::kNoExec, MOUNT_ATTR_NOEXEC},
                                     {mount_flag::kNoAccessTime, MOUNT_ATTR_NOATIME},
                                     {mount_flag::kStrictAccessTime, MOUNT_ATTR_STRICTATIME},
                                     {mount_flag::kNoDirectoryAccessTime, MOUNT_ATTR_NODIRATIME},
                                     {mount_flag::kNoSymlinks, MOUNT_ATTR_NOSYMFOLLOW}};

struct SuperblockFlag {
  std::uint64_t flag;
  const char* name;
};
constexpr SuperblockFlag kSuperblock[] = {{mount_flag::kSynchronous, "sync"},
                                          {mount_flag::kDirectoriesSynchronous, "dirsync"},
                                          {mount_flag::kLazyTime, "lazytime"}};
constexpr const char* kReadOnlyFlag = "ro";

std::uint64_t AttributesOf(const Mount& mount) {
  std::uint64_t set = 0;
  for (const Attribute& row : kAttributes) {
    if (mount.flags.Has(row.flag)) set |= row.set;
  }
  return set;
}

/// Only a process of the tree's pid namespace can, or of its cgroup namespace.
bool IsMadeInside(const Mount& mount) {
  return mount.fstype == "proc" || mount.fstype == "cgroup" || mount.fstype == "cgroup2";
}

/// A value that is an id of the plan.
std::string ValueOf(std::string_view key, std::string_view value, const OutsideIds& ids) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), id);
  const bool is_number = error == std::errc() && end == value.data() + value.size();
  if (is_number && key == "uid") return std::to_string(ids.Uid(id));
  if (is_number && key == "gid") return std::to_string(ids.Gid(id));
  return std::string(value);
}

/// What a file system is made with: texts with values, flags without.
using Settings = std::vector<std::pair<std::string, std::optional<std::string>>>;

Settings SettingsOf(const Mount& mount, bool read_only, const OutsideIds& ids) {
  Settings settings;
  if (mount.source) settings.emplace_back("source", mount.source->bytes);
  std::string_view rest = mount.options ? std::string_view(mount.options->bytes) : "";
  while (!rest.empty()) {
    const std::string_view option = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(option.size() + 1, rest.size()));
    const std::size_t equals = option.find('=');
    if (option.empty()) continue;
    if (equals == option.npos) {
      settings.emplace_back(option, std::nullopt);
    } else {
      const std::string_view key = option.substr(0, equals);
      settings.emplace_back(key, ValueOf(key, option.substr(equals + 1), ids));
    }
  }
  for (const SuperblockFlag& row : kSuperblock) {
    if (mount.sb_flags.Has(row.flag)) settings.emplace_back(row.name, std::nullopt);
  }
  if (read_only && mount.sb_flags.Has(mount_flag::kReadOnly)) {
    settings.emplace_back(kReadOnlyFlag, std::nullopt);
  }
  return settings;
}

/// Begins with which mount it is; `call` has failed.
std::string Failed(const Mount& mount, const std::string& call) {
  const std::string error = ErrorText(call);
  return "the mount at " + mount.mountpoint.bytes + ": " + error;
}

/// A file system that is mounted nowhere; -1: `*problem` says why not.
int MakeFileSystem(const Mount& mount, const Services& services, std::string* problem) {
  const auto failed = [&](const std::string& call, long fd) {
    *problem = Failed(mount, call);
    if (fd >= 0) close(static_cast<int>(fd));
    return -1;
  };
  // It belongs to the user namespace of who has called fsopen(2).
  const long context = services.user != nullptr
                           ? services.user->TakeContext(mount.id)
                           : syscall(SYS_fsopen, mount.fstype.c_str(), FSOPEN_CLOEXEC);
  if (context < 0) return failed("fsopen of " + mount.fstype, -1);
  for (const auto& [key, value] : SettingsOf(mount, !mount.content, services.ids)) {
    const long set =
        value ? syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key.c_str(), value->c_str(), 0)
              : syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, key.c_str(), nullptr, 0);
    if (set != 0) return failed("option " + key + (value ? "=" + *value : ""), context);
  }
  if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return failed("making a " + mount.fstype, context);
  }
  const long made = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
  if (made < 0) return failed("fsmount", context);
  close(static_cast<int>(context));
  return static_cast<int>(made);
}

/// Fills a tmpfs from its archive, by tar(1) of this system.
std::string Fill(const Mount& mount, int made, const Services& services, unsigned timeout) {
  const int archive = Reopen(services.files->image(mount.content->image), O_RDONLY);
  if (archive < 0) return Failed(mount, "open of " + mount.content->image);
  const mode_t mask = umask(0);
  const ToolOutcome tar =
      RunToolIn(made,
                {"tar", "--extract", "--gzip", "--no-unquote", "--no-wildcards", "--numeric-owner",
                 "--same-owner", "--preserve-permissions", "--file=-"},
                archive, timeout, services.user);
  umask(mask);
  close(archive);
  return ToolComplaint(
      "the mount at " + mount.mountpoint.bytes + ": tar cannot extract " + mount.content->image,
      tar);
}

std::string MakeReadOnly(const Mount& mount, int made) {
  const long context = syscall(SYS_fspick, made, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
  if (context < 0) return Failed(mount, "fspick");
  const bool done =
      syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, kReadOnlyFlag, nullptr, 0) == 0 &&
      syscall(SYS_fsconfig, context, FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0) == 0;
  std::string problem = done ? "" : Failed(mount, "making it read-only");
  close(static_cast<int>(context));
  return problem;
}

/// What is locked when it goes into the user namespace (mount_namespaces(7)): for bind mounts of
/// it, too, so that what one of them lacks is added in there.
std::uint64_t LockedAttributes(const Mount& mount, const std::vector<Mount>& all) {
  std::uint64_t locked = AttributesOf(mount);
  for (const Mount& other : all) {
    const bool part = other.IsBind() && mount.superblock && other.superblock == mount.superblock;
    if (part) locked &= AttributesOf(other) | MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME;
  }
  return locked;
}

/// Where the caller has it.
int PlaceOf(const Mount& mount, const Services& services) {
  return services.files->place(mount.external ? MountPlace(mount.external->bytes) : RootPlace());
}

/// A copy of what is mounted where the caller says, without what is mounted below. `locked`: what
/// it gets for a user namespace.
int CopyOf(const Mount& mount, std::uint64_t locked, const Services& services,
           std::string* problem) {
  const int place = PlaceOf(mount, services);
  if (services.user != nullptr) {
    const char* call = "";
    const int copy = services.user->CopyMount(place, locked, &call);
    if (copy < 0) *problem = Failed(mount, call);
    return copy;
  }
  const long copy =
      syscall(SYS_open_tree, place, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  if (copy < 0) *problem = Failed(mount, "open_tree");
  return static_cast<int>(copy);
}

/// Of a bind mount, the part of what `mount` is that it is of; -1: there is none, or something else
/// is mounted there.
int PartOf(const Mount& mount, int base, const Mount& bind) {
  const std::string below(PathBelow(bind.root.bytes, mount.root.bytes));
  if (below.empty()) return fcntl(base, F_DUPFD_CLOEXEC, 0);
  return OpenPath(base, below, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

/// `base`: what the bind mount is of, which may be mounted nowhere (since Linux 6.15).
std::string HoldBind(const Mount& mount, int base, const Mount& bind, Services* services) {
  const int part = PartOf(mount, base, bind);
  if (part < 0) return Failed(bind, "open of " + bind.root.bytes);
  const long copy = FailsOnPurpose() ? -1
                                     : syscall(SYS_open_tree, part, "",
                                               OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  std::string problem = copy < 0 ? Failed(bind, "open_tree") : "";
  close(part);
  if (copy >= 0) services->mounts[bind.id] = static_cast<int>(copy);
  return problem;
}

/// Those bind mounts of the caller's, or of new file systems, in which something is to be made
/// before the tree is there.
std::string HoldBinds(const Program& program, preflight::BindOf kind, Services* services) {
  const std::vector<Mount>* mounts = OwnMounts(program);
  if (mounts == nullptr || services->user != nullptr) return "";
  const std::set<std::uint64_t> held = preflight::FindHeldBinds(program, *mounts);
  for (const Mount& bind : *mounts) {
    if (!held.contains(bind.id) || preflight::KindOfBind(*mounts, bind) != kind) continue;
    if (services->mounts.contains(bind.id)) continue;  // what it is of has no name
    const Mount& base = preflight::BaseOf(*mounts, bind);
    std::string problem = HoldBind(base, services->mounts.at(base.id), bind, services);
    if (!problem.empty() && kind == preflight::BindOf::kGiven) {
      // On older kernels, from where the caller has it; there something may be mounted on the way.
      problem = HoldBind(base, PlaceOf(base, *services), bind, services);
    }
    if (!problem.empty()) return problem;
  }
  return "";
}

std::string Copy(const Mount& mount, const std::vector<Mount>& all, Services* services) {
  services->own_mounts = true;
  const auto number = static_cast<std::int32_t>(services->spaces.size());
  services->space_of[mount.id] =
      services->spaces.try_emplace(mount.namespace_id, number).first->second;
  if (mount.IsBind() || mount.IsNew()) return "";
  std::string problem;
  const std::uint64_t locked = LockedAttributes(mount, all);
  const int copy = CopyOf(mount, locked, *services, &problem);
  if (copy >= 0) services->mounts[mount.id] = copy;
  if (!problem.empty() || !mount.shared_with_caller) return problem;
  const int in_groups = CopyOf(mount, locked, *services, &problem);
  if (in_groups >= 0) services->callers_groups[mount.id] = in_groups;
  return problem;
}

std::string Make(const Mount& mount, unsigned timeout, Services* services) {
  if (!IsMadeOutside(mount)) return "";
  std::string problem;
  const int made = MakeFileSystem(mount, *services, &problem);
  if (made < 0) return problem;
  services->mounts[mount.id] = made;
  if (!mount.content) return "";
  problem = Fill(mount, made, *services, timeout);
  if (problem.empty() && mount.sb_flags.Has(mount_flag::kReadOnly)) {
    problem = MakeReadOnly(mount, made);
  }
  return problem;
}

/// Until `each` says a problem.
template <typename Each>
std::string ForEachMount(const Program& program, Each&& each) {
  const std::vector<Mount>* mounts = OwnMounts(program);
  if (mounts == nullptr) return "";
  for (const Mount& mount : *mounts) {
    std::string problem = each(mount);
    if (!problem.empty()) return problem;
  }
  return "";
}

}  // namespace

bool IsMadeOutside(const Mount& mount) { return mount.IsNew() && !IsMadeInside(mount); }

std::string CopyMounts(const Program& program, Services* services) {
  std::string problem = ForEachMount(
      program, [&](const Mount& mount) { return Copy(mount, *OwnMounts(program), services); });
  return problem.empty() ? HoldBinds(program, preflight::BindOf::kGiven, services) : problem;
}

std::string MakeFileSystems(const Program& program, unsigned timeout, Services* services) {
  std::string problem =
      ForEachMount(program, [&](const Mount& mount) { return Make(mount, timeout, services); });
  if (problem.empty()) problem = HoldDeletedMounts(program, services);
  return problem.empty() ? HoldBinds(program, preflight::BindOf::kNew, services) : problem;
}

int OwnDevpts(const Program& program, const Services& services) {
  const std::vector<Mount>* mounts = OwnMounts(program);
  if (mounts == nullptr) return -1;
  const Mount& mount = *MountPaths(*mounts).MountOf("/dev/pts");
  return mount.fstype == "devpts" ? services.mounts.at(mount.id) : -1;
}

std::string MountOwnProc() {
  if (unshare(CLONE_NEWNS) != 0) return ErrorText("unshare(CLONE_NEWNS)");
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return ErrorText("making the mount at / private") +
           (errno == EINVAL ? " (of chroot(1): mount --bind its folder on itself before)" : "");
  }
  const bool mounted =
      mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0;
  return mounted ? "" : ErrorText("mount of /proc");
}

MountsOp CompileMounts(const std::vector<Mount>& mounts, const Services& services, Arena& arena) {
  std::unordered_map<std::uint64_t, std::size_t> by_id;
  MountBases bases;
  std::vector<MountStep> steps;
  SharingProblem none;
  const MountSharing sharing = *PlanSharing(mounts, &none);  // the checker has looked
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    const Mount& mount = mounts[i];
    by_id.emplace(mount.id, i);
    if (mount.superblock && !mount.IsBind()) bases.Add(*mount.superblock, mount.root.bytes, i);
    MountStep step = {};
    step.space = services.space_of.at(mount.id);
    step.parent = step.base = step.held = step.first_bind = step.next_bind = -1;
    step.mountpoint = arena.Text(mount.mountpoint.bytes);
    step.below_parent = step.below_base = arena.Text("");
    if (mount.parent) {
      const std::size_t parent = by_id.at(*mount.parent);
      step.parent = static_cast<std::int32_t>(parent);
      step.below_parent =
          arena.Text(PathBelow(mount.mountpoint.bytes, mounts[parent].mountpoint.bytes));
    }
    if (const auto held = services.mounts.find(mount.id); held != services.mounts.end()) {
      step.held = held->second;
    } else if (mount.IsBind()) {
      const std::size_t base = *bases.Find(*mount.superblock, mount.root.bytes);
      step.base = static_cast<std::int32_t>(base);
      step.next_bind = std::exchange(steps[base].first_bind, static_cast<std::int32_t>(i));
      step.below_base = arena.Text(PathBelow(mount.root.bytes, mounts[base].root.bytes));
    } else {
      step.fstype = arena.Text(mount.fstype);
      step.made_before = services.user != nullptr;
      std::vector<FileSystemSetting> settings;
      for (const auto& [key, value] : SettingsOf(mount, true, {})) {
        settings.push_back({arena.Text(key), value ? arena.Text(*value) : nullptr});
      }
      step.settings = arena.Copy(settings);
      step.setting_count = static_cast<std::uint32_t>(settings.size());
    }
    step.set = AttributesOf(mount);
    // A copy would share its events with what it is a copy of, and take others' mounts there.
    step.propagation = sharing.slaves_of_outside[i] ? mount_flag::kSlave : mount_flag::kPrivate;
    steps.push_back(step);
  }
  std::vector<GroupStep> groups;
  for (const SharingStep& step : sharing.steps) {
    groups.push_back({step.from ? static_cast<std::int32_t>(*step.from) : -1,
                      step.from_caller ? services.callers_groups.at(mounts[step.to].id) : -1,
                      static_cast<std::int32_t>(step.to), step.propagation});
  }
  std::vector<HiddenFolder> folders;
  for (const FolderInMount& folder : services.hidden_folders) {
    const std::string& below = folder.below;
    folders.push_back({static_cast<std::int32_t>(by_id.at(folder.mount)),
                       arena.Text(below.empty() ? "." : below)});
  }
  return {arena.Copy(steps),   static_cast<std::uint32_t>(steps.size()),
          arena.Copy(groups),  static_cast<std::uint32_t>(groups.size()),
          arena.Copy(folders), static_cast<std::uint32_t>(folders.size())};
}

}  // namespace crgen::restorer

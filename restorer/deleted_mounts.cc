// SPDX-License-Identifier: Apache-2.0
#include "restorer/deleted_mounts.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "model/mount_paths.h"
#include "preflight/held_mounts.h"
#include "preflight/host_files.h"
#include "restorer/momentary_name.h"
#include "restorer/namespaces.h"
#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

class DeletedMounts {
 public:
  DeletedMounts(const std::vector<Mount>& mounts, Services* services)
      : mounts_(mounts), services_(*services) {}

  std::string Hold(const Mount& bind) {
    const auto [known, is_new] = made_.try_emplace({*bind.superblock, bind.root.bytes}, bind.id);
    if (!is_new) return Copy(bind, services_.mounts.at(known->second), "");
    bool is_directory = false;
    std::string problem = LookAtPlace(bind, &is_directory);
    return problem.empty() ? Make(bind, is_directory) : problem;
  }

 private:
  static std::string Failed(const Mount& bind, const std::string& call) {
    const std::string error = ErrorText(call);
    return "the mount at " + bind.mountpoint.bytes + ": " + error;
  }

  /// What is at `path` of the namespace, on `mount` itself; -1: errno, ENXIO where only the tree
  /// makes that.
  int Find(const Mount& mount, const std::string& path, int flags) const {
    const Mount& base = mount.IsBind() ? preflight::BaseOf(mounts_, mount) : mount;
    const auto held = services_.mounts.find(base.id);
    if (held == services_.mounts.end()) {
      errno = ENXIO;
      return -1;
    }
    const std::string below = preflight::BelowBase(mount, base, path);
    if (FailsOnPurpose()) return -1;
    if (below.empty()) return fcntl(held->second, F_DUPFD_CLOEXEC, 0);
    return OpenPath(held->second, below, flags,
                    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
  }

  std::string LookAtPlace(const Mount& bind, bool* is_directory) const {
    const Mount& parent = *std::ranges::find(mounts_, *bind.parent, &Mount::id);
    const ScopedFd over(Find(parent, bind.mountpoint.bytes, 0));
    struct stat facts;
    if (over.get() < 0 || fstat(over.get(), &facts) != 0) return Failed(bind, "its mountpoint");
    *is_directory = S_ISDIR(facts.st_mode);
    return "";
  }

  std::string Make(const Mount& bind, bool is_directory) {
    const Mount& base = preflight::BaseOf(mounts_, bind);
    const std::string& above = base.mountpoint.bytes;
    const std::string path = (above == "/" ? "" : above) + "/" +
                             std::string(PathBelow(bind.root.bytes, base.root.bytes));
    const std::size_t name = path.rfind('/') + 1;
    const std::string folder = path.substr(0, name);
    const int in = Find(base, name == 1 ? folder : path.substr(0, name - 1), O_DIRECTORY);
    if (in < 0) return Failed(bind, "open of the folder of " + bind.root.bytes);
    Place place(path.substr(name), in, folder, base.namespace_id, services_.names);
    const int made = MakeUnderFreeName(path, &place, [&](const char* base_name) {
      if (FailsOnPurpose()) return -1;
      return is_directory ? mkdirat(in, base_name, 0700)
                          : mknodat(in, base_name, S_IFREG | 0600, 0);
    });
    if (made < 0) return Failed(bind, "making " + bind.root.bytes);
    struct stat facts;
    if (fstatat(in, place.name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) {
      std::string problem = Failed(bind, "stat of " + bind.root.bytes);
      unlinkat(in, place.name.c_str(), is_directory ? AT_REMOVEDIR : 0);
      return problem;
    }
    const auto named = std::make_shared<MountedName>(std::move(place), path, facts);
    services_.mounted_names.push_back(named);
    std::string problem = Copy(bind, in, named->place.name);
    if (!problem.empty()) return problem;
    struct stat copied;
    if (fstat(services_.mounts.at(bind.id), &copied) != 0 || !SameInode(copied, facts)) {
      return "the mount at " + bind.mountpoint.bytes + ": replaced as it was made";
    }
    return "";
  }

  std::string Copy(const Mount& bind, int from, const std::string& name) {
    const long copy =
        FailsOnPurpose()
            ? -1
            : syscall(SYS_open_tree, from, name.c_str(),
                      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
    if (copy < 0) return Failed(bind, "open_tree");
    services_.mounts[bind.id] = static_cast<int>(copy);
    return "";
  }

  const std::vector<Mount>& mounts_;
  Services& services_;
  /// By file system and root: several mounts may be of one directory.
  std::map<std::pair<std::uint64_t, std::string>, std::uint64_t> made_;
};

}  // namespace

std::string RemoveMountedNames(std::vector<std::shared_ptr<MountedName>>* names) {
  for (const auto& name : *names) {
    if (!name->momentary.Remove()) return ErrorText("removing " + name->path);
  }
  names->clear();
  return "";
}

std::string HoldDeletedMounts(const Program& program, Services* services) {
  const std::vector<Mount>* mounts = OwnMounts(program);
  if (mounts == nullptr) return "";
  DeletedMounts deleted(*mounts, services);
  for (const Mount& mount : *mounts) {
    if (!mount.deleted) continue;
    std::string problem = deleted.Hold(mount);
    if (!problem.empty()) return problem;
  }
  return "";
}

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
#include "preflight/root_view.h"

#include <fcntl.h>
#include <linux/openat2.h>

#include <algorithm>

#include "preflight/held_mounts.h"
#include "preflight/namespace_options.h"

namespace crgen::preflight {

RootView::Way RootView::WayIn(const Mount& mount, const std::string& path) const {
  const std::string below(PathBelow(path, mount.mountpoint.bytes));
  if (mount.IsNew()) return {};
  if (mount.external) return {files_.place(MountPlace(mount.external->bytes)), below};
  if (mount.IsFirstRoot()) return {files_.place(RootPlace()), below};
  // A bind mount: of what the caller gives, or of a new file system.
  const Mount& base = BaseOf(*mounts_, mount);
  if (base.IsNew() || mount.deleted) return {};
  const std::string place = base.external ? MountPlace(base.external->bytes) : RootPlace();
  return {files_.place(place), BelowBase(mount, base, path)};
}

bool RootView::IsMadeLater(const std::string& path) const {
  if (IsOwn()) return false;
  return !path.starts_with('/') || WayTo(path).from < 0;
}

bool RootView::IsMadeInside(const std::string& path) const {
  if (IsOwn() || !path.starts_with('/')) return false;
  const Mount& mount = *paths_->MountOf(path);
  return mount.IsBind() || mount.fstype == "proc";
}

int RootView::FileSystemOf(const std::string& path) const {
  return IsOwn() || !path.starts_with('/') ? -1 : WayTo(path).from;
}

int RootView::FileSystemOf(std::uint64_t device) const {
  if (IsOwn()) return -1;
  const Mount& root = mounts_->front();
  return root.superblock == device ? files_.place(RootPlace()) : -1;
}

int RootView::Open(const std::string& path, int flags) const {
  return IsOwn() ? OpenTrusted(path, flags) : Open(WayTo(path), flags);
}

int RootView::OpenIn(const Mount& mount, const std::string& path, int flags) const {
  return Open(WayIn(mount, path), flags);
}

int RootView::Open(const Way& way, int flags) {
  // What is mounted below is not in the tree's namespace.
  constexpr unsigned long long kInside = RESOLVE_IN_ROOT | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
  if (way.path.empty()) return fcntl(way.from, F_DUPFD_CLOEXEC, 0);  // perhaps no directory
  return OpenPath(way.from, way.path, flags, kInside);
}

}  // namespace crgen::preflight

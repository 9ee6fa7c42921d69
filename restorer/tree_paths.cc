// SPDX-License-Identifier: Apache-2.0
#include "restorer/tree_paths.h"

#include <fcntl.h>
#include <linux/openat2.h>

#include <cerrno>
#include <utility>

#include "preflight/held_mounts.h"
#include "preflight/host_files.h"

namespace crgen::restorer {
namespace {

constexpr unsigned long long kBelow = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;

}  // namespace

TreePaths::TreePaths(const std::vector<Mount>* mounts, std::map<std::uint64_t, int> held) {
  if (mounts == nullptr) return;
  list_ = mounts;
  held_ = std::make_shared<const std::map<std::uint64_t, int>>(std::move(held));
  mounts_ = std::make_shared<const MountNamespaces>(*mounts);
}

int TreePaths::Open(const std::string& path, int flags) const {
  if (IsOwn()) return OpenTrusted(path, flags);
  const Mount& mount = *mounts_->Of(in_).MountOf(path);
  const auto held = held_->find(mount.id);
  if (held == held_->end()) {
    errno = ENXIO;
    return -1;
  }
  const std::string below(PathBelow(path, mount.mountpoint.bytes));
  if (below.empty()) return fcntl(held->second, F_DUPFD_CLOEXEC, 0);  // perhaps no directory
  return OpenPath(held->second, below, flags, kBelow | RESOLVE_NO_XDEV);
}

bool TreePaths::IsMadeAnew(std::uint64_t mount) const {
  const Mount& it = *mounts_->Find(mount);
  return (it.IsBind() ? preflight::BaseOf(*list_, it) : it).IsNew();
}

int TreePaths::OpenInBase(const std::string& path, int flags) const {
  const Mount& mount = *mounts_->Of(in_).MountOf(path);
  if (!mount.IsBind()) return Open(path, flags);
  const Mount& base = preflight::BaseOf(*list_, mount);
  const auto held = held_->find(base.id);
  if (held == held_->end()) {
    errno = ENXIO;
    return -1;
  }
  const std::string below = preflight::BelowBase(mount, base, path);
  if (below.empty()) return fcntl(held->second, F_DUPFD_CLOEXEC, 0);
  return OpenPath(held->second, below, flags, kBelow | RESOLVE_NO_XDEV);
}

int TreePaths::RootOf(std::optional<std::uint64_t> id) const {
  return id ? more_.at(*id).root : held_->at(mounts_->Of(std::nullopt).root().id);
}

int TreePaths::OpenMounted(const std::string& path, int flags) const {
  const std::string below(PathBelow(path, "/"));
  return OpenPath(RootOf(in_), below.empty() ? "." : below, flags, kBelow);
}

std::string TreePaths::Before(std::optional<std::uint64_t> id) const {
  if (IsOwn()) return "";
  return "/proc/self/fd/" + std::to_string(RootOf(id));
}

}  // namespace crgen::restorer

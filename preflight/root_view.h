// SPDX-License-Identifier: Apache-2.0
// Where the paths of a plan begin.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/mount_paths.h"
#include "preflight/host_files.h"

namespace crgen::preflight {

/// What is to be made there before the tree is, is refused with these words.
inline constexpr const char* kMadeInside =
    " in a bind mount, or a proc(5), of a mount namespace of the plan's own";

/// In this process's own root directory or, where a plan has mounts, in what the caller gives for
/// them.
class RootView {
 public:
  /// `mounts`, which may be null, and `files` must outlive this. `in`: the mount namespace.
  RootView(const std::vector<Mount>* mounts, const HostFiles& files,
           std::optional<std::uint64_t> in = std::nullopt)
      : files_(files) {
    if (mounts == nullptr) return;
    mounts_ = mounts;
    paths_ = std::make_unique<const MountPaths>(*mounts, in);
  }

  bool IsOwn() const { return mounts_ == nullptr; }
  /// Whether only the restore makes what `path` leads to: in a file system that is new, or whose
  /// place the caller has not given.
  bool IsMadeLater(const std::string& path) const;
  /// As OpenTrusted(). REQUIRES: !IsMadeLater(path).
  int Open(const std::string& path, int flags) const;
  /// The same in `mount`, although others may hide what is there; -1 also where the restore makes
  /// it. REQUIRES: !IsOwn(), and the path lies there.
  int OpenIn(const Mount& mount, const std::string& path, int flags) const;
  /// Whether only a process of the tree makes the mount in which `path` lies.
  bool IsMadeInside(const std::string& path) const;
  /// The mount in which an absolute path lies; nullptr: it is in this process's own.
  const Mount* MountOf(const std::string& path) const {
    return IsOwn() ? nullptr : paths_->MountOf(path);
  }
  /// A file of the file system in which `path` lies, or which has that device in the plan, as far
  /// as the caller gives it; -1: he does not.
  int FileSystemOf(const std::string& path) const;
  int FileSystemOf(std::uint64_t device) const;

 private:
  /// A directory that is held, and the way from there.
  struct Way {
    int from = -1;
    std::string path;
  };
  Way WayTo(const std::string& path) const { return WayIn(*paths_->MountOf(path), path); }
  Way WayIn(const Mount& mount, const std::string& path) const;
  static int Open(const Way& way, int flags);

  const HostFiles& files_;
  const std::vector<Mount>* mounts_ = nullptr;
  std::unique_ptr<const MountPaths> paths_;
};

}  // namespace crgen::preflight

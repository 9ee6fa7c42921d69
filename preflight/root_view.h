// Where the paths of a plan begin.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/mount_paths.h"
#include "preflight/host_files.h"

namespace crgen::preflight {

/// In this process's own root directory or, where a plan has mounts, in what the caller gives for
/// them.
class RootView {
 public:
  /// `mounts`, which may be null, and `files` must outlive this.
  RootView(const std::vector<Mount>* mounts, const HostFiles& files) : files_(files) {
    if (mounts == nullptr) return;
    mounts_ = mounts;
    paths_ = std::make_unique<const MountPaths>(*mounts);
  }

  bool IsOwn() const { return mounts_ == nullptr; }
  /// Whether only the restore makes what `path` leads to: in a file system that is new, or whose
  /// place the caller has not given.
  bool IsMadeLater(const std::string& path) const;
  /// As OpenTrusted(). REQUIRES: !IsMadeLater(path).
  int Open(const std::string& path, int flags) const;

 private:
  /// A directory that is held, and the way from there.
  struct Way {
    int from = -1;
    std::string path;
  };
  Way WayTo(const std::string& path) const;

  const HostFiles& files_;
  const std::vector<Mount>* mounts_ = nullptr;
  std::unique_ptr<const MountPaths> paths_;
};

}  // namespace crgen::preflight

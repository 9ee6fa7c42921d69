// SPDX-License-Identifier: Apache-2.0
// Finds what inotify(7) and fanotify(7) are to watch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/files/inode_handle.h"
#include "model/values.h"
#include "preflight/root_view.h"

namespace crgen::preflight {

class WatchedInodes {
 public:
  /// `root`, where paths begin, must outlive this.
  explicit WatchedInodes(const RootView& root) : root_(root) {}
  WatchedInodes(const WatchedInodes&) = delete;
  WatchedInodes& operator=(const WatchedInodes&) = delete;
  ~WatchedInodes();

  struct Found {
    int fd = -1;          ///< made with O_PATH; -1: there is nothing
    std::string problem;  ///< why not, or what is doubtful about what was found
  };
  /// What the path leads to, if that is what the handle says; else what the handle leads to; else
  /// what the path leads to. One of the two is there. REQUIRES: the path is not made later.
  Found Find(const std::optional<Text>& path, const std::optional<InodeHandle>& handle);

 private:
  struct Mount {
    std::uint64_t device;
    std::string place;
  };
  void ReadMounts();
  bool Is(int fd, const InodeHandle& handle);
  Found ByHandle(const InodeHandle& handle, const std::optional<Text>& path);
  int MountOf(std::uint64_t device);
  int MountInTree(std::uint64_t device, const std::optional<Text>& path);

  const RootView& root_;
  bool read_ = false;
  std::unordered_map<int, Mount> mounts_;               ///< by number
  std::unordered_map<std::uint64_t, int> descriptors_;  ///< of a mount, by device; -1: none opens
};

}  // namespace crgen::preflight

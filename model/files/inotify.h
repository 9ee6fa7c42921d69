// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "model/files/inode_handle.h"
#include "model/flags.h"
#include "model/ids.h"
#include "model/rare.h"
#include "model/values.h"

namespace crgen {

/// inotify_file_entry: inotify_init1(2).
struct Inotify {
  static constexpr std::string_view kType = "INOTIFY";
  friend bool operator==(const Inotify&, const Inotify&) = default;
};

struct InotifyWatch {
  std::int32_t wd = 0;
  InotifyMask mask;
  std::optional<Text> path;  ///< it counts if it leads to what `handle` says
  std::optional<InodeHandle> handle;
  std::optional<UnlinkedId> unlinked = {};  ///< in their place: a file without a name
  Rare<std::uint64_t> mount = {};           ///< where `path` lies, if not in the root's namespace
  friend bool operator==(const InotifyWatch&, const InotifyWatch&) = default;
};

/// Late state of an INOTIFY: inotify_add_watch(2).
struct InotifyWatches {
  std::vector<InotifyWatch> watches;
  friend bool operator==(const InotifyWatches&, const InotifyWatches&) = default;
};

}  // namespace crgen

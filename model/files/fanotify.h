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

/// fanotify_file_entry: fanotify_init(2).
struct Fanotify {
  static constexpr std::string_view kType = "FANOTIFY";
  FanotifyInit init_flags;
  OpenFlags event_flags;  ///< of the descriptors that events carry
  friend bool operator==(const Fanotify&, const Fanotify&) = default;
};

struct FanotifyMark {
  FanotifyMarkType type;
  FanotifyMask mask;
  FanotifyMask ignored_mask;
  FanotifyMarkFlags flags;
  std::optional<Text> path;  ///< it counts if it leads to what `handle` says
  std::optional<InodeHandle> handle;
  std::optional<UnlinkedId> unlinked = {};  ///< in their place: a file without a name
  Rare<std::uint64_t> mount = {};           ///< where `path` lies, if not in the root's namespace
  friend bool operator==(const FanotifyMark&, const FanotifyMark&) = default;
};

/// Late state of a FANOTIFY: fanotify_mark(2).
struct FanotifyMarks {
  std::vector<FanotifyMark> marks;
  friend bool operator==(const FanotifyMarks&, const FanotifyMarks&) = default;
};

}  // namespace crgen

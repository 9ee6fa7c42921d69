// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/files/inode_handle.h"
#include "model/files/fanotify.h"

namespace crgen {

template <>
struct Describe<Fanotify> {
  static constexpr auto kFields = std::tuple{
      Required("init_flags", &Fanotify::init_flags, "fanotify_init(2)"),
      Required("event_flags", &Fanotify::event_flags, "of the descriptors that events carry")};
};

template <>
struct Describe<FanotifyMark> {
  static constexpr auto kFields =
      std::tuple{Required("type", &FanotifyMark::type,
                          "FAN_MARK_INODE, FAN_MARK_MOUNT or FAN_MARK_FILESYSTEM"),
                 Required("mask", &FanotifyMark::mask, "fanotify_mark(2)"),
                 Optional("ignored_mask", &FanotifyMark::ignored_mask, "FAN_MARK_IGNORED_MASK"),
                 Optional("flags", &FanotifyMark::flags, "how it is ignored, FAN_MARK_EVICTABLE"),
                 Optional("path", &FanotifyMark::path,
                          "it counts if it leads to what `handle` says, or there is none"),
                 Optional("handle", &FanotifyMark::handle, "open_by_handle_at(2)"),
                 Optional("unlinked", &FanotifyMark::unlinked,
                          "in their place: the id of a file that an OPEN_FILE has created"),
                 Optional("mount", &FanotifyMark::mount,
                          "the mount that `path` lies in, if that is not of the namespace that the "
                          "root has entered")};
};

template <>
struct Describe<FanotifyMarks> {
  static constexpr auto kFields =
      std::tuple{Required("marks", &FanotifyMarks::marks, "what the FANOTIFY reports")};
};

}  // namespace crgen

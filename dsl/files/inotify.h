// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/files/inode_handle.h"
#include "model/files/inotify.h"

namespace crgen {

template <>
struct Describe<Inotify> {
  static constexpr auto kFields = std::tuple{};
};

template <>
struct Describe<InotifyWatch> {
  static constexpr auto kFields =
      std::tuple{Required("wd", &InotifyWatch::wd, "its number, from 1"),
                 Required("mask", &InotifyWatch::mask, "inotify_add_watch(2)"),
                 Optional("path", &InotifyWatch::path,
                          "it counts if it leads to what `handle` says, or there is none"),
                 Optional("handle", &InotifyWatch::handle, "open_by_handle_at(2)"),
                 Optional("unlinked", &InotifyWatch::unlinked,
                          "in their place: the id of a file that an OPEN_FILE has created"),
                 Optional("mount", &InotifyWatch::mount,
                          "the mount that `path` lies in, if that is not of the namespace that the "
                          "root has entered")};
};

template <>
struct Describe<InotifyWatches> {
  static constexpr auto kFields =
      std::tuple{Required("watches", &InotifyWatches::watches, "what the INOTIFY reports")};
};

}  // namespace crgen

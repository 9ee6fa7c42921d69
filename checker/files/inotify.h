// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checker/files/rules.h"

namespace crgen::check {

/// inotify_init1(2).
template <>
class FileRules<Inotify> : public PlainRules<Inotify> {
 public:
  std::optional<Refusal> Check(const File& file, const Inotify&) const;
};

/// inotify_add_watch(2).
template <>
struct LateRules<InotifyWatches> {
  static std::optional<Refusal> Check(const Kernel& kernel, const Description& description,
                                      const InotifyWatches& watches);
};

}  // namespace crgen::check

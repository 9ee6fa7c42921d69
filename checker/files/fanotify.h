// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checker/files/rules.h"

namespace crgen::check {

/// fanotify_init(2).
template <>
class FileRules<Fanotify> : public PlainRules<Fanotify> {
 public:
  std::optional<Refusal> Check(const File& file, const Fanotify& fanotify) const;
};

/// fanotify_mark(2).
template <>
struct LateRules<FanotifyMarks> {
  static std::optional<Refusal> Check(const Kernel& kernel, const Description& description,
                                      const FanotifyMarks& marks);
};

}  // namespace crgen::check

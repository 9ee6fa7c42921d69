// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checker/files/rules.h"

namespace crgen::check {

/// epoll_create1(2).
template <>
class FileRules<Eventpoll> : public PlainRules<Eventpoll> {
 public:
  std::optional<Refusal> Check(const File& file, const Eventpoll&) const {
    return RefusedAnonymousFlags(file.flags);
  }
};

/// epoll_ctl(2), EPOLL_CTL_ADD. Sets that are watched get what they watch before: so no circle can
/// come about, and how many are below each other is known at once.
template <>
struct LateRules<EpollTargets> {
  static std::optional<Refusal> Check(const Kernel& kernel, const Description& description,
                                      const EpollTargets& set);
  static void Apply(const Kernel& kernel, const Description& description, const EpollTargets& set);
  static void Undo(const Description& description);
};

}  // namespace crgen::check

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

template <>
struct FileRestorer<Eventpoll> : PlainRestorer<Eventpoll> {
  static void Compile(const Eventpoll&, OpenContext& context) {
    context.op.kind = OpKind::kOpenEventpoll;
  }
};

template <>
struct LateRestorer<EpollTargets> {
  static void Compile(Fd fd, const EpollTargets& set, const File&, LateContext& context, Op& op) {
    std::vector<WatchedOp> watched;
    for (const EpollTarget& target : set.targets) {
      watched.push_back({target.fd, static_cast<std::uint32_t>(target.events.bits),
                         target.data.value, target.HasFired()});
    }
    // They are made to fire, so nothing else may be in the set then.
    std::stable_partition(watched.begin(), watched.end(), std::mem_fn(&WatchedOp::fired));
    op.kind = OpKind::kFillEpoll;
    op.epoll = {fd, static_cast<std::uint32_t>(watched.size()), context.arena.Copy(watched)};
  }
};

}  // namespace crgen::restorer

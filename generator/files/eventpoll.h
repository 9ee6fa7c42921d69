// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "dsl/commands.h"
#include "generator/files/planner.h"

namespace crgen {

template <>
class FilePlanner<Eventpoll> : public PlainPlanner<Eventpoll> {
 public:
  using PlainPlanner::PlainPlanner;
};

/// Of each set of the snapshot, by file, how many sets are below each other in what it watches: in
/// this order they are filled. Sets that watch none are left out. Cost: O(n log n) in targets.
std::unordered_map<FileIndex, int> EpollHeights(const Snapshot& snapshot);

/// A number that stands twice in a set was a number that is closed since: `*set`, of `entry`, gets
/// a free one for it. What gives its process these numbers, which are closed when the set is
/// filled.
std::vector<DupFd> OpenClosedNumbers(const Snapshot& snapshot, const LateEntry& entry,
                                     EpollTargets* set);

}  // namespace crgen

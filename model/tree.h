// SPDX-License-Identifier: Apache-2.0
// The process tree of a snapshot: who is whose child, in which group and session.
#pragma once

#include <cstdint>
#include <vector>

#include "model/ids.h"

namespace crgen {

/// One process of a tree. pgid or sid 0: the group or session comes from outside the tree (the
/// restorer's own) and can only be inherited from the root.
struct TreeNode {
  Pid pid = 0;
  Pid pgid = 0;
  Pid sid = 0;
  ProcessIndex parent;  ///< lower than the own one; none: the root
  bool zombie = false;
  bool subreaper = false;  ///< PR_SET_CHILD_SUBREAPER is on
  std::vector<Pid> tids;   ///< further threads, without the leader
};

/// Depth first, parents before children, nodes[0] is the root. Children of one process keep their
/// order.
struct TreeSnapshot {
  std::vector<TreeNode> nodes;
  /// Processes that are no more, of which files below /proc are open: they have to be there while
  /// these are opened. Ascending.
  std::vector<Pid> gone = {};
};

}  // namespace crgen

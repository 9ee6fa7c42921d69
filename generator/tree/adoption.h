// SPDX-License-Identifier: Apache-2.0
// Trees in which others than the reaper hold orphans: ancestors that are subreapers for a moment.
#pragma once

#include "generator/tree/births.h"

namespace crgen {

/// Like BuildBirthTree, with orphans anywhere. An orphan of session x below a process q is born to
/// an invented process that descends from both q and the leader of x; so that leader, or an
/// ancestor of it, is itself born further down than the snapshot shows and adopted by its parent
/// afterwards. Where those demands can be met in several ways it follows one; kError then means
/// "not found". REQUIRES: CheckTree() filled tree->numbers. Cost: O(n log n), and each
/// time that a leader has to move O(log n) for every orphan and every process that has moved on its
/// way up. Rules: forget_original_parent, find_new_reaper (kernel/exit.c);
/// PR_SET_CHILD_SUBREAPER(2const), CLONE_PARENT in clone(2).
Result BuildDeepBirthTree(const TreeSnapshot& snapshot, unsigned attempt, bool siblings,
                          BirthTree* tree, TreeRefusal* refusal);

}  // namespace crgen

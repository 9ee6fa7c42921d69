// SPDX-License-Identifier: Apache-2.0
// The late pass: what of descriptions can only be set when the whole tree is there.
#pragma once

#include "generator/creation_tree.h"
#include "generator/emitter.h"
#include "generator/files/temporary_slot.h"
#include "model/diagnostics.h"
#include "model/snapshot.h"

namespace crgen {

/// Emits Snapshot::late as SET_ATTR `descriptors`: kind after kind, in the order of LateState, each
/// state by the process that it says, else the first that holds the description, as few commands as
/// that order allows; sets of epoll(7) come after the sets in them. Then `temporary` slots
/// are closed.
/// REQUIRES: all descriptor tables have their final form. Errors: a description that no process
/// holds; a lock that would not last. Cost: O(n log n) in descriptors, nothing where there is no
/// late state.
Result EmitLateState(const Snapshot& snapshot, const std::vector<TemporarySlot>& temporary,
                     const CreationTree& tree, Emitter& out, Diagnostics& diag);

}  // namespace crgen

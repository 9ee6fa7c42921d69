// SPDX-License-Identifier: Apache-2.0
// What a program ends in, as a snapshot: for whoever looks at both programs and dumps.
#pragma once

#include "checker/check.h"

namespace crgen {

/// The state as a dump of it would show it. Page images are those that the program names. A process
/// that is still in the restorer's hands is a running one. What programs need on the way, such as
/// descriptions that are closed again, is not in it; mapped files are, for their regions.
/// CompareWithSnapshot() finds no difference between `state` and it.
/// REQUIRES: CheckProgram found nothing wrong and filled `state`. Cost: linear in the state.
Snapshot SnapshotOf(const SimulatedState& state);

}  // namespace crgen

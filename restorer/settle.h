// SPDX-License-Identifier: Apache-2.0
// What a plan says that cannot be had here: changed to what comes nearest and gives nobody more,
// and named. What is then restored is exactly what the program says.
#pragma once

#include "dsl/commands.h"
#include "model/diagnostics.h"
#include "restorer/schedule.h"

namespace crgen::restorer {

/// - dumpable 2, which no process can set (prctl(2)), becomes 0.
/// - A parent-death signal of a process whose parent, the restorer, ends when all run
///   (`restorer_ends`) is left out: it would come at once.
void Settle(const Schedule& schedule, bool restorer_ends, Program* program, Diagnostics& diag);

}  // namespace crgen::restorer

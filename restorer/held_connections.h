// SPDX-License-Identifier: Apache-2.0
// Which connections go on at the hand-over.
#pragma once

#include <vector>

#include "restorer/compile.h"
#include "restorer/late_files.h"

namespace crgen::restorer {

/// Those whose `repair` is off, each with a process that resumes and has it, if any does. REQUIRES:
/// the program has passed CheckProgram; `late` is of it. Cost: nothing where no `repair` is set,
/// else that of FindLateFiles().
std::vector<HeldConnection> FindHeldConnections(const Program& program, const Schedule& schedule,
                                                const LateFiles& late);

/// Those that no process has.
CarriedConnections CarriedOf(const std::vector<HeldConnection>& connections);

}  // namespace crgen::restorer

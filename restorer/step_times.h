// SPDX-License-Identifier: Apache-2.0
// When each step of a restore was done: as the processes say it, for people who look.
#pragma once

#include <vector>

#include "dsl/commands.h"
#include "restorer/schedule.h"
#include "restorer/script.h"
#include "views/timeline.h"

namespace crgen::restorer {

/// As StepTimes has it.
std::uint64_t TimeNow();

/// Whether a process that resumes is done with it only when all are built: attributes, or what of
/// them nothing later depends on, and RESUME.
bool IsOfTheEnd(const Command& command);

/// What the processes have written on the board, a memfd: the times of each step, then of the end
/// of each process. Empty: it cannot be read.
std::vector<StepTimes> ReadTimes(const Program& program, const Schedule& schedule, int board);

/// The restore as views have it. `times` as RestoreResult has them.
Timeline TimelineOf(const Program& program, const Schedule& schedule,
                    const std::vector<StepTimes>& times);

}  // namespace crgen::restorer

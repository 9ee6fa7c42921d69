// SPDX-License-Identifier: Apache-2.0
// When each step of a restore was done: as the processes say it, for people who look.
#pragma once

#include <vector>

#include "dsl/commands.h"
#include "restorer/schedule.h"
#include "restorer/script.h"
#include "views/timeline.h"

namespace crgen::restorer {

/// What the steps have written on the board, a memfd. Empty: it cannot be read.
std::vector<StepTimes> ReadTimes(const Program& program, const Schedule& schedule, int board);

/// The restore as views have it. `times` as RestoreResult has them.
Timeline TimelineOf(const Program& program, const Schedule& schedule,
                    const std::vector<StepTimes>& times);

}  // namespace crgen::restorer

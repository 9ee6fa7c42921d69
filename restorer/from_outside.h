// SPDX-License-Identifier: Apache-2.0
// What takes rights that nobody in a user namespace of the plan's own has: done by who is outside.
#pragma once

#include <sys/types.h>

#include "restorer/compile.h"
#include "restorer/problem.h"

namespace crgen::restorer {

/// Limits are raised to where the processes themselves set them, and oom_score_adj is set. All
/// threads have their numbers.
RestoreProblem RaiseFromOutside(const Script& script);

/// Of threads that are stopped: niceness and policies.
RestoreProblem ScheduleFromOutside(const Script& script);

/// Answers the process that asks, if one does. `root`: the root's number here.
void AnswerRequest(const Script& script, pid_t root);

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
// Processes that are there only while files below their /proc/PID are opened.
#pragma once

#include "generator/tree/analyzer.h"

namespace crgen {

/// The tree as it is when all is open, without TreeSnapshot::gone: who stands for a group or
/// session of `snapshot` is the root's child there, the numbers of all others are taken. kError and
/// *refusal: a number that somebody else has, too.
Result AddGone(const TreeSnapshot& snapshot, TreeSnapshot* standing, TreeRefusal* refusal);

/// From the plan of that tree to the plan of `snapshot`: all others are the root's first children,
/// and at the end everybody who is gone dies.
void PlanGone(const TreeSnapshot& snapshot, TreePlan* plan);

}  // namespace crgen

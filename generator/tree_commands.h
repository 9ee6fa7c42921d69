// SPDX-License-Identifier: Apache-2.0
// From a tree plan's operations to commands of the restore program.
#pragma once

#include "dsl/commands.h"
#include "generator/tree/analyzer.h"

namespace crgen {

/// The command that one operation stands for: FORK, SET_SID, SET_PGID, EXIT, WAIT, or SET_ATTR with
/// `child_subreaper` alone. A FORK has no flags but CLONE_PARENT where the plan asks for it, an
/// EXIT the code 0; who knows more about the processes adds it. Cost: O(1).
Command TreeCommand(const TreeOp& op);

}  // namespace crgen

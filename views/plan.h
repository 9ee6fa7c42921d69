// SPDX-License-Identifier: Apache-2.0
// What a program does, as people read it.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "dsl/commands.h"
#include "views/view.h"

namespace crgen {

/// Of each command that waits for others: for what. By its number.
using WaitsFor = std::map<std::size_t, std::string>;

/// Totals, then the commands of each process in the order of births, one line a command. `explain`:
/// with the reason of each. `program` has passed CheckProgram, or is generated. `waits`: with a
/// column for that, unless it is null. Cost: linear, but for the descriptors that forks hand on.
std::string PlanText(const Program& program, const ViewOptions& options, bool explain,
                     const WaitsFor* waits = nullptr);

/// The same as one JSON object (docs/looking.md), always with reasons.
std::string PlanJson(const Program& program, const ViewOptions& options);

}  // namespace crgen

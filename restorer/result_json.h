// SPDX-License-Identifier: Apache-2.0
// What became of a plan, for machines: schema/crrestore.schema.json.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "dsl/commands.h"
#include "model/diagnostics.h"
#include "restorer/schedule.h"

namespace crgen::restorer {

struct Outcome {
  Program program;
  Diagnostics findings;
  pid_t root = 0;                  ///< 0: not restored
  std::optional<int> exit_status;  ///< of the root, if it was waited for
  std::optional<Schedule> schedule;
};

/// One object, and a line's end. Cost: linear.
std::string OutcomeJson(const Outcome& outcome);

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
// What of a plan its user has to know of, or to agree to, before it is executed.
#pragma once

#include "dsl/commands.h"
#include "model/diagnostics.h"
#include "restorer/arguments.h"

namespace crgen::restorer {

/// Adds what is missing, each with the option that gives it (with --dry-run as a warning), and
/// warns of what nobody restores. `program` has passed CheckProgram.
void CheckConsent(const Program& program, const Arguments& arguments, Diagnostics& diag);

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
// Findings for machines: schema/findings.schema.json.
#pragma once

#include "dsl/commands.h"
#include "dsl/json/writer.h"
#include "model/diagnostics.h"

namespace crgen {

/// Writes the array of `diag`'s entries. `program` is what their commands are of, empty if there is
/// none. Names from outside are escaped.
void WriteFindings(const Diagnostics& diag, const Program& program, JsonWriter& json);

}  // namespace crgen

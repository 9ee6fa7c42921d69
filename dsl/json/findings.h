// SPDX-License-Identifier: Apache-2.0
// Findings for machines: schema/findings.schema.json.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "dsl/commands.h"
#include "dsl/json/writer.h"
#include "model/diagnostics.h"

namespace crgen {

/// The finding with its command's place in the text that ReadProgram() has read: "plan.json:13:
/// commands[11] …".
Diagnostic PlacedIn(std::string_view name, const std::vector<std::uint32_t>& lines,
                    Diagnostic finding);

/// Writes the array of `diag`'s entries, and one for each severity of which not all are kept.
/// `program` is what their commands are of, empty if there is none. Names from outside are escaped.
void WriteFindings(const Diagnostics& diag, const Program& program, JsonWriter& json);

}  // namespace crgen

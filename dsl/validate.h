// Is a text a restore program? Syntax and schema.
#pragma once

#include <string>
#include <string_view>

#include "dsl/commands.h"
#include "model/diagnostics.h"

namespace crgen {

/// Checks `text` against the JSON Schema of restore programs, and reads it. Reports every violation
/// as "name: /11/child_pid" (a JSON pointer) with what was expected; a syntax error with its line
/// and column. kError: `*program` is not to be used.
Result ValidateText(std::string_view text, std::string_view name, Program* program,
                    Diagnostics& diag);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// The JSON Schema that follows from the command table.
#pragma once

#include <string>

namespace crgen {

/// The JSON Schema (draft-07) of restore programs, indented, ending in a newline.
std::string ProgramSchema();

}  // namespace crgen

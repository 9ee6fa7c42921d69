// What follows from the command table besides reading and writing: schema and reference page.
#pragma once

#include <string>

namespace crgen {

/// The JSON Schema (draft-07) of restore programs, indented, ending in a newline.
std::string ProgramSchema();

/// The reference page of the 16 commands, in Markdown.
std::string CommandReference();

}  // namespace crgen

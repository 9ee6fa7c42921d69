// SPDX-License-Identifier: Apache-2.0
// Parts of programs as JSON, in the form that they have there: for views that show the same things.
#pragma once

#include <string_view>

#include "dsl/commands.h"
#include "dsl/json/writer.h"

namespace crgen {

/// One object each: `file` of OPEN_FILE, `attributes` of SET_ATTR, one state of `descriptors`
/// without its `fd`, a command.
void WriteFileJson(JsonWriter& json, const File& file);
void WriteAttributesJson(JsonWriter& json, const Attributes& attributes);
void WriteLateStateJson(JsonWriter& json, const LateState& state);
void WriteCommandJson(JsonWriter& json, const Command& command);

/// The member `name`, or `name_base64` of what is not UTF-8.
void WriteTextJson(JsonWriter& json, std::string_view name, const Text& text);

}  // namespace crgen

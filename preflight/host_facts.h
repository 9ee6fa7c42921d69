// SPDX-License-Identifier: Apache-2.0
// What a machine says of itself, as a file: `crgen host-facts`, `crgen why --host-facts`.
#pragma once

#include <string>
#include <string_view>

#include "dsl/commands.h"
#include "model/diagnostics.h"
#include "preflight/host.h"

namespace crgen {

/// Asks this machine, as this process sees it, for all that questions ask for whatever the program
/// is and, `program` not null, for what this one names. `program` has passed CheckProgram.
HostFacts RecordHostFacts(const Program* program);

/// The facts as JSON, as HostFactsSchema() has it. Names that are not UTF-8 are left out.
std::string HostFactsJson(const HostFacts& facts);

/// Reads that. Whatever is not of that form is an error, at its JSON pointer; a file of another
/// version, too. `name`: of the file.
Result ReadHostFacts(std::string_view text, const std::string& name, HostFacts* facts,
                     Diagnostics& diag);
/// The most bytes that ReadHostFacts() takes.
inline constexpr std::size_t kMostFactsBytes = std::size_t{64} << 20;

/// The JSON Schema (draft-07); indented, ending in a newline.
std::string HostFactsSchema();

/// "the files /a, /b and 3 more; the sockets …": what `host` was asked for, and does not know;
/// empty: nothing.
std::string UnansweredText(const Host& host);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Restore programs as JSON text, both ways; the form of every object follows from the tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dsl/byte_reader.h"
#include "dsl/commands.h"
#include "model/diagnostics.h"

namespace crgen {

enum class Layout {
  kLines,    ///< one command a line
  kPretty,   ///< indented
  kCompact,  ///< the whole program on one line
};

/// Streams a program as text: `out` gets "[", the commands, "]" and may be flushed and cleared
/// between calls.
class ProgramWriter {
 public:
  /// `continues`: other commands stand before those that are added; without Begin().
  explicit ProgramWriter(Layout layout, bool continues = false)
      : layout_(layout), first_(!continues) {}
  void Begin(std::string* out);
  void Add(const Command& command, std::string* out);
  void End(std::string* out);

 private:
  Layout layout_;
  bool first_;
};

/// The whole program at once.
std::string WriteProgram(const Program& program, Layout layout);

/// Reads a program. Everything that does not have the form that the tables give is an error, with
/// line and JSON pointer ("plan.json:13: /11/child_pid"); unknown members are errors too. The
/// tables are those that the JSON Schema is made from, so what is read is what the schema accepts.
/// `*lines` gets the line in which each command begins. kError: `*program` is not to be used.
/// Memory: the program. Cost: linear.
Result ReadProgram(const ByteReader& read, std::string_view name, Program* program,
                   std::vector<std::uint32_t>* lines, Diagnostics& diag);
Result ReadProgram(std::string_view text, std::string_view name, Program* program,
                   Diagnostics& diag);

}  // namespace crgen

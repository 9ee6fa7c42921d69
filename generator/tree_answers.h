// SPDX-License-Identifier: Apache-2.0
// Trees in, programs out: one line each, for whoever has many of them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "dsl/commands.h"
#include "dsl/json/program_json.h"
#include "generator/generate.h"
#include "generator/tree/analyzer.h"

namespace crgen {

/// The command that `op` is in a program: a root whose pid is 1 begins a pid namespace.
Command ProgramCommand(const TreeOp& op);

/// Appends {"error": "...", "pid": n}, one line.
void WriteTreeRefusal(const TreeRefusal& refusal, std::string* out);

/// Appends the plan's commands as a program, with the threads of `tree`. It is a fragment: who
/// lives is left in the restorer's hands.
void WriteTreeProgram(const TreeSnapshot& tree, const TreePlan& plan, Layout layout,
                      std::string* out);

/// Appends one line: the program that rebuilds the tree in `text` (string notation), or
/// {"error": "...", "pid": n} with the process that cannot be rebuilt; n is 0 and the error has
/// line, column and what was expected where `text` is not a tree. Lines are counted from `line`.
/// Cost: that of ParseTree and AnalyzeTree.
void AnswerTree(std::string_view text, std::size_t line, std::string* out);

}  // namespace crgen

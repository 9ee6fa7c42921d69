// SPDX-License-Identifier: Apache-2.0
// What the subcommands of crgen share: exit codes, diagnostics, progress, output.
// This folder may include: checker, dsl, generator, images, model, policy, preflight, terminal,
// views.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "crgen/files.h"
#include "dsl/json/program_json.h"
#include "images/dump.h"
#include "model/diagnostics.h"
#include "terminal/command_line.h"
#include "terminal/exit_codes.h"

namespace crgen {

enum class GenerateOutcome;

/// That of `crgen generate`.
ExitCode CodeOf(GenerateOutcome outcome);

/// One subcommand: adds itself to the command line; the function runs it after parsing.
struct Subcommand {
  const char* name;
  std::function<ExitCode()> (*add)(CLI::App& app);
};

std::function<ExitCode()> AddCheck(CLI::App& app);
std::function<ExitCode()> AddCore(CLI::App& app);
std::function<ExitCode()> AddDiff(CLI::App& app);
std::function<ExitCode()> AddGenerate(CLI::App& app);
std::function<ExitCode()> AddHostFacts(CLI::App& app);
std::function<ExitCode()> AddMemory(CLI::App& app);
std::function<ExitCode()> AddPlan(CLI::App& app);
std::function<ExitCode()> AddReport(CLI::App& app);
std::function<ExitCode()> AddShow(CLI::App& app);
std::function<ExitCode()> AddTree(CLI::App& app);
std::function<ExitCode()> AddValidate(CLI::App& app);
std::function<ExitCode()> AddNeeds(CLI::App& app);
std::function<ExitCode()> AddSchema(CLI::App& app);
std::function<ExitCode()> AddWhy(CLI::App& app);

/// Prints all diagnostics to stderr. Where many say the same of different places, the first is
/// printed, and how many there are; all, if the user wants to know more (-v).
void PrintDiagnostics(const Diagnostics& diag);

/// --json, of a subcommand whose result is a file or has another schema.
void AddFindingsFlag(CLI::App& app);

/// On standard output, if nothing was written there: all that PrintDiagnostics() has got, as
/// schema/findings.schema.json says. For who has asked for --json, and gets no result.
void PrintFindingsForResult();

/// Shows how far `what` has come on the last line of a terminal; nothing if stderr is none.
LoadProgress TerminalProgress(const std::string& what);

/// Writes `program` piece by piece. With more than one of `threads`, so many turn pieces into text.
Result WriteProgramTo(const Program& program, Layout layout, unsigned threads, Output& output,
                      Diagnostics& diag);

/// The diagnostics, of `program`, on standard output as schema/findings.schema.json says. `errors`
/// gets what went wrong with that.
Result PrintFindings(const Diagnostics& diag, const Program& program, Diagnostics& errors);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// crgen plan DUMP|PLAN
#include <spdlog/spdlog.h>

#include "checker/check.h"
#include "crgen/look.h"
#include "crgen/losses.h"
#include "dsl/json/program_json.h"
#include "generator/generate.h"
#include "views/plan.h"

namespace crgen {
namespace {

struct PlanArguments {
  std::string dump;
  std::optional<Pid> pid;
  bool partial = false;
  bool explain = false;
  bool json = false;
};

/// The program of a dump.
ExitCode Generate(const PlanArguments& arguments, Program* program, Diagnostics& diag) {
  Look look;
  OpenLook(arguments.dump, &look);
  diag = Accept(look.findings, {}, arguments.partial);
  if (!look.whole) return ExitCode::kBadInput;
  if (diag.Count(Severity::kUnsupported) != 0) return ExitCode::kUnsupported;
  return CodeOf(GenerateProgram(look.snapshot, {AboutPlan(look.findings, look.snapshot)},
                                look.Reader(), program, diag));
}

/// One that stands in a file: what it does can be told only if it is right.
ExitCode Read(const std::string& path, Program* program, Diagnostics& diag) {
  const std::string name = path == "-" ? "standard input" : path;
  TextFile text(path);
  std::vector<std::uint32_t> lines;
  SimulatedState state;
  const bool good = Succeeded(text.Open(diag)) &&
                    Succeeded(ReadProgram(text.Reader(), name, program, &lines, diag)) &&
                    Succeeded(text.Close(diag)) && Succeeded(CheckProgram(*program, &state, diag));
  return good ? ExitCode::kOk : ExitCode::kBadInput;
}

ExitCode Plan(const PlanArguments& arguments) {
  Program program;
  Diagnostics diag;
  const ExitCode made = IsDump(arguments.dump) ? Generate(arguments, &program, diag)
                                               : Read(arguments.dump, &program, diag);
  PrintDiagnostics(diag);
  if (made != ExitCode::kOk) return made;
  ViewOptions options = OptionsOfTerminal();
  options.pid = arguments.pid;
  return PrintView(arguments.json ? PlanJson(program, options)
                                  : PlanText(program, options, arguments.explain));
}

}  // namespace

std::function<ExitCode()> AddPlan(CLI::App& app) {
  auto arguments = std::make_shared<PlanArguments>();
  app.description("Show what a restore would do, process by process, for people to read");
  app.add_option("DUMP", arguments->dump,
                 "A dump (folder or archive), or a restore program (-: stdin)")
      ->required();
  app.add_option("--pid", arguments->pid, "Only what this process does; 0 is the restorer");
  app.add_flag("--explain", arguments->explain, "Say why, where a command serves other processes");
  app.add_flag("--partial", arguments->partial, "Without what is unsupported, as `crgen generate`");
  app.add_flag("--json", arguments->json, "Print it for machines");
  app.footer(
      "The numbers are those of the commands in the program (`crgen generate`), which says the\n"
      "order over all processes.\n\n"
      "Examples:\n"
      "  crgen plan dump/\n"
      "  crgen plan --explain --pid 31101 dump/\n"
      "  crgen plan plan.json");
  return [arguments] { return Plan(*arguments); };
}

}  // namespace crgen

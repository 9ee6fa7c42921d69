// crgen validate PLAN
#include <spdlog/spdlog.h>

#include "checker/check.h"
#include "checker/warnings.h"
#include "crgen/cli.h"
#include "dsl/json/program_json.h"
#include "generator/generate.h"

namespace crgen {
namespace {

struct ValidateArguments {
  std::string plan;
  std::string against;
  bool shell_job = false;
  bool json = false;
  bool state = false;
};

/// Findings get the place in the text: "plan.json:13: commands[11] …".
void AddWithLines(const Diagnostics& findings, const std::string& name,
                  const std::vector<std::uint32_t>& lines, Diagnostics& diag) {
  for (Diagnostic entry : findings.entries()) {
    if (entry.command && *entry.command < lines.size()) {
      entry.where = name + ":" + std::to_string(lines[*entry.command]) + ": " + entry.where;
    }
    diag.Add(std::move(entry));
  }
}

/// `suspects` gets what is legal, but not needed for that dump.
Result CompareWithDump(const ValidateArguments& arguments, const Program& program,
                       const SimulatedState& state, Diagnostics& suspects, Diagnostics& diag) {
  auto source = OpenFolder(arguments.against, diag);
  Snapshot snapshot;
  if (source == nullptr ||
      Failed(LoadDump(*source, &snapshot, diag, {TerminalProgress("reading process")})) ||
      Failed(PrepareTree(snapshot.tree, {arguments.shell_job}, &snapshot.tree, diag))) {
    return Result::kError;
  }
  FindSuspects(program, state, &snapshot, suspects);
  PageImages pages(*source);
  auto read_page = [&](const std::string& image, std::uint64_t offset, std::span<char> out,
                       Diagnostics& d) { return pages.Read(image, offset, out, d); };
  return CompareWithSnapshot(state, snapshot, read_page, diag);
}

/// The first level that finds an error is the last: syntax and schema, then meaning, then the dump.
ExitCode Validate(const ValidateArguments& arguments, Diagnostics& diag) {
  const std::string name = arguments.plan == "-" ? "standard input" : arguments.plan;
  TextFile text(arguments.plan);
  Program program;
  std::vector<std::uint32_t> lines;
  if (Failed(text.Open(diag))) return ExitCode::kBadInput;
  const Result read = ReadProgram(text.Reader(), name, &program, &lines, diag);
  if (Failed(text.Close(diag)) || Failed(read)) return ExitCode::kBadInput;
  SimulatedState state;
  Diagnostics findings;
  const Result checked = CheckProgram(program, &state, findings);
  AddWithLines(findings, name, lines, diag);
  if (arguments.state) {
    Output output("");
    if (Failed(output.Write(DescribeState(state), diag))) return ExitCode::kBadInput;
  }
  if (Failed(checked)) return ExitCode::kBadInput;
  Diagnostics suspects;
  Result compared = Result::kOk;
  if (arguments.against.empty()) {
    FindSuspects(program, state, nullptr, suspects);
  } else {
    compared = CompareWithDump(arguments, program, state, suspects, diag);
  }
  AddWithLines(suspects, name, lines, diag);
  if (spdlog::should_log(spdlog::level::info)) {
    const CommandBound bound = BoundCommands(program, state);
    spdlog::info("{} commands; of the {} that make processes and openings, {} may do",
                 program.size(), bound.Count(), bound.Least());
  }
  return Failed(compared) ? ExitCode::kBadInput : ExitCode::kOk;
}

}  // namespace

std::function<ExitCode()> AddValidate(CLI::App& app) {
  auto arguments = std::make_shared<ValidateArguments>();
  app.description("Check a restore program: its syntax, its schema, and what its commands do");
  app.add_option("PLAN", arguments->plan, "A restore program, - for standard input")->required();
  app.add_option("--against", arguments->against,
                 "Compare where the program ends with this dump, and list each difference");
  app.add_flag("--shell-job", arguments->shell_job, "With --against: as for the generate command");
  app.add_flag("--json", arguments->json, "Print the findings on standard output, for machines");
  app.add_flag("--state", arguments->state,
               "Print where the program ends: tree, descriptor tables, regions");
  app.footer(
      "Examples:\n"
      "  crgen validate plan.json\n"
      "  crgen validate plan.json --against dump/\n"
      "  crgen dump/ | crgen validate -");
  return [arguments] {
    Diagnostics diag;
    const ExitCode code = Validate(*arguments, diag);
    if (!arguments->json) {
      PrintDiagnostics(diag);
    } else if (Diagnostics errors; Failed(PrintFindings(diag, errors))) {
      PrintDiagnostics(errors);
      return ExitCode::kBadInput;
    }
    return code;
  };
}

}  // namespace crgen

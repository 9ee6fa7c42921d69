// SPDX-License-Identifier: Apache-2.0
// crgen validate PLAN
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "checker/check.h"
#include "checker/snapshot_of.h"
#include "checker/warnings.h"
#include "crgen/cli.h"
#include "crgen/losses.h"
#include "crgen/plan_images.h"
#include "dsl/json/findings.h"
#include "dsl/json/program_json.h"
#include "generator/generate.h"
#include "views/show.h"

namespace crgen {
namespace {

struct ValidateArguments {
  std::string plan;
  std::string against;
  bool complete = false;
  bool json = false;
  bool state = false;
};

/// With their places in the text.
void AddWithLines(const Diagnostics& findings, const std::string& name,
                  const std::vector<std::uint32_t>& lines, Diagnostics& diag) {
  diag.AddAll(findings, [&](const Diagnostic& entry) { return PlacedIn(name, lines, entry); });
}

/// `suspects` gets what is legal, but not needed for that dump.
Result CompareWithDump(const ValidateArguments& arguments, const Program& program,
                       const SimulatedState& state, Diagnostics& suspects, Diagnostics& diag) {
  Diagnostics loading;
  auto source = OpenDump(arguments.against, loading, nullptr, HasDigests(program));
  Snapshot snapshot;
  const About* about = AboutOf(program);
  LoadOptions options = {TerminalProgress("reading process")};
  options.caller_namespaces =
      about != nullptr && std::ranges::any_of(about->left_out, &LeftOut::callers);
  const bool loaded = source != nullptr &&
                      Succeeded(LoadDump(*source, &snapshot, loading, options)) &&
                      Succeeded(PrepareTree(snapshot.tree, &snapshot.tree, loading));
  const Diagnostics left_out = CompareLeftOut(loading, about);
  diag.AddAll(left_out);
  if (!loaded) return Result::kError;
  FindSuspects(program, state, &snapshot, suspects);
  PageImages pages(*source);
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  Diagnostics of_images;
  const Result bound = CompareImages(program, snapshot.dump_id, pages, threads, of_images);
  // The names are those of the plan: it is to be seen where they were looked for.
  diag.AddAll(of_images, [&](Diagnostic entry) {
    const bool file = entry.where.ends_with(".img");
    if (file) entry.where = (std::filesystem::path(arguments.against) / entry.where).string();
    return entry;
  });
  const PageReader read_page = PageReaderOf(*source);
  const Result compared = CompareWithSnapshot(state, snapshot, read_page, diag);
  return left_out.HasErrors() || Failed(bound) ? Result::kError : compared;
}

Result ReadPlan(const std::string& path, const std::string& name, Program* program,
                std::vector<std::uint32_t>* lines, Diagnostics& diag) {
  TextFile text(path);
  if (Failed(text.Open(diag))) return Result::kError;
  Diagnostics problems;
  const Result read = ReadProgram(text.Reader(), name, program, lines, problems);
  if (Failed(text.Close(diag))) return Result::kError;
  diag.AddAll(problems);
  return read;
}

void SayHowManyMayDo(const Program& program, const SimulatedState& state) {
  if (!spdlog::should_log(spdlog::level::info)) return;
  const CommandBound bound = BoundCommands(program, state);
  spdlog::info("{} commands; of the {} that make processes and openings, {} may do", program.size(),
               bound.Count(), bound.Least());
}

/// `*end`: where it ends; no kernel: it is wrong. The first level that finds an error is the last:
/// syntax and schema, then meaning, then whether that is a whole restore, then the dump.
ExitCode Validate(const ValidateArguments& arguments, Program* read, SimulatedState* end,
                  Diagnostics& diag) {
  ConfineToReading({arguments.plan, arguments.against});
  const std::string name = arguments.plan == "-" ? "standard input" : arguments.plan;
  Program& program = *read;
  std::vector<std::uint32_t> lines;
  if (Failed(ReadPlan(arguments.plan, name, &program, &lines, diag))) return ExitCode::kBadInput;
  SimulatedState& state = *end;
  Diagnostics findings;
  Result checked = CheckProgram(program, &state, findings);
  if (Succeeded(checked) && (arguments.complete || !arguments.against.empty())) {
    checked = CheckComplete(program, state, findings);
  }
  if (Succeeded(checked)) FindUnfinished(state, findings);
  AddWithLines(findings, name, lines, diag);
  if (arguments.state && !arguments.json) {
    if (Failed(PrintText(DescribeState(state), diag))) return ExitCode::kBadInput;
  }
  if (Failed(checked)) {
    state = SimulatedState();
    return ExitCode::kBadInput;
  }
  Diagnostics suspects;
  Result compared = Result::kOk;
  if (arguments.against.empty()) {
    FindSuspects(program, state, nullptr, suspects);
  } else {
    compared = CompareWithDump(arguments, program, state, suspects, diag);
  }
  AddWithLines(suspects, name, lines, diag);
  SayHowManyMayDo(program, state);
  return Failed(compared) ? ExitCode::kBadInput : ExitCode::kOk;
}

/// Both in one object; no member `state`: the program is wrong.
Result PrintWithState(const Diagnostics& findings, const Program& program,
                      const SimulatedState& state, Diagnostics& errors) {
  std::string text = "{\"findings\": ";
  JsonWriter json(&text, JsonWriter::Style::kIndented);
  WriteFindings(findings, program, json);
  if (state.kernel() != nullptr) {
    const Snapshot snapshot = SnapshotOf(state);
    const Unplanned unplanned;
    std::vector<Topic> topics;
    AddTopic("all", &topics);
    text += ", \"state\": " + ShowJson({snapshot, unplanned, PageReader()}, topics, std::nullopt);
  }
  return PrintText(text + "}\n", errors);
}

}  // namespace

std::function<ExitCode()> AddValidate(CLI::App& app) {
  auto arguments = std::make_shared<ValidateArguments>();
  app.description("Check a restore program: its syntax, its schema, and what its commands do");
  app.add_option("PLAN", arguments->plan, "A restore program, - for standard input")
      ->required()
      ->type_name("FILE");
  app.add_option("--against", arguments->against,
                 "Compare where the program ends with this dump, and list each difference")
      ->type_name("DUMP");
  app.add_flag(
      "--complete", arguments->complete,
      "Every process is to end in RESUME or EXIT, with rights that are said; a fragment is "
      "refused, as crrestore refuses it");
  app.add_flag("--shell-job")->description("Accepted for old scripts; crrestore wants it");
  app.add_flag(
      "--json", arguments->json,
      "Print the findings on standard output, for machines; with --state an object of both");
  app.add_flag("--state", arguments->state,
               "Print where the program ends: tree, attributes, descriptor tables, regions; with "
               "--json as `crgen show all --json` does");
  app.footer(
      "Examples:\n"
      "  crgen validate plan.json\n"
      "  crgen validate plan.json --against dump/\n"
      "  crgen dump/ | crgen validate -");
  return [arguments] {
    Diagnostics diag;
    Program program;
    SimulatedState state;
    const ExitCode code = Validate(*arguments, &program, &state, diag);
    if (!arguments->json) {
      PrintDiagnostics(diag);
      return code;
    }
    Diagnostics errors;
    const Result printed = arguments->state ? PrintWithState(diag, program, state, errors)
                                            : PrintFindings(diag, program, errors);
    PrintDiagnostics(errors);
    return Failed(printed) ? ExitCode::kBadInput : code;
  };
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "crgen/look.h"

#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "checker/check.h"
#include "crgen/losses.h"
#include "dsl/json/program_json.h"
#include "generator/generate.h"
#include "terminal/log.h"

namespace crgen {

void OpenLook(const std::string& path, Look* look, bool progress) {
  look->source = OpenDump(path, look->findings);
  if (look->source == nullptr) return;
  LoadOptions options = {progress ? TerminalProgress("reading process") : LoadProgress(),
                         std::max(1U, std::thread::hardware_concurrency())};
  options.unplanned = &look->unplanned;
  look->whole = Succeeded(LoadDump(*look->source, &look->snapshot, look->findings, options));
}

void SayWhatIsMissing(const Look& look, const std::string& path) {
  Diagnostics errors;
  errors.AddAll(look.findings, OnlyError);
  PrintDiagnostics(errors);
  const std::size_t unsupported = look.findings.Count(Severity::kUnsupported);
  if (look.whole && unsupported != 0) {
    spdlog::warn(
        "{}: {} in it that no program can say, marked ! where shown: `crgen why {}` says why", path,
        unsupported == 1 ? "1 thing" : std::to_string(unsupported) + " things", path);
  }
}

std::size_t InventedIn(const Look& look) {
  TreeSnapshot tree;
  TreePlan plan;
  TreeRefusal refusal;
  const bool planned = !look.snapshot.tree.nodes.empty() &&
                       Succeeded(PrepareTree(look.snapshot.tree, &tree, &refusal)) &&
                       Succeeded(AnalyzeTree(tree, &plan, &refusal));
  return planned ? plan.invented.size() : 0;
}

ProcessIndex FindProcess(const Look& look, Pid pid, const std::string& path) {
  const std::vector<TreeNode>& nodes = look.snapshot.tree.nodes;
  const auto found = std::ranges::find(nodes, pid, &TreeNode::pid);
  if (found != nodes.end()) return ProcessIndex(found - nodes.begin());
  spdlog::error("--pid: no process {} is in {}", pid, path);
  return {};
}

ExitCode OpenProcess(const std::string& path, Pid pid, Look* look, ProcessIndex* process) {
  OpenLook(path, look);
  SayWhatIsMissing(*look, path);
  if (look->snapshot.processes.empty()) return ExitCode::kBadInput;
  *process = FindProcess(*look, pid, path);
  return *process < 0 ? ExitCode::kUsage : ExitCode::kOk;
}

ViewOptions OptionsOfTerminal() {
  ViewOptions options;
  if (isatty(STDOUT_FILENO) == 0) return options;
  struct winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) options.columns = size.ws_col;
  options.colour = !WantsPlainText();
  return options;
}

namespace {

ExitCode Derive(const std::string& path, bool partial, Program* program, Diagnostics& diag) {
  Look look;
  OpenLook(path, &look);
  diag = Accept(look.findings, {}, partial);
  if (!look.whole) return ExitCode::kBadInput;
  if (diag.Count(Severity::kUnsupported) != 0) return ExitCode::kUnsupported;
  return CodeOf(GenerateProgram(look.snapshot, {AboutPlan(look.findings, look.snapshot)},
                                look.Reader(), program, diag));
}

/// What a program does can be told only if it is right.
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

}  // namespace

ExitCode DeriveOrRead(const std::string& path, bool partial, Program* program, Diagnostics& diag) {
  return IsDump(path) ? Derive(path, partial, program, diag) : Read(path, program, diag);
}

ExitCode PrintView(const std::string& text) {
  Diagnostics diag;
  if (Succeeded(PrintText(text, diag))) return ExitCode::kOk;
  PrintDiagnostics(diag);
  return ExitCode::kBadInput;
}

}  // namespace crgen

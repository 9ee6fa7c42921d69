// SPDX-License-Identifier: Apache-2.0
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <utility>

#include "crgen/cli.h"
#include "dsl/json/findings.h"

namespace crgen {
namespace {

/// So many findings of one cause are printed one by one.
constexpr std::size_t kFew = 3;

Diagnostics printed;

void PrintDropped(const Diagnostics& diag, Severity severity, const char* what) {
  const std::size_t dropped = diag.Dropped(severity);
  const auto level = severity == Severity::kWarning ? spdlog::level::warn : spdlog::level::err;
  if (dropped != 0) spdlog::log(level, "and {} more {}", dropped, what);
}

}  // namespace

void PrintDiagnostics(const Diagnostics& diag) {
  printed.AddAll(diag);
  struct Cause {
    std::size_t count = 0;
    bool printed = false;
  };
  std::map<std::pair<Severity, std::string_view>, Cause> causes;
  for (const Diagnostic& entry : diag.entries()) ++causes[{entry.severity, entry.what}].count;
  const bool all = spdlog::should_log(spdlog::level::info);
  for (const Diagnostic& entry : diag.entries()) {
    Cause& cause = causes[{entry.severity, entry.what}];
    const bool many = cause.count > kFew && !all;
    if (many && std::exchange(cause.printed, true)) continue;
    const auto level =
        entry.severity == Severity::kWarning ? spdlog::level::warn : spdlog::level::err;
    spdlog::log(
        level, "{}: {}{}{}{}", entry.where,
        entry.severity == Severity::kUnsupported ? "unsupported: " : "", entry.what,
        entry.more == 0 ? "" : " (and " + std::to_string(entry.more) + " more like it)",
        many ? "; the same of " + std::to_string(cause.count - 1) + " others (-v lists them)" : "");
  }
  PrintDropped(diag, Severity::kError, "errors");
  PrintDropped(diag, Severity::kUnsupported, "unsupported things");
  PrintDropped(diag, Severity::kWarning, "warnings");
}

LoadProgress TerminalProgress(const std::string& what) {
  const char* terminal = std::getenv("TERM");
  if (isatty(STDERR_FILENO) == 0 || (terminal != nullptr && std::string_view(terminal) == "dumb")) {
    return {};
  }
  return [what](std::size_t done, std::size_t total) {
    if (done == total) {
      std::fprintf(stderr, "\r\033[K");
    } else {
      std::fprintf(stderr, "\r%s %zu of %zu", what.c_str(), done, total);
    }
    std::fflush(stderr);
  };
}

Result PrintFindings(const Diagnostics& diag, const Program& program, Diagnostics& errors) {
  std::string text;
  JsonWriter json(&text, JsonWriter::Style::kIndented);
  WriteFindings(diag, program, json);
  return PrintText(text + "\n", errors);
}

void AddFindingsFlag(CLI::App& app) {
  app.add_flag("--json")->description(
      "Where there is no result, print the findings on standard output, for machines");
}

void PrintFindingsForResult() {
  if (Output::HasPrinted()) return;
  Diagnostics errors;
  if (Failed(PrintFindings(printed, {}, errors))) PrintDiagnostics(errors);
}

}  // namespace crgen

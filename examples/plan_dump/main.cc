// SPDX-License-Identifier: Apache-2.0
// plan_dump DUMP: prints the plan of a dump, with the commands of `crgen DUMP`, by the installed
// libraries.
#include <cstdio>

#include "checker/check.h"
#include "dsl/json/program_json.h"
#include "generator/generate.h"
#include "images/dump.h"

using namespace crgen;

Result PlanDump(const char* path, Program* program, Diagnostics& diag) {
  const auto source = OpenFolder(path, diag);
  Snapshot snapshot;
  if (source == nullptr || Failed(LoadDump(*source, &snapshot, diag))) return Result::kError;
  if (diag.Count(Severity::kUnsupported) != 0) return Result::kError;
  auto about = std::make_shared<About>();
  about->version.text = LanguageVersion::kCurrent;
  about->machine = "x86_64";
  const auto outcome = GenerateProgram(snapshot, {about}, PageReaderOf(*source), program, diag);
  SimulatedState state;
  return outcome == GenerateOutcome::kOk ? CheckProgram(*program, &state, diag) : Result::kError;
}

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: plan_dump DUMP\n", stderr), 2;
  Diagnostics diag;
  Program program;
  const bool good = Succeeded(PlanDump(argv[1], &program, diag));
  for (const Diagnostic& entry : diag.entries())
    std::fprintf(stderr, "%s: %s\n", entry.where.c_str(), entry.what.c_str());
  if (good) std::fputs(WriteProgram(program, Layout::kLines).c_str(), stdout);
  return good ? 0 : 1;
}

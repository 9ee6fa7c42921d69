// SPDX-License-Identifier: Apache-2.0
// plan_dump DUMP: prints the plan of a dump, with the commands of `crgen DUMP`, by the installed
// libraries.
#include <cstdio>

#include "checker/check.h"
#include "dsl/json/program_json.h"
#include "generator/generate.h"
#include "images/dump.h"

int main(int argc, char** argv) {
  using namespace crgen;
  if (argc != 2) return 2;
  Diagnostics diag;
  Snapshot snapshot;
  Program program;
  SimulatedState state;
  const auto source = OpenFolder(argv[1], diag);
  bool good = source != nullptr && Succeeded(LoadDump(*source, &snapshot, diag)) &&
              diag.Count(Severity::kUnsupported) == 0;
  if (good) {
    const PageReader read_page = PageReaderOf(*source);
    About about;
    about.version.text = LanguageVersion::kCurrent;
    about.machine = "x86_64";
    const GenerateOptions options = {std::make_shared<About>(about)};
    good = GenerateProgram(snapshot, options, read_page, &program, diag) == GenerateOutcome::kOk &&
           Succeeded(CheckProgram(program, &state, diag));
  }
  for (const Diagnostic& entry : diag.entries()) {
    std::fprintf(stderr, "%s: %s\n", entry.where.c_str(), entry.what.c_str());
  }
  if (good) std::fputs(WriteProgram(program, Layout::kLines).c_str(), stdout);
  return good ? 0 : 1;
}

// crgen validate PLAN
#include <spdlog/spdlog.h>

#include "dsl/check.h"
#include "dsl/validate.h"
#include "generator/cli.h"

namespace crgen {
namespace {

ExitCode Validate(const std::string& path, Diagnostics& diag) {
  std::string text;
  Program program;
  SimulatedState state;
  if (Failed(ReadText(path, &text, diag)) ||
      Failed(ValidateText(text, path == "-" ? "standard input" : path, &program, diag)) ||
      Failed(CheckProgram(program, &state, diag))) {
    return ExitCode::kBadInput;
  }
  spdlog::info("{} commands", program.size());
  return ExitCode::kOk;
}

}  // namespace

std::function<ExitCode()> AddValidate(CLI::App& app) {
  auto path = std::make_shared<std::string>();
  app.description("Check a restore program: its syntax, its schema, and what its commands do");
  app.add_option("PLAN", *path, "A restore program, - for standard input")->required();
  app.footer(
      "Examples:\n"
      "  crgen validate plan.json\n"
      "  crgen dump/ | crgen validate -");
  return [path] {
    Diagnostics diag;
    const ExitCode code = Validate(*path, diag);
    PrintDiagnostics(diag);
    return code;
  };
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// crgen plan DUMP|PLAN
#include <spdlog/spdlog.h>

#include <algorithm>

#include "crgen/look.h"
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

bool HasProcess(const Program& program, Pid pid) {
  return pid == 0 || std::ranges::any_of(program, [&](const Command& command) {
           const auto* fork = std::get_if<Fork>(&command.body);
           return fork != nullptr && fork->child_pid == pid;
         });
}

ExitCode Plan(const PlanArguments& arguments) {
  ConfineToReading({arguments.dump});
  Program program;
  Diagnostics diag;
  const ExitCode made = DeriveOrRead(arguments.dump, arguments.partial, &program, diag);
  PrintDiagnostics(diag);
  if (made != ExitCode::kOk) return made;
  if (arguments.pid && !HasProcess(program, *arguments.pid)) {
    spdlog::error("--pid: no process {} is in {}", *arguments.pid, arguments.dump);
    return ExitCode::kUsage;
  }
  ViewOptions options = OptionsOfTerminal();
  options.pid = arguments.pid;
  return PrintView(arguments.json ? PlanJson(program, options)
                                  : PlanText(program, options, arguments.explain));
}

}  // namespace

std::function<ExitCode()> AddPlan(CLI::App& app) {
  auto arguments = std::make_shared<PlanArguments>();
  app.description("Show what a restore would do, process by process, for people to read");
  app.add_option("DUMP|PLAN", arguments->dump,
                 "A dump (folder or archive), or a restore program (-: stdin)")
      ->required();
  app.add_option("--pid", arguments->pid, "Only what this process does; 0 is the restorer");
  app.add_flag("--explain", arguments->explain, "Say why each command is there");
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

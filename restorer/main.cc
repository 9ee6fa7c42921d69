// crrestore PLAN: brings a process tree back to life.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>

#include "checker/check.h"
#include "dsl/json/program_json.h"
#include "dsl/references.h"
#include "preflight/preflight.h"
#include "restorer/arguments.h"
#include "restorer/consent.h"
#include "restorer/own_limits.h"
#include "restorer/restore.h"
#include "restorer/schedule.h"
#include "restorer/settle.h"
#include "terminal/command_line.h"
#include "terminal/log.h"

namespace crgen::restorer {
namespace {

enum ExitCode {
  kOk = 0,
  kInternal = 1,
  kUsage = 2,
  kBadInput = 3,
  kUnsupported = 4,
  kNotRestored = 5,
};

constexpr ExitCodeRow kExitCodes[] = {
    {0, "ok", ""},
    {1, "internal error", "a defect of crrestore, or the machine is out of memory"},
    {2, "usage", "wrong arguments"},
    {3, "bad input",
     "a plan that is not valid, a file or image that is missing or has changed, a pid that is "
     "taken"},
    {4, "unsupported", "a valid plan with things that this restorer cannot do; all are listed"},
    {5, "not restored",
     "the kernel refused a command, or somebody interfered; nothing is left of the tree"},
};

constexpr ProgramText kText = {
    "A plan is executed with your rights: it opens, maps and runs whatever it names.", kExitCodes,
    "without --detach, the root's own",
    "  crrestore plan.json --images dump/ --detach\n"
    "  crgen dump/ | crrestore - --images dump/",
    ".BR crgen (1),\n.BR restore-program (5),\n.BR criu (8)"};

struct Plan {
  std::string name;
  Program program;
  std::vector<std::uint32_t> lines;
  std::uint64_t size = 0;  ///< bytes of text
};

/// "plan.json:13: commands[11] …" where the command is known.
std::string Placed(const Plan& plan, std::int64_t command, const std::string& where) {
  if (command < 0 || static_cast<std::size_t>(command) >= plan.lines.size()) return where;
  return plan.name + ":" + std::to_string(plan.lines[static_cast<std::size_t>(command)]) + ": " +
         where;
}

std::string Where(const Plan& plan, std::int64_t index) {
  const auto at = static_cast<std::size_t>(index);
  return Placed(plan, index, CommandPlace(plan.program[at], at));
}

/// Prints what was found; the exit code that it means.
ExitCode PrintProblems(const Plan& plan, const Diagnostics& diag) {
  for (const Diagnostic& entry : diag.entries()) {
    const auto command = entry.command ? static_cast<std::int64_t>(*entry.command) : -1;
    const std::string where = Placed(plan, command, entry.where);
    const std::string advice = entry.advice.empty() ? "" : " (" + entry.advice + ")";
    if (entry.severity == Severity::kWarning) {
      spdlog::warn("{}: {}{}", where, entry.what, advice);
    } else {
      spdlog::error("{}: {}{}{}", where,
                    entry.severity == Severity::kUnsupported ? "unsupported: " : "", entry.what,
                    advice);
    }
  }
  return diag.HasErrors()                          ? kBadInput
         : diag.Count(Severity::kUnsupported) != 0 ? kUnsupported
                                                   : kOk;
}

bool ReadPlan(const std::string& path, Plan* plan) {
  plan->name = path == "-" ? "standard input" : path;
  std::FILE* file = path == "-" ? stdin : std::fopen(path.c_str(), "r");
  if (file == nullptr) {
    spdlog::error("{}: {}", path, std::strerror(errno));
    return false;
  }
  if (std::error_code ignored; std::filesystem::is_directory(path, ignored)) {
    spdlog::error("{}: is a folder, expected a plan; `crgen {}` prints the plan of a dump", path,
                  path);
    std::fclose(file);
    return false;
  }
  const ByteReader read = [&](std::span<char> out) {
    const std::size_t got = std::fread(out.data(), 1, out.size(), file);
    plan->size += got;
    return got;
  };
  Diagnostics diag;
  const Result result = ReadProgram(read, plan->name, &plan->program, &plan->lines, diag);
  const bool broken = std::ferror(file) != 0;
  if (broken) spdlog::error("{}: {}", plan->name, std::strerror(errno));
  if (file != stdin) std::fclose(file);
  if (plan->size == 0 && !broken) {
    spdlog::error("{}: is empty; where crgen was to write it, its own messages say why it did not",
                  plan->name);
    return false;
  }
  return PrintProblems(*plan, diag) == kOk && Succeeded(result) && !broken;
}

bool NamesImages(const Program& program) {
  return std::any_of(program.begin(), program.end(), [](const Command& command) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    bool data = false;
    if (open != nullptr) {
      ForEachValueOf<ImageBytes>(*open->file, [&](const ImageBytes&) { data = true; });
    }
    return data || std::holds_alternative<LoadPages>(command.body);
  });
}

ExitCode CheckPlan(const Plan& plan, const Arguments& arguments, HostFiles* files) {
  Diagnostics diag;
  SimulatedState state;
  if (plan.program.empty()) {
    spdlog::error("{}: an empty program: there is nothing to restore", plan.name);
    return kBadInput;
  }
  if (Failed(CheckProgram(plan.program, &state, diag)) ||
      Failed(CheckComplete(plan.program, state, diag))) {
    PrintProblems(plan, diag);
    return kBadInput;
  }
  CheckConsent(plan.program, arguments, diag);
  if (arguments.dry_run) return PrintProblems(plan, diag);
  const PreflightOptions options = {arguments.images,
                                    arguments.images_outside,
                                    arguments.options.new_pid_namespace,
                                    arguments.options.time_namespace,
                                    arguments.options.tcp_close,
                                    arguments.options.network_locked,
                                    arguments.options.inherited,
                                    arguments.options.cgroups,
                                    arguments.options.namespaces};
  const Result result = Preflight(plan.program, options, files, diag);
  const ExitCode code = PrintProblems(plan, diag);
  if (code == kBadInput && !arguments.images_given && NamesImages(plan.program)) {
    spdlog::error("page images were looked for in \"{}\"; --images DIR says where the dump is",
                  arguments.images);
  }
  return Succeeded(result) ? kOk : code;
}

int Run(const Arguments& arguments) {
  Plan plan;
  if (!ReadPlan(arguments.plan, &plan)) return kBadInput;
  HostFiles files;
  if (const ExitCode code = CheckPlan(plan, arguments, &files); code != kOk) return code;
  if (arguments.dry_run) {
    const std::string text = DescribeSchedule(plan.program, MakeSchedule(plan.program));
    std::fwrite(text.data(), 1, text.size(), stdout);
    return std::fflush(stdout) == 0 ? kOk : kBadInput;
  }
  const Schedule schedule = MakeSchedule(plan.program);
  const bool restorer_ends = arguments.options.detach && !arguments.options.new_pid_namespace;
  Diagnostics diag;
  Settle(schedule, restorer_ends, &plan.program, diag);
  PrintProblems(plan, diag);
  const RestoreResult result = Restore(plan.program, schedule, plan.size, files, arguments.options);
  if (!result.problem.what.empty()) {
    const std::int64_t command = result.problem.command;
    if (command >= 0 && static_cast<std::size_t>(command) < plan.program.size()) {
      spdlog::error("{}: {}", Where(plan, command), result.problem.what);
    } else {
      spdlog::error("{}", result.problem.what);
    }
    spdlog::error("nothing is restored, and nothing is left of the attempt");
    return kNotRestored;
  }
  spdlog::info("restored: the root is process {}", result.root);
  return arguments.options.detach ? kOk : result.exit_status;
}

int Main(int argc, char** argv) {
  CLI::App app("Executes a restore program: brings the processes of a dump back to life",
               "crrestore");
  Arguments arguments;
  app.set_version_flag("--version", "crrestore " CRGEN_VERSION);
  AddOptions(app, &arguments);
  app.footer(HelpFooter(kText));
  if (PrintInterface(app, kText, argc, argv)) return kOk;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  if (!FinishArguments(&arguments)) return kUsage;
  spdlog::set_level(arguments.verbose ? spdlog::level::info : spdlog::level::warn);
  return Run(arguments);
}

}  // namespace
}  // namespace crgen::restorer

int main(int argc, char** argv) {
  crgen::LogToTerminal("crrestore");
  crgen::restorer::RaiseOwnLimits();
  try {
    return crgen::restorer::Main(argc, argv);
  } catch (const std::exception& error) {
    spdlog::critical("{}", error.what());
    return crgen::restorer::kInternal;
  }
}

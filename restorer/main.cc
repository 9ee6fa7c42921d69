// SPDX-License-Identifier: Apache-2.0
// crrestore PLAN: brings a process tree back to life.
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>

#include "checker/check.h"
#include "dsl/json/findings.h"
#include "dsl/json/program_json.h"
#include "model/printable.h"
#include "model/shape.h"
#include "preflight/preflight.h"
#include "restorer/arguments.h"
#include "restorer/consent.h"
#include "restorer/handed_over.h"
#include "restorer/left_names.h"
#include "restorer/namespaces.h"
#include "restorer/outside_sockets.h"
#include "restorer/own_limits.h"
#include "restorer/restore.h"
#include "restorer/result_json.h"
#include "restorer/schedule.h"
#include "restorer/settle.h"
#include "restorer/step_times.h"
#include "terminal/command_line.h"
#include "terminal/exit_codes.h"
#include "terminal/log.h"
#include "terminal/usage.h"
#include "views/plan.h"

namespace crgen::restorer {
namespace {

constexpr ProgramText kText = {
    "A plan is executed with your rights: it opens, maps and runs whatever it names.",
    &ExitCodeRow::of_crrestore, "without --detach, the root's own",
    "  crrestore plan.json --images dump/ --detach\n"
    "  crgen dump/ | crrestore - --images dump/",
    ".BR crgen (1),\n.BR restore-program (5),\n.BR criu (8)"};

struct Plan {
  std::string name;
  std::vector<std::uint32_t> lines;
  std::uint64_t size = 0;  ///< bytes of text
  Outcome outcome;
};

/// So many findings of one shape are said one by one.
constexpr std::size_t kFew = 3;

/// How many findings are neither said nor kept.
void SayDropped(const Diagnostics& found) {
  const std::size_t errors = found.Dropped(Severity::kError);
  const std::size_t unsupported = found.Dropped(Severity::kUnsupported);
  const std::size_t warnings = found.Dropped(Severity::kWarning);
  if (errors != 0) spdlog::error("and {} more errors", errors);
  if (unsupported != 0) spdlog::error("and {} more unsupported things", unsupported);
  if (warnings != 0) spdlog::warn("and {} more warnings", warnings);
}

/// Says what was found, with its place in the text: "plan.json:13: commands[11] …". Of many that
/// differ in numbers alone, the first.
void Report(const Diagnostics& found, Plan* plan) {
  std::map<std::pair<Severity, std::string>, std::size_t> shapes;
  for (const Diagnostic& entry : found.entries()) ++shapes[{entry.severity, ShapeOf(entry.what)}];
  const bool all = spdlog::should_log(spdlog::level::info);
  for (const Diagnostic& found_one : found.entries()) {
    Diagnostic entry = PlacedIn(plan->name, plan->lines, found_one);
    std::size_t& like_it = shapes[{entry.severity, ShapeOf(entry.what)}];
    const bool many = like_it > kFew && !all;
    if (like_it == 0) {  // it was told of
      plan->outcome.findings.Add(std::move(entry));
      continue;
    }
    std::string advice = entry.advice.empty() ? "" : " (" + entry.advice + ")";
    if (many) {
      advice += "; and " + std::to_string(like_it - 1) + " more like that (-v lists them)";
      like_it = 0;
    }
    if (entry.severity == Severity::kWarning) {
      spdlog::warn("{}: {}{}", entry.where, entry.what, advice);
    } else {
      spdlog::error("{}: {}{}{}", entry.where,
                    entry.severity == Severity::kUnsupported ? "unsupported: " : "", entry.what,
                    advice);
    }
    plan->outcome.findings.Add(std::move(entry));
  }
  plan->outcome.findings.AddDropped(found);
  SayDropped(found);
}

ExitCode CodeOf(const Diagnostics& found) {
  return found.HasErrors()                          ? ExitCode::kBadInput
         : found.Count(Severity::kUnsupported) != 0 ? ExitCode::kUnsupported
                                                    : ExitCode::kOk;
}

Result ReadPlan(const std::string& path, Plan* plan, Diagnostics& diag) {
  std::FILE* file = path == "-" ? stdin : std::fopen(path.c_str(), "r");
  if (file == nullptr) return diag.Fail(plan->name, std::strerror(errno));
  if (std::error_code ignored; std::filesystem::is_directory(path, ignored)) {
    std::fclose(file);
    return diag.Fail(
        path, "is a folder, expected a plan; `crgen " + path + "` prints the plan of a dump");
  }
  const ByteReader read = [&](std::span<char> out) {
    const std::size_t got = std::fread(out.data(), 1, out.size(), file);
    plan->size += got;
    return got;
  };
  Diagnostics problems;
  const Result result =
      ReadProgram(read, plan->name, &plan->outcome.program, &plan->lines, problems);
  const bool broken = std::ferror(file) != 0;
  if (broken) diag.Error(plan->name, std::strerror(errno));
  if (file != stdin) std::fclose(file);
  if (broken) return Result::kError;
  diag.AddAll(problems);
  return result;
}

/// Nothing outside is touched before all has been looked at: what is connected, and bound for
/// that, comes last.
void LookAtHost(const Program& program, Arguments& arguments, HostFiles* files, Diagnostics& diag) {
  const OutsideSockets& outside = arguments.outside_sockets;
  const std::map<std::string, int> given = arguments.options.inherited;
  std::map<std::string, int> tried = given;
  ConnectOutside(program, outside, false, -1, &tried, diag);
  const PreflightOptions options = {arguments.images,
                                    arguments.images_outside,
                                    arguments.options.new_pid_namespace,
                                    arguments.options.time_namespace,
                                    arguments.options.tcp_close,
                                    arguments.options.network_locked,
                                    tried,
                                    arguments.options.cgroups,
                                    arguments.options.namespaces};
  (void)Preflight(program, options, files, diag);  // whoever asks looks into `diag`
  for (const auto& [key, fd] : tried) {
    if (fd >= 0 && !given.contains(key)) close(fd);
  }
  if (arguments.preflight || tried.size() == given.size() || CodeOf(diag) != ExitCode::kOk) return;
  arguments.options.names = memfd_create("names", MFD_CLOEXEC);
  ConnectOutside(program, outside, true, arguments.options.names, &arguments.options.inherited,
                 diag);
}

/// What can be said before anything is made.
void CheckPlan(Arguments& arguments, Plan* plan, HostFiles* files, Diagnostics& diag) {
  const Program& program = plan->outcome.program;
  if (Failed(ReadPlan(arguments.plan, plan, diag))) return;
  if (program.empty())
    return diag.Error(plan->name, "an empty program: there is nothing to restore");
  SimulatedState state;
  if (Failed(CheckProgram(program, &state, diag)) || Failed(CheckComplete(program, state, diag))) {
    return;
  }
  AddFoundByDumper(program, &arguments.options.namespaces);
  CheckConsent(program, arguments, diag);
  const std::string twice = SpellAsPlanned(program, &arguments.options.inherited);
  if (!twice.empty()) return diag.Error(plan->name, twice);
  if (!arguments.dry_run) LookAtHost(program, arguments, files, diag);
}

/// A file that is the user's alone, opened before anything is made: with what is written into it, a
/// restore that has been done has not failed.
class LateText {
 public:
  explicit LateText(const std::string& path) : path_(path) {}
  LateText(const LateText&) = delete;
  LateText& operator=(const LateText&) = delete;
  ~LateText() {
    if (fd_ >= 0) close(fd_);
  }
  bool Open() {
    if (path_.empty()) return true;
    fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd_ < 0) spdlog::error("{}: {}", path_, std::strerror(errno));
    return fd_ >= 0;
  }
  bool IsWanted() const { return fd_ >= 0; }
  void Write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = write(fd_, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return spdlog::warn("{}: {}", path_, std::strerror(errno));
      text.remove_prefix(static_cast<std::size_t>(written));
    }
  }

 private:
  std::string path_;
  int fd_ = -1;
};

/// Of a restore that has failed, too: how far it came.
void WriteTimes(const Program& program, const Schedule& schedule,
                const std::vector<StepTimes>& times, LateText* trace, LateText* gantt) {
  if (!trace->IsWanted() && !gantt->IsWanted()) return;
  const Timeline timeline = TimelineOf(program, schedule, times);
  if (trace->IsWanted()) trace->Write(TraceJson(timeline));
  if (gantt->IsWanted()) gantt->Write(GanttSvg(timeline));
  for (const std::string& line : ChainText(timeline)) spdlog::info("{}", line);
}

/// Names that were bound for connections to outside, when nothing comes of the restore.
void RemoveMade(const Arguments& arguments, const Plan& plan) {
  Records records;
  records.names = arguments.options.names;
  if (records.names >= 0) {
    RemoveLeftNames(plan.outcome.program, arguments.options.namespaces, records);
  }
}

int RestorePlan(const Arguments& arguments, HostFiles& files, Plan* plan) {
  Outcome& outcome = plan->outcome;
  LateText trace(arguments.trace), gantt(arguments.gantt);
  if (!trace.Open() || !gantt.Open()) {
    RemoveMade(arguments, *plan);
    return Number(ExitCode::kBadInput);
  }
  const Schedule schedule = MakeSchedule(outcome.program);
  const bool restorer_ends = arguments.options.detach && !arguments.options.new_pid_namespace;
  Diagnostics settled, problem;
  Settle(schedule, restorer_ends, &outcome.program, settled);
  Report(settled, plan);
  const RestoreResult result =
      Restore(outcome.program, schedule, plan->size, files, arguments.options);
  WriteTimes(outcome.program, schedule, result.times, &trace, &gantt);
  if (result.problem) {
    const auto command = static_cast<std::size_t>(result.problem.command);
    Diagnostic entry = {Severity::kError, plan->name, result.problem.what};
    if (result.problem.command >= 0 && command < outcome.program.size()) {
      entry.where = CommandPlace(outcome.program[command], command);
      entry.command = command;
    }
    problem.Add(std::move(entry));
  }
  Report(problem, plan);
  if (result.problem) {
    RemoveMade(arguments, *plan);
    spdlog::error("nothing is restored, and nothing is left of the attempt");
    return Number(ExitCode::kNotBuilt);
  }
  spdlog::info("restored: the root is process {}", result.root);
  outcome.root = result.root;
  if (arguments.options.detach) return Number(ExitCode::kOk);
  outcome.exit_status = result.exit_status;
  return result.exit_status;
}

int Run(Arguments& arguments, Plan* plan) {
  plan->name = arguments.plan == "-" ? "standard input" : arguments.plan;
  Diagnostics diag;
  HostFiles files;
  CheckPlan(arguments, plan, &files, diag);
  Report(diag, plan);
  if (const ExitCode code = CodeOf(diag); code != ExitCode::kOk || arguments.preflight) {
    RemoveMade(arguments, *plan);
    return Number(code);
  }
  if (!arguments.dry_run) return RestorePlan(arguments, files, plan);
  plan->outcome.schedule = MakeSchedule(plan->outcome.program);
  return Number(ExitCode::kOk);
}

/// Of standard output.
ViewOptions OptionsOfTerminal() {
  ViewOptions options;
  struct winsize size = {};
  if (isatty(STDOUT_FILENO) == 0) return options;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) options.columns = size.ws_col;
  options.colour = !WantsPlainText();
  return options;
}

/// False: standard output does not take it.
bool Print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

int RunAndPrint(Arguments& arguments) {
  Plan plan;
  const int code = Run(arguments, &plan);
  const Outcome& outcome = plan.outcome;
  std::string text;
  if (arguments.json) {
    text = OutcomeJson(outcome);
  } else if (outcome.schedule) {
    const WaitsFor waits = WaitsOf(outcome.program, *outcome.schedule);
    text = PlanText(outcome.program, OptionsOfTerminal(), false, &waits);
  } else if (arguments.preflight && code == Number(ExitCode::kOk)) {
    text = "this host can restore " + Printable(plan.name) + "\n";
  }
  return text.empty() || Print(text) ? code : Number(ExitCode::kBadInput);
}

int Main(int argc, char** argv) {
  CLI::App app("Executes a restore program: brings the processes of a dump back to life",
               "crrestore");
  Arguments arguments;
  app.set_version_flag("--version", "crrestore " CRGEN_VERSION);
  AddOptions(app, &arguments);
  TakeOneValueEach(app);
  app.footer(HelpFooter(kText));
  if (PrintInterface(app, kText, argc, argv)) return Number(ExitCode::kOk);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      PrintHelp(app, error);
      return Number(WroteAll(std::cout) ? ExitCode::kOk : ExitCode::kBadInput);
    }
    for (const std::string& line : UsageErrors(app, "crrestore", error)) spdlog::error("{}", line);
    return Number(ExitCode::kUsage);
  }
  if (!FinishArguments(&arguments)) return Number(ExitCode::kUsage);
  spdlog::set_level(arguments.verbose ? spdlog::level::info : spdlog::level::warn);
  return RunAndPrint(arguments);
}

}  // namespace
}  // namespace crgen::restorer

int main(int argc, char** argv) {
  const std::string limited = crgen::restorer::RaiseOwnLimits();
  crgen::LogToTerminal("crrestore");
  if (!limited.empty()) {
    spdlog::error("{}", limited);
    return crgen::Number(crgen::ExitCode::kBadInput);
  }
  // Where tools of the system are, for who has been started without.
  setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 0);
  try {
    return crgen::restorer::Main(argc, argv);
  } catch (const std::exception& error) {
    spdlog::critical("{}", error.what());
    return crgen::Number(crgen::ExitCode::kInternal);
  }
}

// SPDX-License-Identifier: Apache-2.0
// crrestore PLAN: brings a process tree back to life.
#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <map>
#include <string>

#include "checker/check.h"
#include "dsl/json/findings.h"
#include "dsl/json/program_json.h"
#include "model/printable.h"
#include "model/shape.h"
#include "preflight/doing.h"
#include "preflight/preflight.h"
#include "restorer/arguments.h"
#include "restorer/consent.h"
#include "restorer/handed_over.h"
#include "restorer/input_file.h"
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
  bool connects = false;  ///< to sockets of outside
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
  InputFile file(plan->name);
  if (path == "-") {
    file.Take(STDIN_FILENO);
  } else if (std::string wrong = file.Open(InputFile::Fifo::kWait); !wrong.empty()) {
    if (file.is_folder()) {
      wrong += ", expected a plan; `crgen " + path + "` prints the plan of a dump";
    }
    return diag.Fail(path, wrong);
  }
  const ByteReader read = [&](std::span<char> out) {
    const std::size_t got = file.Read(out);
    plan->size += got;
    return got;
  };
  Diagnostics problems;
  const Result result =
      ReadProgram(read, plan->name, &plan->outcome.program, &plan->lines, problems);
  if (file.error() != 0) return diag.Fail(plan->name, std::strerror(file.error()));
  diag.AddAll(problems);
  return result;
}

/// Touches nothing outside.
void LookAtHost(const Arguments& arguments, Plan* plan, HostFiles* files, Diagnostics& diag) {
  const Program& program = plan->outcome.program;
  const OutsideSockets& outside = arguments.outside_sockets;
  const std::map<std::string, int>& given = arguments.options.inherited;
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
  plan->connects = tried.size() != given.size();
}

/// What is connected outside, and bound for that: when all has been looked at.
ExitCode Connect(Arguments& arguments, Plan* plan) {
  if (!plan->connects) return ExitCode::kOk;
  Diagnostics diag;
  arguments.options.names = memfd_create("names", MFD_CLOEXEC);
  ConnectOutside(plan->outcome.program, arguments.outside_sockets, true, arguments.options.names,
                 &arguments.options.inherited, diag);
  Report(diag, plan);
  return CodeOf(diag);
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
  if (!arguments.dry_run) LookAtHost(arguments, plan, files, diag);
}

/// A file that is the user's alone, opened before anything is made: with what is written into it, a
/// restore that has been done has not failed.
class LateText {
 public:
  /// `timeout`: seconds without a reader; 0: as long as it takes.
  LateText(const std::string& path, unsigned timeout) : path_(path), timeout_(timeout) {}
  LateText(const LateText&) = delete;
  LateText& operator=(const LateText&) = delete;
  ~LateText() {
    if (fd_ >= 0) close(fd_);
  }
  bool Open() {
    if (path_.empty()) return true;
    const std::string wrong = OpenOrWhyNot();
    if (!wrong.empty()) spdlog::error("{}: {}", path_, wrong);
    return wrong.empty();
  }
  bool IsWanted() const { return fd_ >= 0; }
  void Write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = write(fd_, text.data(), text.size());
      if (written < 0 && (errno == EINTR || (errno == EAGAIN && IsRead()))) continue;
      if (written < 0 && errno == EAGAIN) {
        return spdlog::warn("{}: nobody has read it for {} s (--timeout)", path_, timeout_);
      }
      if (written < 0) return spdlog::warn("{}: {}", path_, std::strerror(errno));
      text.remove_prefix(static_cast<std::size_t>(written));
    }
  }

 private:
  /// Without waiting for who reads a FIFO.
  std::string OpenOrWhyNot() {
    constexpr int kHow = O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    const Doing doing("opening it", path_);
    struct stat status = {};
    if (stat(path_.c_str(), &status) == 0 && S_ISBLK(status.st_mode)) {
      return "is a block device, expected a file";
    }
    fd_ = open(path_.c_str(), kHow, 0600);
    if (fd_ < 0 && errno == ENXIO && S_ISFIFO(status.st_mode)) {
      return "is a FIFO that nobody reads: start its reader first";
    }
    if (fd_ < 0 || fstat(fd_, &status) != 0) return std::strerror(errno);
    return S_ISREG(status.st_mode) && ftruncate(fd_, 0) != 0 ? std::strerror(errno) : "";
  }
  /// Waits for it. Keeps EAGAIN.
  bool IsRead() const {
    pollfd reader = {fd_, POLLOUT, 0};
    const bool read =
        poll(&reader, 1,
             timeout_ == 0 ? -1 : static_cast<int>(std::min(timeout_, 1000000u) * 1000)) != 0;
    errno = EAGAIN;
    return read;
  }

  std::string path_;
  unsigned timeout_;
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

int RestorePlan(Arguments& arguments, HostFiles& files, Patience& patience, Plan* plan) {
  Outcome& outcome = plan->outcome;
  const unsigned timeout = arguments.options.timeout;
  LateText trace(arguments.trace, timeout), gantt(arguments.gantt, timeout);
  if (!trace.Open() || !gantt.Open()) return Number(ExitCode::kBadInput);
  patience.End();
  if (const ExitCode code = Connect(arguments, plan); code != ExitCode::kOk) {
    RemoveMade(arguments, *plan);
    return Number(code);
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

int Run(Arguments& arguments, Patience& patience, Plan* plan) {
  plan->name = arguments.plan == "-" ? "standard input" : arguments.plan;
  Diagnostics diag;
  HostFiles files;
  CheckPlan(arguments, plan, &files, diag);
  Report(diag, plan);
  if (const ExitCode code = CodeOf(diag); code != ExitCode::kOk || arguments.preflight) {
    return Number(code);
  }
  if (!arguments.dry_run) return RestorePlan(arguments, files, patience, plan);
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

/// False, and told: standard output does not take it.
bool Print(const std::string& text) {
  errno = 0;
  std::cout << text;
  return WroteAll(std::cout);
}

/// Nobody answers: nothing can be waited for, nor can what waits be taken apart.
[[noreturn]] void GiveUp(const Arguments& arguments, const std::string& name,
                         const std::string& what) {
  spdlog::error("{}: {}", name, what);
  spdlog::error("nothing is restored");
  if (arguments.json) {
    Outcome outcome;
    outcome.findings.Error(name, what);
    Print(OutcomeJson(outcome));
  }
  _exit(Number(ExitCode::kBadInput));
}

int RunAndPrint(Arguments& arguments, Patience& patience) {
  Plan plan;
  const int code = Run(arguments, patience, &plan);
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
  app.formatter(HelpFormat());
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
  spdlog::set_level(arguments.verbose ? spdlog::level::info : spdlog::level::warn);
  Patience patience(
      arguments.options.timeout,
      [](const std::string& name, const std::string& what) { spdlog::info("{}: {}", name, what); },
      [&](const std::string& name, const std::string& what) { GiveUp(arguments, name, what); });
  if (arguments.options.timeout != 0 && !patience.IsAwake()) {
    spdlog::info("no thread can be made: reading files has no limit");
  }
  if (!FinishArguments(&arguments)) return Number(ExitCode::kUsage);
  return RunAndPrint(arguments, patience);
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

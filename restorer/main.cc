// crrestore PLAN: brings a process tree back to life.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <unordered_map>

#include "checker/check.h"
#include "dsl/json/program_json.h"
#include "dsl/references.h"
#include "preflight/preflight.h"
#include "restorer/files/inet_socket.h"
#include "restorer/namespace_arguments.h"
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

struct Arguments {
  std::string plan;
  RestoreOptions options;
  std::string images;  ///< the folder of page images
  std::vector<std::string> inherit;
  std::string cgroup_mode = "soft";
  std::vector<std::string> cgroup_roots;
  NamespaceArguments namespaces;
  bool images_given = false;
  bool images_outside = false;
  bool partial = false;
  bool shell_job = false;
  bool file_locks = false;
  bool tcp_established = false;
  bool orphan_master = false;
  bool dry_run = false;
  bool verbose = false;
};

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

/// What the plan says of itself that the user has to know of.
void CheckAbout(const Program& program, const Arguments& arguments, Diagnostics& diag) {
  const About* about = AboutOf(program);
  if (about == nullptr) return;
  if (!about->machine.empty() && about->machine != "x86_64") {
    diag.Unsupported("about.machine", about->machine + "; this restorer is for x86_64");
  }
  for (const LeftOut& it : about->left_out) {
    const std::string what = "left out of the plan: " + it.what;
    if (arguments.partial) {
      diag.Warning(it.where, what);
    } else {
      diag.Unsupported(it.where, what + " (--partial restores the rest)");
    }
  }
  for (const LeftOut& it : about->not_restorable) {
    diag.Warning(it.where, "nobody restores it: " + it.what);
  }
  for (const External& it : about->external) {
    if (it.kind == External::kSession && arguments.shell_job) continue;
    if (it.kind == External::kTerminal) continue;  // CheckTerminals()
    // Preflight asks for them.
    if (it.kind == External::kDescriptor || it.kind == External::kRoot ||
        it.kind == External::kMount || it.kind == External::kNetwork) {
      continue;
    }
    diag.Unsupported("about.external", it.kind == External::kSession
                                           ? it.what + ": --shell-job gives the caller's"
                                           : it.kind + ": " + it.what);
  }
}

/// Others see locks: they are set only where the user says so, as with CRIU.
void CheckConsent(const Program& program, const Arguments& arguments, Diagnostics& diag) {
  if (arguments.file_locks) return;
  std::size_t locks = 0;
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < program.size(); ++i) {
    const auto* set = std::get_if<SetAttr>(&program[i].body);
    if (set == nullptr) continue;
    for (const DescriptorState& late : set->attributes->descriptors) {
      std::visit(
          [&](const auto& state) {
            ForEachValue<FileLock>(state, [&](const FileLock&) {
              ++locks;
              if (!first) first = i;
            });
          },
          late.state);
    }
  }
  if (!first) return;
  diag.Add({Severity::kUnsupported,
            "commands[" + std::to_string(*first) + "] SET_ATTR pid " +
                std::to_string(program[*first].pid),
            std::to_string(locks) + (locks == 1 ? " file lock" : " file locks"), *first,
            "--file-locks sets them"});
}

/// What goes on on the caller's terminal, and who gets the masters that no process has.
void CheckTerminals(const Program& program, const Arguments& arguments, Diagnostics& diag) {
  std::unordered_map<TtyId, bool> has_master;  // of ptys that are not hung up
  bool callers = false;
  for (const Command& command : program) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    const auto* tty = open == nullptr ? nullptr : std::get_if<Tty>(&open->file->body);
    if (tty == nullptr) continue;
    callers |= tty->driver == kCurrentTerminal;
    if (IsPty(*tty)) {
      bool& known = has_master[tty->tty_id];
      known |= IsPtyMaster(*tty) || tty->hung_up;
    }
  }
  if (callers && !arguments.shell_job) {
    diag.Unsupported("the plan", "it goes on on a terminal of outside: --shell-job gives this one");
  }
  const auto orphans = std::count_if(has_master.begin(), has_master.end(),
                                     [](const auto& pty) { return !pty.second; });
  if (orphans == 0 || !arguments.options.console_socket.empty()) return;
  diag.Unsupported("the plan", std::to_string(orphans) +
                                   " terminals whose masters no process has: --console-socket "
                                   "names who listens for them");
}

/// Whoever restores connections must want it: their peers are outside of the plan's reach.
void CheckConnections(const Program& program, const Arguments& arguments, Diagnostics& diag) {
  if (arguments.tcp_established || arguments.options.tcp_close) return;
  std::size_t count = 0;
  for (const Command& command : program) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    count += open != nullptr && IsConnection(*open->file);
  }
  if (count == 0) return;
  diag.Unsupported("the plan", std::to_string(count) +
                                   " TCP connections: --tcp-established goes on with them, "
                                   "--tcp-close closes them");
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
  CheckAbout(plan.program, arguments, diag);
  CheckConsent(plan.program, arguments, diag);
  CheckConnections(plan.program, arguments, diag);
  CheckTerminals(plan.program, arguments, diag);
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

/// "fd[N]:KEY", as CRIU has it: the descriptor N of this process stands for what the plan calls
/// KEY.
bool ReadInherited(const std::vector<std::string>& given, std::map<std::string, int>* inherited) {
  for (const std::string& text : given) {
    const std::size_t end = text.find("]:");
    int fd = -1;
    bool good = text.starts_with("fd[") && end != text.npos && end + 2 < text.size();
    if (good) {
      const char* const last = text.data() + end;
      const auto [rest, error] = std::from_chars(text.data() + 3, last, fd);
      good = error == std::errc() && rest == last && fd >= 0;
    }
    if (!good) {
      spdlog::error("--inherit-fd {}: expected fd[N]:KEY, such as fd[1]:pipe:[4711]", text);
      return false;
    }
    if (!inherited->emplace(text.substr(end + 2), fd).second) {
      spdlog::error("--inherit-fd {}: this key stands twice", text);
      return false;
    }
  }
  return true;
}

/// "MODE" and "[CONTROLLER:]PATH", as CRIU has them; an empty controller is cgroup2.
bool ReadCgroupOptions(const std::string& mode, const std::vector<std::string>& given,
                       CgroupOptions* options) {
  const std::optional<CgroupMode> known = CgroupModeNamed(mode);
  if (!known) {
    spdlog::error("--manage-cgroups={}: expected none, props, soft, full, strict or ignore", mode);
    return false;
  }
  options->mode = *known;
  for (const std::string& text : given) {
    const std::size_t colon = text.find(':');
    const std::string path = colon == text.npos ? text : text.substr(colon + 1);
    if (!IsCgroupPath(path)) {
      spdlog::error("--cgroup-root {}: expected [CONTROLLER:]PATH, such as cpu:/machine", text);
      return false;
    }
    if (colon == text.npos) {
      options->root = path;
    } else {
      options->roots[text.substr(0, colon)] = path;
    }
  }
  return true;
}

int Main(int argc, char** argv) {
  CLI::App app("Executes a restore program: brings the processes of a dump back to life",
               "crrestore");
  Arguments arguments;
  RestoreOptions& options = arguments.options;
  app.set_version_flag("--version", "crrestore " CRGEN_VERSION);
  app.add_option("PLAN", arguments.plan, "A restore program, - for standard input")
      ->required()
      ->type_name("FILE");
  app.add_option("--images", arguments.images,
                 "The folder of page images (default: the plan's; for standard input, the current)")
      ->type_name("DIR");
  app.add_flag("--partial", arguments.partial,
               "Restore a plan that leaves out things of the dump, without them");
  app.add_flag("--shell-job", arguments.shell_job,
               "A root in a session of outside gets the caller's session, group and terminal");
  app.add_option(
         "--inherit-fd", arguments.inherit,
         "fd[N]:KEY: hand over the descriptor N for what the plan has from outside and calls "
         "KEY, e.g. fd[1]:pipe:[4711]")
      ->type_name("fd[N]:KEY");
  auto* console = app.add_option("--console-socket", options.console_socket,
                                 "The unix socket of who gets the masters of terminals that no "
                                 "process of the plan has")
                      ->type_name("FILE");
  app.add_flag("--orphan-pts-master", arguments.orphan_master,
               "Make terminals whose masters no process of the plan has")
      ->needs(console);
  app.add_flag("!--no-redraw", options.redraw,
               "Do not tell who has a terminal to draw its screen again (SIGWINCH)");
  app.add_option("--root", options.namespaces.root,
                 "The root file system of a plan that has a mount namespace of its own")
      ->type_name("DIR");
  app.add_option("--external", arguments.namespaces.external,
                 "mnt[KEY]:PATH: what is mounted in that namespace for what the plan has from "
                 "outside and calls KEY; net[PATH]:KEY: likewise a network namespace")
      ->type_name("KEY:PATH");
  app.add_option("--join-ns", arguments.namespaces.join,
                 "net:PATH, ipc:PATH, uts:PATH: enter that namespace, and make none (a pid for "
                 "PATH: that process's)")
      ->type_name("NAMESPACE");
  app.add_option("--empty-ns", arguments.namespaces.empty,
                 "net: make an empty network namespace in the place of one from outside")
      ->type_name("KIND");
  app.add_flag("--net-lo-up", options.namespaces.lo_up,
               "Bring up the loopback device of the plan's own network namespace");
  app.add_flag("--file-locks", arguments.file_locks,
               "Restore a plan with file locks and leases, which others can see");
  app.add_flag("--tcp-established", arguments.tcp_established,
               "Go on with TCP connections: their peers must be as the dump left them");
  app.add_flag("--tcp-close", options.tcp_close, "TCP connections come back closed");
  app.add_option_function<std::string>(
         "--network-lock",
         [&options](const std::string& method) { options.network_locked = method != "skip"; },
         "skip: leave the rules alone by which the dump has stopped its connections")
      ->type_name("METHOD")
      ->check(CLI::IsMember({"iptables", "nftables", "skip"}));
  app.add_flag(
      "--manage-cgroups{soft}", arguments.cgroup_mode,
      "=MODE: what becomes of the plan's cgroups: none, props, soft (default), full, strict "
      "or ignore");
  app.add_option("--cgroup-root", arguments.cgroup_roots,
                 "[CONTROLLER:]PATH: where the plan's topmost cgroups are to be")
      ->allow_extra_args(false)
      ->type_name("PATH");
  app.add_flag("--images-outside", arguments.images_outside,
               "Links may lead out of that folder, as those of incremental dumps do");
  app.add_flag("--pidns", options.new_pid_namespace, "In a new pid namespace, with its own /proc");
  app.add_flag("!--no-timens", options.time_namespace,
               "In the caller's time namespace: CLOCK_MONOTONIC and CLOCK_BOOTTIME jump");
  app.add_flag("--detach", options.detach, "Do not wait for the root to end");
  app.add_flag("--stop", options.stop, "Leave everybody stopped (SIGCONT lets them run)");
  app.add_option("--pidfile", options.pidfile, "Write the root's pid into this file")
      ->type_name("FILE");
  app.add_option("--timeout", options.timeout,
                 "Give up when nothing has gone on for so many seconds (0: never)")
      ->capture_default_str()
      ->type_name("SECONDS");
  app.add_flag("--dry-run", arguments.dry_run,
               "Print what each process would do, and what it would wait for");
  app.add_flag("-v,--verbose", arguments.verbose, "Say on stderr what is done");
  app.footer(HelpFooter(kText));
  if (PrintInterface(app, kText, argc, argv)) return kOk;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  if (!ReadInherited(arguments.inherit, &options.inherited)) return kUsage;
  if (!ReadCgroupOptions(arguments.cgroup_mode, arguments.cgroup_roots, &options.cgroups)) {
    return kUsage;
  }
  const std::string wrong = ReadNamespaceArguments(arguments.namespaces, &options.namespaces);
  if (!wrong.empty()) {
    spdlog::error("{}", wrong);
    return kUsage;
  }
  spdlog::set_level(arguments.verbose ? spdlog::level::info : spdlog::level::warn);
  arguments.images_given = !arguments.images.empty();
  if (!arguments.images_given) {
    const std::string folder = std::filesystem::path(arguments.plan).parent_path().string();
    arguments.images = folder.empty() ? "." : folder;
  }
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

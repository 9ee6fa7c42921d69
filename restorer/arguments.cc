// SPDX-License-Identifier: Apache-2.0
#include "restorer/arguments.h"

#include <spdlog/spdlog.h>

#include <charconv>
#include <filesystem>

#include "model/nearest.h"
#include "restorer/oci_configuration.h"
#include "terminal/command_line.h"

namespace crgen::restorer {
namespace {

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
    spdlog::error("--manage-cgroups={}: expected none, props, soft, full, strict or ignore{}", mode,
                  Suggestion(mode, CgroupModeNames()));
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

}  // namespace

void AddOptions(CLI::App& app, Arguments* arguments) {
  RestoreOptions& options = arguments->options;
  app.add_option("PLAN", arguments->plan, "A restore program, - for standard input")
      ->required()
      ->type_name("FILE");
  app.add_option("--images", arguments->images,
                 "The folder of page images (default: the plan's; for standard input, the current)")
      ->type_name("DIR");
  app.add_flag("--partial", arguments->partial,
               "Restore a plan that leaves out things of the dump, without them");
  app.add_option("--namespaces", arguments->callers_namespaces,
                 "\"caller\": the namespaces and mounts of the caller take the place of those that "
                 "the plan leaves out")
      ->type_name("WHOSE")
      ->check(CLI::IsMember({"caller"}));
  app.add_flag("--shell-job", arguments->shell_job,
               "A root in a session of outside gets the caller's session, group and terminal");
  app.add_option(
         "--inherit-fd", arguments->inherit,
         "fd[N]:KEY: hand over the descriptor N for what the plan has from outside and calls "
         "KEY, e.g. fd[1]:pipe:[4711]")
      ->type_name("fd[N]:KEY");
  app.add_flag("--ext-unix-sk", arguments->outside_sockets.all,
               "Connect unix sockets whose peers are not of the tree to the names of these");
  auto* console = app.add_option("--console-socket", options.console_socket,
                                 "The unix socket of who gets the masters of terminals that no "
                                 "process of the plan has")
                      ->type_name("FILE");
  app.add_flag("--orphan-pts-master", arguments->orphan_master,
               "Make terminals whose masters no process of the plan has")
      ->needs(console);
  app.add_flag("!--no-redraw", options.redraw,
               "Do not tell who has a terminal to draw its screen again (SIGWINCH)");
  app.add_option("--root", options.namespaces.root,
                 "The root file system of a plan that has a mount namespace of its own")
      ->type_name("DIR");
  app.add_option(
         "--external", arguments->namespaces.external,
         "mnt[KEY]:PATH: what is mounted in that namespace for what the plan has from "
         "outside and calls KEY; net[PATH]:KEY, pid[PATH]:KEY: likewise a network or pid "
         "namespace; "
         "veth[IN]:OUT[@BRIDGE]: make OUT, the other end of its network device IN, a port of "
         "BRIDGE; netdev[IN]:OUT: OUT moves over and becomes IN; macvlan[IN]:OUT: IN is on OUT; "
         "unix[INODE]: connect that unix socket anew, as --ext-unix-sk does")
      ->type_name("KEY:PATH");
  app.add_option("--oci", arguments->oci,
                 "config.json of the container: its root file system and bind mounts, where --root "
                 "and --external say nothing")
      ->type_name("FILE");
  app.add_option(
         "--join-ns", arguments->namespaces.join,
         "net:PATH, ipc:PATH, uts:PATH: enter that namespace, and make none; pid:PATH: in the "
         "place of one from outside (a pid for PATH: that process's)")
      ->type_name("NAMESPACE")
      ->check(Choices({"net:", "ipc:", "uts:", "pid:"}));
  app.add_option("--empty-ns", arguments->namespaces.empty,
                 "net: make an empty network namespace in the place of one from outside")
      ->type_name("KIND")
      ->check(Choices({"net"}));
  app.add_flag("--net-lo-up", options.namespaces.lo_up,
               "Bring up the loopback device of the plan's own network namespace");
  app.add_flag("--file-locks", arguments->file_locks,
               "Restore a plan with file locks and leases, which others can see");
  app.add_flag("--link-remap")
      ->description("As CRIU takes it: links that the dumper made are used in any case");
  app.add_flag("--tcp-established", arguments->tcp_established,
               "Go on with TCP connections: their peers must be as the dump left them");
  app.add_flag("--tcp-close", options.tcp_close, "TCP connections come back closed");
  app.add_option_function<std::string>(
         "--network-lock",
         [&options](const std::string& method) { options.network_locked = method != "skip"; },
         "skip: leave the rules alone by which the dump has stopped its connections")
      ->type_name("METHOD")
      ->check(CLI::IsMember({"iptables", "nftables", "skip"}));
  app.add_flag("--manage-cgroups{soft}", arguments->cgroup_mode,
               "What becomes of the plan's cgroups: none, props, soft (default), full, strict or "
               "ignore")
      ->type_name("MODE")
      ->check(Choices(CgroupModeNames()));
  app.add_option("--cgroup-root", arguments->cgroup_roots,
                 "[CONTROLLER:]PATH: where the plan's topmost cgroups are to be")
      ->type_name("PATH");
  app.add_flag("--images-outside", arguments->images_outside,
               "Links may lead out of that folder, as those of incremental dumps do");
  app.add_option(
         "--action-script", options.action_scripts,
         "A command for sh, at each stage (CRTOOLS_SCRIPT_ACTION): pre-restore, "
         "setup-namespaces, post-setup-namespaces, post-restore, network-unlock, pre-resume, "
         "post-resume")
      ->type_name("COMMAND");
  app.add_flag("--pidns", options.new_pid_namespace,
               "In a new pid namespace, with its own /proc; also in the place of one from outside");
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
  app.add_option("--trace", arguments->trace,
                 "Write when which process did and awaited what, for Perfetto or chrome://tracing")
      ->type_name("FILE");
  app.add_option("--gantt", arguments->gantt, "The same as a picture (SVG)")->type_name("FILE");
  app.add_flag("--dry-run", arguments->dry_run,
               "Print what each process would do, and what it would wait for");
  app.add_flag("--preflight", arguments->preflight,
               "Only look whether it could be restored here and now, with these options");
  app.add_flag(
      "--json", arguments->json,
      "Print findings and outcome (with --dry-run: who waits for whom) on standard output, "
      "for machines");
  app.add_flag("-v,--verbose", arguments->verbose, "Say on stderr what is done");
}

bool FinishArguments(Arguments* arguments) {
  RestoreOptions& options = arguments->options;
  if (!ReadInherited(arguments->inherit, &options.inherited) ||
      !ReadCgroupOptions(arguments->cgroup_mode, arguments->cgroup_roots, &options.cgroups)) {
    return false;
  }
  arguments->outside_sockets.keys = ReadUnixSockets(arguments->namespaces.external);
  std::string wrong = ReadNamespaceArguments(arguments->namespaces, &options.namespaces);
  if (wrong.empty() && !arguments->oci.empty()) {
    wrong = ReadOciConfiguration(arguments->oci, &options.namespaces);
  }
  if (!wrong.empty()) {
    spdlog::error("{}", wrong);
    return false;
  }
  options.timed = !arguments->trace.empty() || !arguments->gantt.empty();
  if (arguments->images.empty()) {
    const std::string folder = std::filesystem::path(arguments->plan).parent_path().string();
    arguments->images = folder.empty() ? "." : folder;
  }
  options.images = arguments->images;
  return true;
}

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
#include "restorer/consent.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "dsl/references.h"
#include "model/printable.h"
#include "restorer/files/inet_socket.h"
#include "views/words.h"

namespace crgen::restorer {
namespace {

/// Something without which nothing is restored; who only looks at the plan is told of it.
void Want(const Arguments& arguments, Diagnostic entry, Diagnostics& diag) {
  entry.severity = arguments.dry_run ? Severity::kWarning : Severity::kUnsupported;
  diag.Add(std::move(entry));
}
void Want(const Arguments& arguments, const std::string& where, const std::string& what,
          Diagnostics& diag) {
  Want(arguments, {Severity::kUnsupported, where, what}, diag);
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
    if (it.callers ? !arguments.callers_namespaces.empty() : arguments.partial) {
      diag.Warning(it.where, what);
    } else {
      Want(arguments, it.where,
           what + (it.callers ? " (--namespaces=caller takes the caller's)"
                              : " (--partial restores the rest)"),
           diag);
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
        it.kind == External::kMount || it.kind == External::kNetwork ||
        it.kind == External::kDevice || it.kind == External::kPidNamespace) {
      continue;
    }
    if (it.kind == External::kSession) {
      Want(arguments, "about.external", it.what + ": --shell-job gives the caller's", diag);
    } else {
      diag.Unsupported("about.external", it.kind + ": " + it.what);
    }
  }
}

/// Others see locks: they are set only where the user says so, as with CRIU.
void CheckLocks(const Program& program, const Arguments& arguments, Diagnostics& diag) {
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
  Want(arguments,
       {Severity::kUnsupported,
        "commands[" + std::to_string(*first) + "] SET_ATTR pid " +
            std::to_string(program[*first].pid),
        std::to_string(locks) + (locks == 1 ? " file lock" : " file locks"), *first,
        "--file-locks sets them"},
       diag);
}

/// Whether somebody listens is not tried: he would take it for the terminal.
void CheckConsole(const std::string& path, Diagnostics& diag) {
  struct stat status;
  const bool there = stat(path.c_str(), &status) == 0;
  if (there && S_ISSOCK(status.st_mode)) return;
  diag.Error("--console-socket",
             Printable(path) + ": " + (there ? "no socket" : std::strerror(errno)));
}

/// What goes on on the caller's terminal, and who gets the masters that no process has.
void CheckTerminals(const Program& program, const Arguments& arguments, Diagnostics& diag) {
  std::unordered_map<TtyId, bool> has_master;  // of ptys that are not hung up
  bool callers = false;
  for (const Command& command : program) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    const auto* tty = open == nullptr ? nullptr : As<Tty>(*open->file);
    if (tty == nullptr) continue;
    callers |= tty->driver == kCurrentTerminal;
    if (IsPty(*tty)) {
      bool& known = has_master[tty->tty_id];
      known |= IsPtyMaster(*tty) || tty->hung_up;
    }
  }
  if (callers && !arguments.shell_job) {
    Want(arguments, "the plan", "it goes on on a terminal of outside: --shell-job gives this one",
         diag);
  }
  const auto orphans = std::count_if(has_master.begin(), has_master.end(),
                                     [](const auto& pty) { return !pty.second; });
  if (orphans == 0) return;
  const std::string& console = arguments.options.console_socket;
  if (!console.empty()) return CheckConsole(console, diag);
  Want(arguments, "the plan",
       Count(static_cast<std::uint64_t>(orphans), "terminal", "terminals") +
           " without a process that has the master: --console-socket names who listens for it",
       diag);
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
  Want(arguments, "the plan",
       Count(count, "TCP connection", "TCP connections") +
           ": --tcp-established goes on with them, --tcp-close closes them",
       diag);
}

}  // namespace

void CheckConsent(const Program& program, const Arguments& arguments, Diagnostics& diag) {
  CheckAbout(program, arguments, diag);
  CheckLocks(program, arguments, diag);
  CheckConnections(program, arguments, diag);
  CheckTerminals(program, arguments, diag);
}

}  // namespace crgen::restorer

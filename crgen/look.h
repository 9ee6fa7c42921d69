// SPDX-License-Identifier: Apache-2.0
// What the subcommands that only look at a dump share.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "crgen/cli.h"
#include "dsl/commands.h"
#include "views/view.h"

namespace crgen {

/// A dump as far as it can be read.
struct Look {
  std::unique_ptr<ImageSource> source;  ///< null: it is no dump
  Snapshot snapshot;
  Unplanned unplanned;
  Diagnostics findings;
  bool whole = false;  ///< there was no error

  PageReader Reader() const { return source ? PageReaderOf(*source) : PageReader(); }
  LookedAt Dump() const { return {snapshot, unplanned, Reader()}; }
};

/// For Diagnostics::AddAll().
inline std::optional<Diagnostic> OnlyError(const Diagnostic& entry) {
  return entry.severity == Severity::kError ? std::optional(entry) : std::nullopt;
}

/// Reads the dump in the folder `path` into `*look`, on several threads. `progress`: shows how far
/// it is, on a terminal.
void OpenLook(const std::string& path, Look* look, bool progress = true);

/// Errors are said one by one: what they are about is not shown. Of the rest, how much it is.
void SayWhatIsMissing(const Look& look, const std::string& path);

/// How many processes the program of it has that are not in it. None: there is no program.
std::size_t InventedIn(const Look& look);

/// None (said): no process of that number is in the dump `path`.
ProcessIndex FindProcess(const Look& look, Pid pid, const std::string& path);

/// Reads the dump `path`, says what is missing of it, and finds the process `pid`. Anything but kOk
/// is how the command ends: why is said.
ExitCode OpenProcess(const std::string& path, Pid pid, Look* look, ProcessIndex* process);

/// Standard output's width, and colour, if it is a terminal; colour not with NO_COLOR
/// (no-color.org).
ViewOptions OptionsOfTerminal();

/// The program of the dump `path`, as `crgen generate` makes it; `partial`: without what is
/// unsupported. Or, if no dump is there, the program in that file: a right one.
ExitCode DeriveOrRead(const std::string& path, bool partial, Program* program, Diagnostics& diag);

/// Writes `text` to standard output. Who reads no further has seen enough: kOk.
ExitCode PrintView(const std::string& text);

}  // namespace crgen

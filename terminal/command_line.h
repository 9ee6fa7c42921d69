// SPDX-License-Identifier: Apache-2.0
// What else follows from the table of options that --help is made of: the manual page of a program,
// and the completions of shells.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "terminal/exit_codes.h"

namespace crgen {

/// What a program says of itself besides its options.
struct ProgramText {
  std::string_view notes;                     ///< a paragraph; words of the program in backticks
  std::string_view ExitCodeRow::*exit_codes;  ///< what they mean of this program
  std::string_view exit_note;                 ///< behind them; may be empty
  std::string_view examples;                  ///< lines
  std::string_view see_also;                  ///< lines of roff(7)
};

/// A check of CLI11 that refuses nothing: the words that values are made of, for --help and for
/// shells to complete. Who reads a value says what is wrong with it.
CLI::Validator Choices(const std::vector<std::string>& words);

/// The end of --help.
std::string HelpFooter(const ProgramText& text);

/// The manual page, roff(7).
std::string ManualPage(const CLI::App& app, const ProgramText& text);

/// What a shell is told; `shell` is bash, zsh or fish. If the program has subcommands, the first
/// may be left away.
std::string Completion(const CLI::App& app, std::string_view shell);

/// Answers `PROGRAM --generate man|bash|zsh|fish`, which is for whoever builds packages, on
/// standard output. false: the arguments are others.
bool PrintInterface(const CLI::App& app, const ProgramText& text, int argc, char** argv);

}  // namespace crgen

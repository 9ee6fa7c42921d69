// SPDX-License-Identifier: Apache-2.0
// What both programs tell whoever asks for --help, or has mistyped something.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace crgen {

/// What --help says of options, and what they take. For an application before it gets subcommands.
std::shared_ptr<CLI::FormatterBase> HelpFormat();

/// What a flag may have behind "=": "MODE"; empty: nothing.
std::string OptionalValue(const CLI::Option& option);

/// What an option takes, by Choices() or CLI::IsMember: "a b"; a beginning of values ends in ":".
/// Empty: it does not say.
std::string ChoicesOf(const CLI::Option& option);

/// Each option of `app` takes one value each time that it is given: what follows is another
/// argument.
void TakeOneValueEach(CLI::App& app);

/// `text` with its lines broken between words so that none is wider than `columns`; descriptions of
/// options go on below where they begin. 0: as it is. Words that are wider stay whole. A character
/// takes one column. Cost: linear.
std::string Wrapped(std::string_view text, std::size_t columns);

/// Prints --help, wrapped to the width of the terminal if standard output is one, or --version.
/// REQUIRES: `error.get_exit_code()` is 0.
void PrintHelp(const CLI::App& app, const CLI::ParseError& error);

/// A line for each word that `parser`, called `command` ("crgen show"), does not know, with the
/// option that may be meant, one of `others` too; or one for what else is wrong with the arguments.
std::vector<std::string> UsageErrors(const CLI::App& parser, const std::string& command,
                                     const CLI::ParseError& error,
                                     const std::vector<std::string>& others = {});

}  // namespace crgen

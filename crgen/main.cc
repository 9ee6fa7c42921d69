// SPDX-License-Identifier: Apache-2.0
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <filesystem>
#include <iostream>
#include <span>

#include "crgen/cli.h"
#include "model/nearest.h"
#include "terminal/log.h"
#include "terminal/usage.h"

namespace {

using crgen::ExitCode;

constexpr crgen::Subcommand kSubcommands[] = {
    {"show", crgen::AddShow},         {"why", crgen::AddWhy},
    {"plan", crgen::AddPlan},         {"check", crgen::AddCheck},
    {"diff", crgen::AddDiff},         {"generate", crgen::AddGenerate},
    {"needs", crgen::AddNeeds},       {"tree", crgen::AddTree},
    {"validate", crgen::AddValidate}, {"schema", crgen::AddSchema},
    {"core", crgen::AddCore},         {"memory", crgen::AddMemory},
    {"report", crgen::AddReport},     {"host-facts", crgen::AddHostFacts}};
constexpr const char* kDefault = "generate";

constexpr crgen::ProgramText kText = {
    "`crgen DUMP` is `crgen generate DUMP`.", &crgen::ExitCodeRow::of_crgen, "",
    "  crgen show dump/            what is in it\n"
    "  crgen why dump/             can it be restored, by whom, here, and why not\n"
    "  crgen plan dump/            what a restore would do\n"
    "  crgen host-facts            what this host is, for `crgen why` on another one\n"
    "  crgen check dump/           with which rights\n"
    "  crgen diff dump/ other/     what is not the same\n"
    "  crgen dump/ > plan.json\n"
    "  crgen validate plan.json\n"
    "  crgen tree dump/\n"
    "  crgen needs dump/\n"
    "  crgen report dump/ -o report.html\n"
    "  crgen core dump/ --pid 31500 -o core\n"
    "  crgen memory dump/ --pid 31500 --search 'password=[^&]*'",
    ".BR crrestore (1),\n.BR restore-program (5),\n.BR criu (8)"};

const std::vector<std::string> kGlobalOptions = {"--help", "--version"};

bool IsVerbosity(const std::string& word) {
  return word == "-v" || word == "--verbose" || word == "-q" || word == "--quiet";
}

/// Whether another argument than an option, or the value of one, follows the first of `arguments`,
/// as far as that can be seen.
bool HasAnother(std::span<const std::string> arguments) {
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const bool value = i > 1 && arguments[i - 1].starts_with('-');
    std::error_code error;
    const bool folder = std::filesystem::is_directory(arguments[i], error);
    if (!arguments[i].starts_with('-') && (!value || folder)) return true;
  }
  return false;
}

/// A word for a subcommand that has no such name, and is no file either. Said, if it is one.
bool IsMistyped(std::span<const std::string> arguments) {
  const auto begin = std::ranges::find_if_not(arguments, IsVerbosity);
  if (begin == arguments.end()) return false;
  const std::string& word = *begin;
  std::error_code error;
  if (word.starts_with('-') || std::filesystem::exists(word, error)) return false;
  std::vector<std::string> names;
  for (const crgen::Subcommand& subcommand : kSubcommands) names.emplace_back(subcommand.name);
  if (std::find(names.begin(), names.end(), word) != names.end()) return false;
  names.insert(names.end(), kGlobalOptions.begin(), kGlobalOptions.end());
  std::string suggestion = crgen::Suggestion(word, names);
  if (suggestion.empty()) suggestion = crgen::Suggestion("--" + word, kGlobalOptions);
  const bool is_word = word.find_first_of("/.") == word.npos;
  const auto rest = arguments.subspan(std::size_t(begin - arguments.begin()));
  const bool alone = std::ranges::all_of(rest.subspan(1), IsVerbosity);
  if (suggestion.empty() && !(is_word && (alone || HasAnother(rest)))) return false;
  if (suggestion.empty()) suggestion = "; `crgen --help` says what there is";
  spdlog::error("{}: neither a subcommand nor a file{}", word, suggestion);
  return true;
}

bool IsSubcommand(const std::string& word) {
  return std::ranges::any_of(
      kSubcommands, [&](const crgen::Subcommand& subcommand) { return word == subcommand.name; });
}

/// `crgen DUMP …` is `crgen generate DUMP …`; `crgen -q show …` is `crgen show -q …`.
std::vector<std::string> Arguments(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto word = std::ranges::find_if_not(arguments, IsVerbosity);
  const bool global = word == arguments.end()
                          ? arguments.empty()
                          : *word == "-h" || *word == "--help" || *word == "--version";
  if (global) {
    arguments.erase(arguments.begin(), word);
  } else if (word != arguments.end() && IsSubcommand(*word)) {
    std::rotate(arguments.begin(), word, word + 1);
  }
  if (!global && !IsSubcommand(arguments[0])) arguments.insert(arguments.begin(), kDefault);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  return arguments;
}

ExitCode Run(int argc, char** argv) {
  CLI::App app("Derives from a CRIU dump the program that restores it", "crgen");
  app.formatter(crgen::HelpFormat());
  app.set_version_flag("--version", "crgen " CRGEN_VERSION);
  app.require_subcommand(1);
  app.footer(crgen::HelpFooter(kText));
  std::vector<std::pair<CLI::App*, std::function<ExitCode()>>> subcommands;
  bool verbose = false, quiet = false;
  for (const crgen::Subcommand& subcommand : kSubcommands) {
    CLI::App* parser = app.add_subcommand(subcommand.name);
    subcommands.emplace_back(parser, subcommand.add(*parser));
    crgen::TakeOneValueEach(*parser);
    parser->add_flag("-v,--verbose", verbose, "Say on stderr what is done");
    parser->add_flag("-q,--quiet", quiet, "No warnings");
  }
  if (crgen::PrintInterface(app, kText, argc, argv)) return ExitCode::kOk;
  std::vector<std::string> arguments = Arguments(argc, argv);
  const std::vector<std::string> given(argv + 1, argv + argc);
  const bool by_default = arguments.size() > given.size();
  if (by_default && IsMistyped(given)) return ExitCode::kUsage;
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      crgen::PrintHelp(app, error);
      return crgen::WroteAll(std::cout) ? ExitCode::kOk : ExitCode::kBadInput;
    }
    const auto parsed = app.get_subcommands();
    const CLI::App& parser = parsed.empty() ? app : *parsed.front();
    const std::string of = parsed.empty() || by_default ? "" : " " + parser.get_name();
    const std::vector<std::string> others =
        by_default ? kGlobalOptions : std::vector<std::string>();
    for (const std::string& line : crgen::UsageErrors(parser, "crgen" + of, error, others)) {
      spdlog::error("{}", line);
    }
    return ExitCode::kUsage;
  }
  spdlog::set_level(verbose ? spdlog::level::info
                    : quiet ? spdlog::level::err
                            : spdlog::level::warn);
  for (const auto& [parser, run] : subcommands) {
    if (!parser->parsed()) continue;
    const ExitCode code = run();
    const CLI::Option* json = parser->get_option_no_throw("--json");
    const bool failed = code != ExitCode::kOk && code != ExitCode::kUsage;
    if (failed && json != nullptr && json->count() != 0) crgen::PrintFindingsForResult();
    return code;
  }
  return ExitCode::kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  // A closed pipe, and RLIMIT_FSIZE, are errors of the write, reported like others.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  crgen::LogToTerminal("crgen");
  try {
    return crgen::Number(Run(argc, argv));
  } catch (const std::exception& error) {
    spdlog::critical("{}", error.what());
    return crgen::Number(ExitCode::kInternal);
  }
}

// SPDX-License-Identifier: Apache-2.0
#include "terminal/usage.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "model/nearest.h"

namespace crgen {
namespace {

std::size_t WidthOf(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char byte) { return (byte & 0xc0) != 0x80; }));
}

constexpr std::size_t kDescription = 30;  // the column of CLI::FormatterBase

/// Where the rest of a line that is too wide goes on: below the description of what stands at its
/// beginning, or below the beginning.
std::size_t IndentOf(std::string_view line, std::size_t columns) {
  const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
  const std::size_t most = columns / 3 * 2;
  const bool option = line.substr(begin).starts_with('-') && line.size() > kDescription &&
                      line[kDescription - 1] == ' ';
  const std::size_t gap = line.find("  ", begin);
  const std::size_t described =
      option ? kDescription : std::min(line.find_first_not_of(' ', gap), line.size());
  const bool is_row = begin != 0 && (option || gap != line.npos);
  return is_row && described < most ? described : begin < most ? begin : 0;
}

void AppendLine(std::string_view line, std::size_t columns, std::string* out) {
  const std::size_t indent = IndentOf(line, columns);
  std::size_t at = 0;
  bool fresh = false;  // nothing but the indent in the line
  while (!line.empty()) {
    const std::size_t blanks = std::min(line.find_first_not_of(' '), line.size());
    const std::size_t end = std::min(line.find(' ', blanks), line.size());
    const std::string_view word = line.substr(blanks, end - blanks);
    if (at != 0 && !fresh && at + blanks + WidthOf(word) > columns) {
      *out += '\n' + std::string(indent, ' ');
      at = indent;
    } else if (!fresh) {
      out->append(blanks, ' ');
      at += blanks;
    }
    fresh = false;
    out->append(word);
    at += WidthOf(word);
    line.remove_prefix(end);
  }
}

std::size_t TerminalColumns() {
  struct winsize size = {};
  const bool known = isatty(STDOUT_FILENO) != 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  return known ? size.ws_col : 0;
}

/// For "--option: VALUE not in {ONE,OTHER}", as CLI::IsMember says it.
std::string SuggestedValue(std::string_view said) {
  constexpr std::string_view kBetween = " not in {";
  const std::size_t begin = said.find(": "), between = said.find(kBetween);
  if (begin == said.npos || between == said.npos || between < begin || !said.ends_with('}'))
    return "";
  std::string_view rest = said.substr(between + kBetween.size());
  rest.remove_suffix(1);
  std::vector<std::string> values;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    values.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return Suggestion(said.substr(begin + 2, between - begin - 2), values);
}

/// Where CLI11 shows what its parser knows, this shows what is typed.
class OptionFormatter : public CLI::Formatter {
 public:
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    if (is_positional) return option->get_name(true);
    std::string names;
    const auto add = [&](const std::string& name) { names += (names.empty() ? "" : ",") + name; };
    for (const std::string& name : option->get_snames()) add("-" + name);
    for (const std::string& name : option->get_lnames()) add("--" + name);
    return names;
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    // Its name is what it is, and the line of the usage says whether it is needed.
    if (option->get_positional()) return option->get_items_expected_max() > 1 ? " ..." : "";
    const std::string value = OptionalValue(*option);
    if (!value.empty()) return "[=" + value + "]";
    std::string text = CLI::Formatter::make_option_opts(option);
    // Beginnings of values are for shells.
    const std::size_t begin = text.find(":{"), end = text.find(":}");
    if (begin != text.npos && end != text.npos) text.erase(begin, end + 2 - begin);
    return text;
  }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> HelpFormat() { return std::make_shared<OptionFormatter>(); }

std::string OptionalValue(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t choices = type.find(":{");
  return option.get_items_expected_max() == 0 && choices != type.npos ? type.substr(0, choices)
                                                                      : "";
}

std::string ChoicesOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t list = type.find(":{");
  std::string choices = list == type.npos ? "" : type.substr(list + 2, type.size() - list - 3);
  std::replace(choices.begin(), choices.end(), ',', ' ');
  return choices;
}

void TakeOneValueEach(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->nonpositional()) option->allow_extra_args(false);
  }
}

std::string Wrapped(std::string_view text, std::size_t columns) {
  if (columns == 0) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    AppendLine(text.substr(0, end), columns, &out);
    if (end < text.size()) out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

void PrintHelp(const CLI::App& app, const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::CallForHelp*>(&error) == nullptr) {
    (void)app.exit(error);
    return;
  }
  std::cout << Wrapped(app.help(), TerminalColumns()) << std::flush;
}

std::vector<std::string> UsageErrors(const CLI::App& parser, const std::string& command,
                                     const CLI::ParseError& error,
                                     const std::vector<std::string>& others) {
  const std::string help = "; `" + command + " --help` says what there is";
  const std::vector<std::string> unknown = parser.remaining();
  if (unknown.empty()) {
    const std::string value = SuggestedValue(error.what());
    return {error.what() + (value.empty() ? help : value)};
  }
  // Without the dashes: these are in all of them, and make no name near to another.
  const auto bare = [](std::string_view name) {
    return std::string(name.substr(std::min(name.find_first_not_of('-'), name.size())));
  };
  std::vector<std::string> names, lines;
  std::ranges::transform(others, std::back_inserter(names), bare);
  for (const CLI::Option* option : parser.get_options()) {
    const auto& more = option->get_lnames();
    names.insert(names.end(), more.begin(), more.end());
  }
  for (std::size_t i = 0; i < unknown.size(); ++i) {
    const std::string& word = unknown[i];
    // It may be the value of the option before.
    if (i > 0 && !word.starts_with('-') && unknown[i - 1].starts_with('-')) continue;
    const std::string name = word.substr(0, word.find('='));
    const std::string near = Nearest(bare(name), names);
    const std::string suggestion = near.empty() ? "" : "; did you mean --" + near + "?";
    lines.push_back(!word.starts_with('-')
                        ? word + ": one argument too many" + help
                        : name + ": no such option" + (suggestion.empty() ? help : suggestion));
  }
  return lines;
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <set>

#include "terminal/command_line.h"
#include "terminal/roff.h"
#include "terminal/usage.h"

namespace crgen {
namespace {

std::string Upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

bool IsShown(const CLI::Option& option) { return !option.get_group().empty(); }

std::string NamesOf(const std::set<CLI::Option*>& options) {
  std::set<std::string> names;
  for (const CLI::Option* option : options) names.insert(option->get_name());
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// " (of soft, full; default: soft; needs --b)", as --help has it beside the name; or nothing.
std::string Conditions(const CLI::Option& option) {
  if (option.get_positional()) return "";
  std::string text;
  const auto add = [&](const std::string& what, const std::string& value) {
    if (!value.empty()) text += (text.empty() ? " (" : "; ") + what + value;
  };
  std::string choices = ChoicesOf(option);
  if (!choices.ends_with(':') && OptionalValue(option).empty()) {
    const bool several = choices.find(' ') != choices.npos;
    for (std::size_t at = 0; (at = choices.find(' ', at)) != choices.npos; at += 2) {
      choices.insert(at, ",");
    }
    add(several ? "of " : "", choices);
  }
  add("default: ", option.get_default_str());
  add("", option.get_required() ? "required" : "");
  add("needs ", NamesOf(option.get_needs()));
  add("excludes ", NamesOf(option.get_excludes()));
  return text.empty() ? "" : text + ")";
}

std::string OptionItem(const CLI::Option& option) {
  std::string names;
  const auto add = [&](const std::string& name) {
    names += (names.empty() ? "\\fB" : ", \\fB") + RoffText(name) + "\\fR";
  };
  for (const std::string& name : option.get_snames()) add("-" + name);
  for (const std::string& name : option.get_lnames()) add("--" + name);
  if (option.get_positional()) names = "\\fI" + RoffText(option.get_name(true)) + "\\fR";
  if (option.nonpositional() && option.get_items_expected_max() > 0) {
    const std::string type = option.get_type_name();
    names += " \\fI" + RoffText(type.substr(0, type.find(":{"))) + "\\fR" +
             (option.get_items_expected_max() > 1 ? " ..." : "");
  } else if (const std::string value = OptionalValue(option); !value.empty()) {
    names += "[=\\fI" + RoffText(value) + "\\fR]";
  }
  return ".TP\n" + names + "\n" + RoffText(option.get_description() + Conditions(option)) + "\n";
}

std::string OptionItems(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : app.get_options()) {
    if (IsShown(*option)) text += OptionItem(*option);
  }
  return text;
}

std::string Positionals(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    const bool needed = option->get_required();
    text += std::string(needed ? " " : " [") + "\\fI" + RoffText(option->get_name(true)) + "\\fR" +
            (option->get_items_expected_max() > 1 ? "..." : "") + (needed ? "" : "]");
  }
  return text;
}

std::string Synopsis(const CLI::App& app, const std::string& name) {
  return "\\fB" + RoffText(name) + "\\fR [\\fIOPTION\\fR]..." + Positionals(app) + "\n";
}

std::string Name(const CLI::App& app) {
  std::string what = app.get_description();
  what[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(what[0])));
  return ".SH NAME\n" + RoffText(app.get_name()) + " \\- " + RoffText(what) + "\n";
}

std::string ExitStatus(const ProgramText& text) {
  std::string section = ".SH EXIT STATUS\n";
  for (const ExitCodeRow& row : kExitCodes) {
    const std::string_view meaning = row.*text.exit_codes;
    if (meaning.empty()) continue;
    section += ".TP\n\\fB" + std::to_string(Number(row.code)) + "\\fR\n" + RoffText(row.name) +
               ": " + RoffText(meaning) + "\n";
  }
  if (!text.exit_note.empty()) section += ".PP\n" + RoffText(text.exit_note) + "\n";
  return section;
}

}  // namespace

std::string RoffTitle(std::string_view title, int section, std::string_view program,
                      std::string_view manual) {
  return ".TH " + RoffText(title) + " " + std::to_string(section) + " \"" CRGEN_DATE "\" \"" +
         RoffText(program) + "\" \"" + RoffText(manual) + "\"\n";
}

std::string RoffText(std::string_view text) {
  std::string out;
  bool bold = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool begins = out.empty() || out.back() == '\n';
    if (c == '`') {
      bold = !bold;
      out += bold ? "\\fB" : "\\fR";
    } else if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (begins && (c == '.' || c == '\'')) {
      out += "\\&";
      out += c;
    } else if (text.substr(i).starts_with("…")) {
      out += "...";
      i += std::string_view("…").size() - 1;
    } else if (c != '\n' || !begins) {  // an empty line is a paragraph of its own
      out += c;
    }
  }
  return out;
}

std::string RoffExample(std::string_view lines) {
  std::string text = ".nf\n";
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    text += end == 0 ? ".sp\n" : RoffText(lines.substr(0, end)) + "\n";
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return text + ".fi\n";
}

std::string HelpFooter(const ProgramText& text) {
  std::string footer = std::string(text.notes) + "\n\nExit codes: ";
  for (const ExitCodeRow& row : kExitCodes) {
    if ((row.*text.exit_codes).empty()) continue;
    footer += (row.code == ExitCode::kOk ? "" : ", ") + std::to_string(Number(row.code)) + " " +
              std::string(row.name);
  }
  if (!text.exit_note.empty()) footer += "; " + std::string(text.exit_note);
  return footer + "\n\nExamples:\n" + std::string(text.examples);
}

std::string ManualPage(const CLI::App& app, const ProgramText& text) {
  const std::vector<const CLI::App*> commands = app.get_subcommands({});
  std::string page = ".\\\" Generated from the table of options.\n" +
                     RoffTitle(Upper(app.get_name()), 1, app.version(), "User Commands") +
                     Name(app) + ".SH SYNOPSIS\n";
  if (commands.empty()) page += Synopsis(app, app.get_name());
  for (const CLI::App* command : commands) {
    page += (command == commands[0] ? "" : ".br\n") +
            Synopsis(*command, app.get_name() + " " + command->get_name());
  }
  page += ".SH DESCRIPTION\n" + RoffText(text.notes) + "\n.SH OPTIONS\n" + OptionItems(app);
  if (!commands.empty()) page += ".SH COMMANDS\n";
  for (const CLI::App* command : commands) {
    page += ".SS " + RoffText(command->get_name()) + "\n" + RoffText(command->get_description()) +
            ".\n" + OptionItems(*command) + ".PP\n" + RoffExample(command->get_footer());
  }
  return page + ExitStatus(text) + ".SH EXAMPLES\n" + RoffExample(text.examples) +
         ".SH SEE ALSO\n" + std::string(text.see_also) + "\n";
}

bool PrintInterface(const CLI::App& app, const ProgramText& text, int argc, char** argv) {
  if (argc != 3 || std::string_view(argv[1]) != "--generate") return false;
  const std::string_view kind = argv[2];
  const std::string page = kind == "man" ? ManualPage(app, text) : Completion(app, kind);
  return !page.empty() && std::fwrite(page.data(), 1, page.size(), stdout) == page.size();
}

}  // namespace crgen

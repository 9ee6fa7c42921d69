// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "terminal/command_line.h"
#include "terminal/usage.h"

namespace crgen {
namespace {

constexpr const char* kUnnamedCommand = "generate";  // `crgen DUMP`

/// An option as shells see it.
struct Word {
  std::vector<std::string> names;  ///< "-o", "--output"
  std::string value;               ///< what it takes: "FILE"; empty: nothing
  std::string choices;             ///< if it takes one of these: "a b"
  bool list = false;               ///< it takes several of them: "a,b"
  bool optional = false;           ///< only --name=value has one
  bool begins = false;             ///< more follows what it takes one of: "net:" a path
  bool repeats = false;
  std::string about;
};

/// Of what is no option.
std::string PositionalChoices(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() && !ChoicesOf(*option).empty()) return ChoicesOf(*option);
  }
  return "";
}

std::vector<Word> WordsOf(const CLI::App& app) {
  std::vector<Word> words;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty() || !option->nonpositional()) continue;
    Word word;
    for (const std::string& name : option->get_snames()) word.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) word.names.push_back("--" + name);
    word.choices = ChoicesOf(*option);
    word.optional = option->get_items_expected_max() == 0 && !word.choices.empty();
    if (option->get_items_expected_max() > 0) {
      const std::string type = option->get_type_name();
      word.value = type.substr(0, type.find(":{"));
      word.list = option->get_delimiter() == ',' && !word.choices.empty();
      word.repeats = option->get_items_expected_max() > 1;
    }
    word.begins = word.choices.ends_with(':');
    word.about = option->get_description();
    words.push_back(std::move(word));
  }
  return words;
}

bool IsFolder(const std::string& value) { return value == "DIR" || value == "DUMP"; }

std::string Joined(const std::vector<std::string>& parts, const char* between) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

/// In single quotes, for all three.
std::string Quoted(const std::string& text, bool is_fish = false) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += is_fish ? "\\'" : "'\\''";
    } else {
      out += is_fish && c == '\\' ? "\\\\" : std::string(1, c);
    }
  }
  return out + "'";
}

/// The program, or its subcommands, first the one that is meant where none is named.
std::vector<const CLI::App*> CommandsOf(const CLI::App& app) {
  std::vector<const CLI::App*> commands = app.get_subcommands({});
  if (commands.empty()) return {&app};
  const auto meant = std::find_if(commands.begin(), commands.end(), [](const CLI::App* command) {
    return command->get_name() == kUnnamedCommand;
  });
  if (meant != commands.end()) std::rotate(commands.begin(), meant, meant + 1);
  return commands;
}

std::string NamesOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const Word& word : WordsOf(app))
    names.insert(names.end(), word.names.begin(), word.names.end());
  return Joined(names, " ");
}

/// What may stand before the name of a command, and takes nothing: what all of them have.
std::vector<std::string> CommonFlags(const std::vector<const CLI::App*>& commands) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : commands[0]->get_options()) {
    const std::string name = option->get_name();
    const bool common = std::ranges::all_of(commands, [&](const CLI::App* command) {
      const CLI::Option* other = command->get_option_no_throw(name);
      return other != nullptr && other != command->get_help_ptr() && other->nonpositional() &&
             other->get_items_expected_max() == 0;
    });
    if (!common) continue;
    for (const std::string& letter : option->get_snames()) flags.push_back("-" + letter);
    for (const std::string& word : option->get_lnames()) flags.push_back("--" + word);
  }
  return flags;
}

/// What `before` is, and what completes its value.
std::string BashChoices(const Word& word) {
  const std::string list = " -- \"${word##*,}\")\n";
  const std::string before = word.list ? "-P \"${word%\"${word##*,}\"}\" " : "";
  const std::string answer = "mapfile -t COMPREPLY < <(compgen " + before + "-W '" + word.choices +
                             "'" + (word.list ? list : " -- \"$word\")\n") +
                             (word.begins ? "      compopt -o nospace 2> /dev/null\n" : "");
  return "    " + Joined(word.names, "|") + ")\n" +
         (word.optional
              ? "      if [[ $equals ]]; then\n        " + answer + "        return\n      fi ;;\n"
              : "      " + answer + "      return ;;\n");
}

std::string Bash(const CLI::App& app) {
  const std::string name = app.get_name();
  const auto commands = CommandsOf(app);
  std::vector<std::string> first, taking;
  std::string cases, choices;
  for (const CLI::App* command : commands) {
    if (command != &app) first.push_back(command->get_name());
    if (command != commands[0]) {
      const std::string topics = PositionalChoices(*command);
      cases += "    " + command->get_name() + ") options='" + NamesOf(*command) +
               (topics.empty() ? "" : "' topics='" + topics) + "' ;;\n";
    }
    for (const Word& word : WordsOf(*command)) {
      if (!word.choices.empty()) {
        choices += BashChoices(word);
      } else if (!word.value.empty()) {
        taking.push_back(Joined(word.names, "|"));
      }
    }
  }
  const std::string global = &app == commands[0] ? "" : " " + NamesOf(app);
  const std::string skip =
      &app == commands[0] ? ""
                          : "  while ((at < COMP_CWORD)) && [[ ${COMP_WORDS[at]} == @(" +
                                Joined(CommonFlags(commands), "|") + ") ]]; do ((++at)); done\n";
  return "# bash completion of " + name + "; generated from its table of options\n_" + name +
         "() {\n  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options\n"
         "  local topics= equals= at=1\n"
         "  COMPREPLY=()\n  # --option=value is three words\n"
         "  [[ $word == = ]] && word= equals=1\n"
         "  [[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD-2]} equals=1\n" +
         skip + "  case ${COMP_WORDS[at]} in\n" + cases + "    *) options='" +
         NamesOf(*commands[0]) + global + "' ;;\n  esac\n" + "  case $before in\n" + choices +
         "    " + Joined(taking, "|") +
         ") return ;;  # a file, or whatever is typed\n  esac\n"
         "  if [[ $word == -* ]]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
         "  elif ((COMP_CWORD == at)); then\n    mapfile -t COMPREPLY < <(compgen -W '" +
         Joined(first, " ") +
         "' -- \"$word\")\n  elif [[ $topics ]]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$topics\" -- \"$word\")\n  fi\n}\ncomplete -o "
         "default -o plusdirs -F _" +
         name + " " + name + "\n";
}

std::string ZshEscaped(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += c == '[' || c == ']' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return out;
}

/// A file follows these words.
std::string ZshBeginning(const std::string& words) {
  std::string escaped;  // a colon ends a part of a specification
  for (const char c : words) escaped += c == ':' ? "\\:" : std::string(1, c);
  return "{ if compset -P \"*\\:\"; then _files; else compadd -S \"\" - " + escaped + "; fi }";
}

std::string ZshArguments(const CLI::App& app, const std::string& indent) {
  std::string text = indent + "_arguments -S";
  for (const Word& word : WordsOf(app)) {
    for (const std::string& name : word.names) {
      std::string spec = word.repeats ? "*" : "";
      spec += name + (word.optional            ? "=-"
                      : word.value.empty()     ? ""
                      : name.starts_with("--") ? "="
                                               : "+");
      spec += "[" + ZshEscaped(word.about) + "]";
      if (word.optional) {
        spec += "::value:(" + word.choices + ")";
      } else if (!word.value.empty()) {
        spec += ":value:" + (word.list               ? "_sequence compadd - " + word.choices
                             : word.begins           ? ZshBeginning(word.choices)
                             : !word.choices.empty() ? "(" + word.choices + ")"
                             : IsFolder(word.value)  ? "_files -/"
                             : word.value == "FILE"  ? "_files"
                                                     : " ");
      }
      text += " \\\n" + indent + "  " + Quoted(spec);
    }
  }
  const std::string topics = PositionalChoices(app);
  const std::string rest = topics.empty() ? "_files"
                                          : " _alternative \"topics\\:topic\\:(" + topics +
                                                ")\" \"files\\:file\\:_files\"";
  return text + " \\\n" + indent + "  '*:file:" + rest + "'\n";
}

std::string Zsh(const CLI::App& app) {
  const std::string name = app.get_name();
  const auto commands = CommandsOf(app);
  std::string text =
      "#compdef " + name + "\n# Generated from the table of options.\n_" + name + "() {\n";
  if (commands[0] == &app) return text + ZshArguments(app, "  ") + "}\n_" + name + " \"$@\"\n";
  text += "  local -a commands=(\n";
  for (const CLI::App* command : commands) {
    text += "    " + Quoted(command->get_name() + ":" + command->get_description()) + "\n";
  }
  text += "  )\n  while ((CURRENT > 2)) && [[ $words[2] == (" + Joined(CommonFlags(commands), "|") +
          ") ]]; do\n    words[2]=()\n    ((CURRENT--))\n  done\n"
          "  if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then\n"
          "    _describe command commands\n    _files -/\n    return\n  fi\n  case $words[2] in\n";
  for (auto command = commands.begin() + 1; command != commands.end(); ++command) {
    text += "    " + (*command)->get_name() + ")\n      shift words\n      ((CURRENT--))\n" +
            ZshArguments(**command, "      ") + "      ;;\n";
  }
  return text + "    *)\n      [[ $words[2] == " + commands[0]->get_name() +
         " ]] && shift words && ((CURRENT--))\n" + ZshArguments(*commands[0], "      ") +
         "      ;;\n  esac\n}\n_" + name + " \"$@\"\n";
}

std::string FishOptions(const CLI::App& app, const std::string& begin) {
  std::string text;
  for (const Word& word : WordsOf(app)) {
    text += begin;
    for (const std::string& name : word.names) {
      text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    if (word.list) {
      std::string words = word.choices;
      std::replace(words.begin(), words.end(), ' ', ',');
      text += " -x -a '(__fish_complete_list , \"string split , " + words + "\")'";
    } else if (!word.choices.empty()) {
      text += (word.optional ? " -f -a "
               : word.begins ? " -r -F -a "
                             : " -x -a ") +
              Quoted(word.choices);
    } else if (IsFolder(word.value)) {
      text += " -x -a '(__fish_complete_directories)'";
    } else if (!word.value.empty()) {
      text += word.value == "FILE" ? " -r -F" : " -x";
    }
    text += " -d " + Quoted(word.about, true) + "\n";
  }
  return text;
}

std::string Fish(const CLI::App& app) {
  const std::string complete = "complete -c " + app.get_name();
  const auto commands = CommandsOf(app);
  std::string text =
      "# fish completion of " + app.get_name() + "; generated from its table of options\n";
  if (commands[0] == &app) return text + FishOptions(app, complete);
  text += FishOptions(app, complete + " -n __fish_use_subcommand");
  std::vector<std::string> others;
  for (const CLI::App* command : commands) {
    const std::string name = command->get_name();
    if (command != commands[0]) others.push_back(name);
    text += complete + " -n __fish_use_subcommand -a " + name + " -d " +
            Quoted(command->get_description(), true) + "\n";
  }
  for (const CLI::App* command : commands) {
    const std::string seen = "__fish_seen_subcommand_from ";
    const std::string when =
        command == commands[0] ? "not " + seen + Joined(others, " ") : seen + command->get_name();
    const std::string begin = complete + " -n '" + when + "'";
    const std::string topics = PositionalChoices(*command);
    if (!topics.empty()) text += begin + " -a " + Quoted(topics) + "\n";
    text += FishOptions(*command, begin);
  }
  return text;
}

}  // namespace

CLI::Validator Choices(const std::vector<std::string>& words) {
  return CLI::Validator("{" + Joined(words, ",") + "}");
}

std::string Completion(const CLI::App& app, std::string_view shell) {
  return shell == "bash" ? Bash(app) : shell == "zsh" ? Zsh(app) : shell == "fish" ? Fish(app) : "";
}

}  // namespace crgen

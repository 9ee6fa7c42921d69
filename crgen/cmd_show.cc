// SPDX-License-Identifier: Apache-2.0
// crgen show [WHAT...] DUMP
#include <spdlog/spdlog.h>

#include "crgen/look.h"
#include "model/nearest.h"
#include "views/files_picture.h"
#include "views/show.h"

namespace crgen {
namespace {

struct ShowArguments {
  std::vector<std::string> words;  ///< topics and the dump, as Show() tells them apart
  std::optional<Pid> pid;
  bool json = false;
  bool svg = false;
};

std::string TopicHelp() {
  std::string text;
  for (const TopicName& topic : TopicNames()) {
    text += "  " + std::string(topic.name) + std::string(13 - topic.name.size(), ' ') +
            std::string(topic.meaning) + "\n";
  }
  return text + "  all          all of these\n";
}

std::vector<std::string> TopicWords() {
  std::vector<std::string> words;
  for (const TopicName& topic : TopicNames()) words.emplace_back(topic.name);
  words.emplace_back("all");
  return words;
}

ExitCode Show(const ShowArguments& arguments) {
  std::vector<Topic> topics;
  std::vector<std::string> others;
  for (const std::string& word : arguments.words) {
    if (!AddTopic(word, &topics)) others.push_back(word);
  }
  // The dump may have the name of a topic.
  if (others.empty()) {
    topics.clear();
    for (std::size_t i = 0; i + 1 < arguments.words.size(); ++i)
      AddTopic(arguments.words[i], &topics);
    others.push_back(arguments.words.back());
  }
  if (others.size() > 1) {
    const std::vector<std::string> known = TopicWords();
    std::string list;
    for (const std::string& topic : known) list += (list.empty() ? "" : ", ") + topic;
    const std::string& word = others.front();
    spdlog::error("{}: nothing of a dump is called that; there are {}{}", word, list,
                  Suggestion(word, known));
    return ExitCode::kUsage;
  }
  if (arguments.svg && topics != std::vector{Topic::kFiles}) {
    spdlog::error("--svg: is a picture of `files`, and of nothing else");
    return ExitCode::kUsage;
  }
  if (topics.empty()) topics.push_back(Topic::kProcesses);
  const std::string& path = others.front();
  ConfineToReading({path});
  Look look;
  OpenLook(path, &look);
  SayWhatIsMissing(look, path);
  if (look.snapshot.processes.empty()) return ExitCode::kBadInput;
  if (arguments.pid && FindProcess(look, *arguments.pid, path) < 0) return ExitCode::kUsage;
  ViewOptions options = OptionsOfTerminal();
  options.pid = arguments.pid;
  const ExitCode printed = PrintView(arguments.svg    ? FilesSvg(look.Dump())
                                     : arguments.json ? ShowJson(look.Dump(), topics, arguments.pid)
                                                      : ShowText(look.Dump(), topics, options));
  return look.whole ? printed : ExitCode::kBadInput;
}

}  // namespace

std::function<ExitCode()> AddShow(CLI::App& app) {
  auto arguments = std::make_shared<ShowArguments>();
  app.description("Show what is in a dump, also in one that cannot be restored");
  // The dump may stand anywhere among the words: it gets the last of them, which is no word less.
  app.add_option_function<std::vector<std::string>>(
         "WHAT",
         [arguments, &app](const std::vector<std::string>& words) {
           arguments->words = words;
           app.get_option("DUMP")->add_result(words.back());
         },
         "What of it to show (below)")
      ->option_text("...")
      ->check(Choices(TopicWords()));
  app.add_option("DUMP")->description("A dump: a folder, or an archive")->required();
  CLI::Option* pid = app.add_option("--pid", arguments->pid, "Only of this process");
  CLI::Option* json = app.add_flag("--json", arguments->json, "Print it for machines");
  app.add_flag("--svg", arguments->svg, "Of `files`: draw who shares what")
      ->excludes(pid)
      ->excludes(json);
  app.footer("What can be shown; without a word, processes:\n" + TopicHelp() +
             "\nLines are as long as the terminal is wide. What a damaged dump still has is shown, "
             "with exit code 3.\n\n"
             "Examples:\n"
             "  crgen show dump/\n"
             "  crgen show fds memory --pid 31100 dump/\n"
             "  crgen show files --svg dump/ > files.svg\n"
             "  crgen show all --json dump/");
  return [arguments] { return Show(*arguments); };
}

}  // namespace crgen

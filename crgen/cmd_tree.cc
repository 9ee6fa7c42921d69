// SPDX-License-Identifier: Apache-2.0
// crgen tree DUMP|STRING, crgen tree --program DUMP|STRING|-
#include <algorithm>
#include <string_view>
#include <vector>

#include "crgen/births.h"
#include "crgen/cli.h"
#include "crgen/look.h"
#include "crgen/needs.h"
#include "crgen/system_calls.h"
#include "crgen/tree_json.h"
#include "generator/generate.h"
#include "generator/tree/alternatives.h"
#include "generator/tree/analyzer.h"
#include "generator/tree_answers.h"
#include "model/tree_text.h"
#include "views/table.h"

namespace crgen {
namespace {

struct TreeArguments {
  std::string tree;
  std::vector<std::string> system_calls;
  bool program = false;
  bool all = false;
  bool svg = false;
  bool dot = false;
  bool json = false;
};

constexpr std::size_t kPieceBytes = 1 << 20;

/// A word is none: pid, pgid and sid stand apart.
bool IsNotation(std::string_view argument) {
  constexpr std::string_view kBlanks = " \t\n";
  const std::size_t begin = argument.find_first_not_of(kBlanks);
  return begin == argument.npos || argument.find_first_of(kBlanks, begin) != argument.npos;
}

Result LoadTreeFrom(const std::string& argument, TreeSnapshot* tree, Diagnostics& diag) {
  if (!IsFolder(argument) && !IsRegularFile(argument)) {
    if (IsNotation(argument)) return ParseTree(argument, tree, diag);
    return diag.Fail(argument,
                     "neither a dump nor a tree: there is no such folder or file, and a tree is "
                     "written as '1 1 1 [ 2 1 1 [] ]'");
  }
  auto source = OpenDump(argument, diag);
  return source == nullptr ? Result::kError : LoadTree(*source, tree, diag);
}

std::string AsWideAsTheTerminal(std::string_view text) {
  constexpr std::size_t kIndent = 11;  // what the commands of a derivation begin at
  const ViewOptions options = OptionsOfTerminal();
  std::string wrapped;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    WriteWrapped(text.substr(0, end), kIndent, options, &wrapped);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return wrapped;
}

ExitCode ShowTree(const TreeArguments& arguments, Diagnostics& diag) {
  TreeRules rules;
  if (Failed(ParseSystemCalls(arguments.system_calls, &rules, diag))) return ExitCode::kUsage;
  TreeSnapshot loaded, tree;
  if (Failed(LoadTreeFrom(arguments.tree, &loaded, diag))) return ExitCode::kBadInput;
  WarnOfOutside(loaded, diag);
  TreePlan plan;
  TreeRefusal refusal;
  const bool prepared = Succeeded(PrepareTree(loaded, &tree, &refusal));
  loaded = {};  // a large tree is held once
  if (!prepared || Failed(AnalyzeTreeWith(rules, tree, &plan, &refusal))) {
    diag.Error("pid " + std::to_string(refusal.pid), refusal.reason);
    if (!arguments.json) return ExitCode::kNotBuilt;
    std::string text;
    WriteTreeRefusal(refusal, &text);
    return Failed(PrintText(text, diag)) ? ExitCode::kBadInput : ExitCode::kNotBuilt;
  }
  std::string text;
  if (arguments.program) {
    WriteTreeProgram(tree, plan, Layout::kLines, &text);
  } else if (arguments.svg || arguments.dot) {
    const std::vector<DrawnBirth> births = BirthsOf(tree, plan);
    text = arguments.svg ? TreeSvg(births) : TreeDot(births);
  } else if (arguments.json) {
    const Derivations others = arguments.all ? FindDerivations(tree, plan) : Derivations();
    text = TreeJson(tree, plan, arguments.all ? &others : nullptr);
  } else {
    text = DrawTree(tree) + DescribeDerivation(tree, plan);
    if (arguments.all) text += DescribeAlternatives(tree, plan, FindDerivations(tree, plan));
    text = AsWideAsTheTerminal(text);
  }
  if (!arguments.program) return PrintView(text);
  Output output("");
  return Failed(output.Write(text, diag)) ? ExitCode::kBadInput : ExitCode::kOk;
}

/// Answers line after line. Holds one piece of the input, or one line if that is longer, and the
/// answers to it, which are written before more is read: a caller may send a tree and wait.
class TreeStream {
 public:
  Result Run(const ByteReader& read, Diagnostics& diag) {
    std::vector<char> piece(kPieceBytes);
    while (const std::size_t got = read(piece)) {
      std::string_view rest(piece.data(), got);
      for (std::size_t end; (end = rest.find('\n')) != rest.npos; rest.remove_prefix(end + 1)) {
        if (Failed(Answer(rest.substr(0, end), diag))) return Result::kError;
      }
      line_.append(rest);
      if (Failed(Flush(diag))) return Result::kError;
    }
    if (!line_.empty() && Failed(Answer("", diag))) return Result::kError;
    return Flush(diag);
  }

 private:
  /// The line that ends in `end`, after what earlier pieces had of it.
  Result Answer(std::string_view end, Diagnostics& diag) {
    ++number_;
    if (line_.empty()) {
      AnswerTree(end, number_, &answers_);
    } else {
      line_.append(end);
      AnswerTree(line_, number_, &answers_);
      line_.clear();
    }
    return answers_.size() < kPieceBytes ? Result::kOk : Flush(diag);
  }

  Result Flush(Diagnostics& diag) {
    const Result written = output_.Write(answers_, diag);
    answers_.clear();
    return written;
  }

  Output output_{""};
  std::size_t number_ = 0;
  std::string line_;
  std::string answers_;
};

ExitCode AnswerTrees(const TreeArguments& arguments, Diagnostics& diag) {
  TextFile input(arguments.tree);
  const bool failed = Failed(input.Open(diag)) || Failed(TreeStream().Run(input.Reader(), diag)) ||
                      Failed(input.Close(diag));
  return failed ? ExitCode::kBadInput : ExitCode::kOk;
}

ExitCode RunTree(const TreeArguments& arguments, Diagnostics& diag) {
  ConfineToReading({arguments.tree});
  if (arguments.tree != "-") return ShowTree(arguments, diag);
  if (arguments.program && arguments.system_calls.empty()) return AnswerTrees(arguments, diag);
  if (arguments.program) {
    diag.Error("--syscalls", "is for one tree: standard input has many");
    return ExitCode::kUsage;
  }
  diag.Error("-", "trees are read from standard input with --program");
  return ExitCode::kUsage;
}

}  // namespace

std::function<ExitCode()> AddTree(CLI::App& app) {
  auto arguments = std::make_shared<TreeArguments>();
  app.description("Explain how a process tree is rebuilt: which rule makes which process");
  app.add_option("TREE", arguments->tree,
                 "A dump or an archive of one, a folder with pstree.img alone, or a tree as text; "
                 "with --program, - is "
                 "standard input with one tree a line")
      ->required();
  CLI::Option* program = app.add_flag("--program", arguments->program,
                                      "Print the commands that rebuild the tree as a program");
  app.add_flag("--all", arguments->all,
               "Also the other shortest derivations by the same kinds of calls, where there are "
               "few: of trees of up to 10 processes")
      ->excludes(program);
  CLI::Option* svg =
      app.add_flag("--svg", arguments->svg, "Draw a picture: births, sessions, groups, adoptions")
          ->excludes(program);
  CLI::Option* dot = app.add_flag("--dot", arguments->dot, "The same for Graphviz")
                         ->excludes(program)
                         ->excludes(svg);
  app.add_flag("--json", arguments->json, "Print it for machines")
      ->excludes(program)
      ->excludes(svg)
      ->excludes(dot);
  AddSystemCalls(app, &arguments->system_calls);
  app.add_flag("--shell-job")->description("Accepted for old scripts; crrestore wants it");
  app.footer(
      "A tree as text: `pid pgid sid [children]`, after the sid perhaps z (a zombie), r (a child\n"
      "subreaper), t=5,6 (further threads).\n\n"
      "`--program -` answers each line of standard input with one line: the program, or\n"
      "{\"error\": \"...\", \"pid\": n} for a tree that cannot be rebuilt because of process n; n "
      "is 0 "
      "if\n"
      "the line, which may be empty, is not a tree. The exit code is 0 if all lines were "
      "answered.\n"
      "\n"
      "Examples:\n"
      "  crgen tree dump/\n"
      "  crgen tree '1 1 1 [ 3 3 3 [ 4 4 3 [] ] ]'\n"
      "  crgen tree --all '1 1 1 [ 3 3 1 [] 4 3 1 [] ]'\n"
      "  crgen tree --svg dump/ > tree.svg\n"
      "  crgen tree --syscalls fork,setsid,setpgid,exit dump/\n"
      "  crgen tree --program '1 1 1 [ 3 3 3 [ 4 4 3 [] ] ]'\n"
      "  crgen tree --program - < trees.txt > programs.jsonl");
  return [arguments] {
    Diagnostics diag;
    const ExitCode code = RunTree(*arguments, diag);
    PrintDiagnostics(diag);
    return code;
  };
}

}  // namespace crgen

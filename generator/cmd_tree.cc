// crgen tree DUMP|STRING
#include <sys/stat.h>

#include "generator/cli.h"
#include "generator/generate.h"
#include "generator/tree/analyzer.h"
#include "model/tree_text.h"

namespace crgen {
namespace {

struct TreeArguments {
  std::string tree;
  bool shell_job = false;
};

bool IsFolder(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Result LoadTreeFrom(const std::string& argument, TreeSnapshot* tree, Diagnostics& diag) {
  if (!IsFolder(argument)) return ParseTree(argument, tree, diag);
  auto source = OpenFolder(argument, diag);
  return source == nullptr ? Result::kError : LoadTree(*source, tree, diag);
}

ExitCode ShowTree(const TreeArguments& arguments, Diagnostics& diag) {
  TreeSnapshot loaded, tree;
  if (Failed(LoadTreeFrom(arguments.tree, &loaded, diag))) return ExitCode::kBadInput;
  if (Failed(PrepareTree(loaded, {arguments.shell_job}, &tree, diag))) {
    return ExitCode::kUnreachable;
  }
  TreePlan plan;
  TreeRefusal refusal;
  if (Failed(AnalyzeTree(tree, &plan, &refusal))) {
    (void)diag.Error("pid " + std::to_string(refusal.pid), refusal.reason);
    return ExitCode::kUnreachable;
  }
  Output output("");
  return Failed(output.Write(DescribeDerivation(tree, plan), diag)) ? ExitCode::kBadInput
                                                                    : ExitCode::kOk;
}

}  // namespace

std::function<ExitCode()> AddTree(CLI::App& app) {
  auto arguments = std::make_shared<TreeArguments>();
  app.description("Explain how a process tree is rebuilt: which rule makes which process");
  app.add_option("TREE", arguments->tree,
                 "A dump, a folder with pstree.img alone, or a tree as text")
      ->required();
  app.add_flag("--shell-job", arguments->shell_job,
               "The root's session and group, which are not in the dump, are the restorer's");
  app.footer(
      "A tree as text: `pid pgid sid [children]`, after the sid perhaps z (a zombie), r (a child\n"
      "subreaper), t=5,6 (further threads).\n\n"
      "Examples:\n"
      "  crgen tree dump/\n"
      "  crgen tree '1 1 1 [ 3 3 3 [ 4 4 3 [] ] ]'");
  return [arguments] {
    Diagnostics diag;
    const ExitCode code = ShowTree(*arguments, diag);
    PrintDiagnostics(diag);
    return code;
  };
}

}  // namespace crgen

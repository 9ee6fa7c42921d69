// SPDX-License-Identifier: Apache-2.0
// crgen generate DUMP
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <future>
#include <optional>
#include <thread>

#include "crgen/check_beside.h"
#include "crgen/cli.h"
#include "crgen/losses.h"
#include "crgen/needs.h"
#include "crgen/plan_images.h"
#include "crgen/system_calls.h"
#include "generator/generate.h"

namespace crgen {
namespace {

struct GenerateArguments {
  std::string dump;
  std::string output;
  std::string extract;
  std::vector<std::string> without;
  std::vector<std::string> system_calls;
  bool pretty = false;
  bool partial = false;
  bool no_check = false;
  bool digest = false;
  std::string namespaces;
  unsigned threads = std::max(1U, std::thread::hardware_concurrency());
};

/// Plans `snapshot`, checks the plan beside that, and writes it. `diag` gets what goes wrong.
ExitCode PrintPlan(const GenerateArguments& arguments, const Snapshot& snapshot,
                   const GenerateOptions& options, ImageSource& source, Output& output,
                   Diagnostics& diag) {
  Program program;
  PageImages pages(source);
  const PageReader read_page = PageReaderOf(source);
  std::optional<CheckBeside> check;
  if (!arguments.no_check) {
    check.emplace(program, arguments.threads > 1 ? std::launch::async : std::launch::deferred);
  }
  const GenerateOutcome outcome = GenerateProgram(snapshot, options, read_page, &program, diag,
                                                  check ? check->follower() : nullptr);
  if (outcome != GenerateOutcome::kOk) return CodeOf(outcome);
  {
    std::unique_lock<std::mutex> pause;
    if (check) pause = check->follower()->Pause();
    if (Failed(BindToImages(&program, pages, arguments.digest, arguments.threads, diag))) {
      return ExitCode::kBadInput;
    }
  }
  if (check) check->Complete();
  spdlog::info("{} commands", program.size());
  bool wrong = false;
  if (check) {
    output.HoldUntil([&] {
      const Result result = check->Verdict(diag);
      wrong = Failed(result);
      return result;
    });
  }
  const Layout layout = arguments.pretty ? Layout::kPretty : Layout::kLines;
  if (Succeeded(WriteProgramTo(program, layout, arguments.threads, output, diag)) &&
      Succeeded(output.Commit(diag))) {
    return ExitCode::kOk;
  }
  if (!wrong) return ExitCode::kBadInput;
  diag.Error(arguments.dump, "the program for it is wrong: a defect of crgen");
  return ExitCode::kInternal;
}

/// Their names in the plan are relative to that.
void SayWhereImagesAre(const GenerateArguments& arguments) {
  if (!arguments.extract.empty()) {
    spdlog::info("crrestore wants --images {}", arguments.extract);
  } else if (IsRegularFile(arguments.dump)) {
    spdlog::info("crrestore reads no archives: --extract DIR unpacks what it reads of this one");
  } else {
    Diagnostics ignored;
    spdlog::info("crrestore wants --images {}", ImageFolder(arguments.dump, ignored));
  }
}

/// Who has filled the folder of `--extract` may empty it again, but not remove it: this does,
/// unless it is kept.
class FolderRemover {
 public:
  Result Begin(const std::string& path, Diagnostics& diag) {
    const auto kept = std::make_shared<bool>(false);
    const auto keep = [kept](std::string_view) {
      *kept = true;
      return std::string();
    };
    const auto remove = [kept, path] {
      if (!*kept) rmdir(path.c_str());
    };
    return outside_.Begin(keep, remove) ? Result::kOk : diag.Fail(path, std::strerror(errno));
  }
  void Keep() { outside_.Ask(""); }

 private:
  Outside outside_;
};

/// `extract`: gets what a restore reads of an archive; nullptr: nothing is unpacked. `*findings`
/// gets all that there is to say.
ExitCode Generate(const GenerateArguments& arguments, NewFolder* extract, FolderRemover* remover,
                  Diagnostics* findings) {
  std::set<Loss> losses;
  std::string problem;
  if (Failed(ParseLosses(arguments.without, &losses, &problem))) {
    findings->Error("--without", problem);
    return ExitCode::kUsage;
  }
  if (arguments.namespaces == "caller") losses.insert(Loss::kNamespaces);
  TreeRules rules;
  if (Failed(ParseSystemCalls(arguments.system_calls, &rules, *findings))) return ExitCode::kUsage;
  if (extract != nullptr && Failed(extract->Create(*findings))) return ExitCode::kBadInput;
  Output output(arguments.output);
  if (Failed(output.Open(*findings))) return ExitCode::kBadInput;
  if (extract != nullptr && Failed(remover->Begin(arguments.extract, *findings))) {
    return ExitCode::kBadInput;
  }
  ConfineToReading({arguments.dump}, arguments.extract);
  Diagnostics diag;
  auto source = OpenDump(arguments.dump, diag, extract, arguments.digest);
  Snapshot snapshot;
  const bool loaded = source != nullptr &&
                      Succeeded(LoadDump(*source, &snapshot, diag,
                                         {TerminalProgress("reading process"), arguments.threads,
                                          arguments.namespaces == "caller"}));
  *findings = Accept(diag, losses, arguments.partial);
  if (!loaded) return ExitCode::kBadInput;
  if (findings->Count(Severity::kUnsupported) != 0) return ExitCode::kUnsupported;
  spdlog::info("{} processes, {} descriptor tables, {} files", snapshot.processes.size(),
               snapshot.tables.size(), snapshot.files.size());
  SayWhereImagesAre(arguments);
  WarnOfOutside(snapshot.tree, *findings);
  WarnOfNeeds(NeedsOf(snapshot), *findings);
  return PrintPlan(arguments, snapshot, {AboutPlan(diag, snapshot), rules}, *source, output,
                   *findings);
}

}  // namespace

ExitCode CodeOf(GenerateOutcome outcome) {
  switch (outcome) {
    case GenerateOutcome::kOk:
      return ExitCode::kOk;
    case GenerateOutcome::kBadInput:
      return ExitCode::kBadInput;
    case GenerateOutcome::kUnsupported:
      return ExitCode::kUnsupported;
    case GenerateOutcome::kUnreachableTree:
      return ExitCode::kNotBuilt;
  }
  return ExitCode::kInternal;
}

std::function<ExitCode()> AddGenerate(CLI::App& app) {
  auto arguments = std::make_shared<GenerateArguments>();
  app.description("Print the restore program of a dump");
  app.add_option("DUMP", arguments->dump,
                 "The images of CRIU: a folder, the folder above, or an archive of one "
                 "(.tar, .tar.gz, .tar.zst, .tar.xz)")
      ->required()
      ->type_name("DUMP");
  app.add_option("-o,--output", arguments->output,
                 "Write to this file, whole or not at all, instead of standard output")
      ->type_name("FILE")
      ->check(IsFileName);
  app.add_option("--extract", arguments->extract,
                 "Of an archive: unpack what a restore reads beside the program into this new "
                 "folder, for crrestore --images")
      ->type_name("DIR");
  app.add_flag("--pretty", arguments->pretty, "Indent the program");
  app.add_option("--without", arguments->without,
                 "Leave out what is unsupported and of these kinds, and say so in the plan (see "
                 "below)")
      ->delimiter(',')
      ->type_name("KINDS")
      ->check(Choices(LossNames()));
  app.add_flag("--partial", arguments->partial,
               "Leave out all that is unsupported, but for what the rest lies in, instead of "
               "refusing the dump");
  app.add_option(
         "--namespaces", arguments->namespaces,
         "\"caller\": leave out namespaces of the tree's own; the restored processes use the "
         "namespaces and mounts of crrestore's caller, which wants the same option")
      ->type_name("WHOSE")
      ->check(CLI::IsMember({"caller"}));
  app.add_flag(
      "--digest", arguments->digest,
      "Have the digest (SHA-256) of each image in the plan, beside its size; crrestore checks "
      "them");
  AddSystemCalls(app, &arguments->system_calls);
  app.add_flag("--no-check", arguments->no_check, "Print the program without simulating it first");
  app.add_flag("--shell-job")->description("Accepted for old scripts; crrestore wants it");
  app.add_option("--threads", arguments->threads,
                 "How many threads read images and write text, 1 to 1024 (default: one for each "
                 "processor); with 1 nothing runs beside anything else")
      ->type_name("N")
      ->check(CLI::Range(1, 1024).description(""));
  AddFindingsFlag(app);
  app.footer("Kinds for --without, e.g. --without=locks,cgroups:\n" + LossHelp() +
             "\nExamples:\n"
             "  crgen generate dump/ > plan.json\n"
             "  crgen dump/ --pretty -o plan.json\n"
             "  crgen dump/ --without=locks > plan.json\n"
             "  crgen checkpoint.tar.zst --extract images/ > plan.json");
  return [arguments] {
    Diagnostics findings;
    FolderRemover remover;
    std::optional<NewFolder> extract;
    if (!arguments->extract.empty()) extract.emplace(arguments->extract);
    const ExitCode code = Generate(*arguments, extract ? &*extract : nullptr, &remover, &findings);
    if (extract && code == ExitCode::kOk) {
      extract->Keep();
      remover.Keep();
    }
    PrintDiagnostics(findings);
    if (code == ExitCode::kOk) {
      spdlog::info(
          "what no dump records (CPU affinity, I/O priority, memory policy …) is in no plan: "
          "docs/not-in-a-dump.md");
    }
    return code;
  };
}

}  // namespace crgen

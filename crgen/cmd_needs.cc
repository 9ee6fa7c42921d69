// SPDX-License-Identifier: Apache-2.0
// crgen needs DUMP
#include <algorithm>
#include <thread>

#include "crgen/cli.h"
#include "crgen/losses.h"
#include "crgen/needs.h"

namespace crgen {
namespace {

struct NeedsArguments {
  std::string dump;
  std::string plan = "plan.json";
  std::string images;
  std::string namespaces;
  bool json = false;
  bool partial = false;
};

/// Where crrestore finds the images of `dump`: of an archive, where `--extract` puts them.
std::string ImagesOf(const NeedsArguments& arguments) {
  if (!arguments.images.empty()) return arguments.images;
  if (IsRegularFile(arguments.dump)) return "DIR";
  Diagnostics ignored;
  return ImageFolder(arguments.dump, ignored);
}

/// Prints what there is to say of a dump that cannot be planned, too: `*findings` says why.
ExitCode Needs(const NeedsArguments& arguments, Diagnostics* findings) {
  ConfineToReading({arguments.dump});
  const bool callers = arguments.namespaces == "caller";
  Diagnostics diag;
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  auto source = OpenDump(arguments.dump, diag);
  Snapshot snapshot;
  const bool loaded = source != nullptr &&
                      Succeeded(LoadDump(*source, &snapshot, diag,
                                         {TerminalProgress("reading process"), threads, callers}));
  *findings = Accept(diag, callers ? std::set<Loss>{Loss::kNamespaces} : std::set<Loss>(),
                     arguments.partial);
  if (!loaded) return ExitCode::kBadInput;
  const std::vector<Need> needs = NeedsOf(snapshot);
  std::vector<std::string> command = RestoreCommand(needs, arguments.plan, ImagesOf(arguments));
  const auto leaves_out = [&](bool namespaces) {
    return std::ranges::any_of(diag.entries(), [&](const Diagnostic& entry) {
      return entry.severity == Severity::kUnsupported &&
             (entry.loss == Loss::kNamespaces) == namespaces;
    });
  };
  if (callers && leaves_out(true)) command.emplace_back("--namespaces=caller");
  if (arguments.partial && leaves_out(false)) command.emplace_back("--partial");
  const std::string text = arguments.json ? NeedsJson(needs, command) : NeedsText(needs, command);
  if (Failed(PrintText(text, *findings))) return ExitCode::kBadInput;
  return findings->Count(Severity::kUnsupported) != 0 ? ExitCode::kUnsupported : ExitCode::kOk;
}

}  // namespace

std::function<ExitCode()> AddNeeds(CLI::App& app) {
  auto arguments = std::make_shared<NeedsArguments>();
  app.description("Print what the caller of a restore has to give, and the command line for it");
  app.add_option("DUMP", arguments->dump, "What `crgen generate` takes: a folder or an archive")
      ->required();
  app.add_option("--plan", arguments->plan, "The plan, in the command line")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_option("--images", arguments->images,
                 "The folder of images, in the command line: of an archive where `--extract` puts "
                 "them")
      ->type_name("DIR");
  app.add_flag("--partial", arguments->partial, "Of a plan that `crgen --partial` prints");
  app.add_option("--namespaces", arguments->namespaces, "\"caller\": as of `crgen generate`")
      ->type_name("WHOSE")
      ->check(CLI::IsMember({"caller"}));
  app.add_flag("--json", arguments->json, "For machines");
  app.footer(
      "In what it prints, PATH, DIR, SOCKET and N (a descriptor) stand for what the caller has.\n"
      "The exit code is that of `crgen generate` as far as reading the dump decides it: 3 bad "
      "input,\n4 unsupported; with 4 what is known is printed.\n\n"
      "Examples:\n"
      "  crgen needs dump/\n"
      "  crgen needs checkpoint.tar.zst --images images/ --json");
  return [arguments] {
    Diagnostics findings;
    const ExitCode code = Needs(*arguments, &findings);
    PrintDiagnostics(findings);
    return code;
  };
}

}  // namespace crgen

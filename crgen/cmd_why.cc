// SPDX-License-Identifier: Apache-2.0
// crgen why DUMP [--host-facts FILE]
#include "crgen/verdicts.h"
#include "preflight/host_facts.h"

namespace crgen {
namespace {

struct WhyArguments {
  std::string dump;
  std::string facts;
  std::string root;
  bool json = false;
};

Result ReadFacts(const std::string& path, HostFacts* facts, Diagnostics& diag) {
  std::string text;
  if (Failed(ReadWholeFile(path, kMostFactsBytes, "facts of a host", &text, diag))) {
    return Result::kError;
  }
  return ReadHostFacts(text, path, facts, diag);
}

ExitCode Why(const WhyArguments& arguments) {
  HostFacts facts;
  Diagnostics diag;
  ThisHost host;
  const bool here = arguments.facts.empty();
  if (here && Failed(host.Begin(ImagesToAsk(arguments.dump), arguments.root, diag))) {
    PrintDiagnostics(diag);
    return ExitCode::kBadInput;
  }
  ConfineToReading({arguments.dump, arguments.facts});
  if (!here && Failed(ReadFacts(arguments.facts, &facts, diag))) {
    PrintDiagnostics(diag);
    return ExitCode::kBadInput;
  }
  Look look;
  OpenLook(arguments.dump, &look);
  if (look.snapshot.processes.empty()) {
    PrintDiagnostics(look.findings);
    return ExitCode::kBadInput;
  }
  Program program;
  const std::vector<Verdict> verdicts =
      AskAll(look, arguments.dump, arguments.root,
             here ? AskedHost{.live = &host} : AskedHost{.facts = &facts}, &program);
  return PrintView(arguments.json ? WhyJson(verdicts) : WhyText(verdicts, OptionsOfTerminal()));
}

}  // namespace

std::function<ExitCode()> AddWhy(CLI::App& app) {
  auto arguments = std::make_shared<WhyArguments>();
  app.description("Say whether CRIU, crgen and this host can restore a dump, and why not");
  app.add_option("DUMP", arguments->dump, "A dump: a folder, or an archive")->required();
  auto* facts = app.add_option(
      "--host-facts", arguments->facts,
      "Ask not this host, but the one that has written that file: `crgen host-facts`");
  facts->type_name("FILE");
  app.add_option(
         "--root", arguments->root,
         "The root file system, if the tree has one of its own: its files are looked at there")
      ->type_name("DIR")
      ->excludes(facts);
  app.add_flag("--json", arguments->json, "Print it for machines");
  app.footer(
      "criu:  limits that it is known to have, with its own message\n"
      "crgen: what no program can say, and what a restore must be told or handed over\n"
      "host:  numbers that are taken, files that are missing or changed, rights, kernel features,\n"
      "       as this user meets them\n\n"
      "The exit code is 0 whatever the answers are, 3 if the dump cannot be read.\n\n"
      "Examples:\n"
      "  crgen why dump/\n"
      "  ssh other crgen host-facts > facts.json; crgen why --host-facts facts.json dump/");
  return [arguments] { return Why(*arguments); };
}

}  // namespace crgen

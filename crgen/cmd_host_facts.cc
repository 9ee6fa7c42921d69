// SPDX-License-Identifier: Apache-2.0
// crgen host-facts [DUMP|PLAN]
#include <cerrno>

#include "crgen/look.h"
#include "crgen/this_host.h"

namespace crgen {
namespace {

struct FactsArguments {
  std::string input;
  std::string output;
};

ExitCode TellFacts(const FactsArguments& arguments) {
  Program program;
  Diagnostics diag;
  Output output(arguments.output);
  ThisHost host;
  if (Failed(output.Open(diag)) || Failed(host.Begin("", "", diag))) {
    PrintDiagnostics(diag);
    return ExitCode::kBadInput;
  }
  ConfineToReading({arguments.input});
  const ExitCode made = arguments.input.empty()
                            ? ExitCode::kOk
                            : DeriveOrRead(arguments.input, false, &program, diag);
  if (made == ExitCode::kOk) host.Tell(program);
  const bool written = made == ExitCode::kOk && Succeeded(output.Write(host.Facts(), diag)) &&
                       Succeeded(output.Commit(diag));
  if (output.ReaderGone()) return made;
  PrintDiagnostics(diag);
  return written || made != ExitCode::kOk ? made : ExitCode::kBadInput;
}

}  // namespace

std::function<ExitCode()> AddHostFacts(CLI::App& app) {
  auto arguments = std::make_shared<FactsArguments>();
  app.description("Print what a restore would find on this host, for `crgen why` on another one");
  app.add_option("DUMP|PLAN", arguments->input,
                 "A dump (folder or archive), or a restore program (-: stdin): also the files, "
                 "sockets, terminals and so on that it names");
  app.add_option("-o,--output", arguments->output, "Into that file, whole or not at all")
      ->type_name("FILE")
      ->check(IsFileName);
  AddFindingsFlag(app);
  app.footer(
      "As this user meets it: run it as who shall restore. It has the names of all processes.\n\n"
      "Examples:\n"
      "  crgen host-facts > facts.json          there\n"
      "  crgen why --host-facts facts.json dump/    here");
  return [arguments] { return TellFacts(*arguments); };
}

}  // namespace crgen

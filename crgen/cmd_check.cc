// SPDX-License-Identifier: Apache-2.0
// crgen check DUMP|PLAN --policy FILE
#include <spdlog/spdlog.h>

#include "checker/check.h"
#include "crgen/look.h"
#include "crgen/this_host.h"
#include "dsl/json/program_json.h"
#include "policy/host.h"
#include "policy/report.h"

namespace crgen {
namespace {

struct CheckArguments {
  std::string input;
  std::string policy;
  std::string root;
  bool derive = false;
  bool host = false;
  bool json = false;
};

/// Of a dump as far as it can be read: what cannot is unknown, and denied. False: nothing can.
bool AuthorityOfDump(const std::string& path, Authority* authority) {
  Look look;
  OpenLook(path, &look);
  if (look.snapshot.processes.empty()) {
    PrintDiagnostics(look.findings);
    return false;
  }
  *authority = AuthorityOf(look.snapshot, look.unplanned, look.findings, InventedIn(look));
  return true;
}

/// What a program does can be told only if it is right.
bool AuthorityOfPlan(const std::string& path, Authority* authority) {
  const std::string name = path == "-" ? "standard input" : path;
  TextFile text(path);
  Program program;
  std::vector<std::uint32_t> lines;
  SimulatedState state;
  Diagnostics diag;
  const bool good = Succeeded(text.Open(diag)) &&
                    Succeeded(ReadProgram(text.Reader(), name, &program, &lines, diag)) &&
                    Succeeded(text.Close(diag)) && Succeeded(CheckProgram(program, &state, diag)) &&
                    Succeeded(CheckComplete(program, state, diag));
  PrintDiagnostics(diag);
  if (good) *authority = AuthorityOf(program, state);
  return good;
}

Result ReadPolicyFile(const std::string& path, Policy* policy, Diagnostics& diag) {
  constexpr std::size_t kMost = 64 << 20;
  std::string text;
  if (Failed(ReadWholeFile(path, kMost, "policy", &text, diag))) return Result::kError;
  return ReadPolicy(text, path, policy, diag);
}

/// Nothing allows what is unknown.
void WarnOfUnknown(const Authority& authority) {
  for (const Claim& claim : authority.claims()) {
    if (claim.kind != Kind::kUnknown) continue;
    spdlog::warn("{}: {}: no policy allows it", claim.parts[0], claim.parts[1]);
  }
}

ExitCode Check(const CheckArguments& arguments) {
  Policy policy;
  Diagnostics diag;
  ThisHost host;
  if (arguments.host && Failed(host.Begin("", arguments.root, diag))) {
    PrintDiagnostics(diag);
    return ExitCode::kBadInput;
  }
  ConfineToReading({arguments.input, arguments.policy});
  if (!arguments.policy.empty() && Failed(ReadPolicyFile(arguments.policy, &policy, diag))) {
    PrintDiagnostics(diag);
    return ExitCode::kBadInput;
  }
  Authority authority;
  const bool known = IsDump(arguments.input) ? AuthorityOfDump(arguments.input, &authority)
                                             : AuthorityOfPlan(arguments.input, &authority);
  if (!known) return ExitCode::kBadInput;
  if (arguments.host) {
    AddHost(
        arguments.root, [&](const std::vector<std::string>& paths) { return host.LookAt(paths); },
        &authority);
  }
  if (arguments.derive) {
    WarnOfUnknown(authority);
    return PrintView(DerivePolicy(authority));
  }
  std::optional<std::vector<const Claim*>> beyond;
  if (!arguments.policy.empty()) beyond = Beyond(authority, policy);
  const ExitCode printed =
      PrintView(arguments.json ? CheckJson(authority, beyond)
                               : CheckText(authority, beyond, OptionsOfTerminal()));
  if (printed != ExitCode::kOk) return printed;
  return beyond && !beyond->empty() ? ExitCode::kDiffersOrDenied : ExitCode::kOk;
}

}  // namespace

std::function<ExitCode()> AddCheck(CLI::App& app) {
  auto arguments = std::make_shared<CheckArguments>();
  app.description("Say what a dump or a program would be and have, and whether a policy allows it");
  app.add_option("DUMP|PLAN", arguments->input,
                 "A dump (folder or archive), or a restore program (-: stdin)")
      ->required();
  auto* policy =
      app.add_option("--policy", arguments->policy,
                     "What is allowed (`crgen schema --policy`); without it, nothing is judged")
          ->type_name("FILE");
  app.add_flag("--derive", arguments->derive, "Print the policy that allows just this")
      ->excludes(policy);
  auto* host = app.add_flag("--host", arguments->host,
                            "Also what this machine's files are: setuid, changed, writable by all");
  app.add_option("--root", arguments->root,
                 "With --host: the root file system, if the tree has one of its own")
      ->type_name("DIR")
      ->needs(host);
  app.add_flag("--json", arguments->json, "Print it for machines");
  app.footer(
      "First what the tree would be and have, then one line for the verdict, then one for each "
      "cause.\n"
      "Whatever a policy does not allow is denied, and so is what crgen cannot read. The exit "
      "code\n"
      "is 0 if all is allowed, 6 if not.\n\n"
      "Examples:\n"
      "  crgen check dump/\n"
      "  crgen check --derive dump/ > policy.json\n"
      "  crgen check dump/ --policy policy.json --host");
  return [arguments] { return Check(*arguments); };
}

}  // namespace crgen

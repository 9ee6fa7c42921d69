// SPDX-License-Identifier: Apache-2.0
#include "crgen/verdicts.h"

#include <algorithm>

#include "crgen/losses.h"
#include "crgen/needs.h"
#include "generator/generate.h"
#include "preflight/host_facts.h"
#include "preflight/preflight.h"

namespace crgen {
namespace {

/// Whether crgen has a program for it, which `*program` gets.
Verdict AskCrgen(const Look& look, Program* program) {
  Verdict verdict = {"crgen", Answer::kNo, {}};
  AddCauses(look.findings, false, &verdict);
  for (Cause& cause : verdict.causes) {
    if (!look.whole || !cause.advice.empty()) continue;
    const bool contains = std::ranges::any_of(look.findings.entries(), [&](const auto& entry) {
      return entry.loss == Loss::kNamespaces && entry.what == cause.what;
    });
    cause.advice = contains ? "crgen --namespaces=caller leaves out the tree's own namespaces"
                            : "crgen --partial leaves out what nothing else lies in";
  }
  if (!verdict.causes.empty()) return verdict;
  Diagnostics diag;
  if (GenerateProgram(look.snapshot, {AboutPlan(look.findings, look.snapshot)}, look.Reader(),
                      program, diag) != GenerateOutcome::kOk) {
    AddCauses(diag, false, &verdict);
    return verdict;
  }
  WarnOfOutside(look.snapshot.tree, diag);
  WarnOfNeeds(NeedsOf(look.snapshot), diag);
  AddCauses(diag, true, &verdict);
  verdict.answer = verdict.causes.empty() ? Answer::kYes : Answer::kOnlyWith;
  return verdict;
}

/// What `facts` do not answer is not guessed.
void AddUnanswered(const Host& host, const HostFacts& facts, Verdict* verdict) {
  const std::string unanswered = UnansweredText(host);
  if (unanswered.empty()) return;
  if (verdict->answer != Answer::kNo) verdict->answer = Answer::kUnknown;
  verdict->causes.push_back({"the facts of " + facts.host, "they do not say: " + unanswered,
                             "`crgen host-facts DUMP`, there, asks for them too"});
}

/// What crrestore does not do without being told.
void AddOptions(const Snapshot& snapshot, Verdict* verdict) {
  std::vector<Need> needs = NeedsOf(snapshot);
  std::erase_if(needs, [](const Need& need) { return need.optional; });
  Diagnostics diag;
  WarnOfOutside(snapshot.tree, diag);
  WarnOfNeeds(needs, diag);
  const bool alone = verdict->causes.empty();
  AddCauses(diag, true, verdict);
  if (verdict->causes.empty()) return;
  verdict->answer = Answer::kOnlyWith;
  if (!alone) return;
  for (const Need& need : needs) {
    if (std::ranges::find(verdict->options, need.option.name) == verdict->options.end()) {
      verdict->options.push_back(need.option.name);
    }
  }
}

/// What crrestore would find there, without any of its options.
Verdict AskHost(const Program& program, const Snapshot& snapshot, const std::string& dump,
                const HostFacts* facts) {
  Verdict verdict = {"host", Answer::kYes, {}};
  if (program.empty()) {
    verdict.answer = Answer::kUnknown;
    verdict.causes.push_back({"the dump", "there is no program to ask a machine for"});
    return verdict;
  }
  if (!IsFolder(dump)) {
    verdict.answer = Answer::kUnknown;
    verdict.causes.push_back(
        {"the dump", "it is an archive, and crrestore reads none", "unpack it, and ask again"});
    return verdict;
  }
  Host host = facts == nullptr ? Host() : Host(*facts);
  PreflightOptions options;
  options.host = &host;
  Diagnostics told;
  options.images = ImageFolder(dump, told);
  HostFiles files;
  Diagnostics diag;
  if (Failed(Preflight(program, options, &files, diag))) {
    verdict.answer = Answer::kNo;
    AddCauses(diag, false, &verdict);
  } else {
    AddCauses(diag, true, &verdict);
    AddOptions(snapshot, &verdict);
  }
  if (facts != nullptr) AddUnanswered(host, *facts, &verdict);
  return verdict;
}

}  // namespace

std::vector<Verdict> AskAll(const Look& look, const std::string& path, const HostFacts* facts,
                            Program* program) {
  std::vector<Verdict> verdicts = {AskCriu(look.snapshot)};
  verdicts.push_back(AskCrgen(look, program));
  verdicts.push_back(AskHost(*program, look.snapshot, path, facts));
  return verdicts;
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "crgen/verdicts.h"

#include <algorithm>

#include "crgen/beside.h"
#include "crgen/losses.h"
#include "crgen/needs.h"
#include "generator/generate.h"
#include "preflight/host_facts.h"

namespace crgen {
namespace {

constexpr const char* kAgain =
    "copy the dump again, or make it again: its images are no whole dump";

/// The image that `what` looks for something in; empty: none.
std::string ImageIn(const std::string& what) {
  const std::size_t end = what.find(".img"), in = what.rfind(" in ", end);
  if (end == what.npos || in == what.npos) return "";
  const std::string name = what.substr(in + 4, end - in);
  return name.find(' ') == name.npos ? name : "";
}

/// Images that are not there, although others speak of what is in them.
void AddMissing(const Look& look, Verdict* verdict) {
  std::vector<std::string> names, missing;
  Diagnostics ignored;
  if (look.source == nullptr || Failed(look.source->List(&names, ignored))) return;
  if (std::ranges::find(names, "inventory.img") == names.end()) return;  // that is the cause
  for (const Cause& cause : verdict->causes) {
    const std::string image = ImageIn(cause.what);
    if (image.empty() || std::ranges::find(names, image) != names.end()) continue;
    if (std::ranges::find(missing, image) == missing.end()) missing.push_back(image);
  }
  for (const std::string& image : missing) {
    verdict->causes.insert(verdict->causes.begin(), {image, "is missing", kAgain});
  }
}

/// Whether --partial makes a program of it.
bool PartialHelps(const Look& look) {
  if (Accept(look.findings, {}, true).Count(Severity::kUnsupported) != 0) return false;
  Diagnostics diag;
  Program program;
  return GenerateProgram(look.snapshot, {AboutPlan(look.findings, look.snapshot)}, look.Reader(),
                         &program, diag) == GenerateOutcome::kOk;
}

void AdviseOptions(Verdict* verdict) {
  for (Cause& cause : verdict->causes) {
    if (cause.advice.empty()) cause.advice = "`crgen needs DUMP` prints the command line";
  }
}

/// Whether crgen has a program for it, which `*program` gets.
Verdict AskCrgen(const Look& look, Program* program, ProgramFollower* follower) {
  Verdict verdict = {"crgen", Answer::kNo, {}};
  AddCauses(look.findings, false, &verdict);
  if (!look.whole) AddMissing(look, &verdict);
  const bool partial = look.whole && !verdict.causes.empty() && PartialHelps(look);
  for (Cause& cause : verdict.causes) {
    if (!cause.advice.empty()) continue;
    if (!look.whole) {
      cause.advice = kAgain;
      continue;
    }
    const bool contains = std::ranges::any_of(look.findings.entries(), [&](const auto& entry) {
      return entry.loss == Loss::kNamespaces && entry.what == cause.what;
    });
    cause.advice = contains ? "crgen --namespaces=caller leaves out the tree's own namespaces"
                   : partial
                       ? "crgen --partial leaves out what nothing else lies in"
                       : "dump it once that is gone: --partial does not help, the rest needs it";
  }
  if (!verdict.causes.empty()) return verdict;
  Diagnostics diag;
  if (GenerateProgram(look.snapshot, {AboutPlan(look.findings, look.snapshot)}, look.Reader(),
                      program, diag, follower) != GenerateOutcome::kOk) {
    AddCauses(diag, false, &verdict);
    for (Cause& cause : verdict.causes) {
      if (cause.advice.empty()) cause.advice = "make the dump again once that has changed";
    }
    return verdict;
  }
  AddLosses(look.findings, &verdict);
  WarnOfOutside(look.snapshot.tree, diag);
  WarnOfNeeds(NeedsOf(look.snapshot), diag);
  AddCauses(diag, true, &verdict);
  AdviseOptions(&verdict);
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

/// What crrestore wants to be told, and is not.
std::vector<Need> NeedsNotGiven(const Snapshot& snapshot, const std::string& root) {
  std::vector<Need> needs = NeedsOf(snapshot);
  std::erase_if(needs, [&](const Need& need) {
    return need.optional || (need.option.name == "--root" && !root.empty());
  });
  return needs;
}

/// Findings but those that say no more than that an option is wanted.
Diagnostics Beyond(const Diagnostics& findings, const std::vector<Need>& needs) {
  Diagnostics beyond;
  beyond.AddAll(findings, [&](const Diagnostic& entry) {
    const bool wanted = std::ranges::any_of(
        needs, [&](const Need& need) { return entry.advice.starts_with(need.option.name + " "); });
    return wanted ? std::nullopt : std::optional(entry);
  });
  return beyond;
}

/// What crrestore does not do without being told.
void AddOptions(const Snapshot& snapshot, const std::vector<Need>& needs, Verdict* verdict) {
  Diagnostics diag;
  WarnOfOutside(snapshot.tree, diag);
  WarnOfNeeds(needs, diag);
  const bool alone = verdict->causes.empty();
  AddCauses(diag, true, verdict);
  AdviseOptions(verdict);
  if (verdict->causes.empty()) return;
  verdict->answer = Answer::kOnlyWith;
  if (!alone) return;
  for (const Need& need : needs) {
    if (std::ranges::find(verdict->options, need.option.name) == verdict->options.end()) {
      verdict->options.push_back(need.option.name);
    }
  }
}

/// crrestore reads no archives.
void AddUnpacking(const std::string& archive, Verdict* verdict) {
  if (verdict->answer == Answer::kNo) return;
  if (verdict->answer == Answer::kYes) verdict->answer = Answer::kOnlyWith;
  verdict->options.clear();  // they alone do not do
  verdict->causes.push_back({"the dump", "it is an archive, and crrestore reads none",
                             "unpack it: `crgen " + archive + " --extract DIR > PLAN`"});
}

/// What crrestore would find there, without any of its options but `root`.
Verdict AskHost(const Program& program, const Snapshot& snapshot, const std::string& dump,
                const std::string& root, const AskedHost& asked) {
  Verdict verdict = {"host", Answer::kYes, {}};
  if (program.empty()) {
    verdict.answer = Answer::kUnknown;
    verdict.causes.push_back({"the dump", "there is no program to ask a machine for",
                              "what is said of crgen, and ask again"});
    return verdict;
  }
  const HostFacts* facts = asked.facts;
  Host host = facts == nullptr ? Host() : Host(*facts);
  const Diagnostics found = facts == nullptr
                                ? asked.live->Findings()
                                : FindingsOf(program, {ImagesToAsk(dump), root, &host});
  const std::vector<Need> needs = NeedsNotGiven(snapshot, root);
  const Diagnostics diag = Beyond(found, needs);
  if (diag.HasErrors() || diag.Count(Severity::kUnsupported) != 0) {
    verdict.answer = Answer::kNo;
    AddCauses(diag, false, &verdict);
  } else {
    AddCauses(diag, true, &verdict);
    AddOptions(snapshot, needs, &verdict);
  }
  if (!IsFolder(dump)) AddUnpacking(dump, &verdict);
  if (facts != nullptr) AddUnanswered(host, *facts, &verdict);
  return verdict;
}

/// What the kernel refuses crrestore it refuses CRIU.
void AddExecutables(const Verdict& host, Verdict* criu) {
  for (const Cause& cause : host.causes) {
    if (cause.what.find("PR_SET_MM_EXE_FILE needs it") == cause.what.npos) continue;
    if (criu->answer == Answer::kNo) return;
    criu->answer = Answer::kNo;
    criu->causes.insert(criu->causes.begin(),
                        {"this host", cause.what, cause.advice,
                         "sys_prctl(PR_SET_MM, PR_SET_MM_MAP) failed with -13"});
    return;
  }
}

}  // namespace

std::string ImagesToAsk(const std::string& dump) {
  Diagnostics told;  // who reads the dump says it
  return IsFolder(dump) ? ImageFolder(dump, told) : "";
}

std::vector<Verdict> AskAll(const Look& look, const std::string& path, const std::string& root,
                            const AskedHost& asked, Program* program) {
  std::vector<Verdict> verdicts = {AskCriu(look.snapshot, look.findings)};
  std::size_t told = 0;
  Beside tell(
      [&](std::size_t end, bool complete) {
        if (complete) end = program->size();
        if (asked.live != nullptr) asked.live->Tell(std::span(*program).subspan(told, end - told));
        told = end;
      },
      std::launch::async);
  verdicts.push_back(AskCrgen(look, program, &tell));
  tell.Complete();
  tell.Wait();
  if (verdicts.back().answer == Answer::kNo) program->clear();
  verdicts.push_back(AskHost(*program, look.snapshot, path, root, asked));
  AddExecutables(verdicts.back(), &verdicts.front());
  Verdict& criu = verdicts.front();
  if (criu.answer == Answer::kUnknown && !verdicts[1].causes.empty()) {
    criu.causes.front() = verdicts[1].causes.front();  // the image that is missing, if one is
  }
  return verdicts;
}

}  // namespace crgen

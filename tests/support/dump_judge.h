// SPDX-License-Identifier: Apache-2.0
// What a dump must come to, whatever is in it: located errors, things that are unsupported by name,
// or a program that ends in just that snapshot.
#pragma once

#include <span>
#include <string>

#include "checker/check.h"
#include "crgen/losses.h"
#include "crgen/plan_images.h"
#include "generator/generate.h"
#include "images/dump.h"

namespace crgen::test {

enum class DumpFate { kErrors, kRefused, kProgram };

struct DumpVerdict {
  DumpFate fate = DumpFate::kErrors;
  bool unsupported = false;
  std::string complaint;  ///< what is wrong with how the dump was taken; empty: nothing
};

inline std::string FirstFinding(const Diagnostics& diag, Severity severity) {
  for (const Diagnostic& entry : diag.entries()) {
    if (entry.severity == severity) return entry.where + ": " + entry.what;
  }
  return "(none)";
}

/// Plans a snapshot that was read from `source` and judges the program.
inline DumpVerdict JudgeSnapshot(ImageSource& source, Snapshot& snapshot,
                                 const GenerateOptions& options) {
  PageImages images(source);
  const PageReader read = [&](const std::string& image, std::uint64_t offset, std::span<char> out,
                              Diagnostics& d) { return images.Read(image, offset, out, d); };
  Program program;
  Diagnostics diag;
  DumpVerdict verdict{DumpFate::kRefused, false, ""};
  if (GenerateProgram(snapshot, options, read, &program, diag) != GenerateOutcome::kOk) {
    if (!diag.HasErrors()) verdict.complaint = "no program and no reason";
    for (const Diagnostic& entry : diag.entries()) {
      if (entry.where.empty() || entry.what.empty()) verdict.complaint = "an empty diagnostic";
    }
    return verdict;
  }
  verdict.fate = DumpFate::kProgram;
  std::get<Fork>(program.front().body).about = AboutPlan({}, snapshot);
  if (Failed(BindToImages(&program, images, true, 2, diag))) {
    verdict.complaint = "images that cannot be read: " + FirstFinding(diag, Severity::kError);
    return verdict;
  }
  SimulatedState state;
  TreeSnapshot tree;
  if (Failed(CheckProgram(program, &state, diag))) {
    verdict.complaint = "the program fails: " + FirstFinding(diag, Severity::kError);
  } else if (Failed(PrepareTree(snapshot.tree, &tree, diag))) {
    verdict.complaint = "a tree that is refused";
  } else {
    snapshot.tree = std::move(tree);  // with the sessions that a shell job gets
    if (Failed(CompareWithSnapshot(state, snapshot, read, diag))) {
      verdict.complaint = "the program differs: " + FirstFinding(diag, Severity::kError);
    }
  }
  return verdict;
}

/// Reads, plans and judges. What is unsupported is left out, unless the rest needs it.
inline DumpVerdict JudgeDump(ImageSource& source, const GenerateOptions& options) {
  Snapshot snapshot;
  Diagnostics diag;
  const Result result = LoadDump(source, &snapshot, diag);
  DumpVerdict verdict;
  for (const Diagnostic& entry : diag.entries()) {
    const bool in_file = entry.where.find(".img") != std::string::npos ||
                         entry.where.starts_with("descriptors.json");
    if (!in_file || entry.what.empty()) {
      verdict.complaint = "a diagnostic without a place: " + entry.where + ": " + entry.what;
      return verdict;
    }
  }
  if (Failed(result) != diag.HasErrors()) {
    verdict.complaint = "result and diagnostics contradict each other";
  } else if (Succeeded(result)) {
    if (!diag.HasEssential())
      verdict = JudgeSnapshot(source, snapshot, options);
    else
      verdict.fate = DumpFate::kRefused;
    verdict.unsupported = diag.Count(Severity::kUnsupported) != 0;
  }
  return verdict;
}

}  // namespace crgen::test

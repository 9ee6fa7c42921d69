// SPDX-License-Identifier: Apache-2.0
// Who can restore a dump, and why not.
#pragma once

#include <string>
#include <vector>

#include "model/diagnostics.h"
#include "views/view.h"

namespace crgen {

enum class Answer {
  kYes,
  kOnlyWith,  ///< with what the causes say
  kNo,
  kUnknown,  ///< what would have to be known, the causes say
};

/// One reason, in words from outside.
struct Cause {
  std::string where;
  std::string what;
  std::string advice = {};   ///< what to do; may be empty
  std::string message = {};  ///< CRIU's own, where it is known; may be empty
};

struct Verdict {
  std::string who;  ///< "criu", "crgen", "host"
  Answer answer = Answer::kYes;
  std::vector<Cause> causes;              ///< those of one kind once
  std::vector<std::string> options = {};  ///< kOnlyWith: of these alone, if they are known
  std::vector<Cause> losses = {};  ///< kYes, kOnlyWith: what comes back otherwise than it was
};

/// What CRIU 4.2 is known to refuse, or to want an option for, in a tree that it has dumped itself.
/// `findings` of reading it: with an error among them, kUnknown unless the rest is refused. kYes:
/// nothing of that. Linear.
Verdict AskCriu(const Snapshot& snapshot, const Diagnostics& findings = {});

/// Findings as causes: errors and what is unsupported, or, `needs`, warnings. Such as say the same
/// of different places are one cause.
void AddCauses(const Diagnostics& findings, bool needs, Verdict* verdict);

/// The same of warnings, as losses.
void AddLosses(const Diagnostics& findings, Verdict* verdict);

/// A line for each verdict, then its causes: of many that differ in numbers alone, the first.
std::string WhyText(const std::vector<Verdict>& verdicts, const ViewOptions& options);

/// The same as one JSON object (docs/looking.md).
std::string WhyJson(const std::vector<Verdict>& verdicts);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "views/why.h"

#include <algorithm>
#include <map>
#include <span>

#include "dsl/json/writer.h"
#include "model/printable.h"
#include "views/table.h"
#include "views/words.h"

namespace crgen {
namespace {

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string AnswerText(const Verdict& verdict) {
  const bool criu = verdict.who == "criu";
  switch (verdict.answer) {
    case Answer::kYes:
      return criu ? "yes: no known limit is in the way" : "yes";
    case Answer::kOnlyWith:
      if (!verdict.options.empty()) return "yes, with " + Joined(verdict.options);
      return "yes, with " + Count(verdict.causes.size(), "condition", "conditions");
    case Answer::kNo:
      return "no, for " + Count(verdict.causes.size(), "cause", "causes");
    case Answer::kUnknown:
      return "not known";
  }
  return "";
}

/// People are told so many causes; --json has all.
constexpr std::size_t kMostCauses = 20;

constexpr const char* kAnswerNames[] = {"yes", "with", "no", "unknown"};

}  // namespace

void AddCauses(const Diagnostics& findings, bool needs, Verdict* verdict) {
  std::map<std::string, std::size_t> counts;
  const auto wanted = [&](const Diagnostic& entry) {
    return (entry.severity == Severity::kWarning) == needs;
  };
  for (const Diagnostic& entry : findings.entries()) {
    if (wanted(entry)) counts[entry.what] += 1 + entry.more;
  }
  for (const Diagnostic& entry : findings.entries()) {
    const auto count = wanted(entry) ? counts.find(entry.what) : counts.end();
    if (count == counts.end()) continue;
    const std::size_t others = count->second - 1;
    verdict->causes.push_back(
        {entry.where + (others == 0 ? "" : " and " + std::to_string(others) + " more places"),
         entry.what, entry.advice});
    counts.erase(count);
  }
  std::size_t dropped =
      needs ? findings.Dropped(Severity::kWarning)
            : findings.Dropped(Severity::kError) + findings.Dropped(Severity::kUnsupported);
  if (dropped != 0) verdict->causes.push_back({"and", Count(dropped, "more", "more")});
}

std::string WhyText(const std::vector<Verdict>& verdicts, const ViewOptions& options) {
  std::string text;
  for (const Verdict& verdict : verdicts) {
    const std::string name =
        verdict.who + std::string(7 - std::min<std::size_t>(verdict.who.size(), 6), ' ');
    WriteLine(name + AnswerText(verdict), Ink::kHeading, options, &text);
  }
  for (const Verdict& verdict : verdicts) {
    if (verdict.causes.empty()) continue;
    text += '\n';
    WriteLine(verdict.who + ":", Ink::kHeading, options, &text);
    const std::size_t told = std::min(verdict.causes.size(), kMostCauses);
    for (const Cause& cause : std::span(verdict.causes).first(told)) {
      constexpr std::size_t kIndent = 6;
      WriteWrapped("  " + cause.where + ": " + cause.what, kIndent, options, &text);
      if (!cause.message.empty()) {
        WriteWrapped("    it says: " + cause.message, kIndent, options, &text);
      }
      if (!cause.advice.empty()) WriteWrapped("    do: " + cause.advice, kIndent, options, &text);
    }
    const std::size_t others = verdict.causes.size() - told;
    if (others != 0) {
      WriteLine("  and " + std::to_string(others) + " more, which --json lists", Ink::kPlain,
                options, &text);
    }
  }
  return text;
}

std::string WhyJson(const std::vector<Verdict>& verdicts) {
  std::string text;
  JsonWriter json(&text, JsonWriter::Style::kIndented);
  const auto member = [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    json.Key(name);
    json.String(Printable(value));
  };
  json.BeginObject();
  for (const Verdict& verdict : verdicts) {
    json.Key(verdict.who);
    json.BeginObject();
    member("answer", kAnswerNames[static_cast<int>(verdict.answer)]);
    json.Key("causes");
    json.BeginArray();
    for (const Cause& cause : verdict.causes) {
      json.BeginObject();
      member("where", cause.where);
      member("what", cause.what);
      member("advice", cause.advice);
      member("message", cause.message);
      json.EndObject();
    }
    json.EndArray();
    json.EndObject();
  }
  json.EndObject();
  return text + "\n";
}

}  // namespace crgen

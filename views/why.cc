// SPDX-License-Identifier: Apache-2.0
#include "views/why.h"

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "dsl/json/writer.h"
#include "model/printable.h"
#include "model/shape.h"
#include "views/table.h"
#include "views/words.h"

namespace crgen {
namespace {

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// So many causes of one shape are told one by one.
constexpr std::size_t kFew = 3;

/// Of more than a few that differ in numbers alone, the first, and how many there are.
std::vector<Cause> Grouped(const std::vector<Cause>& causes) {
  std::map<std::string, std::size_t> counts;
  for (const Cause& cause : causes) ++counts[ShapeOf(cause.what)];
  std::vector<Cause> grouped;
  for (const Cause& cause : causes) {
    const auto count = counts.find(ShapeOf(cause.what));
    if (count == counts.end()) continue;
    grouped.push_back(cause);
    if (count->second <= kFew) continue;
    grouped.back().what += ", and " + std::to_string(count->second - 1) + " more like that";
    counts.erase(count);
  }
  return grouped;
}

std::string YesText(const Verdict& verdict) {
  const bool criu = verdict.who == "criu";
  switch (verdict.answer) {
    case Answer::kYes:
      return criu ? "yes: no known limit is in the way" : "yes";
    case Answer::kNo:
    case Answer::kUnknown:
      break;
    case Answer::kOnlyWith:
      if (!verdict.options.empty()) return "yes, with " + Joined(verdict.options);
      return "yes, with " + Count(Grouped(verdict.causes).size(), "condition", "conditions");
  }
  return "";
}

std::string AnswerText(const Verdict& verdict) {
  if (verdict.answer == Answer::kNo) {
    return "no, for " + Count(Grouped(verdict.causes).size(), "cause", "causes");
  }
  if (verdict.answer == Answer::kUnknown) {
    return verdict.who == "criu" ? "not known: the dump cannot be read whole" : "not known";
  }
  const std::size_t lost = verdict.losses.size();
  return YesText(verdict) + (lost == 0 ? ""
                             : lost == 1
                                 ? ", but 1 thing is not restored"
                                 : ", but " + std::to_string(lost) + " things are not restored");
}

/// People are told so many causes; --json has all.
constexpr std::size_t kMostCauses = 20;

constexpr const char* kAnswerNames[] = {"yes", "with", "no", "unknown"};

void Gather(const Diagnostics& findings, bool needs, std::vector<Cause>* causes) {
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
    causes->push_back(
        {entry.where + (others == 0 ? "" : " and " + std::to_string(others) + " more places"),
         entry.what, entry.advice});
    counts.erase(count);
  }
  std::size_t dropped =
      needs ? findings.Dropped(Severity::kWarning)
            : findings.Dropped(Severity::kError) + findings.Dropped(Severity::kUnsupported);
  if (dropped != 0) causes->push_back({"and", Count(dropped, "more", "more")});
}

void WriteCauses(const std::vector<Cause>& all, const ViewOptions& options, std::string* text) {
  const std::vector<Cause> causes = Grouped(all);
  const std::size_t told = std::min(causes.size(), kMostCauses);
  for (const Cause& cause : std::span(causes).first(told)) {
    constexpr std::size_t kIndent = 6;
    WriteWrapped("  " + cause.where + ": " + cause.what, kIndent, options, text);
    if (!cause.message.empty()) {
      WriteWrapped("    it says: " + cause.message, kIndent, options, text);
    }
    if (!cause.advice.empty()) WriteWrapped("    do: " + cause.advice, kIndent, options, text);
  }
  if (told == causes.size()) return;
  WriteLine("  and " + std::to_string(causes.size() - told) + " more, which --json lists",
            Ink::kPlain, options, text);
}

}  // namespace

void AddCauses(const Diagnostics& findings, bool needs, Verdict* verdict) {
  Gather(findings, needs, &verdict->causes);
}

void AddLosses(const Diagnostics& findings, Verdict* verdict) {
  Gather(findings, true, &verdict->losses);
}

std::string WhyText(const std::vector<Verdict>& verdicts, const ViewOptions& options) {
  std::string text;
  for (const Verdict& verdict : verdicts) {
    const std::string name =
        verdict.who + std::string(7 - std::min<std::size_t>(verdict.who.size(), 6), ' ');
    WriteLine(name + AnswerText(verdict), Ink::kHeading, options, &text);
  }
  for (const Verdict& verdict : verdicts) {
    if (!verdict.causes.empty()) {
      text += '\n';
      WriteLine(verdict.who + ":", Ink::kHeading, options, &text);
      WriteCauses(verdict.causes, options, &text);
    }
    if (verdict.losses.empty()) continue;
    text += '\n';
    WriteLine(verdict.who + ", not restored:", Ink::kHeading, options, &text);
    WriteCauses(verdict.losses, options, &text);
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
    for (const auto& [key, causes] :
         {std::pair("causes", &verdict.causes), {"losses", &verdict.losses}}) {
      if (causes->empty() && causes == &verdict.losses) continue;
      json.Key(key);
      json.BeginArray();
      for (const Cause& cause : *causes) {
        json.BeginObject();
        member("where", cause.where);
        member("what", cause.what);
        member("advice", cause.advice);
        member("message", cause.message);
        json.EndObject();
      }
      json.EndArray();
    }
    json.EndObject();
  }
  json.EndObject();
  return text + "\n";
}

}  // namespace crgen

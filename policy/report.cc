// SPDX-License-Identifier: Apache-2.0
#include "policy/report.h"

#include <algorithm>

#include "model/printable.h"
#include "policy/policy_json.h"
#include "views/table.h"
#include "views/words.h"

namespace crgen {
namespace {

/// People are told so many of a kind; --json has all.
constexpr std::size_t kMostOnOneLine = 16, kMostLines = 24, kMostCauses = 100;

std::string TextOf(const Claim& claim) {
  const Member& member = MemberOf(claim.kind);
  switch (member.form) {
    case Form::kNumbers:
      return std::to_string(claim.number);
    case Form::kMost:
      return claim.kind == Kind::kMemory ? SizeText(claim.number) : std::to_string(claim.number);
    case Form::kFlag:
      return "yes";
    case Form::kGlobs:
      return claim.parts.front();
    case Form::kNever:
      return claim.parts[0] + ": " + claim.parts[1];
    case Form::kEntries:
      break;
  }
  std::string text;
  for (std::size_t i = 0; i < PartsOf(member); ++i) {
    if (claim.parts[i].empty()) continue;
    const bool peer = member.parts[i] == "peer";
    text += (text.empty() ? "" : peer ? " to " : " ") + claim.parts[i];
  }
  return text;
}

/// Of an entry with words: what stands behind it, in brackets.
std::string WordsText(const Member& member, const std::string& words) {
  if (words.empty()) return "";
  return member.words_name == "without" ? " (without " + words + ")" : " (" + words + ")";
}

/// The lines of one member.
std::vector<std::string> LinesOf(const Member& member, std::span<const Claim> claims) {
  std::vector<std::string> lines;
  const bool listed = member.form == Form::kEntries || member.form == Form::kNever;
  if (!listed) {
    std::string line;
    const std::size_t told = std::min(claims.size(), kMostOnOneLine);
    for (const Claim& claim : claims.first(told))
      line += (line.empty() ? "" : ", ") + TextOf(claim);
    if (told < claims.size()) line += " and " + std::to_string(claims.size() - told) + " more";
    return {line};
  }
  for (std::size_t i = 0; i < claims.size();) {
    std::string words;
    std::size_t next = i;
    for (; next < claims.size() && claims[next].parts == claims[i].parts; ++next) {
      const std::string word(claims[next].word);
      if (!word.empty()) words += (words.empty() ? "" : ", ") + word;
    }
    lines.push_back(TextOf(claims[i]) + WordsText(member, words));
    i = next;
  }
  if (lines.size() <= kMostLines) return lines;
  const std::size_t more = lines.size() - kMostLines;
  lines.resize(kMostLines);
  lines.push_back("and " + std::to_string(more) + " more, which --json lists");
  return lines;
}

void WriteAuthority(const Authority& authority, const ViewOptions& options, std::string* out) {
  const std::span<const Claim> all = authority.claims();
  std::optional<Group> group;
  constexpr std::size_t kNameColumn = 26;
  for (std::size_t i = 0; i < all.size();) {
    const Member& member = MemberOf(all[i].kind);
    std::size_t end = i;
    while (end < all.size() && all[end].kind == all[i].kind) ++end;
    if (group != member.group) {
      group = member.group;
      WriteLine(kGroups[static_cast<std::size_t>(*group)], Ink::kHeading, options, out);
    }
    std::string name(member.name);
    for (const std::string& line : LinesOf(member, all.subspan(i, end - i))) {
      const std::string blanks(kNameColumn - std::min(kNameColumn - 1, name.size()), ' ');
      WriteLine("  " + name + (member.name.empty() ? "" : blanks) + line, Ink::kPlain, options,
                out);
      name.clear();
    }
    i = end;
  }
}

std::string PlaceOf(const Claim& claim) {
  if (claim.more == 0) return claim.where;
  return claim.where + " and " + Count(claim.more, "more place", "more places");
}

/// Of one kind, and the same places.
using Causes = std::span<const Claim* const>;

std::string WhatOf(Causes causes) {
  const Member& member = MemberOf(causes.front()->kind);
  std::string text;
  if (member.form != Form::kFlag) {
    for (const Claim* claim : causes) text += (text.empty() ? "" : ", ") + TextOf(*claim);
  }
  if (member.form == Form::kNever) return text;
  return std::string(member.name) + (text.empty() ? "" : " " + text) +
         WordsText(member, std::string(causes.front()->word));
}

std::string AdviceOf(Causes causes) {
  const Member& member = MemberOf(causes.front()->kind);
  if (!member.advice.empty()) return std::string(member.advice);
  nlohmann::ordered_json value = nlohmann::ordered_json::array();
  for (const Claim* claim : causes) value.push_back(policy::ValueOf(*claim));
  const bool list = member.form != Form::kMost && member.form != Form::kFlag;
  return "refuse it, or allow \"" + std::string(member.name) +
         "\": " + (list ? value : value.front()).dump();
}

/// What the same places have of one kind is one line: a whole set of capabilities.
std::vector<Causes> Grouped(Causes all) {
  std::vector<Causes> groups;
  for (std::size_t i = 0; i < all.size();) {
    const Form form = MemberOf(all[i]->kind).form;
    std::size_t end = i + 1;
    while (form != Form::kEntries && form != Form::kNever && end < all.size() &&
           all[end]->kind == all[i]->kind && all[end]->where == all[i]->where &&
           all[end]->more == all[i]->more) {
      ++end;
    }
    groups.push_back(all.subspan(i, end - i));
    i = end;
  }
  return groups;
}

void WriteVerdict(Causes beyond, const ViewOptions& options, std::string* out) {
  const std::vector<Causes> groups = Grouped(beyond);
  WriteLine(groups.empty() ? "allowed" : "denied, for " + Count(groups.size(), "cause", "causes"),
            Ink::kHeading, options, out);
  const std::size_t told = std::min(groups.size(), kMostCauses);
  for (const Causes& causes : std::span(groups).first(told)) {
    const std::string place = PlaceOf(*causes.front());
    WriteLine("  " + WhatOf(causes) + (place.empty() ? "" : ": " + place) + "; " + AdviceOf(causes),
              Ink::kPlain, options, out);
  }
  if (told == groups.size()) return;
  WriteLine("  and " + std::to_string(groups.size() - told) + " more, which --json lists",
            Ink::kPlain, options, out);
}

}  // namespace

std::string CheckText(const Authority& authority,
                      const std::optional<std::vector<const Claim*>>& beyond,
                      const ViewOptions& options) {
  std::string text;
  WriteAuthority(authority, options, &text);
  if (!beyond) return text;
  text += '\n';
  WriteVerdict(*beyond, options, &text);
  return text;
}

std::string CheckJson(const Authority& authority,
                      const std::optional<std::vector<const Claim*>>& beyond) {
  using nlohmann::ordered_json;
  ordered_json json = ordered_json::object();
  if (beyond) json["verdict"] = beyond->empty() ? "allowed" : "denied";
  json["authority"] = policy::DeriveJson(authority.claims());
  if (beyond) {
    ordered_json& causes = json["causes"] = ordered_json::array();
    for (const Claim* claim : *beyond) {
      const Member& member = MemberOf(claim->kind);
      ordered_json cause = {{"member", member.name}};
      if (member.form != Form::kNever) cause["value"] = policy::ValueOf(*claim);
      cause["where"] = Printable(claim->where);
      if (claim->more != 0) cause["more"] = claim->more;
      cause["what"] = Printable(WhatOf({&claim, 1}));
      cause["advice"] = Printable(AdviceOf({&claim, 1}));
      causes.push_back(std::move(cause));
    }
  }
  return json.dump(2) + "\n";
}

}  // namespace crgen

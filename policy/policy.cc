// SPDX-License-Identifier: Apache-2.0
#include "policy/policy.h"

#include <algorithm>

namespace crgen {

void Rule::Allow(Entry entry) {
  const std::size_t index = entries_.size();
  const std::optional<std::string> literal = entry.parts.front().Literal();
  if (literal) {
    literal_[*literal].push_back(index);
  } else {
    patterns_.push_back(index);
  }
  entries_.push_back(std::move(entry));
}

bool Rule::Allows(const Entry& entry, const Claim& claim) const {
  if (!claim.word.empty() && std::ranges::find(entry.words, claim.word) == entry.words.end()) {
    return false;
  }
  for (std::size_t i = 0; i < claim.parts.size(); ++i) {
    if (!entry.parts[i].Matches(claim.parts[i])) return false;
  }
  return true;
}

bool Rule::Allows(const Claim& claim) const {
  if (all_) return true;
  switch (MemberOf(claim.kind).form) {
    case Form::kNumbers:
      return std::ranges::any_of(ranges_, [&](const auto& range) {
        return range.first <= claim.number && claim.number <= range.second;
      });
    case Form::kMost:
      return most_ && claim.number <= *most_;
    case Form::kFlag:
    case Form::kNever:
      return false;
    case Form::kGlobs:
    case Form::kEntries:
      break;
  }
  const auto allows = [&](std::size_t index) { return Allows(entries_[index], claim); };
  const auto literal = literal_.find(claim.parts.front());
  return (literal != literal_.end() && std::ranges::any_of(literal->second, allows)) ||
         std::ranges::any_of(patterns_, allows);
}

std::vector<const Claim*> Beyond(const Authority& authority, const Policy& policy) {
  std::vector<const Claim*> beyond;
  for (const Claim& claim : authority.claims()) {
    if (!policy.rules[static_cast<std::size_t>(claim.kind)].Allows(claim)) beyond.push_back(&claim);
  }
  return beyond;
}

}  // namespace crgen

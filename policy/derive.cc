// SPDX-License-Identifier: Apache-2.0
// Policies out of claims.
#include "policy/policy_json.h"

namespace crgen {
namespace policy {
namespace {

using nlohmann::ordered_json;

ordered_json EntryOf(const Claim& claim) {
  const Member& member = MemberOf(claim.kind);
  ordered_json entry = ordered_json::object();
  for (std::size_t i = 0; i < PartsOf(member); ++i) {
    entry[std::string(member.parts[i])] = GlobOf(claim.parts[i]);
  }
  if (member.words_name.empty()) return entry;
  ordered_json& words = entry[std::string(member.words_name)] = ordered_json::array();
  if (!claim.word.empty()) words.push_back(claim.word);
  return entry;
}

}  // namespace

ordered_json ValueOf(const Claim& claim) {
  switch (MemberOf(claim.kind).form) {
    case Form::kNumbers:
    case Form::kMost:
      return claim.number;
    case Form::kGlobs:
      return GlobOf(claim.parts.front());
    case Form::kEntries:
      return EntryOf(claim);
    case Form::kFlag:
    case Form::kNever:
      break;
  }
  return true;
}

ordered_json DeriveJson(std::span<const Claim> claims) {
  ordered_json policy = {{"version", Policy::kVersion}};
  const Claim* before = nullptr;
  for (const Claim& claim : claims) {
    const Member& member = MemberOf(claim.kind);
    if (member.form == Form::kNever) continue;
    ordered_json& value = policy[std::string(member.name)];
    if (member.form == Form::kMost || member.form == Form::kFlag) {
      value = ValueOf(claim);
    } else if (before != nullptr && before->kind == claim.kind && member.form == Form::kEntries &&
               before->parts == claim.parts) {
      value.back()[std::string(member.words_name)].push_back(claim.word);
    } else {
      value.push_back(ValueOf(claim));
    }
    before = &claim;
  }
  return policy;
}

}  // namespace policy

std::string DerivePolicy(const Authority& authority) {
  return policy::DeriveJson(authority.claims()).dump(2) + "\n";
}

}  // namespace crgen

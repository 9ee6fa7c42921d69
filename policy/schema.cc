// SPDX-License-Identifier: Apache-2.0
// The form of policies, out of the table of members.
#include "policy/policy_json.h"

namespace crgen {
namespace policy {
namespace {

using nlohmann::ordered_json;

constexpr const char* kDraft = "http://json-schema.org/draft-07/schema#";

ordered_json Pattern(std::string_view note) { return {{"type", "string"}, {"description", note}}; }

ordered_json EntrySchema(const Member& member) {
  ordered_json properties = ordered_json::object();
  ordered_json required = ordered_json::array();
  for (std::size_t i = 0; i < PartsOf(member); ++i) {
    const std::string name(member.parts[i]);
    properties[name] = Pattern("a pattern");
    required.push_back(name);
  }
  if (!member.words_name.empty()) {
    ordered_json words = ordered_json::array();
    for (const std::string_view word : member.words) {
      if (!word.empty()) words.push_back(word);
    }
    const std::string name(member.words_name);
    properties[name] = {
        {"type", "array"}, {"items", {{"enum", std::move(words)}}}, {"uniqueItems", true}};
    required.push_back(name);
  }
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

/// Without alternatives, so that a validator names what is wrong: each word is of one type alone.
ordered_json AnyOrList(ordered_json items) {
  return {{"type", {"array", "string"}},
          {"pattern", "^" + std::string(kAny) + "$"},
          {"items", std::move(items)}};
}

ordered_json MemberSchema(const Member& member) {
  switch (member.form) {
    case Form::kNumbers:
      return AnyOrList({{"type", {"integer", "string"}},
                        {"minimum", 0},
                        {"maximum", 4294967295},
                        {"pattern", "^[0-9]{1,10}-[0-9]{1,10}$"}});
    case Form::kGlobs:
      return AnyOrList(Pattern("a pattern"));
    case Form::kEntries:
      return AnyOrList(EntrySchema(member));
    case Form::kMost:
      return {{"type", {"integer", "string"}},
              {"minimum", 0},
              {"pattern", "^" + std::string(kAny) + "$"}};
    case Form::kFlag:
    case Form::kNever:
      break;
  }
  return {{"type", "boolean"}};
}

}  // namespace

ordered_json PolicySchemaJson() {
  ordered_json properties = ordered_json::object();
  properties["version"] = {{"const", Policy::kVersion}, {"description", "of this form"}};
  properties["$schema"] = {{"type", "string"}, {"description", "for editors"}};
  for (const Member& member : Members()) {
    if (member.form == Form::kNever) continue;
    const std::string name(member.name);
    properties[name] = MemberSchema(member);
    properties[name]["description"] = member.note;
  }
  return {{"$schema", kDraft},
          {"$id", "urn:crgen:policy:" + std::to_string(Policy::kVersion)},
          {"title", "Policy"},
          {"description",
           "What a restored process tree may be and have. What no member allows is denied."},
          {"type", "object"},
          {"properties", std::move(properties)},
          {"required", {"version"}},
          {"additionalProperties", false}};
}

}  // namespace policy

std::string PolicySchema() { return policy::PolicySchemaJson().dump(2) + "\n"; }

std::string CheckSchema() {
  using nlohmann::ordered_json;
  const ordered_json text = {{"type", "string"}};
  ordered_json members = ordered_json::array();
  for (const Member& member : Members()) members.push_back(member.name);
  ordered_json cause = {
      {"type", "object"},
      {"properties",
       {{"member", {{"enum", members}, {"description", "of the policy; \"\": nothing allows it"}}},
        {"value", {{"description", "what the member would have to allow, in its form"}}},
        {"where", {{"type", "string"}, {"description", "the first place that has it"}}},
        {"more", {{"type", "integer"}, {"description", "how many other places have it"}}},
        {"what", text},
        {"advice", text}}},
      {"required", {"member", "where", "what", "advice"}},
      {"additionalProperties", false}};
  const ordered_json schema = {
      {"$schema", policy::kDraft},
      {"$id", "urn:crgen:check:" + std::to_string(Policy::kVersion)},
      {"title", "What `crgen check --json` prints"},
      {"type", "object"},
      {"properties",
       {{"verdict", {{"enum", {"allowed", "denied"}}}},
        {"authority",
         {{"description", "what the tree would be and have: a policy that allows just that"},
          {"$ref", "#/definitions/policy"}}},
        {"causes", {{"type", "array"}, {"items", std::move(cause)}}}}},
      {"required", {"authority"}},
      {"additionalProperties", false},
      {"definitions", {{"policy", policy::PolicySchemaJson()}}}};
  return schema.dump(2) + "\n";
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Reads policies.
#include <charconv>
#include <limits>
#include <set>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "policy/policy_json.h"

namespace crgen {
namespace policy {
namespace {

using nlohmann::json;

/// A member that stands twice would be read as its last one, and by people perhaps as its first.
/// Deep nesting would be the parser's stack. (A callback of the parser itself costs the square of a
/// list's length.)
class Screen final : public nlohmann::json_sax<json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool start_array(std::size_t) override { return Enter(); }
  bool end_array() override { return Leave(); }
  bool key(string_t& name) override {
    if (!keys_.back().insert(name).second) twice = name;
    return true;
  }
  /// The parser says it itself.
  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return false;
  }

  std::optional<std::string> twice;
  bool too_deep = false;

 private:
  bool Enter() {
    constexpr std::size_t kDeepest = 9;
    keys_.emplace_back();
    too_deep = keys_.size() > kDeepest;
    return !too_deep;
  }
  bool Leave() {
    keys_.pop_back();
    return true;
  }
  std::vector<std::set<std::string>> keys_;  ///< of a list none
};

/// "/paths/0/access" of valijson's "<root>", "[paths]", "[0]", "[access]".
std::string PointerOf(const std::vector<std::string>& context) {
  std::string pointer;
  for (const std::string& part : context) {
    if (part.starts_with('[') && part.ends_with(']')) {
      pointer += "/" + part.substr(1, part.size() - 2);
    }
  }
  return pointer.empty() ? "/" : pointer;
}

/// The innermost error alone: those around it say only that something inside is wrong.
Result Validate(const json& document, const std::string& name, Diagnostics& diag) {
  const json text = PolicySchemaJson();
  valijson::Schema schema;
  valijson::SchemaParser(valijson::SchemaParser::kDraft7)
      .populateSchema(valijson::adapters::NlohmannJsonAdapter(text), schema);
  valijson::Validator validator(valijson::Validator::kStrongTypes);
  valijson::ValidationResults results;
  if (validator.validate(schema, valijson::adapters::NlohmannJsonAdapter(document), &results)) {
    return Result::kOk;
  }
  valijson::ValidationResults::Error error;
  std::optional<valijson::ValidationResults::Error> innermost;
  while (results.popError(error)) {
    if (!innermost || error.context.size() > innermost->context.size()) innermost = error;
  }
  return diag.Fail(name + ": " + (innermost ? PointerOf(innermost->context) : "/"),
                   (innermost ? innermost->description : "not of the form") +
                       ": `crgen schema --policy` is the form");
}

class Reader {
 public:
  Reader(const std::string& name, Diagnostics& diag) : name_(name), diag_(diag) {}

  void Read(const Member& member, const json& value, Rule* rule) {
    at_ = name_ + ": /" + std::string(member.name);
    if (value.is_boolean() ? value.get<bool>() : value == kAny) return rule->AllowAll();
    if (value.is_number()) return rule->AllowUpTo(value.get<std::uint64_t>());
    if (!value.is_array()) return;
    for (const json& item : value) {
      if (member.form == Form::kNumbers) {
        ReadNumber(item, rule);
      } else {
        ReadEntry(member, item, rule);
      }
    }
  }

 private:
  void ReadNumber(const json& item, Rule* rule) {
    if (item.is_number()) {
      return rule->AllowNumbers(item.get<std::uint64_t>(), item.get<std::uint64_t>());
    }
    const std::string text = item.get<std::string>();
    const std::size_t dash = text.find('-');
    std::uint64_t from = 0, to = 0;
    std::from_chars(text.data(), text.data() + dash, from);
    std::from_chars(text.data() + dash + 1, text.data() + text.size(), to);
    if (from > to || to > std::numeric_limits<std::uint32_t>::max()) {
      return diag_.Error(at_, "\"" + text + "\" is no range of ids");
    }
    rule->AllowNumbers(from, to);
  }

  void ReadEntry(const Member& member, const json& item, Rule* rule) {
    Rule::Entry entry;
    if (item.is_string()) {
      AddGlob(item, &entry);
    } else {
      for (std::size_t i = 0; i < PartsOf(member); ++i) {
        AddGlob(item.at(std::string(member.parts[i])), &entry);
      }
      if (!member.words_name.empty()) {
        entry.words = item.at(std::string(member.words_name)).get<std::vector<std::string>>();
      }
    }
    if (entry.parts.size() == PartsOf(member)) rule->Allow(std::move(entry));
  }
  void AddGlob(const json& item, Rule::Entry* entry) {
    const std::string text = item.get<std::string>();
    std::optional<Glob> glob = Glob::Parse(text);
    if (!glob)
      return diag_.Error(at_, "\"" + text + "\" ends within an escape: \\\\ is a backslash");
    entry->parts.push_back(std::move(*glob));
  }

  const std::string& name_;
  Diagnostics& diag_;
  std::string at_;
};

}  // namespace
}  // namespace policy

Result ReadPolicy(std::string_view text, const std::string& name, Policy* policy,
                  Diagnostics& diag) {
  policy::Screen screen;
  (void)nlohmann::json::sax_parse(text, &screen);
  if (screen.too_deep) return diag.Fail(name, "nested too deep for a policy");
  nlohmann::json document;
  try {
    document = nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    const std::string what = error.what();
    return diag.Fail(name, "no JSON: " + what.substr(what.find("] ") + 2));
  }
  if (document.is_array()) {
    return diag.Fail(name,
                     "is a list, as programs are; `crgen schema --policy` is the form of a policy");
  }
  if (screen.twice) return diag.Fail(name, "\"" + *screen.twice + "\" stands twice in an object");
  if (Failed(policy::Validate(document, name, diag))) return Result::kError;
  policy::Reader reader(name, diag);
  for (std::size_t i = 0; i < kKinds; ++i) {
    const Member& member = Members()[i];
    const auto value = document.find(std::string(member.name));
    if (member.form == Form::kNever || value == document.end()) continue;
    reader.Read(member, *value, &policy->rules[i]);
  }
  return diag.HasErrors() ? Result::kError : Result::kOk;
}

}  // namespace crgen

// How two values of the model differ, field by field, in words. Internal to checker/.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "dsl/attributes.h"
#include "dsl/commands.h"
#include "dsl/files/files.h"
#include "model/diagnostics.h"
#include "model/printable.h"

namespace crgen::check {

template <typename Struct>
std::string FieldsText(const Struct& value);

inline std::string ValueText(bool value) { return value ? "true" : "false"; }
inline std::string ValueText(const std::string& value) { return value; }
inline std::string ValueText(Hex value) { return HexText(value.value); }
inline std::string ValueText(const Text& text) {
  constexpr std::size_t kShown = 80;
  const std::string shown = "\"" + Printable(text.bytes.substr(0, kShown));
  return shown + (text.bytes.size() > kShown ? "…\"" : "\"");
}
template <typename Kind>
std::string ValueText(Named<Kind> value) {
  return ValueName(Kind::Names(), value.value);
}
template <typename Entry>
std::string ValueText(const std::vector<Entry>& entries) {
  return std::to_string(entries.size()) + " entries";
}
template <typename Kind>
std::string ValueText(const Flags<Kind>& flags) {
  std::string text;
  for (const std::string& name : FlagNames(Kind::Names(), flags.bits)) {
    text += (text.empty() ? "" : "|") + name;
  }
  return text.empty() ? "none" : text;
}
template <typename Value>
std::string ValueText(const Value& value) {
  if constexpr (std::is_integral_v<Value>) {
    return std::to_string(value);
  } else if constexpr (Described<Value>) {
    return "{" + FieldsText(value) + "}";
  } else {
    return "another value";
  }
}
template <typename Value>
std::string ValueText(const std::optional<Value>& value) {
  return value ? ValueText(*value) : "none";
}

inline std::string ValueText(PidReference pid) { return std::to_string(pid.value); }
template <typename Tag>
std::string ValueText(ObjectId<Tag> id) {
  return std::to_string(id.value);
}

/// "counter 5, semaphore true": the fields that are not at their defaults.
template <typename Struct>
std::string FieldsText(const Struct& value) {
  std::string text;
  ForEachField<Struct>([&](const auto& field) {
    const auto& member = value.*field.member;
    if (!field.required && member == std::decay_t<decltype(member)>{}) return;
    text += (text.empty() ? "" : ", ") + std::string(field.name) + " " + ValueText(member);
  });
  return text;
}

/// Reports each field in which `expected` and `found` differ, with its name behind `field`.
template <typename Value>
void Compare(const std::string& where, const std::string& field, const Value& expected,
             const Value& found, Diagnostics& diag);

template <typename Value>
void CompareInner(const std::string& where, const std::string& field, const Value& expected,
                  const Value& found, Diagnostics& diag) {
  if constexpr (Described<Value>) {
    ForEachField<Value>([&](const auto& member) {
      Compare(where, field + "." + std::string(member.name), expected.*member.member,
              found.*member.member, diag);
    });
  } else {
    diag.Error(where, field + ": expected " + ValueText(expected) + ", found " + ValueText(found));
  }
}
template <typename Value>
void CompareInner(const std::string& where, const std::string& field,
                  const std::optional<Value>& expected, const std::optional<Value>& found,
                  Diagnostics& diag) {
  if (expected && found) return CompareInner(where, field, *expected, *found, diag);
  diag.Error(where, field + (expected ? ": expected, not set" : ": set, not expected"));
}
template <typename Entry>
void CompareInner(const std::string& where, const std::string& field,
                  const std::vector<Entry>& expected, const std::vector<Entry>& found,
                  Diagnostics& diag) {
  if (expected.size() != found.size()) {
    diag.Error(where, field + ": expected " + ValueText(expected) + ", found " + ValueText(found));
    return;
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    Compare(where, field + "[" + std::to_string(i) + "]", expected[i], found[i], diag);
  }
}

template <typename Value>
void Compare(const std::string& where, const std::string& field, const Value& expected,
             const Value& found, Diagnostics& diag) {
  if (!(expected == found)) CompareInner(where, field, expected, found, diag);
}

}  // namespace crgen::check

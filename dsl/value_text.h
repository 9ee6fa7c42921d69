// SPDX-License-Identifier: Apache-2.0
// Values of the model in words, whatever their type: of described ones the fields.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "dsl/attributes.h"
#include "dsl/commands.h"
#include "dsl/files/files.h"
#include "model/printable.h"

namespace crgen {

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
template <typename Value>
std::string ValueText(const Rare<Value>& value) {
  return value ? ValueText(*value) : "none";
}
template <typename Value>
std::string ValueText(const Seldom<Value>& value) {
  return ValueText(*value);
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

}  // namespace crgen

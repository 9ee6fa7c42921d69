// SPDX-License-Identifier: Apache-2.0
// How two values of the model differ, field by field, in words. Internal to checker/.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "dsl/value_kinds.h"
#include "dsl/value_text.h"
#include "model/diagnostics.h"

namespace crgen::check {

/// Reports each field in which `expected` and `found` differ, with its name behind `field`.
template <typename Value>
void Compare(const std::string& where, const std::string& field, const Value& expected,
             const Value& found, Diagnostics& diag);

template <typename Value>
void CompareInner(const std::string& where, const std::string& field, const Value& expected,
                  const Value& found, Diagnostics& diag) {
  if constexpr (InnerOf<Value>::kIsOptional) {
    if (expected && found) return CompareInner(where, field, *expected, *found, diag);
    diag.Error(where, field + (expected ? ": expected, not set" : ": set, not expected"));
  } else if constexpr (Described<Value>) {
    ForEachField<Value>([&](const auto& member) {
      Compare(where, field + "." + std::string(member.name), expected.*member.member,
              found.*member.member, diag);
    });
  } else {
    diag.Error(where, field + ": expected " + ValueText(expected) + ", found " + ValueText(found));
  }
}
template <typename Value>
void CompareInner(const std::string& where, const std::string& field, const Seldom<Value>& expected,
                  const Seldom<Value>& found, Diagnostics& diag) {
  CompareInner(where, field, *expected, *found, diag);
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

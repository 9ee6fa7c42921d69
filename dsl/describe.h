// SPDX-License-Identifier: Apache-2.0
// How a struct looks as a JSON object: the vocabulary that the tables of this folder are written
// in. Reading, writing, schema and reference page are one template each over these tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>

#include "model/ids.h"

namespace crgen {

/// The integers that a member may be, both ends included.
struct Range {
  std::int64_t least;
  std::int64_t most;
};
inline constexpr Range kPids = {1, kPidLimit - 1};
inline constexpr Range kFds = {0, kFdLimit - 1};

/// One member of an object. An optional member is left out where it equals its default.
template <typename Struct, typename Member>
struct Field {
  using Owner = Struct;
  std::string_view name;
  Member Struct::*member;
  bool required;
  std::string_view note;
  std::optional<Range> range = std::nullopt;  ///< nothing: what its type holds

  constexpr Field Within(Range of) const {
    Field field = *this;
    field.range = of;
    return field;
  }
};

template <typename Struct, typename Member>
constexpr Field<Struct, Member> Required(std::string_view name, Member Struct::*member,
                                         std::string_view note = "") {
  return {name, member, true, note, std::nullopt};
}

template <typename Struct, typename Member>
constexpr Field<Struct, Member> Optional(std::string_view name, Member Struct::*member,
                                         std::string_view note = "") {
  return {name, member, false, note, std::nullopt};
}

/// An optional member that may also be the word "inherit": what the process was born with, said.
template <typename Struct, typename Member>
struct InheritableField : Field<Struct, Member> {
  bool Struct::*inherited;
};

inline constexpr std::string_view kInherit = "inherit";

template <typename Struct, typename Member>
constexpr InheritableField<Struct, Member> OrInherit(std::string_view name, Member Struct::*member,
                                                     bool Struct::*inherited,
                                                     std::string_view note) {
  return {{name, member, false, note, std::nullopt}, inherited};
}

template <typename FieldType>
concept Inheritable = requires(const FieldType& field) {
  field.inherited;
};

/// Two optional members that stand in an object together or not at all.
struct Together {
  std::string_view one;
  std::string_view other;
};

/// Specialised for every struct that stands in a program: `static constexpr auto kFields`, a
/// tuple of Field, and perhaps `static constexpr Together kTogether`.
template <typename Struct>
struct Describe;

template <typename Struct>
concept Described = requires {
  Describe<Struct>::kFields;
};

/// Calls `function(field)` for every field of Struct, in table order.
template <typename Struct, typename Function>
constexpr void ForEachField(Function&& function) {
  std::apply([&](const auto&... field) { (function(field), ...); }, Describe<Struct>::kFields);
}

/// Calls `function.template operator()<Alternative>()` for each alternative of the variant, in
/// order.
template <typename Variant, typename Function>
constexpr void ForEachAlternative(Function&& function) {
  [&]<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
    (function.template operator()<std::variant_alternative_t<kIndex, Variant>>(), ...);
  }
  (std::make_index_sequence<std::variant_size_v<Variant>>{});
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// The value kinds that tables may name, told apart for templates.
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "model/flags.h"
#include "model/ids.h"
#include "model/rare.h"
#include "model/values.h"

namespace crgen {

template <typename T>
struct InnerOf {
  static constexpr bool kIsOptional = false, kIsVector = false, kIsShared = false;
};
template <typename T>
struct InnerOf<std::optional<T>> {
  using Type = T;
  static constexpr bool kIsOptional = true, kIsVector = false, kIsShared = false;
};
template <typename T>
struct InnerOf<Rare<T>> : InnerOf<std::optional<T>> {};
template <typename T>
struct InnerOf<Seldom<T>> : InnerOf<std::optional<T>> {};
template <typename T>
struct InnerOf<std::vector<T>> {
  using Type = T;
  static constexpr bool kIsOptional = false, kIsVector = true, kIsShared = false;
};
template <typename T>
struct InnerOf<std::shared_ptr<const T>> {
  using Type = T;
  static constexpr bool kIsOptional = false, kIsVector = false, kIsShared = true;
};

template <typename T>
struct NamesOf {
  static constexpr bool kIsFlags = false, kIsNamed = false;
};
template <typename Kind>
struct NamesOf<Flags<Kind>> {
  static constexpr bool kIsFlags = true, kIsNamed = false;
  using Type = Kind;
  static auto Names() { return Kind::Names(); }
};
template <typename Kind>
struct NamesOf<Named<Kind>> {
  static constexpr bool kIsFlags = false, kIsNamed = true;
  static auto Names() { return Kind::Names(); }
};

/// Kinds of flags of which one part is a choice, see OpenFlagKind::kChoice.
template <typename Kind>
concept HasChoice = requires {
  Kind::kChoice;
};

/// How many entries a set of flags has at most: all names, and the bits without a name.
template <typename Kind>
std::size_t MostNames() {
  return Kind::Names().size() + 1;
}

template <typename T>
inline constexpr bool kIsObjectId = false;
template <typename Tag>
inline constexpr bool kIsObjectId<ObjectId<Tag>> = true;

/// A Text, possibly optional: its member is `name` or `name_base64`.
template <typename T>
inline constexpr bool kIsText = std::is_same_v<T, Text> || std::is_same_v<T, std::optional<Text>> ||
                                std::is_same_v<T, Rare<Text>>;

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>

namespace crgen {

/// Of overloads for the types of a list: those for which nothing is to be done, by name, so that a
/// new type does not compile until it has been thought of.
template <typename T, typename... Types>
concept OneOf = (std::same_as<T, Types> || ...);

}  // namespace crgen

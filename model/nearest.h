// SPDX-License-Identifier: Apache-2.0
// What somebody may have meant who wrote a name that does not exist.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace crgen {

/// The name that takes the fewest changes of a letter to become `word`: at most two, or one for
/// three letters; one, if it has no more than four; and fewer than it has letters. Empty: none is
/// near. Cost: the product of the lengths, for each name.
std::string Nearest(std::string_view word, const std::vector<std::string>& names);

/// "; did you mean NAME?", or nothing.
std::string Suggestion(std::string_view word, const std::vector<std::string>& names);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Text from outside for the eyes of people: on a terminal it is nothing but text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace crgen {

/// RFC 3629: shortest forms, no surrogates, up to U+10FFFF.
bool IsUtf8(std::string_view text);

/// How many bytes at the start of `text` are one character that must not reach a terminal as it is:
/// a control character (C0, DEL, C1), or one that changes the direction of what stands beside it or
/// ends a line (Unicode Standard Annex 9). 0: another character. REQUIRES: `text` is UTF-8.
std::size_t ControlLength(std::string_view text);

/// `text` with such characters, and bytes that are not UTF-8, as "\x1b" (a byte) or "\u202e".
std::string Printable(std::string_view text);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// What many messages have in common.
#pragma once

#include <string>
#include <string_view>

namespace crgen {

/// `text` with "#" for each number and nothing in double quotes: messages of one cause have one
/// shape. Linear.
inline std::string ShapeOf(std::string_view text) {
  std::string shape;
  bool quoted = false;
  for (const char byte : text) {
    const bool digit = byte >= '0' && byte <= '9';
    if (byte == '"') quoted = !quoted;
    if (quoted && byte != '"') continue;
    if (!digit) shape += byte;
    if (digit && !shape.ends_with('#')) shape += '#';
  }
  return shape;
}

}  // namespace crgen

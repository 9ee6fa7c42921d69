// SPDX-License-Identifier: Apache-2.0
// Patterns of a policy.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace crgen {

/// `*` stands for any bytes but slashes, `**` for any bytes, `?` for one byte that is no slash; all
/// else for itself, behind a backslash too. `\xff` is one byte, by two hexadecimal digits. None of
/// the three stands for bytes of a component "." or "..", or where a path has an empty one.
class Glob {
 public:
  /// nullopt: a backslash at the end, or `\x` without two digits.
  static std::optional<Glob> Parse(std::string_view text);

  /// The one text that it stands for; nullopt: several.
  std::optional<std::string> Literal() const;
  /// Cost: the product of both lengths.
  bool Matches(std::string_view text) const;

 private:
  enum class Kind : unsigned char { kByte, kOne, kMany, kAll };
  struct Token {
    Kind kind;
    char byte;
  };
  std::vector<Token> tokens_;
};

/// A pattern that stands for `bytes` and nothing else: UTF-8, without control characters.
std::string GlobOf(std::string_view bytes);

}  // namespace crgen

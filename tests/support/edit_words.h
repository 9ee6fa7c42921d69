// SPDX-License-Identifier: Apache-2.0
// The words of a line by which a test edits a dump.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace crgen::test {

/// What a line wants and does not get; caught where the line began.
struct BadEdit {
  std::string why;
};

class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) { SkipSpaces(); }

  bool Empty() const { return rest_.empty(); }

  std::string_view Word() {
    const std::string_view word = rest_.substr(0, rest_.find(' '));
    if (word.empty()) throw BadEdit{"ends too early"};
    rest_.remove_prefix(word.size());
    SkipSpaces();
    return word;
  }

  /// Decimal, or hexadecimal after 0x; a minus gives the two's complement.
  std::uint64_t Number() { return ParseNumber(Word()); }

  static std::uint64_t ParseNumber(std::string_view word) {
    const std::string text(word);
    const bool negative = text.starts_with('-');
    const std::string digits = text.substr(negative ? 1 : 0);
    const bool hex = digits.starts_with("0x");
    std::uint64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [at, error] =
        std::from_chars(digits.data() + (hex ? 2 : 0), end, value, hex ? 16 : 10);
    if (error != std::errc() || at != end) throw BadEdit{"\"" + text + "\" is no number"};
    return negative ? ~value + 1 : value;
  }

  /// Bytes between double quotes; \xHH is a byte, and the only escape.
  std::string Quoted() {
    const std::size_t end = rest_.find('"', 1);
    if (!rest_.starts_with('"') || end == std::string_view::npos) {
      throw BadEdit{"expected a string in double quotes"};
    }
    std::string out;
    for (std::size_t i = 1; i < end; ++i) {
      if (rest_[i] == '\\') {
        out += static_cast<char>(ParseNumber("0" + std::string(rest_.substr(i + 1, 3))));
        i += 3;
      } else {
        out += rest_[i];
      }
    }
    rest_.remove_prefix(end + 1);
    SkipSpaces();
    return out;
  }

 private:
  void SkipSpaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }

  std::string_view rest_;
};

inline std::uint32_t U32(Words& words) { return static_cast<std::uint32_t>(words.Number()); }

/// Calls `kAdd`, a member of a dump, with two numbers.
template <auto kAdd, typename Dump>
void Add(Words& words, Dump& dump) {
  const std::uint32_t first = U32(words);
  (dump.*kAdd)(first, U32(words));
}
inline std::array<std::uint32_t, 6> Six(Words& words) {
  std::array<std::uint32_t, 6> numbers;
  for (std::uint32_t& number : numbers) number = U32(words);
  return numbers;
}

}  // namespace crgen::test

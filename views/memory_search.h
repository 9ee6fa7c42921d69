// SPDX-License-Identifier: Apache-2.0
// Looking for bytes in a stream of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace crgen {

/// What is looked for.
class BytePattern {
 public:
  struct Match {
    std::size_t start = 0;
    std::size_t size = 0;
  };
  virtual ~BytePattern() = default;
  /// The first match in `text` that starts at `from` or later. Cost: linear in what is behind
  /// `from`.
  virtual std::optional<Match> Find(std::string_view text, std::size_t from) const = 0;
};

/// A regular expression of RE2 over bytes: `.` and `\xff` are one byte. nullptr: it is none, and
/// `*problem` says why.
std::unique_ptr<BytePattern> RegexPattern(const std::string& regex, std::string* problem);

/// Hexadecimal digits, two a byte, blanks between bytes ignored. Likewise nullptr.
std::unique_ptr<BytePattern> HexPattern(const std::string& digits, std::string* problem);

/// Finds all matches in bytes that come piece by piece, as if they came at once: those that begin
/// at each place, from left to right, without overlap. A match of more than kLongest bytes may be
/// cut there. Memory: one piece and kLongest.
class StreamSearch {
 public:
  static constexpr std::size_t kLongest = 1 << 16;
  /// `text`: of the match and what is known of the bytes behind it. False: no more is wanted.
  using Found = std::function<bool(std::uint64_t address, std::size_t size, std::string_view text)>;

  StreamSearch(const BytePattern& pattern, Found found)
      : pattern_(pattern), found_(std::move(found)) {}

  /// Bytes at `address`; those before it, if they end elsewhere, have come to their end. False: no
  /// more is wanted.
  bool Add(std::uint64_t address, std::string_view bytes);
  /// There are no more.
  bool End() { return Search(true); }

 private:
  bool Search(bool at_end);

  const BytePattern& pattern_;
  Found found_;
  std::string text_;        // what is not yet searched, behind one byte that is
  std::size_t from_ = 0;    // in text_
  std::uint64_t base_ = 0;  // address of text_
};

}  // namespace crgen

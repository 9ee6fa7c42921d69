// SPDX-License-Identifier: Apache-2.0
// Appends JSON text to a string, without a document in between: plans have millions of commands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace crgen {

/// 2^53-1: up to it every reader of JSON keeps an integer exactly (RFC 8259, 6). Above, the
/// language has "0x…".
constexpr std::uint64_t kLargestExactInteger = (std::uint64_t{1} << 53) - 1;

/// Writes one JSON value at a time. The caller keeps the grammar: keys only in objects, and as
/// many ends as begins.
class JsonWriter {
 public:
  enum class Style {
    kLine,      ///< `{"a": 1, "b": [2]}` on one line
    kIndented,  ///< two spaces a level, one member a line
  };

  /// Appends to `*out`, which must outlive the writer. `depth`: how deep the value stands already.
  JsonWriter(std::string* out, Style style, int depth = 0)
      : out_(out), style_(style), base_depth_(depth), depth_(depth) {}

  void BeginObject() { Begin('{'); }
  void EndObject() { End('}'); }
  void BeginArray() { Begin('['); }
  void EndArray() { End(']'); }
  void Key(std::string_view name);
  void Number(std::int64_t value);
  /// A JSON number up to kLargestExactInteger; above, "0x…".
  void Number(std::uint64_t value);
  void HexNumber(std::uint64_t value);
  void Bool(bool value);
  /// `text` must be UTF-8. What a terminal would not just show is escaped.
  void String(std::string_view text);
  /// The bytes as a base64 string (RFC 4648, with padding).
  void Base64(std::string_view bytes);

 private:
  void Begin(char bracket);
  void End(char bracket);
  void BeforeValue();
  char* Separate(char* to);
  template <typename Integer>
  void AppendNumber(Integer value);
  void NewLine();
  void Quote(std::string_view text, std::string_view behind);
  void AppendEscaped(std::string_view text);
  void AppendEscape(std::string_view character);

  std::string* out_;
  Style style_;
  int base_depth_;
  int depth_;
  bool first_ = true;       // no value in the open container yet
  bool after_key_ = false;  // the next value belongs to the key just written
};

/// RFC 4648 with padding; false if `text` is not of that form.
bool DecodeBase64(std::string_view text, std::string* bytes);

}  // namespace crgen

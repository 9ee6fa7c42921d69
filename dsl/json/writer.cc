// SPDX-License-Identifier: Apache-2.0
#include "dsl/json/writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>

#include "model/flags.h"
#include "model/printable.h"

namespace crgen {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<bool, 256> EscapeTable() {
  std::array<bool, 256> table{};
  for (int c = 0; c < 0x20; ++c) table[c] = true;
  table['"'] = table['\\'] = table[0x7f] = true;
  // The first bytes of C1 controls, of U+061C, of U+2000 and above, of the byte order mark.
  table[0xc2] = table[0xd8] = table[0xe2] = table[0xef] = true;
  return table;
}
constexpr std::array<bool, 256> kNeedsEscape = EscapeTable();
bool NeedsEscape(char c) { return kNeedsEscape[static_cast<unsigned char>(c)]; }

constexpr std::string_view kHexDigits = "0123456789abcdef";

/// Room for a separator and a number, or the quotes of a string and what is around them.
constexpr std::size_t kNumberBytes = 32;

}  // namespace

void JsonWriter::NewLine() {
  out_->push_back('\n');
  out_->append(static_cast<std::size_t>(depth_) * 2, ' ');
}

void JsonWriter::BeforeValue() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (!first_) out_->append(style_ == Style::kLine ? ", " : ",");
  if (style_ == Style::kIndented && depth_ > base_depth_) NewLine();
  first_ = false;
}

/// BeforeValue() for values that are put together in a buffer: appending piece by piece is what
/// most of the time of writing would go into.
char* JsonWriter::Separate(char* to) {
  if (style_ == Style::kIndented) {
    BeforeValue();
    return to;
  }
  if (!after_key_ && !first_) {
    *to++ = ',';
    *to++ = ' ';
  }
  after_key_ = first_ = false;
  return to;
}

void JsonWriter::Begin(char bracket) {
  BeforeValue();
  out_->push_back(bracket);
  ++depth_;
  first_ = true;
}

void JsonWriter::End(char bracket) {
  --depth_;
  if (style_ == Style::kIndented && !first_) NewLine();
  out_->push_back(bracket);
  first_ = false;
}

void JsonWriter::Key(std::string_view name) {
  Quote(name, ": ");
  after_key_ = true;
}

template <typename Integer>
void JsonWriter::AppendNumber(Integer value) {
  std::array<char, kNumberBytes> buffer;
  char* begin = Separate(buffer.data());
  out_->append(buffer.data(), std::to_chars(begin, buffer.data() + buffer.size(), value).ptr);
}

void JsonWriter::Number(std::int64_t value) { AppendNumber(value); }

void JsonWriter::Number(std::uint64_t value) {
  if (value > kLargestExactInteger) return HexNumber(value);
  AppendNumber(value);
}

void JsonWriter::HexNumber(std::uint64_t value) {
  std::array<char, kNumberBytes> buffer;
  char* end = Separate(buffer.data());
  *end++ = '"';
  *end++ = '0';
  *end++ = 'x';
  const int digits = value == 0 ? 1 : (static_cast<int>(std::bit_width(value)) + 3) / 4;
  for (int digit = digits; digit-- > 0;) *end++ = kHexDigits[(value >> (4 * digit)) & 15];
  *end++ = '"';
  out_->append(buffer.data(), end);
}

void JsonWriter::Bool(bool value) {
  BeforeValue();
  out_->append(value ? "true" : "false");
}

/// Of a character of two or three bytes: it is legal in JSON, and could mislead whoever looks at
/// it.
void JsonWriter::AppendEscape(std::string_view character) {
  std::uint32_t code = static_cast<unsigned char>(character[0]) & (0xffU >> (character.size() + 1));
  for (const char byte : character.substr(1)) code = code << 6 | (byte & 0x3f);
  out_->append("\\u");
  for (int digit = 4; digit-- > 0;) out_->push_back(kHexDigits[code >> (4 * digit) & 15]);
}

void JsonWriter::String(std::string_view text) { Quote(text, ""); }

/// `behind` follows the closing quote.
void JsonWriter::Quote(std::string_view text, std::string_view behind) {
  constexpr std::size_t kShort = 64;
  std::array<char, kNumberBytes + kShort> buffer;
  char* end = Separate(buffer.data());
  *end++ = '"';
  const bool plain = text.size() <= kShort && std::ranges::none_of(text, NeedsEscape);
  if (plain) {
    end = std::ranges::copy(text, end).out;
  } else {
    out_->append(buffer.data(), end);
    AppendEscaped(text);
    end = buffer.data();
  }
  *end++ = '"';
  end = std::ranges::copy(behind, end).out;
  out_->append(buffer.data(), end);
}

void JsonWriter::AppendEscaped(std::string_view text) {
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (!NeedsEscape(text[i])) continue;
    const std::size_t length = c < 0x80 ? 1 : ControlLength(text.substr(i));
    if (length == 0) continue;
    out_->append(text, start, i - start);
    start = i + length;
    if (length > 1) {
      AppendEscape(text.substr(i, length));
    } else if (c == '"' || c == '\\') {
      out_->push_back('\\');
      out_->push_back(static_cast<char>(c));
    } else {
      out_->append("\\u00");
      out_->push_back(kHexDigits[c >> 4]);
      out_->push_back(kHexDigits[c & 15]);
    }
  }
  out_->append(text, start, text.size() - start);
}

void JsonWriter::Base64(std::string_view bytes) {
  BeforeValue();
  out_->push_back('"');
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k) {
      word = word << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out_->push_back(k <= count ? kBase64[(word >> (18 - 6 * k)) & 63] : '=');
    }
  }
  out_->push_back('"');
}

bool DecodeBase64(std::string_view text, std::string* bytes) {
  if (text.size() % 4 != 0) return false;
  bytes->clear();
  bytes->reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const int padding = !last ? 0 : text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
    std::uint32_t word = 0;
    for (int k = 0; k < 4; ++k) {
      std::size_t digit = k >= 4 - padding ? 0 : kBase64.find(text[i + k]);
      if (digit == std::string_view::npos) return false;
      word = word << 6 | static_cast<std::uint32_t>(digit);
    }
    for (int k = 0; k < 3 - padding; ++k) {
      bytes->push_back(static_cast<char>(word >> (16 - 8 * k)));
    }
  }
  return true;
}

}  // namespace crgen

#include "dsl/json/writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>

#include "model/flags.h"

namespace crgen {
namespace {

constexpr std::uint64_t kLargestExactInteger = (std::uint64_t{1} << 53) - 1;
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<bool, 256> NeedsEscape() {
  std::array<bool, 256> table{};
  for (int c = 0; c < 0x20; ++c) table[c] = true;
  table['"'] = table['\\'] = table[0x7f] = true;
  return table;
}
constexpr std::array<bool, 256> kNeedsEscape = NeedsEscape();

constexpr std::string_view kHexDigits = "0123456789abcdef";

/// Room for a separator and a number.
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
  if (!first_) out_->append(style_ == Style::kLine ? ", " : ",");
  if (style_ == Style::kIndented) NewLine();
  first_ = false;
  out_->push_back('"');
  out_->append(name);
  out_->append("\": ");
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

void JsonWriter::String(std::string_view text) {
  BeforeValue();
  out_->push_back('"');
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (!kNeedsEscape[c]) continue;
    out_->append(text, start, i - start);
    start = i + 1;
    if (c == '"' || c == '\\') {
      out_->push_back('\\');
      out_->push_back(static_cast<char>(c));
    } else {
      out_->append("\\u00");
      out_->push_back(kHexDigits[c >> 4]);
      out_->push_back(kHexDigits[c & 15]);
    }
  }
  out_->append(text, start, text.size() - start);
  out_->push_back('"');
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

bool IsUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const unsigned char lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const int length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
    if (length == 0 || lead > 0xf4 || i + length > text.size()) return false;
    std::uint32_t code = lead & (0xff >> (length + 1));
    for (int k = 1; k < length; ++k) {
      const unsigned char next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3f);
    }
    const std::uint32_t smallest = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
    if (code < smallest || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    i += length;
  }
  return true;
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

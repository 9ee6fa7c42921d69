// SPDX-License-Identifier: Apache-2.0
#include "model/printable.h"

#include <algorithm>
#include <cstdint>

namespace crgen {
namespace {

/// The length of the character that `text` begins with; 0: it begins with none.
std::size_t DecodeUtf8(std::string_view text, std::uint32_t* code) {
  const auto lead = static_cast<unsigned char>(text[0]);
  *code = lead;
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
  if (length == 0 || lead > 0xf4 || length > text.size()) return 0;
  *code = lead & (0xffU >> (length + 1));
  for (std::size_t k = 1; k < length; ++k) {
    const auto next = static_cast<unsigned char>(text[k]);
    if ((next & 0xc0) != 0x80) return 0;
    *code = *code << 6 | (next & 0x3f);
  }
  const std::uint32_t smallest = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
  const bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
  return *code < smallest || *code > 0x10ffff || surrogate ? 0 : length;
}

bool IsControl(std::uint32_t code) {
  if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return true;
  return code == 0x061c || (code >= 0x200b && code <= 0x200f) ||  // no width, marks of direction
         (code >= 0x2028 && code <= 0x202e) ||                    // ends of lines, embeddings
         (code >= 0x2060 && code <= 0x206f) ||                    // joiners, isolates
         code == 0x00ad || code == 0x034f || code == 0x180e || code == 0xfeff;  // no width
}

void AppendHex(std::uint32_t value, int digits, std::string* out) {
  while (digits-- > 0) out->push_back("0123456789abcdef"[value >> (4 * digits) & 15]);
}

}  // namespace

bool IsUtf8(std::string_view text) {
  std::uint32_t code = 0;
  while (!text.empty()) {
    const std::size_t length = DecodeUtf8(text, &code);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::size_t ControlLength(std::string_view text) {
  std::uint32_t code = 0;
  const std::size_t length = text.empty() ? 0 : DecodeUtf8(text, &code);
  return IsControl(code) ? length : 0;
}

std::string Printable(std::string_view text) {
  const auto is_plain = [](char c) { return c >= ' ' && c <= '~'; };
  if (std::all_of(text.begin(), text.end(), is_plain)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    std::uint32_t code = 0;
    const std::size_t length = DecodeUtf8(text, &code);
    if (length == 0 || (length == 1 && IsControl(code))) {
      out += "\\x";
      AppendHex(static_cast<unsigned char>(text[0]), 2, &out);
    } else if (IsControl(code)) {
      out += "\\u";
      AppendHex(code, 4, &out);
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

}  // namespace crgen

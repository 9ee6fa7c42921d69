// SPDX-License-Identifier: Apache-2.0
#include "policy/glob.h"

#include <algorithm>

#include "model/printable.h"

namespace crgen {
namespace {

int HexDigit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

}  // namespace

std::optional<Glob> Glob::Parse(std::string_view text) {
  Glob glob;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char byte = text[i];
    if (byte == '?') {
      glob.tokens_.push_back({Kind::kOne, 0});
    } else if (byte == '*') {
      const bool all = text.substr(i).starts_with("**");
      glob.tokens_.push_back({all ? Kind::kAll : Kind::kMany, 0});
      i += all ? 1 : 0;
    } else if (byte != '\\') {
      glob.tokens_.push_back({Kind::kByte, byte});
    } else if (++i == text.size()) {
      return std::nullopt;
    } else if ((byte = text[i]) != 'x') {
      glob.tokens_.push_back({Kind::kByte, byte});
    } else {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      glob.tokens_.push_back({Kind::kByte, static_cast<char>(high * 16 + low)});
      i += 2;
    }
  }
  return glob;
}

std::optional<std::string> Glob::Literal() const {
  std::string text;
  for (const Token& token : tokens_) {
    if (token.kind != Kind::kByte) return std::nullopt;
    text.push_back(token.byte);
  }
  return text;
}

bool Glob::Matches(std::string_view text) const {
  // reached[i]: the text so far can be what the first i tokens stand for.
  std::vector<char> reached(tokens_.size() + 1, 0), next(tokens_.size() + 1, 0);
  const auto skip = [&](std::vector<char>& states) {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const bool empty = tokens_[i].kind == Kind::kMany || tokens_[i].kind == Kind::kAll;
      if (states[i] != 0 && empty) states[i + 1] = 1;
    }
  };
  reached[0] = 1;
  skip(reached);
  for (const char byte : text) {
    std::fill(next.begin(), next.end(), 0);
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (reached[i] == 0) continue;
      const Token& token = tokens_[i];
      if (token.kind == Kind::kAll || (token.kind == Kind::kMany && byte != '/')) next[i] = 1;
      const bool one =
          token.kind == Kind::kByte ? byte == token.byte : token.kind == Kind::kOne && byte != '/';
      if (one) next[i + 1] = 1;
    }
    skip(next);
    std::swap(reached, next);
  }
  return reached.back() != 0;
}

std::string GlobOf(std::string_view bytes) {
  std::string glob;
  while (!bytes.empty()) {
    // A character of UTF-8, or what is none.
    std::size_t length = 1;
    while (length < std::min<std::size_t>(4, bytes.size()) && !IsUtf8(bytes.substr(0, length))) {
      ++length;
    }
    const bool text = IsUtf8(bytes.substr(0, length)) && ControlLength(bytes) == 0;
    if (!text) {
      if (ControlLength(bytes) == 0) length = 1;
      for (const char byte : bytes.substr(0, length)) {
        glob += "\\x";
        glob += "0123456789abcdef"[static_cast<unsigned char>(byte) >> 4];
        glob += "0123456789abcdef"[static_cast<unsigned char>(byte) & 15];
      }
    } else {
      if (length == 1 && std::string_view("*?\\").find(bytes[0]) != std::string_view::npos) {
        glob += '\\';
      }
      glob += bytes.substr(0, length);
    }
    bytes.remove_prefix(length);
  }
  return glob;
}

}  // namespace crgen

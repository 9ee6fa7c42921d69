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

/// Which bytes are of components that are "." or "..".
std::vector<bool> DotsOf(std::string_view text) {
  std::vector<bool> dots(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('/', at), text.size());
    const std::string_view part = text.substr(at, end - at);
    if (part == "." || part == "..")
      std::fill_n(dots.begin() + std::ptrdiff_t(at), part.size(), true);
    at = end + 1;
  }
  return dots;
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
    } else if (text[i] != 'x') {
      glob.tokens_.push_back({Kind::kByte, text[i]});
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
  const std::vector<bool> dots = DotsOf(text);
  // reached[i]: the text so far can be what the first i tokens stand for.
  std::vector<char> reached(tokens_.size() + 1, 0), next(tokens_.size() + 1, 0);
  const auto skip = [&](std::vector<char>& states) {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const bool empty = tokens_[i].kind == Kind::kMany || tokens_[i].kind == Kind::kAll;
      if (states[i] != 0 && empty) states[i + 1] = 1;
    }
  };
  // Of a path: no wildcard stands, not even for nothing, where a name is missing.
  const bool path = text.starts_with('/');
  reached[0] = 1;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char byte = text[at];
    const bool no_name = path && at > 0 && byte == '/' && text[at - 1] == '/';
    if (!no_name) skip(reached);
    std::fill(next.begin(), next.end(), 0);
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (reached[i] == 0) continue;
      const Token& token = tokens_[i];
      if (token.kind == Kind::kByte) {
        if (byte == token.byte) next[i + 1] = 1;
        continue;
      }
      if (no_name || dots[at] || (token.kind != Kind::kAll && byte == '/')) continue;
      next[token.kind == Kind::kOne ? i + 1 : i] = 1;
    }
    std::swap(reached, next);
  }
  if (!path || text.size() == 1 || text.back() != '/') skip(reached);
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

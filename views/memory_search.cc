// SPDX-License-Identifier: Apache-2.0
#include "views/memory_search.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstring>

namespace crgen {
namespace {

class Regex : public BytePattern {
 public:
  Regex(const std::string& regex, const RE2::Options& options) : regex_(regex, options) {}
  const RE2& regex() const { return regex_; }

  std::optional<Match> Find(std::string_view text, std::size_t from) const override {
    re2::StringPiece match;
    const re2::StringPiece whole(text.data(), text.size());
    if (!regex_.Match(whole, from, text.size(), RE2::UNANCHORED, &match, 1)) return std::nullopt;
    return Match{static_cast<std::size_t>(match.data() - text.data()), match.size()};
  }

 private:
  RE2 regex_;
};

class Exact : public BytePattern {
 public:
  explicit Exact(std::string bytes) : bytes_(std::move(bytes)) {}

  std::optional<Match> Find(std::string_view text, std::size_t from) const override {
    const char* start = text.data() + from;
    const void* found = memmem(start, text.size() - from, bytes_.data(), bytes_.size());
    if (found == nullptr) return std::nullopt;
    return Match{static_cast<std::size_t>(static_cast<const char*>(found) - text.data()),
                 bytes_.size()};
  }

 private:
  std::string bytes_;
};

}  // namespace

std::unique_ptr<BytePattern> RegexPattern(const std::string& regex, std::string* problem) {
  RE2::Options options;
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  options.set_never_capture(true);
  auto pattern = std::make_unique<Regex>(regex, options);
  if (pattern->regex().ok()) return pattern;
  *problem = pattern->regex().error();
  return nullptr;
}

std::unique_ptr<BytePattern> HexPattern(const std::string& digits, std::string* problem) {
  std::string bytes;
  int high = -1;
  for (const char character : digits) {
    if (character == ' ' && high < 0) continue;
    constexpr std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
    const std::size_t at = kDigits.find(character);
    if (at == kDigits.npos) {
      *problem = "has something else than hexadecimal digits, two for each byte";
      return nullptr;
    }
    const int digit = static_cast<int>(at % 16);
    if (high >= 0) bytes += static_cast<char>(high * 16 + digit);
    high = high < 0 ? digit : -1;
  }
  if (bytes.empty() || high >= 0 || bytes.size() > StreamSearch::kLongest) {
    *problem = "has " + std::string(bytes.empty() ? "no whole byte"
                                    : high >= 0   ? "half a byte"
                                                  : "too many bytes");
    return nullptr;
  }
  return std::make_unique<Exact>(std::move(bytes));
}

bool StreamSearch::Add(std::uint64_t address, std::string_view bytes) {
  if (text_.empty() || address != base_ + text_.size()) {
    if (!End()) return false;
    base_ = address;
  }
  text_ += bytes;
  return Search(false);
}

bool StreamSearch::Search(bool at_end) {
  // What begins behind it may go on behind the end, or end otherwise.
  const std::size_t last = at_end ? text_.size() : text_.size() - std::min(text_.size(), kLongest);
  while (from_ < last) {
    const auto match = pattern_.Find(text_, from_);
    if (!match || match->start >= last) {
      from_ = last;
      break;
    }
    const auto rest = std::string_view(text_).substr(match->start);
    if (!found_(base_ + match->start, match->size, rest)) return false;
    from_ = match->start + std::max<std::size_t>(match->size, 1);
  }
  if (at_end) {
    text_.clear();
    from_ = 0;
    return true;
  }
  // One byte stays: whether a line or a word begins behind it.
  const std::size_t done = from_ - std::min<std::size_t>(from_, 1);
  text_.erase(0, done);
  base_ += done;
  from_ -= done;
  return true;
}

}  // namespace crgen

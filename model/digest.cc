// SPDX-License-Identifier: Apache-2.0
#include "model/digest.h"

#include <nettle/sha2.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

namespace crgen {
namespace {

constexpr std::size_t kPiece = 256 << 10;
constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::size_t kAlgorithmAtMost = 16, kDigitsAtLeast = 32, kDigitsAtMost = 128;

}  // namespace

bool Digest::IsWellFormed() const {
  const std::size_t colon = text.find(':');
  if (colon == text.npos || colon == 0 || colon > kAlgorithmAtMost) return false;
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const std::string_view name = algorithm(), digits = std::string_view(text).substr(colon + 1);
  return is_letter(name.front()) &&
         std::ranges::all_of(name,
                             [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); }) &&
         digits.size() >= kDigitsAtLeast && digits.size() <= kDigitsAtMost &&
         digits.find_first_not_of(kDigits) == digits.npos;
}

struct Sha256::State {
  sha256_ctx context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { sha256_init(&state_->context); }
Sha256::~Sha256() = default;

void Sha256::Add(std::span<const char> bytes) {
  sha256_update(&state_->context, bytes.size(),
                reinterpret_cast<const std::uint8_t*>(bytes.data()));
}

Digest Sha256::Finish() {
  std::array<std::uint8_t, SHA256_DIGEST_SIZE> bytes;
  sha256_digest(&state_->context, bytes.size(), bytes.data());
  Digest digest{std::string(Digest::kSha256) + ":"};
  for (const std::uint8_t byte : bytes) {
    digest.text += kDigits[byte >> 4];
    digest.text += kDigits[byte & 15];
  }
  return digest;
}

bool DigestOfFile(int fd, Digest* digest, const std::function<void()>& goes_on) {
  Sha256 sum;
  std::vector<char> piece(kPiece);
  for (off_t at = 0;;) {
    const ssize_t got = pread(fd, piece.data(), piece.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) break;
    sum.Add({piece.data(), static_cast<std::size_t>(got)});
    at += got;
    if (goes_on) goes_on();
  }
  *digest = sum.Finish();
  return true;
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Digests of files.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace crgen {

/// "sha256:9f86…": which algorithm, and what it gives in lower-case hexadecimal digits.
struct Digest {
  static constexpr std::string_view kPattern =
      "^[a-z][a-z0-9]{0,15}:[0-9a-f]{32,128}$";  ///< for the schema
  static constexpr std::string_view kSha256 = "sha256";

  std::string text;
  /// Whether kPattern matches.
  bool IsWellFormed() const;
  std::string_view algorithm() const { return std::string_view(text).substr(0, text.find(':')); }
  friend bool operator==(const Digest&, const Digest&) = default;
};

/// SHA-256 (FIPS 180-4) of what is added, piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void Add(std::span<const char> bytes);
  /// To be called once.
  Digest Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Of the file `fd` from its start to its end. Memory: one piece of it. `goes_on`, where there is
/// one, is called after each piece. False: errno says why.
bool DigestOfFile(int fd, Digest* digest, const std::function<void()>& goes_on = {});

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Where the random choice of a test begins.
#pragma once

#include <cstdlib>
#include <random>
#include <string_view>

namespace crgen::test {

/// CRGEN_SEED: a number, or "random", which the test prints. Without, the same one each time: what
/// changes the end of a run is then what has been changed.
inline unsigned FirstSeed() {
  static const unsigned seed = [] {
    const char* given = std::getenv("CRGEN_SEED");
    if (given == nullptr) return 1u;
    if (std::string_view(given) == "random") return std::random_device()();
    return static_cast<unsigned>(std::strtoul(given, nullptr, 10));
  }();
  return seed;
}

}  // namespace crgen::test

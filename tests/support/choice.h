// SPDX-License-Identifier: Apache-2.0
// What those who make random programs choose by.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>

namespace crgen::test {

/// The same choices for the same seed, on any machine.
class Choice {
 protected:
  explicit Choice(unsigned seed) : random_(seed) {}

  std::uint32_t Below(std::uint32_t limit) { return random_() % limit; }
  bool OneIn(std::uint32_t n) { return Below(n) == 0; }
  std::uint32_t OneOf(std::initializer_list<std::uint32_t> values) {
    return values.begin()[Below(static_cast<std::uint32_t>(values.size()))];
  }

  std::mt19937 random_;
};

}  // namespace crgen::test

// SPDX-License-Identifier: Apache-2.0
// Hashes of numbers that are alike: addresses, pairs of indices. The standard's hash of a number is
// the number itself, and neighbouring ranges differ in few bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace crgen {

/// Every bit of `value` changes half of the bits of the result (the finalizer of SplitMix64;
/// Steele, Lea and Flood 2014). One-to-one.
constexpr std::uint64_t MixBits(std::uint64_t value) {
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

/// Of several numbers, in this order.
constexpr std::size_t HashOf(std::initializer_list<std::uint64_t> parts) {
  std::uint64_t hash = 0;
  for (const std::uint64_t part : parts) hash = MixBits(hash + 0x9e3779b97f4a7c15 + part);
  return hash;
}

/// For unordered containers whose keys are packed of several numbers.
struct MixedHash {
  std::size_t operator()(std::uint64_t key) const noexcept { return MixBits(key); }
};

}  // namespace crgen

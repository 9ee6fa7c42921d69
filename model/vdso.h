// SPDX-License-Identifier: Apache-2.0
// The vdso of a kernel (vdso(7)): which build it is, and where its functions are.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/values.h"

namespace crgen {

/// A function that the vdso exports.
struct VdsoSymbol {
  std::string name;
  Hex offset;  ///< bytes from the start of the vdso
  friend bool operator==(const VdsoSymbol&, const VdsoSymbol&) = default;
};

struct Vdso {
  static constexpr std::uint64_t kMostBytes = 1 << 20;
  static constexpr std::size_t kMostSymbols = 256;

  std::uint64_t size = 0;           ///< bytes, whole pages
  std::string build_id;             ///< hexadecimal digits; empty: it has none
  std::vector<VdsoSymbol> symbols;  ///< ascending by name
  friend bool operator==(const Vdso&, const Vdso&) = default;
};

/// Reads the ELF image `bytes`, all pages of a vdso as they are in memory: a 64-bit x86-64 shared
/// object, with a table of dynamic symbols. Nothing: it is none, or is damaged; whatever is in it,
/// nothing outside of `bytes` is read, and the work is linear in them.
std::optional<Vdso> ParseVdso(std::span<const char> bytes);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Floating point registers as the processor stores them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/attributes.h"

namespace crgen {

/// Bytes of the area of FXSAVE, with which that of XSAVE begins (Intel SDM 1, 10.5.1 and 13.4).
inline constexpr std::size_t kFxsaveSize = 512;

/// XSAVE components that Fpu has words for, by bit of xstate_bv.
inline constexpr std::uint64_t kXsaveComponents = 0x2ff;

/// The area of FXSAVE; what it leaves to software is 0.
std::string FxsaveArea(const Fpu& fpu);

/// `words` of `word_size` bytes each from `area[at]` on, as many as fit into `area`.
void PutRegisters(std::span<char> area, std::size_t at, const std::vector<Hex>& words,
                  std::size_t word_size);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "model/fxsave.h"

#include <cstdint>
#include <cstring>

namespace crgen {
namespace {

constexpr std::size_t kStSpace = 32, kXmmSpace = 160, kEndOfRegisters = 416;

template <typename T>
void Put(std::string& area, std::size_t at, T value) {
  std::memcpy(area.data() + at, &value, sizeof value);
}

}  // namespace

void PutRegisters(std::span<char> area, std::size_t at, const std::vector<Hex>& words,
                  std::size_t word_size) {
  for (const Hex& word : words) {
    if (at + word_size > area.size()) return;
    std::memcpy(area.data() + at, &word.value, word_size);
    at += word_size;
  }
}

std::string FxsaveArea(const Fpu& fpu) {
  std::string area(kFxsaveSize, '\0');
  Put(area, 0, static_cast<std::uint16_t>(fpu.cwd));
  Put(area, 2, static_cast<std::uint16_t>(fpu.swd));
  Put(area, 4, static_cast<std::uint16_t>(fpu.twd));
  Put(area, 6, static_cast<std::uint16_t>(fpu.fop));
  Put(area, 8, fpu.rip.value);
  Put(area, 16, fpu.rdp.value);
  Put(area, 24, static_cast<std::uint32_t>(fpu.mxcsr.value));
  Put(area, 28, static_cast<std::uint32_t>(fpu.mxcsr_mask.value));
  const std::span<char> bytes = area;
  PutRegisters(bytes.first(kXmmSpace), kStSpace, fpu.st_space, 4);
  PutRegisters(bytes.first(kEndOfRegisters), kXmmSpace, fpu.xmm_space, 4);
  return area;
}

}  // namespace crgen

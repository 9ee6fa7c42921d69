// SPDX-License-Identifier: Apache-2.0
#include "restorer/registers.h"

#include <cpuid.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "model/fxsave.h"
#include "model/user_registers.h"

namespace crgen::restorer {
namespace {

constexpr unsigned kXstateLeaf = 0xd;

struct Component {
  int bit;
  const std::vector<Hex> Fpu::*words;
  std::size_t word_size;
};
const Component kComponents[] = {{2, &Fpu::ymmh_space, 4},   {3, &Fpu::bndreg_state, 8},
                                 {4, &Fpu::bndcsr_state, 8}, {5, &Fpu::opmask_reg, 8},
                                 {6, &Fpu::zmm_upper, 8},    {7, &Fpu::hi16_zmm, 8},
                                 {9, &Fpu::pkru, 4}};

/// Where the machine has a component in the area; 0: it has none.
std::size_t OffsetOf(int bit) {
  unsigned size = 0, offset = 0, flags = 0, unused = 0;
  __cpuid_count(kXstateLeaf, static_cast<unsigned>(bit), size, offset, flags, unused);
  return size == 0 ? 0 : offset;
}

std::uint64_t MachineComponents() {
  unsigned low = 0, b = 0, c = 0, high = 0;
  __cpuid_count(kXstateLeaf, 0, low, b, c, high);
  return low | std::uint64_t{high} << 32;
}

}  // namespace

user_regs_struct GeneralRegisters(const Registers& from) {
  user_regs_struct to = UserRegisters(from);
  to.orig_rax = ~0ull;
  return to;
}

std::vector<char> XsaveArea(const Fpu& from, std::size_t size, std::uint64_t* missing) {
  std::vector<char> area(size, 0);
  const std::string legacy = FxsaveArea(from);
  std::memcpy(area.data(), legacy.data(), std::min(size, legacy.size()));
  constexpr std::uint64_t kLegacy = 3;  // x87 and SSE
  const std::uint64_t wanted = from.xstate_bv ? from.xstate_bv->value : kLegacy;
  const std::uint64_t present = MachineComponents();
  for (const Component& component : kComponents) {
    const std::vector<Hex>& words = from.*component.words;
    if ((present >> component.bit & 1) != 0) {
      PutRegisters(area, OffsetOf(component.bit), words, component.word_size);
    }
  }
  const std::uint64_t live = wanted & present;
  if (kFxsaveSize + sizeof live <= size) std::memcpy(area.data() + kFxsaveSize, &live, sizeof live);
  *missing = wanted & ~present;
  return area;
}

}  // namespace crgen::restorer

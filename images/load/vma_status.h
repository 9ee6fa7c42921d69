// SPDX-License-Identifier: Apache-2.0
// What kind of area a vma_entry is: the bits of its status.
#pragma once

#include <bit>
#include <cstdint>
#include <string>

namespace crgen {

// vma_entry.status (CRIU's criu/include/image.h).
inline constexpr std::uint32_t kRegular = 0x1, kVsyscall = 0x4, kVdso = 0x8, kHeap = 0x20;
inline constexpr std::uint32_t kFilePrivate = 0x40, kFileShared = 0x80, kAnonShared = 0x100;
inline constexpr std::uint32_t kAnonPrivate = 0x200, kSysvIpc = 0x400, kSocket = 0x800,
                               kVvar = 0x1000;
inline constexpr std::uint32_t kAioRing = 0x2000, kMemfd = 0x4000, kShadowStack = 0x8000;
inline constexpr std::uint32_t kGuard = 0x10000, kExtPlugin = 0x8000000,
                               kUnsupportedArea = 0x80000000;

inline constexpr std::uint32_t kStack = 0x2, kUprobes = 0x20000;
inline constexpr std::uint32_t kKnownStatus =
    kRegular | kStack | kVsyscall | kVdso | kHeap | kFilePrivate | kFileShared | kAnonShared |
    kAnonPrivate | kSysvIpc | kSocket | kVvar | kAioRing | kMemfd | kShadowStack | kGuard |
    kUprobes | kExtPlugin | kUnsupportedArea;
// An area has one backing, and is at most one special thing, which some backings exclude.
inline constexpr std::uint32_t kBackings = kFilePrivate | kFileShared | kAnonShared | kAnonPrivate;
inline constexpr std::uint32_t kSpecials = kVsyscall | kVdso | kVvar | kAioRing | kSysvIpc |
                                           kSocket | kMemfd | kShadowStack | kGuard | kUprobes;

/// Whether the bits of a status exclude each other: an area is of one kind.
inline bool IsContradictory(std::uint32_t status) {
  const std::uint32_t backing = status & kBackings, special = status & kSpecials;
  if (std::popcount(backing) > 1 || std::popcount(special) > 1) return true;
  if ((special & (kVsyscall | kVdso | kVvar | kShadowStack)) != 0) {
    return (backing & ~kAnonPrivate) != 0;
  }
  if (special == kSysvIpc) return backing != kAnonShared;
  if (special == kMemfd) return (backing & (kFilePrivate | kFileShared)) == 0;
  return (special == kSocket || special == kGuard) && backing != 0;
}

/// What kind of area that is, in words; `number`: vma_entry.shmid.
std::string AreaName(std::uint32_t status, std::uint64_t number);

}  // namespace crgen

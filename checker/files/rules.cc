// SPDX-License-Identifier: Apache-2.0
#include "checker/files/rules.h"

#include <fcntl.h>

namespace crgen::check {
namespace {

/// What would spoil the file.
constexpr std::uint64_t kCreating = O_CREAT | O_EXCL | O_TRUNC;
constexpr std::uint64_t kBesidePath = O_PATH | O_DIRECTORY | O_NOFOLLOW;

std::uint64_t Unnamed(OpenFlags flags) {
  std::uint64_t bits = flags.bits;
  for (const FlagName& row : OpenFlagKind::Names()) {
    if ((flags.bits & row.mask) == row.value) bits &= ~row.mask;
  }
  return bits;
}

}  // namespace

std::optional<Refusal> RefusedFlags(OpenFlags flags) {
  if ((flags.bits & O_ACCMODE) == O_ACCMODE) {
    return Refusal{"EINVAL", "the flags have two access modes"};
  }
  if ((flags.bits & kCreating) != 0) {
    return Refusal{"EINVAL", "the flags create or truncate the file"};
  }
  if (flags.Has(O_CLOEXEC)) {
    return Refusal{"EINVAL", "O_CLOEXEC is the descriptor's: `cloexec` says it"};
  }
  if (Unnamed(flags) != 0) {
    return Refusal{"EINVAL", "the flags have bits without a name, which open(2) drops"};
  }
  if (flags.Has(O_PATH) && (flags.bits & ~kBesidePath) != 0) {
    return Refusal{"EINVAL",
                   "open(2) drops all flags beside O_PATH but O_DIRECTORY and O_NOFOLLOW"};
  }
  return std::nullopt;
}

std::optional<Refusal> RefusedPath(const Text& path) {
  if (path.bytes.empty() || path.bytes.front() != '/') {
    return Refusal{"EINVAL", "the path is not absolute"};
  }
  if (path.bytes.find('\0') != std::string::npos) {
    return Refusal{"EINVAL", "the path contains a NUL"};
  }
  return std::nullopt;
}

std::optional<Refusal> RefusedPosition(const std::optional<std::uint64_t>& pos) {
  if (pos.value_or(0) < std::uint64_t{1} << 63) return std::nullopt;
  return Refusal{"EINVAL", "pos is " + std::to_string(*pos) + ", where 2^63-1 is the last"};
}

std::optional<Refusal> RefusedAnonymousFlags(OpenFlags flags, std::uint64_t access) {
  constexpr std::uint64_t kSettable = O_APPEND | O_NONBLOCK | O_ASYNC | O_NOATIME;  // SETFL_MASK
  if ((flags.bits & O_ACCMODE) != access) {
    return Refusal{"EINVAL",
                   std::string("it is always ") + (access == O_RDWR ? "O_RDWR" : "O_RDONLY")};
  }
  const OpenFlags others = {flags.bits & ~(access | kSettable)};
  if (others.bits == 0) return std::nullopt;
  return Refusal{"EINVAL", "no such description has " + ValueText(others)};
}

}  // namespace crgen::check

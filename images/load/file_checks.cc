// SPDX-License-Identifier: Apache-2.0
#include "images/load/file_checks.h"

#include <fcntl.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "images/load/place.h"

namespace crgen {
namespace {

constexpr std::uint64_t kNoSeek = ~std::uint64_t{0}, kMaxOffset = ~std::uint64_t{0} >> 1;
constexpr std::uint32_t kMaxUmask = 0777;
constexpr std::uint32_t kNoId = 0xffffffff, kMaxSignal = 64;

/// F_SETOWN_EX and F_SETSIG of fcntl(2).
void CheckOwner(const pb::fown_entry& owner, const Place& at) {
  if (owner.signum() > kMaxSignal) at.AtMost(".fown.signum", owner.signum(), kMaxSignal);
  if (owner.pid() == 0) return;
  at.AtMost(".fown.pid", owner.pid(), 0x7fffffff);
  if (!IsNamed<OwnerTypeKind>(owner.pid_type())) {
    at.Unsupported(".fown.pid_type", std::to_string(owner.pid_type()) + ", which has no name");
  }
  if (owner.uid() == kNoId) at.Error(".fown.uid", "4294967295 is no id");
  if (owner.euid() == kNoId) at.Error(".fown.euid", "4294967295 is no id");
}

}  // namespace

void CheckDescription(const ConvertedFile& file, const Place& at) {
  at.KnownBits<OpenFlagKind>(".flags", file.flags & ~kOpeningOnly);
  if (file.owner != nullptr) CheckOwner(*file.owner, at);
}

void CheckPosition(std::uint64_t pos, const Place& at) {
  if (pos > kMaxOffset && pos != kNoSeek) {
    at.Error(".pos", HexText(pos) + " is no position in a file");
  }
}

void CheckAnonymousFlags(std::uint64_t flags, const Place& at, std::uint64_t access) {
  constexpr std::uint64_t kPossible =
      O_RDWR | O_APPEND | O_NONBLOCK | O_ASYNC | O_NOATIME | O_CLOEXEC;
  if ((flags & O_ACCMODE) != access || (flags & ~kPossible) != 0) {
    at.Error(".flags", HexText(flags) + ": no description of this type has them");
  }
}

void CheckFs(const pb::fs_entry& fs, const std::string& where, Diagnostics& diag) {
  const Place at(where, diag);
  if (!fs.has_umask()) {
    at.Error(".umask", "absent: without it the process would keep the restorer's");
  } else {
    at.AtMost(".umask", fs.umask(), kMaxUmask);
  }
}

}  // namespace crgen

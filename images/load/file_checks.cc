#include "images/load/file_checks.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "images/load/place.h"

namespace crgen {
namespace {

constexpr std::uint64_t kNoSeek = ~std::uint64_t{0}, kMaxOffset = ~std::uint64_t{0} >> 1;
constexpr std::uint32_t kMaxMode = 0177777, kMaxUmask = 0777;
constexpr std::uint32_t kNoId = 0xffffffff, kMaxSignal = 64;
// O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC: they act while a file is opened, and are refused elsewhere.
constexpr std::uint64_t kOpeningOnly = 0x40 | 0x80 | 0x100 | 0x200;

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

/// What reg_file_entry and memfd_file_entry have in common.
template <typename Body>
void CheckDescription(const Body& body, std::string_view field, const std::string& where,
                      Diagnostics& diag) {
  const Place at(where, diag, field);
  if (body.pos() > kMaxOffset && body.pos() != kNoSeek) {
    at.Error(".pos", HexText(body.pos()) + " is no position in a file");
  }
  at.KnownBits<OpenFlagKind>(".flags", body.flags() & ~kOpeningOnly);
  CheckOwner(body.fown(), at);
}

}  // namespace

void CheckFile(const pb::file_entry& entry, const ImageReader& at, Diagnostics& diag) {
  const std::string where = at.Where();
  if (entry.has_memfd()) CheckDescription(entry.memfd(), ".memfd", where, diag);
  if (!entry.has_reg()) return;
  CheckDescription(entry.reg(), ".reg", where, diag);
  const Place place(where, diag, ".reg");
  if (entry.reg().has_size()) place.AtMost(".size", entry.reg().size(), kMaxOffset);
  if (entry.reg().has_mode()) place.AtMost(".mode", entry.reg().mode(), kMaxMode);
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

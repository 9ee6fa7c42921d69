#pragma once

#include <sys/stat.h>

#include "checker/files/rules.h"

namespace crgen::check {

template <>
class FileRules<RegularFile> : public PlainRules<RegularFile> {
 public:
  static constexpr bool kCanBeMapped = true;

  /// Not on disks; in proc(5) and sysfs(5) some can.
  bool CanBePolled(const RegularFile& regular) const {
    const std::uint32_t mode = regular.mode.value_or(S_IFREG);
    const std::string& path = regular.path.bytes;
    if (S_ISREG(mode)) return path.starts_with("/proc/") || path.starts_with("/sys/");
    return !S_ISDIR(mode) && !S_ISLNK(mode);
  }
  std::optional<Refusal> Check(const File& file, const RegularFile& regular) const {
    if (auto refused = RefusedPath(regular.path)) return refused;
    if (auto refused = RefusedFlags(file.flags)) return refused;
    return RefusedPosition(regular.pos);
  }
  std::optional<std::uint64_t> MappedSize(const RegularFile& regular) const {
    return S_ISREG(regular.mode.value_or(S_IFREG)) ? regular.size : std::nullopt;
  }
  std::string Text(const RegularFile& regular) const { return ValueText(regular.path); }
};

}  // namespace crgen::check

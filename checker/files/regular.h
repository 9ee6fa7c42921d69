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
    if (regular.path.bytes.empty() || regular.path.bytes.front() != '/') {
      return Refusal{"EINVAL", "the path is not absolute"};
    }
    if (regular.path.bytes.find('\0') != std::string::npos) {
      return Refusal{"EINVAL", "the path contains a NUL"};
    }
    if (auto refused = RefusedFlags(file.flags)) return refused;
    return RefusedPosition(regular.pos);
  }
  std::optional<std::uint64_t> MappedSize(const RegularFile& regular) const {
    return S_ISREG(regular.mode.value_or(S_IFREG)) ? regular.size : std::nullopt;
  }
  std::string Text(const RegularFile& regular) const { return ValueText(regular.path); }
};

}  // namespace crgen::check

// SPDX-License-Identifier: Apache-2.0
#include "preflight/file_status.h"

#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <iterator>
#include <limits>
#include <string_view>

namespace crgen::preflight {
namespace {

constexpr int kOctal = 8, kDecimal = 10;

/// The members in their order: `each(name, base, member)`.
template <typename Status, typename Each>
void ForEachMember(Status& status, Each&& each) {
  each("mode", kOctal, status.mode);
  each("size", kDecimal, status.size);
  each("special", kDecimal, status.special);
  each("device", kDecimal, status.device);
  each("inode", kDecimal, status.inode);
  each("uid", kDecimal, status.uid);
}

/// Takes "NAME NUMBER" and the space behind it.
template <typename Number>
bool TakeMember(std::string_view& text, std::string_view name, int base, Number* number) {
  if (!text.starts_with(name) || text.substr(name.size()).substr(0, 1) != " ") return false;
  text.remove_prefix(name.size() + 1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.empty()) return true;
  const bool more = text.front() == ' ';
  text.remove_prefix(1);
  return more;
}

}  // namespace

std::string FileStatus::Text() const {
  if (error != 0) return "error " + std::to_string(error);
  std::string text;
  ForEachMember(*this, [&](const char* name, int base, auto number) {
    char digits[std::numeric_limits<decltype(number)>::digits];
    const auto end = std::to_chars(digits, std::end(digits), number, base).ptr;
    if (!text.empty()) text += ' ';
    text.append(name).append(base == kOctal ? " 0" : " ").append(digits, end);
  });
  return text;
}

FileStatus FileStatus::Of(const std::string& text) {
  FileStatus status;
  std::string_view rest = text;
  int error = 0;
  if (TakeMember(rest, "error", kDecimal, &error) && error > 0) {
    status.error = error;
    return status;
  }
  rest = text;
  bool whole = true;
  ForEachMember(status, [&](const char* name, int base, auto& member) {
    whole = whole && TakeMember(rest, name, base, &member);
  });
  if (whole) status.error = 0;
  return status;
}

std::string ModeText(unsigned mode) {
  char text[16];
  (void)std::snprintf(text, sizeof text, "0%o", mode);
  return text;
}

FileStatus StatusOf(int fd, int error) {
  FileStatus status;
  struct stat found = {};
  if (fd < 0 || fstat(fd, &found) != 0) {
    status.error = fd < 0 ? error : errno;
    return status;
  }
  return {0,
          found.st_mode,
          static_cast<std::uint64_t>(found.st_size),
          found.st_rdev,
          found.st_dev,
          found.st_ino,
          found.st_uid};
}

}  // namespace crgen::preflight

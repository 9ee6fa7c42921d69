// SPDX-License-Identifier: Apache-2.0
// Files of proc(5) that belong to a process: they are there only while the process is.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

#include "model/ids.h"

namespace crgen {

/// Whose file it is: "/proc/12/stat" is {12, 0}, "/proc/12/task/13/stat" is {12, 13}.
struct ProcPath {
  Pid pid = 0;
  Pid tid = 0;  ///< 0: not of one thread
};

/// nullopt: `path` does not begin with "/proc/<number>".
inline std::optional<ProcPath> ParseProcPath(std::string_view path) {
  const auto number_behind = [&](std::string_view prefix, Pid* number) {
    if (!path.starts_with(prefix)) return false;
    const char* begin = path.data() + prefix.size();
    const char* end = path.data() + path.size();
    const auto parsed = std::from_chars(begin, end, *number);
    if (parsed.ec != std::errc() || *number <= 0) return false;
    if (parsed.ptr != end && *parsed.ptr != '/') return false;
    path.remove_prefix(static_cast<std::size_t>(parsed.ptr - path.data()));
    return true;
  };
  ProcPath found;
  if (!number_behind("/proc/", &found.pid)) return std::nullopt;
  if (!number_behind("/task/", &found.tid)) found.tid = 0;
  return found;
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Folders of numbers: /proc, and task and fd of a process there, proc(5).
#pragma once

#include <dirent.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>

namespace crgen::preflight {

/// `function(number)` for each entry of `folder` that is called by one. A folder that cannot be
/// read has none.
template <typename Function>
void ForEachNumberIn(const std::string& folder, Function&& function) {
  DIR* dir = opendir(folder.c_str());
  if (dir == nullptr) return;
  while (const dirent* entry = readdir(dir)) {
    std::int32_t number = 0;
    const char* end = entry->d_name + std::strlen(entry->d_name);
    if (std::from_chars(entry->d_name, end, number).ptr == end) function(number);
  }
  closedir(dir);
}

}  // namespace crgen::preflight

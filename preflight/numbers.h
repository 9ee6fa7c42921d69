// SPDX-License-Identifier: Apache-2.0
// Who has a number that a process or thread is to have.
#pragma once

#include <dirent.h>
#include <sys/types.h>

#include <charconv>
#include <cstring>
#include <string>

#include "model/ids.h"

namespace crgen::preflight {

/// "EEXIST: pid 12 is taken on this system, by "sleep"", as far as this process's /proc shows;
/// empty: nobody has it.
std::string NumberIsTaken(pid_t number);

/// What to do about it.
inline constexpr const char* kPidnsHelps =
    "--pidns restores into a pid namespace where all are free";

/// `function(number)` for each entry of a folder that is called by one, as those of /proc are.
template <typename Function>
void ForEachNumberIn(const std::string& folder, Function&& function) {
  DIR* dir = opendir(folder.c_str());
  if (dir == nullptr) return;
  while (const dirent* entry = readdir(dir)) {
    Pid number = 0;
    const char* end = entry->d_name + std::strlen(entry->d_name);
    if (std::from_chars(entry->d_name, end, number).ptr == end) function(number);
  }
  closedir(dir);
}

/// Whether /proc is that of this process's pid namespace.
bool IsOwnProc();

/// Why the numbers of /proc say nothing of this process's own children; empty: they do.
std::string ForeignProc();

}  // namespace crgen::preflight

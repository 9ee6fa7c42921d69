// SPDX-License-Identifier: Apache-2.0
// Who has a number that a process or thread is to have.
#pragma once

#include <sys/types.h>

#include <string>

namespace crgen::preflight {

/// "EEXIST: pid 12 is taken on this system, by "sleep"", as far as this process's /proc shows;
/// empty: nobody has it.
std::string NumberIsTaken(pid_t number);

/// What to do about it.
inline constexpr const char* kPidnsHelps =
    "--pidns restores into a pid namespace where all are free";

/// Whether /proc is that of this process's pid namespace.
bool IsOwnProc();

/// Why the numbers of /proc say nothing of this process's own children; empty: they do.
std::string ForeignProc();

}  // namespace crgen::preflight

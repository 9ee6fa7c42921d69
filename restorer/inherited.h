// SPDX-License-Identifier: Apache-2.0
// What a process has of the one that started it, through clone(2) and execve(2), and no program
// says: docs/restorer.md has the list.
#pragma once

#include <string>

namespace crgen::restorer {

/// Gives this process, and thereby all that descend from it, the kernel's defaults where the
/// caller had others: personality, scheduling, memory policy, session keyring … The problem, or
/// none. What can be neither reset nor asked for stays.
std::string ResetInherited();

/// In the process that becomes the root: no signal is ignored, the working directory is "/", the
/// umask 022.
void ResetOfRoot();

}  // namespace crgen::restorer

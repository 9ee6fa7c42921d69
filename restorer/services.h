// SPDX-License-Identifier: Apache-2.0
// What the supervisor holds for all processes: memfds, its descriptors.
#pragma once

#include <string>

#include "restorer/compile.h"

namespace crgen::restorer {

/// Makes what `program` needs beside files; `*services` gets the names. Empty, or what failed.
std::string OpenServices(const Program& program, Services* services);

/// Whether a process or thread of the program has that number.
bool InProgram(const Program& program, pid_t number);

}  // namespace crgen::restorer

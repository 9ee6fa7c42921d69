// SPDX-License-Identifier: Apache-2.0
// Numbers of descriptors that a program takes.
#pragma once

#include <cstdint>

#include "dsl/commands.h"

namespace crgen::preflight {

/// How many descriptors the largest number in the program makes: the first number it never uses.
Fd FirstUnusedFd(const Program& program);

/// How many more the restorer itself holds beside them.
std::uint64_t SpareDescriptors(const Program& program);

/// About how many the process that restores holds at once, if there are files that their names do
/// not reach: these, and what it has looked at. 0: there are none.
std::uint64_t HeldDescriptors(const Program& program);

}  // namespace crgen::preflight

// SPDX-License-Identifier: Apache-2.0
// Programs on their way from one process to another: quicker than text, and of no use to others.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "dsl/commands.h"

namespace crgen {

/// By the tables that describe every command.
std::string ProgramBytes(std::span<const Command> commands);

/// Takes bytes from anybody, as ReadProgram() takes text: what it gives has the form that the
/// tables give, and goes to the end of `*program`. False: they are none of ProgramBytes(), and
/// `*program` is not to be used. Linear.
bool ReadProgramBytes(std::string_view bytes, Program* program);

}  // namespace crgen

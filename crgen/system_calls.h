// SPDX-License-Identifier: Apache-2.0
// By which system calls a process tree is rebuilt.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "generator/tree/analyzer.h"
#include "model/diagnostics.h"

namespace crgen {

/// The option --syscalls.
void AddSystemCalls(CLI::App& app, std::vector<std::string>* names);

/// The rules that `names` leave; none: all. fork, setsid, setpgid and exit have to be among them:
/// no tree is rebuilt without. Errors: an unknown name, or one of these is missing.
Result ParseSystemCalls(const std::vector<std::string>& names, TreeRules* rules, Diagnostics& diag);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// What this machine says of the files that a tree would use.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "policy/authority.h"
#include "preflight/file_facts.h"

namespace crgen {

/// Looks at each file that is to be there, and adds what it finds: what is missing, changed, setuid
/// or writable by all, where links lead, what is a device. `root`: the root file system of a tree
/// that has one of its own; empty: none is given, and then it is unknown. `look`: does what
/// LookAtFile() does of each path, below `root`. Cost: system calls for each.
using LookAtFiles = std::function<std::vector<FileFacts>(const std::vector<std::string>& paths)>;
void AddHost(const std::string& root, const LookAtFiles& look, Authority* authority);

}  // namespace crgen

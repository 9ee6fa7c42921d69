// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace crgen::preflight {

/// `function("/proc/812", "3")` for each descriptor of each process that this one may look at.
void ForEachDescriptor(
    const std::function<void(const std::string& process, const std::string& fd)>& function);

/// "process 812 (bash)".
std::string NameOfProcess(const std::string& process);

/// What stands behind `key` in each line of fdinfo of the descriptor that begins so, proc(5).
std::vector<std::string> LinesOfDescriptor(const std::string& process, const std::string& fd,
                                           const std::string& key);

}  // namespace crgen::preflight

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace crgen::restorer {

/// Writes "kernel/msgmax", say: of the namespace in which the supervisor is. Empty, or what failed.
std::string WriteSysctl(const std::string& name, const std::string& value);

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
// Which rule of the grammar of trees an operation applies.
#pragma once

#include <string>

#include "generator/tree/analyzer.h"

namespace crgen {

/// "setpgid: founds group 7"
std::string RuleText(const TreeOp& op);

}  // namespace crgen

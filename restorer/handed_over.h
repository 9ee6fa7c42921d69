// SPDX-License-Identifier: Apache-2.0
// What the caller hands over, by the names that the plan has for it.
#pragma once

#include <map>
#include <string>

#include "dsl/commands.h"

namespace crgen::restorer {

/// Spells keys of `*inherited` as the plan does (model/files/key_spelling.h). Empty, or what is
/// wrong.
std::string SpellAsPlanned(const Program& program, std::map<std::string, int>* inherited);

}  // namespace crgen::restorer

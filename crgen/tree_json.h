// SPDX-License-Identifier: Apache-2.0
// How a tree is rebuilt, for machines.
#pragma once

#include <string>

#include "generator/tree/alternatives.h"
#include "generator/tree/analyzer.h"

namespace crgen {

/// What schema/tree.schema.json says. `others`: the other derivations; null: nobody has asked.
std::string TreeJson(const TreeSnapshot& tree, const TreePlan& plan, const Derivations* others);

}  // namespace crgen

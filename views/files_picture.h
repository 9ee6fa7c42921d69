// SPDX-License-Identifier: Apache-2.0
// Who shares which open file description, as a picture.
#pragma once

#include <string>

#include "views/view.h"

namespace crgen {

/// A table: rows of what several processes hold, columns of processes with the numbers that each
/// has for it; those that hold the same are one column. Of many the first, and how many more there
/// are. Cost: linear.
std::string FilesSvg(const LookedAt& dump);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Which openings of memfds are the description that memfd_create(2) made.
#pragma once

#include <cstddef>
#include <unordered_set>

#include "dsl/commands.h"

namespace crgen::restorer {

/// The OPEN_FILE commands, by index, that take over the created description of their memfd: of each
/// memfd the first that is open for reading and writing and stays; and all that are there for a
/// moment, to map it. Unlike an opened one, it counts no writer: whoever may execute the memfd
/// (ETXTBSY) or lease it finds it so.
std::unordered_set<std::size_t> FindTakenOver(const Program& program);

}  // namespace crgen::restorer

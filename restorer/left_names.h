// SPDX-License-Identifier: Apache-2.0
// What a restore that failed could leave in folders, and who is left to remove it.
#pragma once

#include "dsl/commands.h"
#include "preflight/namespace_options.h"

namespace crgen::restorer {

/// What the process that restores has written down, and what outlives it.
struct Records {
  int board = -1;  ///< a memfd: Board; MadeFile of each socket file at its beginning
  int names = -1;  ///< a memfd: NameRecord
};

/// When all processes of the restore are gone: removes the socket files that it made, and the names
/// that were there for a moment, also in what the caller has given for mounts of the program's own.
/// Whatever else has one of these names by now stays.
void RemoveLeftNames(const Program& program, const NamespaceOptions& options,
                     const Records& records);

}  // namespace crgen::restorer

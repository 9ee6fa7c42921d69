// What can be known to fail before any process exists.
#pragma once

#include <string>

#include "dsl/commands.h"
#include "model/diagnostics.h"

namespace crgen {

struct PreflightOptions {
  std::string images;           ///< the folder of page images
  bool images_outside = false;  ///< links may lead out of it
  bool own_numbers = false;     ///< a new pid namespace: every number is free
};

/// Looks at everything outside the program that it needs: regular files (there, of the size, mode
/// and build id that they had), page images (there, long enough, below the folder), pid numbers
/// (free, below the system's limit), the kernel's vdso (as large as the dump's); and at what the
/// restorer cannot do. `program` has passed CheckProgram. Everything that is wrong is named.
/// kOk: nothing is; there may be warnings.
Result Preflight(const Program& program, const PreflightOptions& options, Diagnostics& diag);

}  // namespace crgen

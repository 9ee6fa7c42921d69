// SPDX-License-Identifier: Apache-2.0
// The notes of a core file. Private to views/.
#pragma once

#include <string>

#include "views/view.h"

namespace crgen {

/// All notes of `process`, one after another, as a PT_NOTE segment has them: those of the process
/// among those of its leader, then of each further thread.
std::string CoreNotes(const LookedAt& dump, ProcessIndex process);

}  // namespace crgen

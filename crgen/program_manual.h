// SPDX-License-Identifier: Apache-2.0
// restore-program(5): the reference of the language as a manual page.
#pragma once

#include <string>

namespace crgen {

/// The page, roff(7).
std::string ProgramManual();

}  // namespace crgen

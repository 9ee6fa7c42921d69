// SPDX-License-Identifier: Apache-2.0
// What must hold for every input: a fuzzer reports whoever aborts.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include "model/diagnostics.h"

namespace crgen::fuzz {

inline void Require(bool holds, const std::string& what, const Diagnostics& diag = {}) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what.c_str());
  for (const Diagnostic& entry : diag.entries()) {
    std::fprintf(stderr, "%s: %s\n", entry.where.c_str(), entry.what.c_str());
  }
  std::abort();
}

}  // namespace crgen::fuzz

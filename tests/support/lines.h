// SPDX-License-Identifier: Apache-2.0
// Diagnostics as strings, to compare them.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "model/diagnostics.h"

namespace crgen {

inline void PrintTo(const Diagnostic& diagnostic, std::ostream* out) {
  constexpr std::string_view kNames[] = {"error", "unsupported", "warning"};
  *out << kNames[static_cast<int>(diagnostic.severity)] << " " << diagnostic.where << ": "
       << diagnostic.what;
}

namespace test {

/// One string for each finding: "commands[2] EXIT pid 11: no WAIT follows".
inline std::vector<std::string> Lines(const Diagnostics& diag) {
  std::vector<std::string> lines;
  for (const Diagnostic& entry : diag.entries()) lines.push_back(entry.where + ": " + entry.what);
  return lines;
}

/// The same in one text, a line each.
inline std::string TextOf(const Diagnostics& diag) {
  std::string text;
  for (const std::string& line : Lines(diag)) text += line + "\n";
  return text;
}

/// As Lines(), with the severity: "error files.img[2].id: file 3 stands twice".
inline std::vector<std::string> GradedLines(const Diagnostics& diag) {
  std::vector<std::string> lines;
  for (const Diagnostic& entry : diag.entries()) lines.push_back(::testing::PrintToString(entry));
  return lines;
}

}  // namespace test
}  // namespace crgen

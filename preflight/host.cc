// SPDX-License-Identifier: Apache-2.0
#include "preflight/host.h"

#include <fstream>

namespace crgen {

std::string Host::File(const std::string& path) {
  const auto text = Text(FactKind::kSystem, path, [&] {
    std::ostringstream whole;
    whole << std::ifstream(path).rdbuf();
    std::string read = whole.str();
    if (read.ends_with('\n')) read.pop_back();
    return read;
  });
  // Whoever wrote the facts could not read it: every process has one.
  if (facts_ != nullptr && path == "/proc/self/status" && text == "") {
    unanswered_[static_cast<std::size_t>(FactKind::kSystem)].insert(path);
  }
  return text.value_or("");
}

}  // namespace crgen

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
  return text.value_or("");
}

}  // namespace crgen

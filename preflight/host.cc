// SPDX-License-Identifier: Apache-2.0
#include "preflight/host.h"

#include <fstream>

#include "preflight/own_status.h"

namespace crgen {
namespace {

constexpr const char* kOwnStatus = "/proc/self/status";

std::string Read(const std::string& path) {
  std::ostringstream whole;
  whole << std::ifstream(path).rdbuf();
  std::string read = whole.str();
  if (read.ends_with('\n')) read.pop_back();
  return read;
}

}  // namespace

std::string Host::File(const std::string& path) {
  const auto text = Text(FactKind::kSystem, path, [&] {
    return KeptStatus() && path == kOwnStatus ? *KeptStatus() : Read(path);
  });
  // Whoever wrote the facts could not read it: every process has one.
  if (facts_ != nullptr && path == kOwnStatus && text == "") {
    unanswered_[static_cast<std::size_t>(FactKind::kSystem)].insert(path);
  }
  return text.value_or("");
}

}  // namespace crgen

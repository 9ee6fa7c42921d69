// SPDX-License-Identifier: Apache-2.0
// Any bytes as an archive: refused with a finding that has a place and a cause, or a set of images
// that a dump can be looked for in.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/require.h"
#include "images/dump.h"
#include "images/source/archive.h"

namespace crgen::fuzz {
namespace {

void Try(std::string bytes) {
  Diagnostics diag;
  const std::unique_ptr<ImageSource> source = OpenArchiveBytes(std::move(bytes), nullptr, diag);
  Require((source == nullptr) == diag.HasErrors(), "result and findings contradict each other",
          diag);
  for (const Diagnostic& entry : diag.entries()) {
    Require(!entry.where.empty() && !entry.what.empty(), "a finding without place or cause", diag);
  }
  if (source == nullptr) return;
  std::vector<std::string> names;
  Require(source->List(&names, diag) == Result::kOk, "images that cannot be listed", diag);
  for (const std::string& name : names) {
    std::uint64_t size = 0;
    char byte = 0;
    Require(source->Size(name, &size, diag) == Result::kOk, "an image without a size", diag);
    Require(name.find('/') == name.npos, "an image in a folder: " + name);
    if (size == 0 || size > 1 << 20) continue;
    Diagnostics reading;  // of pages there may be too many to be held
    const Result read = source->ReadAt(name, size - 1, {&byte, 1}, reading);
    Require(Failed(read) == reading.HasErrors(), "result and findings contradict each other");
  }
  Snapshot snapshot;
  const Result loaded = LoadDump(*source, &snapshot, diag);
  Require(Failed(loaded) == diag.HasErrors(), "result and findings contradict each other", diag);
}

}  // namespace
}  // namespace crgen::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  crgen::fuzz::Try({reinterpret_cast<const char*>(data), size});
  return 0;
}

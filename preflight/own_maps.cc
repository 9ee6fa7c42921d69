// SPDX-License-Identifier: Apache-2.0
#include "preflight/own_maps.h"

#include <charconv>
#include <fstream>
#include <numeric>
#include <string>
#include <string_view>

namespace crgen {

std::uint64_t KernelRegion::size() const {
  return std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0});
}

Result ReadOwnMaps(OwnMaps* maps, Diagnostics& diag) {
  std::ifstream file("/proc/self/maps");
  for (std::string line; std::getline(file, line);) {
    AddressRange range;
    const char* text = line.data();
    const char* end = text + line.size();
    auto parsed = std::from_chars(text, end, range.start, 16);
    if (parsed.ptr == end || *parsed.ptr != '-') continue;
    parsed = std::from_chars(parsed.ptr + 1, end, range.end, 16);
    if (range.start >= kDefaultUserEnd) continue;  // the vsyscall page, the same in all processes
    maps->ranges.push_back(range);
    const auto is = [&](std::string_view name) { return line.ends_with(name); };
    KernelRegion* kernel = is("[vdso]")                          ? &maps->vdso
                           : is("[vvar]") || is("[vvar_vclock]") ? &maps->vvar
                                                                 : nullptr;
    if (kernel == nullptr) continue;
    if (kernel->sizes.empty()) kernel->start = range.start;
    kernel->sizes.push_back(range.size());
  }
  if (maps->ranges.empty()) return diag.Fail("/proc/self/maps", "cannot be read");
  return Result::kOk;
}

}  // namespace crgen

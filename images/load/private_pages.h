// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/diagnostics.h"
#include "model/snapshot.h"

namespace crgen {

/// Offsets into files are below it (loff_t).
inline constexpr std::uint64_t kFileEnd = std::uint64_t{1} << 63;

/// Keeps the runs that lie in private regions of `memory` and cuts them at region borders; checks
/// that every page lies in a region, and before the end of its file. Pages of what the kernel
/// provides are not loaded.
void FitPages(const std::vector<PageRun>& runs, const Snapshot& snapshot, AddressSpace* memory,
              const std::string& image, bool complete, Diagnostics& diag);

}  // namespace crgen

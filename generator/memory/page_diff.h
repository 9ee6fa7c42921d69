// SPDX-License-Identifier: Apache-2.0
// Which pages make one address range look like another.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/diagnostics.h"
#include "model/memory.h"
#include "model/page_reader.h"

namespace crgen {

struct PageChanges {
  std::vector<PageRun> loads;       ///< ascending
  std::vector<AddressRange> drops;  ///< pages that are there and shall not be, ascending
};

/// The runs of `runs` (ascending) inside `range`, cut at its ends.
std::vector<PageRun> RunsIn(std::span<const PageRun> runs, const AddressRange& range);

/// What turns the pages `present` of `range` into the pages `wanted`. Pages that both have are
/// compared byte by byte: equal ones stay as they are, shared copy-on-write. A drop may span pages
/// that are loaded after it, and pages that neither side has. Errors: those of `read`. Cost: linear
/// in runs and in pages compared.
Result DiffPages(std::span<const PageRun> present, std::span<const PageRun> wanted,
                 std::span<const std::string> images, const PageReader& read, PageChanges* changes,
                 Diagnostics& diag);

/// Appends `run`, as one with the last if addresses and image offsets go on.
void AppendRun(const PageRun& run, std::vector<PageRun>* runs);

}  // namespace crgen

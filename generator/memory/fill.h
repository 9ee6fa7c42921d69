// SPDX-License-Identifier: Apache-2.0
// LOAD_PAGES, and how a shared object that nobody can fill through a view of its own is filled.
#pragma once

#include <cstdint>
#include <vector>

#include "generator/emitter.h"
#include "generator/memory/spare_addresses.h"
#include "model/diagnostics.h"
#include "model/snapshot.h"

namespace crgen {

/// Fills a shared object through a view that is there only for the moment: maps the part that has
/// pages with `mapping` (its place and protection are set here) and loads them. The caller unmaps
/// `*view`, once something else keeps the object alive.
Result FillThroughSpareView(Pid pid, MapRegion mapping, const std::vector<PageRun>& pages,
                            const Snapshot& snapshot, SpareAddresses& spare, Emitter& out,
                            AddressRange* view, Diagnostics& diag);

/// LOAD_PAGES for each run; `shift` is added to the addresses.
void EmitLoads(Pid pid, const std::vector<PageRun>& runs, std::uint64_t shift,
               const Snapshot& snapshot, Emitter& out);

}  // namespace crgen

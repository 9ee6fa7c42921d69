// SPDX-License-Identifier: Apache-2.0
#include "generator/memory/fill.h"

#include <sys/mman.h>

#include <utility>

namespace crgen {

void EmitLoads(Pid pid, const std::vector<PageRun>& runs, std::uint64_t shift,
               const Snapshot& snapshot, Emitter& out) {
  for (const PageRun& run : runs) {
    out.Emit(pid, LoadPages{{run.start + shift},
                            run.nr_pages,
                            {snapshot.page_images[run.image], run.image_offset}});
  }
}

Result FillThroughSpareView(Pid pid, MapRegion mapping, const std::vector<PageRun>& pages,
                            const Snapshot& snapshot, SpareAddresses& spare, Emitter& out,
                            AddressRange* view, Diagnostics& diag) {
  const std::uint64_t first = pages.front().start;
  if (Failed(spare.Take(pages.back().end() - first, view, diag))) return Result::kError;
  mapping.start.value = view->start;
  mapping.end.value = view->end;
  mapping.prot.bits = PROT_READ | PROT_WRITE;
  if (mapping.shmem) {
    mapping.shmem->offset = first;
  } else {
    mapping.offset = first;
  }
  out.Emit(pid, std::move(mapping));
  EmitLoads(pid, pages, view->start - first, snapshot, out);
  return Result::kOk;
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "images/load/private_pages.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>

namespace crgen {
namespace {

/// The bytes of the file or memfd behind a private region, rounded up to pages; absent: there is no
/// such end. Behind it the kernel keeps no pages, private ones neither.
std::optional<std::uint64_t> EndOfFile(const Snapshot& snapshot, const Region& region) {
  std::optional<std::uint64_t> size;
  if (region.kind == RegionKind::kPrivateMemfd) {
    size = snapshot.memfds[static_cast<std::size_t>(region.object)].size;
  } else if (region.kind == RegionKind::kPrivateFile) {
    const File& file = *snapshot.files[static_cast<std::size_t>(region.file)];
    const RegularFile& regular = *As<RegularFile>(file);
    if (S_ISREG(regular.mode.value_or(S_IFREG))) size = regular.size;
  }
  if (!size || *size > kFileEnd) return std::nullopt;
  return (*size + kPageSize - 1) / kPageSize * kPageSize;
}

}  // namespace

void FitPages(const std::vector<PageRun>& runs, const Snapshot& snapshot, AddressSpace* memory,
              const std::string& image, bool complete, Diagnostics& diag) {
  memory->pages.reserve(runs.size());
  auto region = memory->regions.begin();
  auto guard = memory->guards.begin();
  for (PageRun run : runs) {
    while (guard != memory->guards.end() && guard->end <= run.start) ++guard;
    if (guard != memory->guards.end() && guard->start < run.end()) {
      diag.Error(image, "pages at " + HexText(std::max(guard->start, run.start)) +
                            " lie in a guard range");
    }
    while (run.nr_pages != 0) {
      while (region != memory->regions.end() && region->range.end <= run.start) ++region;
      if (region == memory->regions.end() || run.start < region->range.start) {
        // With areas left out, their pages have no place.
        if (complete) {
          diag.Error(image, "pages at " + HexText(run.start) + " lie in no area of mm");
        }
        const std::uint64_t next =
            region == memory->regions.end() ? run.end() : std::min(run.end(), region->range.start);
        const std::uint64_t skipped = (next - run.start) / kPageSize;
        run.start = next;
        run.image_offset += skipped * kPageSize;
        run.nr_pages -= skipped;
        continue;
      }
      PageRun part = run;
      part.nr_pages = (std::min(run.end(), region->range.end) - run.start) / kPageSize;
      if (region->IsPrivate()) {
        const std::uint64_t offset = region->offset + (run.start - region->range.start);
        const auto end = EndOfFile(snapshot, *region);
        if (end && offset + part.nr_pages * kPageSize > *end) {
          const std::uint64_t first = std::max(offset, *end) - offset + run.start;
          diag.Error(image, "pages at " + HexText(first) + " lie behind the end of their file");
        }
        memory->pages.push_back(part);
      } else if (region->kind != RegionKind::kVdso && region->kind != RegionKind::kVvar &&
                 region->kind != RegionKind::kAioRing) {
        diag.Error(image, "pages at " + HexText(run.start) + " lie in a shared area");
      }
      run.start += part.nr_pages * kPageSize;
      run.image_offset += part.nr_pages * kPageSize;
      run.nr_pages -= part.nr_pages;
    }
  }
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// What an AIO ring has kept: in the pages of its process.
#include <algorithm>
#include <span>

#include "images/load/loader.h"

namespace crgen {

/// What of a ring the kernel does not make itself: events that nobody has collected.
void Loader::LoadAioRing(const std::vector<PageRun>& runs, const std::string& image, Region* ring) {
  const AddressRange range = ring->range;
  auto run = std::upper_bound(runs.begin(), runs.end(), range.start,
                              [](std::uint64_t at, const PageRun& r) { return at < r.start; });
  const auto lacks = [&](std::uint64_t from) {
    diag.Unsupported(image, "the AIO ring at " + HexText(range.start) +
                                " has no content in one piece: not at " + HexText(from));
  };
  if (run == runs.begin() || (--run)->end() <= range.start) return lacks(range.start);
  const PageRun first = run->Part(range.start, std::min(run->end(), range.end));
  std::uint32_t header[AioRing::kHeaderSize / sizeof(std::uint32_t)];  // id, nr, head, tail, …
  const std::span<char> bytes(reinterpret_cast<char*>(header), sizeof header);
  PageImages pages(images.source());
  const std::string& name = snapshot.page_images[first.image];
  if (Failed(pages.Read(name, first.image_offset, bytes, diag))) return;
  ring->aio = {header[2], header[3], first.image, first.image_offset + AioRing::kHeaderSize};
  const std::uint64_t slots = AioSlots(range.size());
  if (header[1] != slots || ring->aio.head >= slots || ring->aio.tail >= slots) {
    diag.Error(name, "the AIO ring of " + image + " at " + HexText(range.start) + " has " +
                         std::to_string(header[1]) + " slots, head " +
                         std::to_string(ring->aio.head) + ", tail " +
                         std::to_string(ring->aio.tail) + "; its size is that of " +
                         std::to_string(slots));
    return;
  }
  if (ring->aio.head == ring->aio.tail) {
    ring->aio.image = 0, ring->aio.image_offset = 0;
    return;
  }
  PageRun all = first;
  while (all.end() < range.end) {
    if (++run == runs.end() || run->start != all.end() || run->image != all.image ||
        run->image_offset != all.image_offset + all.nr_pages * kPageSize) {
      return lacks(all.end());
    }
    all.nr_pages += run->nr_pages;
  }
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "generator/memory/page_diff.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace crgen {
namespace {

constexpr std::uint64_t kChunkPages = 64;

/// Appends to `loads` the pages of `wanted` that differ from those of `present`, at the same
/// addresses; `*kept_end`: the end of the last one that does not.
Result Compare(const PageRun& present, const PageRun& wanted, std::span<const std::string> images,
               const PageReader& read, std::vector<PageRun>* loads, std::uint64_t* kept_end,
               Diagnostics& diag) {
  if (present.image == wanted.image && present.image_offset == wanted.image_offset) {
    *kept_end = wanted.end();
    return Result::kOk;
  }
  static thread_local std::array<char, kChunkPages * kPageSize> a, b;
  for (std::uint64_t page = 0, count = 0; page < wanted.nr_pages; page += count) {
    const std::uint64_t left = wanted.nr_pages - page, skip = page * kPageSize;
    const std::uint64_t hole =
        CommonHole(left * kPageSize, {{read, images[present.image], present.image_offset + skip},
                                      {read, images[wanted.image], wanted.image_offset + skip}});
    if (hole != 0) {
      count = hole / kPageSize;
      *kept_end = wanted.start + skip + hole;
      continue;
    }
    count = std::min(kChunkPages, left);
    const std::uint64_t bytes = count * kPageSize;
    if (Failed(read(images[present.image], present.image_offset + skip, {a.data(), bytes}, diag)) ||
        Failed(read(images[wanted.image], wanted.image_offset + skip, {b.data(), bytes}, diag))) {
      return Result::kError;
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t at = skip + i * kPageSize;
      if (std::memcmp(&a[i * kPageSize], &b[i * kPageSize], kPageSize) == 0) {
        *kept_end = wanted.start + at + kPageSize;
        continue;
      }
      AppendRun({wanted.start + at, 1, wanted.image, wanted.image_offset + at}, loads);
    }
  }
  return Result::kOk;
}

void AppendDrop(const AddressRange& range, std::uint64_t kept_end,
                std::vector<AddressRange>* drops) {
  // Nothing is kept in between: one drop does for both.
  if (!drops->empty() && kept_end <= drops->back().end) {
    drops->back().end = range.end;
  } else {
    drops->push_back(range);
  }
}

}  // namespace

void AppendRun(const PageRun& run, std::vector<PageRun>* runs) {
  if (!runs->empty()) {
    PageRun& last = runs->back();
    if (last.end() == run.start && last.image == run.image &&
        last.image_offset + last.nr_pages * kPageSize == run.image_offset) {
      last.nr_pages += run.nr_pages;
      return;
    }
  }
  runs->push_back(run);
}

std::vector<PageRun> RunsIn(std::span<const PageRun> runs, const AddressRange& range) {
  std::vector<PageRun> inside;
  auto run = std::lower_bound(
      runs.begin(), runs.end(), range.start,
      [](const PageRun& candidate, std::uint64_t start) { return candidate.end() <= start; });
  for (; run != runs.end() && run->start < range.end; ++run) {
    inside.push_back(run->Part(range.start, range.end));
  }
  return inside;
}

Result DiffPages(std::span<const PageRun> present, std::span<const PageRun> wanted,
                 std::span<const std::string> images, const PageReader& read, PageChanges* changes,
                 Diagnostics& diag) {
  std::size_t p = 0, w = 0;
  std::uint64_t at = 0;        // everything below is dealt with
  std::uint64_t kept_end = 0;  // of the last page below that stays
  while (p < present.size() || w < wanted.size()) {
    const std::uint64_t present_start =
        p < present.size() ? std::max(present[p].start, at) : ~std::uint64_t{0};
    const std::uint64_t wanted_start =
        w < wanted.size() ? std::max(wanted[w].start, at) : ~std::uint64_t{0};
    if (present_start < wanted_start) {
      const std::uint64_t end = std::min(present[p].end(), wanted_start);
      AppendDrop({present_start, end}, kept_end, &changes->drops);
      at = end;
    } else if (wanted_start < present_start) {
      const std::uint64_t end = std::min(wanted[w].end(), present_start);
      AppendRun(wanted[w].Part(wanted_start, end), &changes->loads);
      at = end;
    } else {
      const std::uint64_t end = std::min(present[p].end(), wanted[w].end());
      if (Failed(Compare(present[p].Part(present_start, end), wanted[w].Part(wanted_start, end),
                         images, read, &changes->loads, &kept_end, diag))) {
        return Result::kError;
      }
      at = end;
    }
    if (p < present.size() && present[p].end() <= at) ++p;
    if (w < wanted.size() && wanted[w].end() <= at) ++w;
  }
  return Result::kOk;
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "views/memory_map.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace crgen {
namespace {

/// Divides one region into parts: its own pages, then what is behind them, both without guards.
class Divider {
 public:
  Divider(const Snapshot& snapshot, const Process& process, const Region& region,
          const std::function<void(const MemoryPart&)>& take)
      : snapshot_(snapshot), process_(process), region_(region), take_(take) {
    const std::vector<AddressRange>& guards = process.memory.guards;
    guard_ = std::ranges::lower_bound(guards, region.range.start + 1, {}, &AddressRange::end);
  }

  void Run() {
    const std::vector<PageRun>& runs = process_.memory.pages;
    auto run = std::ranges::lower_bound(runs, region_.range.start + 1, {}, &PageRun::end);
    std::uint64_t at = region_.range.start;
    for (; run != runs.end() && run->start < region_.range.end; ++run) {
      const PageRun part = run->Part(region_.range.start, region_.range.end);
      Behind({at, part.start});
      Emit({{part.start, part.end()}, PartBacking::kPages, part.image, part.image_offset});
      at = part.end();
    }
    Behind({at, region_.range.end});
  }

 private:
  /// A range without pages of its own.
  void Behind(const AddressRange& range) {
    if (range.start >= range.end) return;
    switch (region_.kind) {
      case RegionKind::kPrivateAnonymous:
        return Emit({range, PartBacking::kZero});
      case RegionKind::kPrivateFile:
      case RegionKind::kSharedFile:
        return Emit({range, PartBacking::kFile});
      case RegionKind::kPrivateMemfd:
      case RegionKind::kSharedMemfd: {
        const MemfdObject& object = snapshot_.memfds[region_.object];
        return OfObject(range, object.size, object.pages);
      }
      case RegionKind::kSharedAnonymous: {
        const Shmem& object = snapshot_.shmems[region_.object];
        return OfObject(range, object.size, object.pages);
      }
      case RegionKind::kSysvShm:
      case RegionKind::kVdso:
      case RegionKind::kVvar:
      case RegionKind::kVsyscall:
      case RegionKind::kAioRing:
      case RegionKind::kPacketRing:
        return Emit({range, PartBacking::kUnknown});
    }
  }

  void OfObject(const AddressRange& range, std::uint64_t size, const std::vector<PageRun>& runs) {
    // From offsets in the object to addresses.
    const std::uint64_t shift = region_.range.start - region_.offset;
    const std::uint64_t from = range.start - shift, to = range.end - shift;
    const std::uint64_t shown = size - std::min(size, region_.offset);  // up to its end
    const std::uint64_t pages = std::min(shown + kPageSize - 1, region_.range.size());
    const std::uint64_t object_end = region_.range.start + pages / kPageSize * kPageSize;
    auto run = std::ranges::lower_bound(runs, from + 1, {}, &PageRun::end);
    std::uint64_t at = range.start;
    for (; run != runs.end() && run->start < to; ++run) {
      const PageRun part = run->Part(from, to);
      const AddressRange shows = {part.start + shift, part.end() + shift};
      Zero({at, shows.start}, object_end);
      Emit({shows, PartBacking::kPages, part.image, part.image_offset});
      at = shows.end;
    }
    Zero({at, range.end}, object_end);
  }

  /// Zero up to where the object ends.
  void Zero(const AddressRange& range, std::uint64_t object_end) {
    const std::uint64_t middle = std::clamp(object_end, range.start, range.end);
    Emit({{range.start, middle}, PartBacking::kZero});
    Emit({{middle, range.end}, PartBacking::kUnknown});
  }

  void Emit(const MemoryPart& part) {
    std::uint64_t at = part.range.start;
    const std::uint64_t end = part.range.end;
    const auto last = process_.memory.guards.end();
    while (at < end) {
      while (guard_ != last && guard_->end <= at) ++guard_;
      const std::uint64_t guard = guard_ == last ? end : std::clamp(guard_->start, at, end);
      if (at < guard) take_(part.Part(at, guard));
      if (guard == end) return;
      const std::uint64_t open = std::min(guard_->end, end);
      take_({{guard, open}, PartBacking::kUnknown});
      at = open;
    }
  }

  const Snapshot& snapshot_;
  const Process& process_;
  const Region& region_;
  const std::function<void(const MemoryPart&)>& take_;
  std::vector<AddressRange>::const_iterator guard_;
};

}  // namespace

MemoryPart MemoryPart::Part(std::uint64_t from, std::uint64_t to) const {
  MemoryPart part = *this;
  part.range = {std::max(range.start, from), std::min(range.end, to)};
  part.image_offset += part.range.start - range.start;
  return part;
}

void ForEachPart(const Snapshot& snapshot, const Process& process, const Region& region,
                 const std::function<void(const MemoryPart&)>& take) {
  Divider(snapshot, process, region, take).Run();
}

Result ReadPart(const LookedAt& dump, const MemoryPart& part, std::span<char> out,
                Diagnostics& diag) {
  if (part.backing == PartBacking::kZero) {
    std::memset(out.data(), 0, out.size());
    return Result::kOk;
  }
  const std::string& image = dump.snapshot.page_images[part.image];
  return dump.read_page(image, part.image_offset, out, diag);
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Address spaces of the simulated kernel: what regions, pages and guards do when they are added,
// removed, moved and inherited. Who may do so is decided elsewhere.
#include <sys/mman.h>

#include <utility>
#include <vector>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr std::uint64_t kDontFork = MadviseBit(MADV_DONTFORK);
constexpr std::uint64_t kWipeOnFork = MadviseBit(MADV_WIPEONFORK);

/// With what droppable memory has anyway (mmap(2)).
MapFlags FlagsInForce(const MappedRegion& region) {
  return {region.flags.bits | (region.flags.Has(kMapDroppable) ? MAP_NORESERVE : 0)};
}
Madvise AdviceInForce(const MappedRegion& region) {
  const bool droppable = region.flags.Has(kMapDroppable);
  return {region.madvise.bits | (droppable ? kWipeOnFork | MadviseBit(MADV_DONTDUMP) : 0)};
}

bool WipedByFork(const MappedRegion& region) { return AdviceInForce(region).Has(kWipeOnFork); }
bool ChangedByFork(const MappedRegion& region) {
  return WipedByFork(region) || region.madvise.Has(kDontFork) || region.flags.Has(MAP_LOCKED);
}

/// KSM merges private pages of ordinary size; elsewhere the kernel does not take down the advice.
std::uint64_t IgnoredAdvice(const MappedRegion& region) {
  const bool takes_it = region.backing->IsPrivate() && !region.flags.Has(MAP_HUGETLB) &&
                        !region.flags.Has(kMapDroppable);
  return takes_it ? 0 : MadviseBit(MADV_MERGEABLE);
}

/// Adds `bytes` of `region` to (or, negated, takes them from) the sums of `space`. Sums of bytes
/// stay right however regions are cut.
void Account(Space& space, const MappedRegion& region, std::uint64_t bytes) {
  if (ChangedByFork(region)) space.bytes_changed_by_fork += bytes;
  if (region.backing->kind != RegionKind::kSharedAnonymous) return;
  const std::uint64_t id = region.backing->object->id;
  const auto* view = space.shmem_views.Find(id);
  const std::uint64_t sum = (view == nullptr ? 0 : view->value) + bytes;
  if (sum == 0) {
    space.shmem_views.Erase(id);
  } else {
    space.shmem_views.Set(id, sum);
  }
}

template <typename Map>
void MoveRanges(Map& map, AddressRange from, std::uint64_t to) {
  using Value = std::decay_t<decltype(*map.FirstOverlap(from)->value)>;
  std::vector<std::pair<AddressRange, Value>> pieces;
  map.Take(from, [&](AddressRange piece, const Value& value) { pieces.push_back({piece, value}); });
  for (const auto& [piece, value] : pieces) {
    const std::uint64_t start = piece.start - from.start + to;
    map.Insert({start, start + piece.size()}, value);
  }
}

}  // namespace

bool Backing::IsPrivate() const {
  Region region;
  region.kind = kind;
  return region.IsPrivate();
}

bool Backing::IsSpecial() const {
  switch (kind) {
    case RegionKind::kSysvShm:
    case RegionKind::kVdso:
    case RegionKind::kVvar:
    case RegionKind::kVsyscall:
    case RegionKind::kAioRing:
    case RegionKind::kPacketRing:
      return true;
    default:
      return false;
  }
}

bool Continues(const MappedRegion& first, std::uint64_t size, const MappedRegion& next) {
  const Backing& a = *first.backing;
  const Backing& b = *next.backing;
  const bool alike = first.prot == next.prot && FlagsInForce(first) == FlagsInForce(next) &&
                     AdviceInForce(first) == AdviceInForce(next) && a.kind == b.kind &&
                     a.object == b.object && a.may_write == b.may_write;
  if (!alike) return false;
  if (&a != &b && (a.IsSpecial() || a.file != b.file)) return false;
  return !a.HasOffset() || next.offset == first.offset + size;
}

void AddRegion(Space& space, AddressRange range, MappedRegion region) {
  Account(space, region, range.size());
  space.regions.Insert(range, std::move(region));
}

bool RemoveRegions(Space& space, AddressRange range) {
  bool any = false;
  space.regions.Take(range, [&](AddressRange piece, const MappedRegion& region) {
    Account(space, region, -piece.size());
    any = true;
  });
  space.pages.Erase(range);
  space.guards.Erase(range);
  return any;
}

void MoveRegions(Space& space, AddressRange from, std::uint64_t to) {
  MoveRanges(space.regions, from, to);
  MoveRanges(space.pages, from, to);
  MoveRanges(space.guards, from, to);
}

void FillPages(PageMap& pages, AddressRange range, PageSource source) {
  pages.Erase(range);
  pages.Insert(range, source);
}

std::unique_ptr<Space> ForkSpace(const Space& space) {
  auto child = std::make_unique<Space>(space);
  if (space.bytes_changed_by_fork == 0) return child;
  space.regions.ForEach([&](AddressRange range, const MappedRegion& region) {
    if (!ChangedByFork(region)) return;
    if (region.madvise.Has(kDontFork)) {
      RemoveRegions(*child, range);
      return;
    }
    if (WipedByFork(region)) {
      child->pages.Erase(range);
      child->guards.Erase(range);
    }
    if (!region.flags.Has(MAP_LOCKED)) return;
    // Memory locks are not inherited (mlock(2)).
    child->regions.Update(range, [&](AddressRange piece, MappedRegion* copy) {
      Account(*child, *copy, -piece.size());
      copy->flags.bits &= ~std::uint64_t{MAP_LOCKED};
      Account(*child, *copy, piece.size());
    });
  });
  return child;
}

void ChangeMadvise(Space& space, AddressRange range, std::uint64_t clear, std::uint64_t set) {
  space.regions.Update(range, [&](AddressRange piece, MappedRegion* region) {
    const bool was_changed = ChangedByFork(*region);
    region->madvise.bits = (region->madvise.bits & ~clear) | (set & ~IgnoredAdvice(*region));
    if (ChangedByFork(*region) == was_changed) return;
    space.bytes_changed_by_fork += was_changed ? -piece.size() : piece.size();
  });
  JoinRegions(space, range);
}

void JoinRegions(Space& space, AddressRange range) { space.regions.Join(range, Continues); }

}  // namespace crgen::check

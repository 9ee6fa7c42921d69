// SPDX-License-Identifier: Apache-2.0
// The comparison of memory: regions, guards, and the content of pages.
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>

#include "model/region_kind.h"
#include "views/diff_parts.h"
#include "views/show_parts.h"

namespace crgen {
namespace {

constexpr std::uint64_t kPagesAtOnce = 64;

bool HasFile(const Region& region) {
  return region.kind == RegionKind::kPrivateFile || region.kind == RegionKind::kSharedFile;
}
bool HasObject(const Region& region) {
  return region.kind == RegionKind::kPrivateMemfd || region.kind == RegionKind::kSharedMemfd ||
         region.kind == RegionKind::kSharedAnonymous;
}

const RegularFile* FileOf(const Snapshot& snapshot, const Region& region) {
  return HasFile(region) && region.file >= 0 ? As<RegularFile>(*snapshot.files[region.file])
                                             : nullptr;
}

std::uint64_t ObjectIdOf(const Snapshot& snapshot, const Region& region) {
  return region.kind == RegionKind::kSharedAnonymous
             ? snapshot.shmems[region.object].id.value
             : snapshot.memfds[region.object].inode_id.value;
}

std::uint64_t AccessOf(const Region& region) { return region.open_flags.bits & O_ACCMODE; }

/// One mmap(2) could have made both; the two sides may be cut in different places.
bool Joins(const Snapshot& snapshot, const Region& first, const Region& next) {
  if (first.range.end != next.range.start || first.kind != next.kind || first.prot != next.prot ||
      first.flags != next.flags || first.madvise != next.madvise)
    return false;
  if (first.kind == RegionKind::kPrivateAnonymous) return true;
  if (next.offset != first.offset + first.range.size() || AccessOf(first) != AccessOf(next))
    return false;
  if (HasObject(first)) return first.object == next.object;
  const RegularFile *file = FileOf(snapshot, first), *other = FileOf(snapshot, next);
  if (file == nullptr || other == nullptr || !(file->path == other->path)) return false;
  const auto name = [](const RegularFile& it) {
    return it.unlinked ? std::optional(it.unlinked->id) : std::nullopt;
  };
  return name(*file) == name(*other);
}

/// Regions in the one form that all ways to make them lead to.
std::vector<Region> PlainRegions(const Snapshot& snapshot, const AddressSpace& memory) {
  std::vector<Region> regions;
  for (Region region : memory.regions) {
    region.flags.bits &= ~std::uint64_t{MAP_FIXED};
    // Images that show the object as a file lack the flag.
    if (region.kind == RegionKind::kSharedAnonymous) region.flags.bits |= MAP_ANONYMOUS;
    const bool segment = region.kind == RegionKind::kSysvShm;
    if (!HasFile(region) && !HasObject(region) && !segment) region.offset = 0;
    // It is the kernel's, and whoever inherits it keeps it.
    if (region.kind == RegionKind::kVsyscall) continue;
    if (!regions.empty() && Joins(snapshot, regions.back(), region)) {
      regions.back().range.end = region.range.end;
    } else {
      regions.push_back(std::move(region));
    }
  }
  return regions;
}

std::string RangeText(const AddressRange& range) {
  return HexText(range.start).substr(2) + "-" + HexText(range.end).substr(2);
}

/// The part of a run from its page `first` on.
PageRun From(const PageRun& run, std::uint64_t first) {
  return {run.start + first * kPageSize, run.nr_pages - first, run.image,
          run.image_offset + first * kPageSize};
}

}  // namespace

void SnapshotDiffer::CompareMemory(Pid pid, ProcessIndex before, ProcessIndex after) {
  const Process &one = a().processes[before], &other = b().processes[after];
  const std::vector<Region> regions = PlainRegions(a(), one.memory);
  const std::vector<Region> others = PlainRegions(b(), other.memory);
  const auto text = [](const Region& region, const Process& process, const Snapshot& snapshot) {
    const std::string what = RegionText(region, process, snapshot);
    return ProtText(region.prot, IsSharedRegion(region)) + (what.empty() ? "" : " " + what);
  };
  auto at = regions.begin();
  auto to = others.begin();
  while (at != regions.end() || to != others.end()) {
    const bool only_one =
        to == others.end() || (at != regions.end() && at->range.start < to->range.start);
    const bool only_other = !only_one && (at == regions.end() || to->range.start < at->range.start);
    const Place place = {Aspect::kRegion, pid,
                         "region " + RangeText(only_other ? to->range : at->range)};
    if (only_one) {
      Add(place, "", text(*at, one, a()), "none");
    } else if (only_other) {
      Add(place, "", "none", text(*to, other, b()));
    } else {
      CompareRegion(place, *at, *to);
    }
    if (!only_other) ++at;
    if (!only_one) ++to;
  }
  CompareUnplanned(pid, before, after);
  CompareGuards(pid, one.memory, other.memory);
  if (options_.same_meaning) FindKernelWords(one, other);
  ComparePrivatePages(pid, one.memory, other.memory);
  kernels_.clear();
}

/// Where the kernel itself writes on which processor a thread runs: rseq(2).
void SnapshotDiffer::FindKernelWords(const Process& before, const Process& after) {
  const auto add = [&](const std::shared_ptr<const Attributes>& attributes) {
    if (attributes != nullptr && attributes->rseq) {
      kernels_.push_back(attributes->rseq->pointer.value);
    }
  };
  for (const Process* process : {&before, &after}) {
    add(process->attributes);
    for (const Thread& thread : process->threads) add(thread.attributes);
  }
}

void SnapshotDiffer::ForgetKernelWords(std::uint64_t start, std::vector<char>* bytes) const {
  // cpu_id_start and cpu_id; node_id and mm_cid.
  constexpr std::uint64_t kSize = 8, kPlaces[] = {0, 20};
  for (const std::uint64_t area : kernels_) {
    for (const std::uint64_t place : kPlaces) {
      const std::uint64_t at = area + place - start;
      if (at < bytes->size() && bytes->size() - at >= kSize) {
        std::fill_n(bytes->begin() + static_cast<std::ptrdiff_t>(at), kSize, '\0');
      }
    }
  }
}

void SnapshotDiffer::CompareRegion(const Place& place, const Region& before, const Region& after) {
  Compare(place, "end", Hex{before.range.end}, Hex{after.range.end});
  if (before.kind != after.kind)
    return Add(place, "backing", RegionKindName(before.kind), RegionKindName(after.kind));
  Compare(place, "prot", before.prot, after.prot);
  Compare(place, "flags", before.flags, after.flags);
  Compare(place, "madvise", before.madvise, after.madvise);
  Compare(place, "offset", Hex{before.offset}, Hex{after.offset});
  if (HasFile(before)) CompareMapped(place, before, after);
  if (HasObject(before)) CompareShared(place, before, after);
  if (HasFile(before) || before.kind == RegionKind::kPrivateMemfd ||
      before.kind == RegionKind::kSharedMemfd || before.kind == RegionKind::kSysvShm)
    Compare(place, "access mode", OpenFlags{AccessOf(before)}, OpenFlags{AccessOf(after)});
  if (before.kind == RegionKind::kSysvShm) Compare(place, "shmid", before.shmid, after.shmid);
  if (before.kind == RegionKind::kPacketRing) {
    const auto number = [](const Region& region) {
      return static_cast<std::uint64_t>(region.file.value);
    };
    if (!files_.ArePaired(number(before), number(after)))
      Add(place, "socket", "one description", "another one");
  }
  if (before.kind != RegionKind::kAioRing) return;
  Compare(place, "nr_req", before.nr_req, after.nr_req);
  Compare(place, "head", before.aio.head, after.aio.head);
  Compare(place, "tail", before.aio.tail, after.aio.tail);
  if (before.aio.head == before.aio.tail || !(before.range == after.range)) return;
  const std::uint64_t bytes = AioSlots(before.range.size()) * AioRing::kEventSize;
  Compare(place, "events",
          ImageBytes{a().page_images[before.aio.image], before.aio.image_offset, bytes},
          ImageBytes{b().page_images[after.aio.image], after.aio.image_offset, bytes});
}

/// The file that is mapped. Of several entries for its path, which both sides have, any will do.
void SnapshotDiffer::CompareMapped(const Place& place, const Region& before, const Region& after) {
  const RegularFile *one = FileOf(a(), before), *other = FileOf(b(), after);
  if (one == nullptr || other == nullptr) return;
  Compare(place, "path", one->path, other->path);
  CompareUnlinked(place, one->unlinked, other->unlinked);
  if (!(one->path == other->path)) return;
  if (checks_a_.contains(ChecksOf(*other)) && checks_b_.contains(ChecksOf(*one))) return;
  Compare(place, "size", one->size, other->size);
  Compare(place, "mode", one->mode, other->mode);
  Compare(place, "build_id", one->build_id, other->build_id);
}

void SnapshotDiffer::CompareShared(const Place& place, const Region& before, const Region& after) {
  const bool memfd = before.kind != RegionKind::kSharedAnonymous;
  const std::uint64_t id = ObjectIdOf(a(), before), other_id = ObjectIdOf(b(), after);
  if (!SameNumber(memfd ? "memfd" : "shmem", id, other_id))
    Add(place, "object", std::to_string(id), std::to_string(other_id));
  if (memfd) return CompareMemfd(place, a().memfds[before.object], b().memfds[after.object]);
  if (!compared_.insert("shmem" + std::to_string(id)).second) return;
  const Shmem &one = a().shmems[before.object], &other = b().shmems[after.object];
  Compare(place, "shmem.size", one.size, other.size);
  CompareObjectPages(place, one.pages, other.pages);
}

void SnapshotDiffer::CompareUnplanned(Pid pid, ProcessIndex before, ProcessIndex after) {
  std::map<std::uint64_t, const UnplannedRegion*> others;
  const auto place = [&](const UnplannedRegion& region) {
    return Place{Aspect::kRegion, pid, "region " + RangeText(region.range)};
  };
  const auto text = [](const UnplannedRegion& region) {
    return "! " + ProtText(region.prot, false).substr(0, 3) + " " + region.what;
  };
  for (const UnplannedRegion& it : relations_b_.LeftOutOf(after))
    others.emplace(it.range.start, &it);
  for (const UnplannedRegion& it : relations_a_.LeftOutOf(before)) {
    const auto other = others.find(it.range.start);
    if (other == others.end()) {
      Add(place(it), "", text(it), "none");
      continue;
    }
    Compare(place(it), "end", Hex{it.range.end}, Hex{other->second->range.end});
    Compare(place(it), "", text(it), text(*other->second));
    others.erase(other);
  }
  for (const auto& [start, region] : others) Add(place(*region), "", "none", text(*region));
}

void SnapshotDiffer::CompareGuards(Pid pid, const AddressSpace& before, const AddressSpace& after) {
  const std::vector<AddressRange> one = Joined(before.guards), other = Joined(after.guards);
  const auto place = [&](const AddressRange& range) {
    return Place{Aspect::kRegion, pid, "guard " + RangeText(range)};
  };
  for (const AddressRange& range : one) {
    if (!std::ranges::binary_search(other, range)) Add(place(range), "", "there", "none");
  }
  for (const AddressRange& range : other) {
    if (!std::ranges::binary_search(one, range)) Add(place(range), "", "none", "there");
  }
}

/// Where both sides have private memory; elsewhere the regions differ, or share an object.
void SnapshotDiffer::ComparePrivatePages(Pid pid, const AddressSpace& before,
                                         const AddressSpace& after) {
  std::vector<AddressRange> changed;
  Cursor at;
  auto one = before.regions.begin();
  auto other = after.regions.begin();
  while (one != before.regions.end() && other != after.regions.end()) {
    const AddressRange both = {std::max(one->range.start, other->range.start),
                               std::min(one->range.end, other->range.end)};
    if (both.start < both.end && one->IsPrivate() && other->IsPrivate()) {
      const Fill fill = {one->kind == RegionKind::kPrivateAnonymous,
                         other->kind == RegionKind::kPrivateAnonymous};
      ChangedPages({before.pages, after.pages}, both, fill, &at, &changed);
    }
    (one->range.end < other->range.end ? one : other)++;
  }
  AddPages({Aspect::kPages, pid, ""}, changed);
}

void SnapshotDiffer::CompareObjectPages(const Place& place, const std::vector<PageRun>& before,
                                        const std::vector<PageRun>& after) {
  std::vector<AddressRange> changed;
  Cursor at;
  ChangedPages({before, after}, {0, ~std::uint64_t{0}}, {true, true}, &at, &changed);
  AddPages({Aspect::kPages, place.pid, place.where}, changed);
}

void SnapshotDiffer::AddPages(const Place& place, const std::vector<AddressRange>& changed) {
  if (changed.empty()) return;
  Difference difference = {place.aspect, place.pid, place.where};
  difference.ranges = Joined(changed);
  for (const AddressRange& range : difference.ranges) difference.pages += range.size() / kPageSize;
  found_.list.push_back(std::move(difference));
}

void SnapshotDiffer::ChangedPages(const PageSet& pages, AddressRange range, Fill fill, Cursor* at,
                                  std::vector<AddressRange>* changed) {
  const auto next = [&](const std::vector<PageRun>& runs, std::size_t* index,
                        std::uint64_t from) -> const PageRun* {
    while (*index < runs.size() && runs[*index].end() <= from) ++*index;
    return *index < runs.size() && runs[*index].start < range.end ? &runs[*index] : nullptr;
  };
  for (std::uint64_t from = range.start; from < range.end;) {
    const PageRun* one = next(pages.before, &at->before, from);
    const PageRun* other = next(pages.after, &at->after, from);
    if (one == nullptr && other == nullptr) return;
    const std::uint64_t begin =
        std::max(from, std::min(one == nullptr ? range.end : one->start,
                                other == nullptr ? range.end : other->start));
    const bool in_one = one != nullptr && one->start <= begin;
    const bool in_other = other != nullptr && other->start <= begin;
    std::uint64_t end = range.end;
    for (const PageRun* run : {one, other}) {
      if (run != nullptr) end = std::min(end, run->start > begin ? run->start : run->end());
    }
    if (in_one && in_other) {
      ChangedRuns(one->Part(begin, end), other->Part(begin, end), changed);
    } else if (in_one ? fill.after_is_zero : fill.before_is_zero) {
      NonZeroPages(in_one ? before_ : after_, (in_one ? one : other)->Part(begin, end), changed);
    } else {
      changed->push_back({begin, end});  // one has the file's own page
    }
    from = end;
  }
}

void SnapshotDiffer::ChangedRuns(const PageRun& before, const PageRun& after,
                                 std::vector<AddressRange>* changed) {
  const std::string &image = a().page_images[before.image], &other = b().page_images[after.image];
  if (options_.same_images && image == other && before.image_offset == after.image_offset) return;
  if (!before_.dump.read_page || !after_.dump.read_page) {
    pages_not_compared_ += before.nr_pages;
    return;
  }
  std::vector<char> here, there;
  for (std::uint64_t at = 0, pages = 0; at < before.nr_pages; at += pages) {
    const PageRun rest = From(before, at), rest_after = From(after, at);
    pages = CommonHole(rest.nr_pages * kPageSize,
                       {{before_.dump.read_page, image, rest.image_offset},
                        {after_.dump.read_page, other, rest_after.image_offset}}) /
            kPageSize;
    if (pages != 0) continue;
    pages = std::min(rest.nr_pages, kPagesAtOnce);
    here.resize(pages * kPageSize);
    there.resize(pages * kPageSize);
    if (!Read(before_, image, rest.image_offset, &here) ||
        !Read(after_, other, rest_after.image_offset, &there)) {
      changed->push_back({rest.start, rest.end()});  // said by `diag_`
      return;
    }
    ForgetKernelWords(rest.start, &here);
    ForgetKernelWords(rest.start, &there);
    if (here == there) continue;
    for (std::uint64_t page = 0; page < pages; ++page) {
      const auto first = static_cast<std::ptrdiff_t>(page * kPageSize);
      if (std::equal(here.begin() + first, here.begin() + first + std::ptrdiff_t{kPageSize},
                     there.begin() + first))
        continue;
      const std::uint64_t address = rest.start + page * kPageSize;
      changed->push_back({address, address + kPageSize});
    }
  }
}

/// Where a run has other pages than the other side's, which are zero.
void SnapshotDiffer::NonZeroPages(const DiffSide& side, const PageRun& run,
                                  std::vector<AddressRange>* changed) {
  const std::string& image = side.dump.snapshot.page_images[run.image];
  std::vector<char> bytes;
  for (std::uint64_t at = 0, pages = 0; at < run.nr_pages; at += pages) {
    const PageRun rest = From(run, at);
    pages =
        CommonHole(rest.nr_pages * kPageSize, {{side.dump.read_page, image, rest.image_offset}}) /
        kPageSize;
    if (pages != 0) continue;
    pages = std::min(rest.nr_pages, kPagesAtOnce);
    bytes.resize(pages * kPageSize);
    if (!side.dump.read_page || !Read(side, image, rest.image_offset, &bytes)) {
      changed->push_back({rest.start, rest.end()});
      return;
    }
    for (std::uint64_t page = 0; page < pages; ++page) {
      const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(page * kPageSize);
      if (std::all_of(first, first + std::ptrdiff_t{kPageSize}, [](char it) { return it == 0; }))
        continue;
      const std::uint64_t address = rest.start + page * kPageSize;
      changed->push_back({address, address + kPageSize});
    }
  }
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// The comparison of regions, guards, pages and shared objects with a snapshot.
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include "checker/compare/comparison.h"
#include "checker/compare/difference.h"
#include "model/region_kind.h"

namespace crgen::check {
namespace {

constexpr std::uint64_t kPagesAtOnce = 64;

/// A region of either side in one form.
struct PlainRegion {
  AddressRange range;
  RegionKind kind = RegionKind::kPrivateAnonymous;
  Prot prot;
  MapFlags flags;
  Madvise madvise;
  std::uint64_t offset = 0;
  const RegularFile* file = nullptr;
  std::uint64_t object = 0;  ///< inode id or shmem id
  std::uint64_t socket = 0;  ///< of packet rings: the file id
  std::uint64_t access = 0;  ///< O_ACCMODE of the opening
  std::uint64_t nr_req = 0;
  std::uint64_t head = 0, tail = 0;
  ImageBytes events;
  std::uint64_t shmid = 0;
};

bool HasObject(RegionKind kind) {
  return kind == RegionKind::kPrivateMemfd || kind == RegionKind::kSharedMemfd ||
         kind == RegionKind::kSharedAnonymous;
}
bool HasFile(RegionKind kind) {
  return kind == RegionKind::kPrivateFile || kind == RegionKind::kSharedFile;
}
bool IsOpened(RegionKind kind) {
  return HasFile(kind) || kind == RegionKind::kPrivateMemfd || kind == RegionKind::kSharedMemfd ||
         kind == RegionKind::kSysvShm;
}
bool HasOffset(RegionKind kind) {
  return HasFile(kind) || HasObject(kind) || kind == RegionKind::kSysvShm;
}

bool IsPrivateKind(RegionKind kind) {
  Region region;
  region.kind = kind;
  return region.IsPrivate();
}

Text PathOf(const PlainRegion& region) {
  return region.file == nullptr ? Text{} : region.file->path;
}

std::optional<UnlinkedId> UnlinkedOf(const PlainRegion& region) {
  if (region.file == nullptr || !region.file->unlinked) return std::nullopt;
  return region.file->unlinked->id;
}

/// One mmap(2) could have made both; the two sides may be cut in different places.
bool Joins(const PlainRegion& first, const PlainRegion& next) {
  const bool alike = first.range.end == next.range.start && first.kind == next.kind &&
                     first.prot == next.prot && first.flags == next.flags &&
                     first.madvise == next.madvise && PathOf(first) == PathOf(next) &&
                     UnlinkedOf(first) == UnlinkedOf(next) && first.object == next.object &&
                     first.access == next.access;
  if (!alike) return false;
  if (first.kind == RegionKind::kPrivateAnonymous) return true;
  return HasOffset(first.kind) && first.shmid == next.shmid &&
         next.offset == first.offset + first.range.size();
}

void Append(PlainRegion region, std::vector<PlainRegion>* regions) {
  if (!regions->empty() && Joins(regions->back(), region)) {
    regions->back().range.end = region.range.end;
  } else {
    regions->push_back(std::move(region));
  }
}

std::vector<PlainRegion> PlainRegions(const Snapshot& snapshot, const AddressSpace& space) {
  std::vector<PlainRegion> regions;
  for (const Region& region : space.regions) {
    PlainRegion plain;
    plain.range = region.range;
    plain.kind = region.kind;
    plain.prot = region.prot;
    plain.flags.bits = region.flags.bits & ~std::uint64_t{MAP_FIXED};
    // Images that show the object as a file lack the flag.
    if (region.kind == RegionKind::kSharedAnonymous) plain.flags.bits |= MAP_ANONYMOUS;
    plain.madvise = region.madvise;
    if (HasOffset(region.kind)) plain.offset = region.offset;
    if (HasFile(region.kind) && region.file >= 0) {
      plain.file = As<RegularFile>(*snapshot.files[region.file]);
    }
    if (HasObject(region.kind) && region.object >= 0) {
      plain.object = region.kind == RegionKind::kSharedAnonymous
                         ? snapshot.shmems[region.object].id.value
                         : snapshot.memfds[region.object].inode_id.value;
    }
    if (IsOpened(region.kind)) plain.access = region.open_flags.bits & O_ACCMODE;
    if (region.kind == RegionKind::kAioRing) {
      plain.nr_req = region.nr_req;
      plain.head = region.aio.head;
      plain.tail = region.aio.tail;
      if (plain.head != plain.tail) {
        plain.events = {snapshot.page_images[region.aio.image], region.aio.image_offset,
                        AioSlots(region.range.size()) * AioRing::kEventSize};
      }
    }
    if (region.kind == RegionKind::kSysvShm) plain.shmid = region.shmid;
    if (region.kind == RegionKind::kPacketRing) {
      plain.socket = snapshot.files[region.file]->id.value;
    }
    Append(std::move(plain), &regions);
  }
  return regions;
}

std::vector<PlainRegion> PlainRegions(const Space& space) {
  std::vector<PlainRegion> regions;
  space.regions.ForEach([&](AddressRange range, const MappedRegion& region) {
    const Backing& backing = *region.backing;
    PlainRegion plain;
    plain.range = range;
    plain.kind = backing.kind;
    plain.prot = region.prot;
    plain.flags = region.flags;
    plain.madvise = region.madvise;
    plain.offset = region.offset;
    if (HasFile(backing.kind)) plain.file = As<RegularFile>(*backing.file);
    if (HasObject(backing.kind)) plain.object = backing.object->id;
    if (backing.kind == RegionKind::kSysvShm) {
      plain.access = backing.may_write ? O_RDWR : O_RDONLY;
    } else if (IsOpened(backing.kind)) {
      plain.access = backing.file->flags.bits & O_ACCMODE;
    }
    plain.nr_req = backing.nr_req;
    plain.head = backing.head;
    plain.tail = backing.tail;
    plain.events = backing.events;
    plain.shmid = backing.shmid;
    if (backing.kind == RegionKind::kPacketRing) plain.socket = backing.file->id.value;
    Append(std::move(plain), &regions);
  });
  return regions;
}

/// What a restorer checks of a mapped file. Of several entries for its path any will do.
void CompareChecks(const std::string& where, const Snapshot& snapshot, const RegularFile& expected,
                   const RegularFile& found, Diagnostics& diag) {
  auto checks_alike = [&](const RegularFile& file) {
    return file.path == found.path && file.size == found.size && file.mode == found.mode &&
           file.build_id == found.build_id;
  };
  if (!(expected.path == found.path) || checks_alike(expected)) return;
  for (const auto& file : snapshot.files) {
    const auto* regular = As<RegularFile>(*file);
    if (regular != nullptr && checks_alike(*regular)) return;
  }
  Compare(where, "file.size", expected.size, found.size, diag);
  Compare(where, "file.mode", expected.mode, found.mode, diag);
  Compare(where, "file.build_id", expected.build_id, found.build_id, diag);
}

/// By what names the program has what regions show.
struct Names {
  Renaming &shmems, &memfds, &files;

  Renaming& OfObject(RegionKind kind) const {
    return kind == RegionKind::kSharedAnonymous ? shmems : memfds;
  }
};

void CompareRegion(const std::string& where, const Snapshot& snapshot, const PlainRegion& expected,
                   const PlainRegion& found, Names names, Diagnostics& diag) {
  if (expected.kind != found.kind) {
    diag.Error(where, "backing: expected " + RegionKindName(expected.kind) + ", found " +
                          RegionKindName(found.kind));
    return;
  }
  Compare(where, "end", Hex{expected.range.end}, Hex{found.range.end}, diag);
  Compare(where, "prot", expected.prot, found.prot, diag);
  Compare(where, "flags", expected.flags, found.flags, diag);
  Compare(where, "madvise", expected.madvise, found.madvise, diag);
  Compare(where, "path", PathOf(expected), PathOf(found), diag);
  if (expected.file != nullptr && found.file != nullptr) {
    CompareChecks(where, snapshot, *expected.file, *found.file, diag);
  }
  if (HasObject(expected.kind) &&
      !names.OfObject(expected.kind).Pair(expected.object, found.object)) {
    diag.Error(where, "object: expected " + std::to_string(expected.object) + ", found " +
                          std::to_string(found.object) + ", which stands for another one");
  }
  Compare(where, "offset", Hex{expected.offset}, Hex{found.offset}, diag);
  Compare(where, "access mode", OpenFlags{expected.access}, OpenFlags{found.access}, diag);
  Compare(where, "nr_req", expected.nr_req, found.nr_req, diag);
  Compare(where, "head", expected.head, found.head, diag);
  Compare(where, "tail", expected.tail, found.tail, diag);
  Compare(where, "events.image", Text{expected.events.image}, Text{found.events.image}, diag);
  Compare(where, "events.offset", expected.events.offset, found.events.offset, diag);
  Compare(where, "shmid", expected.shmid, found.shmid, diag);
  if (expected.kind == RegionKind::kPacketRing &&
      !names.files.Pair(expected.socket, found.socket)) {
    diag.Error(where, "socket: expected " + std::to_string(expected.socket) + ", found " +
                          std::to_string(found.socket) + ", which stands for another one");
  }
}

void CompareRegions(const std::string& process, const Snapshot& snapshot,
                    const std::vector<PlainRegion>& expected, const std::vector<PlainRegion>& found,
                    Names names, Diagnostics& diag) {
  auto name = [&](const PlainRegion& region) {
    return process + " region " + RangeText(region.range);
  };
  auto e = expected.begin();
  auto f = found.begin();
  while (e != expected.end() || f != found.end()) {
    const bool only_e =
        f == found.end() || (e != expected.end() && e->range.start < f->range.start);
    const bool only_f = !only_e && (e == expected.end() || f->range.start < e->range.start);
    if (only_e) {
      diag.Error(name(*e), "expected " + RegionKindName(e->kind) + ", not mapped like this");
    } else if (only_f) {
      diag.Error(name(*f), RegionKindName(f->kind) + ", not expected like this");
    } else {
      CompareRegion(name(*e), snapshot, *e, *f, names, diag);
    }
    if (!only_f) ++e;
    if (!only_e) ++f;
  }
}

/// Takes the first `bytes` off `*run` and returns them as a run.
PlainRun Split(PlainRun* run, std::uint64_t bytes) {
  PlainRun head = *run;
  head.range.end = head.range.start + bytes;
  run->range.start += bytes;
  run->offset += bytes;
  return head;
}

}  // namespace

void Comparison::CompareGuards(const std::string& where, const AddressSpace& expected,
                               const Space& found) {
  std::vector<AddressRange> ranges;
  found.guards.ForEach([&](AddressRange range, const NoValue&) { ranges.push_back(range); });
  ranges = Joined(ranges);
  const std::vector<AddressRange> wanted = Joined(expected.guards);
  for (const AddressRange& range : wanted) {
    if (std::binary_search(ranges.begin(), ranges.end(), range)) continue;
    diag_.Error(where + " guard " + RangeText(range), "expected, not installed like this");
  }
  for (const AddressRange& range : ranges) {
    if (std::binary_search(wanted.begin(), wanted.end(), range)) continue;
    diag_.Error(where + " guard " + RangeText(range), "installed, not expected like this");
  }
}

void Comparison::CompareMemory(const std::string& where, const AddressSpace& expected,
                               const Space& found) {
  const std::vector<PlainRegion> wanted = PlainRegions(snapshot_, expected);
  std::vector<PlainRegion> mapped = PlainRegions(found);
  // vsyscall is the last region of all and cannot be unmapped: who inherits it, has it.
  auto has_vsyscall = [](const std::vector<PlainRegion>& regions) {
    return !regions.empty() && regions.back().kind == RegionKind::kVsyscall;
  };
  if (has_vsyscall(mapped) && !has_vsyscall(wanted)) mapped.pop_back();
  CompareRegions(where, snapshot_, wanted, mapped, {shmems_, memfds_, files_}, diag_);
  for (const PlainRegion& region : wanted) {
    const auto other = std::ranges::lower_bound(mapped, region.range.start, {},
                                                [](const auto& it) { return it.range.start; });
    if (region.file == nullptr || other == mapped.end() || other->file == nullptr ||
        other->range.start != region.range.start) {
      continue;
    }
    CompareUnlinked(where + " region " + RangeText(region.range), region.file->unlinked,
                    other->file->unlinked);
  }
  CompareGuards(where, expected, found);
  ComparePages(where, PrivatePages(expected), Plain(found.pages));
}

std::vector<PlainRun> Comparison::Plain(const std::vector<PageRun>& runs,
                                        bool zero_if_absent) const {
  std::vector<PlainRun> plain;
  for (const PageRun& run : runs) {
    plain.push_back({{run.start, run.end()},
                     snapshot_.page_images[run.image],
                     run.image_offset,
                     zero_if_absent});
  }
  return plain;
}

std::vector<PlainRun> Comparison::Plain(const PageMap& pages) const {
  std::vector<PlainRun> plain;
  pages.ForEach([&](AddressRange range, const PageSource& source) {
    plain.push_back({range, kernel_.images[source.image], source.offset, false});
  });
  return plain;
}

/// The pages that a program loads into a process: none of those that the kernel provides.
std::vector<PlainRun> Comparison::PrivatePages(const AddressSpace& space) const {
  std::vector<PlainRun> plain;
  auto region = space.regions.begin();
  for (PlainRun run : Plain(space.pages, false)) {
    while (run.range.start < run.range.end) {
      while (region != space.regions.end() && region->range.end <= run.range.start) ++region;
      if (region == space.regions.end()) break;
      if (region->range.start > run.range.start) {
        Split(&run, std::min(region->range.start, run.range.end) - run.range.start);
        continue;
      }
      PlainRun part = Split(&run, std::min(region->range.end, run.range.end) - run.range.start);
      if (!IsPrivateKind(region->kind)) continue;
      part.zero_if_absent = region->kind == RegionKind::kPrivateAnonymous;
      plain.push_back(part);
    }
  }
  return plain;
}

void Comparison::ComparePages(const std::string& where, const std::vector<PlainRun>& expected,
                              const std::vector<PlainRun>& found) {
  std::size_t i = 0;
  std::size_t j = 0;
  PlainRun e = expected.empty() ? PlainRun{} : expected[0];
  PlainRun f = found.empty() ? PlainRun{} : found[0];
  while (i < expected.size() || j < found.size()) {
    const bool only_e = j == found.size() || (i < expected.size() && e.range.start < f.range.start);
    const bool only_f = !only_e && (i == expected.size() || f.range.start < e.range.start);
    if (only_e) {
      const std::uint64_t limit = j == found.size() ? e.range.end : f.range.start;
      CheckAbsent(where, Split(&e, std::min(e.range.end, limit) - e.range.start));
    } else if (only_f) {
      const std::uint64_t limit = i == expected.size() ? f.range.end : e.range.start;
      const PlainRun extra = Split(&f, std::min(f.range.end, limit) - f.range.start);
      diag_.Error(where + " pages " + RangeText(extra.range), "present, not expected");
    } else {
      const std::uint64_t bytes = std::min(e.range.size(), f.range.size());
      const PlainRun wanted = Split(&e, bytes);
      CompareBytes(where, wanted, Split(&f, bytes));
    }
    if (i < expected.size() && e.range.size() == 0 && ++i < expected.size()) e = expected[i];
    if (j < found.size() && f.range.size() == 0 && ++j < found.size()) f = found[j];
  }
}

bool Comparison::Read(std::string_view image, std::uint64_t offset, std::vector<char>* bytes) {
  return read_page_ && Succeeded(read_page_(std::string(image), offset, *bytes, diag_));
}

void Comparison::CheckAbsent(const std::string& where, const PlainRun& expected) {
  const std::string image(expected.image);
  std::vector<char> bytes;
  for (std::uint64_t at = 0; at < expected.range.size(); at += bytes.size()) {
    const std::uint64_t left = expected.range.size() - at;
    if (expected.zero_if_absent)
      at += CommonHole(left, {{read_page_, image, expected.offset + at}});
    if (at == expected.range.size()) return;
    bytes.resize(std::min(expected.range.size() - at, kPagesAtOnce * kPageSize));
    const bool zero = expected.zero_if_absent &&
                      Read(expected.image, expected.offset + at, &bytes) &&
                      std::all_of(bytes.begin(), bytes.end(), [](char byte) { return byte == 0; });
    if (zero) continue;
    diag_.Error(where + " pages " + RangeText(expected.range), "expected, not present");
    return;
  }
}

void Comparison::CompareBytes(const std::string& where, const PlainRun& expected,
                              const PlainRun& found) {
  if (expected.image == found.image && expected.offset == found.offset) return;
  const std::string image(expected.image), other(found.image);
  std::vector<char> wanted;
  std::vector<char> had;
  for (std::uint64_t at = 0; at < expected.range.size(); at += wanted.size()) {
    at += CommonHole(expected.range.size() - at, {{read_page_, image, expected.offset + at},
                                                  {read_page_, other, found.offset + at}});
    if (at == expected.range.size()) return;
    wanted.resize(std::min(expected.range.size() - at, kPagesAtOnce * kPageSize));
    had.resize(wanted.size());
    if (Read(expected.image, expected.offset + at, &wanted) &&
        Read(found.image, found.offset + at, &had) && wanted == had) {
      continue;
    }
    Differ(where + " pages " + RangeText(expected.range), "content",
           std::string(expected.image) + " at " + std::to_string(expected.offset),
           std::string(found.image) + " at " + std::to_string(found.offset));
    return;
  }
}

void Comparison::CompareMemfds() {
  for (const MemfdObject& expected : snapshot_.memfds) {
    const std::string where = "memfd " + std::to_string(expected.inode_id.value);
    const auto found =
        kernel_.files.Of<Memfd>().Find(InodeId{memfds_.FoundFor(expected.inode_id.value)});
    if (found == nullptr) {
      diag_.Error(where, "expected, does not exist");
      continue;
    }
    const Memfd& created = found->created;
    Compare(where, "name", expected.name, created.name.value_or(Text{}), diag_);
    Compare(where, "size", expected.size, found->size, diag_);
    Compare(where, "seals", expected.seals, found->seals, diag_);
    Compare(where, "huge", expected.huge, created.huge, diag_);
    Compare(where, "mode", expected.mode, created.mode, diag_);
    Compare(where, "uid", expected.uid, created.uid.value_or(0), diag_);
    Compare(where, "gid", expected.gid, created.gid.value_or(0), diag_);
    ComparePages(where, Plain(expected.pages, true), Plain(found->pages));
  }
}

void Comparison::CompareShmems() {
  for (const Shmem& expected : snapshot_.shmems) {
    const std::string where = "shmem " + std::to_string(expected.id.value);
    auto known = kernel_.shmems.find(ShmemId{shmems_.FoundFor(expected.id.value)});
    auto found = known == kernel_.shmems.end() ? nullptr : known->second.lock();
    if (found == nullptr) {
      diag_.Error(where, "expected, does not exist");
      continue;
    }
    Compare(where, "size", expected.size, found->size, diag_);
    ComparePages(where, Plain(expected.pages, true), Plain(found->pages));
  }
}

}  // namespace crgen::check

// SPDX-License-Identifier: Apache-2.0
// The commands of address spaces around a FORK.
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>

#include "generator/memory/fill.h"
#include "generator/memory/memory.h"

namespace crgen {
namespace {

constexpr std::uint64_t kDontNeed = MadviseBit(MADV_DONTNEED);

std::optional<SpecialRegion> SpecialOf(RegionKind kind) {
  switch (kind) {
    case RegionKind::kVdso:
      return SpecialRegion::kVdso;
    case RegionKind::kVvar:
      return SpecialRegion::kVvar;
    case RegionKind::kVsyscall:
      return SpecialRegion::kVsyscall;
    case RegionKind::kAioRing:
      return SpecialRegion::kAio;
    case RegionKind::kSysvShm:
      return SpecialRegion::kSysvIpc;
    default:
      return std::nullopt;
  }
}

bool IsFileBacked(RegionKind kind) {
  return kind == RegionKind::kPrivateFile || kind == RegionKind::kSharedFile ||
         kind == RegionKind::kPrivateMemfd || kind == RegionKind::kSharedMemfd;
}

bool IsAttachedToWrite(const Region& region) {
  return region.kind == RegionKind::kSysvShm && (region.open_flags.bits & O_ACCMODE) == O_RDWR;
}

/// One description serves all regions of one file that are opened the same way.
bool SameOpening(const Region& a, const Region& b, const Snapshot& snapshot) {
  if (!(a.open_flags == b.open_flags) || (a.file < 0) != (b.file < 0)) return false;
  if (a.file < 0) return a.object == b.object;
  return a.file == b.file || As<RegularFile>(*snapshot.files[a.file])->path ==
                                 As<RegularFile>(*snapshot.files[b.file])->path;
}

/// The pages of a shared object, at their addresses in `view`.
std::vector<PageRun> PagesInView(const Region& view, std::vector<PageRun> pages) {
  for (PageRun& run : pages) run.start += view.range.start - view.offset;
  return pages;
}

}  // namespace

const Region* MemoryPlan::RegionAt(NodeIndex node, const AddressRange& range) const {
  const Process* process = tree_.Living(snapshot_, node);
  if (process == nullptr) return nullptr;
  const auto& regions = process->memory.regions;
  auto found = std::lower_bound(
      regions.begin(), regions.end(), range.start,
      [](const Region& region, std::uint64_t start) { return region.range.start < start; });
  return found != regions.end() && found->range == range ? &*found : nullptr;
}

std::vector<PageRun> MemoryPlan::PagesFor(NodeIndex node, const Job& job) const {
  const Region& region = job.region;
  if (region.IsPrivate()) {
    if (job.content < 0) return {};
    return RunsIn(tree_.Living(snapshot_, job.content)->memory.pages, region.range);
  }
  if (region.kind == RegionKind::kSharedMemfd && opener_.memfds().Fills(node, region)) {
    return PagesInView(region, snapshot_.memfds[region.object].pages);
  }
  if (region.kind == RegionKind::kSharedAnonymous && fillers_[region.object].Is(node, region)) {
    return PagesInView(region, snapshot_.shmems[region.object].pages);
  }
  return {};
}

/// Creates the object behind `region` and fills it through `*view`, if no view of the snapshot
/// can do that; `*view` stays empty if one can.
Result MemoryPlan::CreateShmem(NodeIndex node, const Region& region, AddressRange* view,
                               Diagnostics& diag) {
  const Shmem& object = snapshot_.shmems[region.object];
  if (shmem_created_[region.object] || object.pages.empty() || fillers_[region.object].node >= 0) {
    return Result::kOk;
  }
  shmem_created_[region.object] = true;
  MapRegion mapping;
  mapping.flags = region.flags;
  mapping.shmem = ShmemView{object.id, 0, object.size};
  return FillThroughSpareView(tree_.nodes[node].pid, std::move(mapping), object.pages, snapshot_,
                              spare_, out_, view, diag);
}

void MemoryPlan::DescribeRing(const Region& region, MapRegion* map) const {
  const AioRing& ring = region.aio;
  map->nr_req = region.nr_req;
  map->head = ring.head;
  map->tail = ring.tail;
  if (ring.head == ring.tail) return;
  map->events = ImageBytes{snapshot_.page_images[ring.image], ring.image_offset,
                           AioSlots(region.range.size()) * AioRing::kEventSize};
}

/// What may be written to later has to be attached for writing.
void MemoryPlan::DescribeSegment(const Region& region, MapRegion* map) {
  map->shmid = region.shmid;
  if (region.offset != 0) map->shm_offset = region.offset;
  if (IsAttachedToWrite(region)) map->prot.bits |= std::uint64_t{PROT_WRITE};
}

Result MemoryPlan::MapOne(NodeIndex node, const Job& job, std::optional<Fd> fd, Diagnostics& diag) {
  const Region& region = job.region;
  const Pid pid = tree_.nodes[node].pid;
  MapRegion map;
  map.start.value = region.range.start;
  map.end.value = region.range.end;
  map.prot = region.prot;
  if (!PagesFor(node, job).empty()) map.prot.bits |= std::uint64_t{PROT_WRITE};
  map.flags = region.flags;
  map.madvise = region.madvise;
  map.special = SpecialOf(region.kind);
  if (region.kind == RegionKind::kAioRing) DescribeRing(region, &map);
  if (region.kind == RegionKind::kSysvShm) DescribeSegment(region, &map);
  if (fd) {
    map.fd = fd;
    map.offset = region.offset;
  }
  AddressRange moment;
  if (region.kind == RegionKind::kSharedAnonymous) {
    if (Failed(CreateShmem(node, region, &moment, diag))) return Result::kError;
    const Shmem& object = snapshot_.shmems[region.object];
    map.shmem = ShmemView{object.id, region.offset, {}};
    if (!shmem_created_[region.object]) map.shmem->size = object.size;
    shmem_created_[region.object] = true;
  }
  out_.Emit(pid, std::move(map));
  if (moment.end != 0) out_.Emit(pid, UnmapRegion{{moment.start}, {moment.end}});
  return Result::kOk;
}

/// The descriptor that packet rings are mapped by: the socket itself, which the process holds.
std::optional<Fd> MemoryPlan::RingFd(NodeIndex node, const Region& region) const {
  if (region.kind != RegionKind::kPacketRing) return std::nullopt;
  const auto& slots = snapshot_.tables[tree_.Living(snapshot_, node)->table].slots;
  const auto slot =
      std::ranges::find_if(slots, [&](const Descriptor& it) { return it.file == region.file; });
  return slot->fd;
}

/// Opens what backs jobs[from], maps every job that it backs, and closes it.
Result MemoryPlan::MapFileBacked(NodeIndex node, const std::vector<Job>& jobs, std::size_t from,
                                 std::vector<bool>* done, Diagnostics& diag) {
  const Pid pid = tree_.nodes[node].pid;
  const Fd fd = descriptors_.SpareFd(node);
  if (Failed(
          opener_.OpenToMap({pid, fd, descriptors_.SpareFd(node, fd)}, jobs[from].region, diag))) {
    return Result::kError;
  }
  for (std::size_t i = from; i < jobs.size(); ++i) {
    if ((*done)[i] || !IsFileBacked(jobs[i].region.kind) ||
        !SameOpening(jobs[from].region, jobs[i].region, snapshot_)) {
      continue;
    }
    (*done)[i] = true;
    if (Failed(MapOne(node, jobs[i], fd, diag))) return Result::kError;
  }
  out_.Emit(pid, CloseFd{fd});
  return Result::kOk;
}

/// Maps all jobs (ascending), fills them, then takes back the permission to write where it was
/// given for that alone. Loads and protections of neighbours are one command.
Result MemoryPlan::MapAll(NodeIndex node, const std::vector<Job>& jobs, Diagnostics& diag) {
  const Pid pid = tree_.nodes[node].pid;
  std::vector<bool> done(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (done[i]) continue;
    if (Failed(IsFileBacked(jobs[i].region.kind)
                   ? MapFileBacked(node, jobs, i, &done, diag)
                   : MapOne(node, jobs[i], RingFd(node, jobs[i].region), diag))) {
      return Result::kError;
    }
  }
  std::vector<PageRun> loads;
  std::vector<std::pair<AddressRange, Prot>> protects;
  for (const Job& job : jobs) {
    const std::vector<PageRun> pages = PagesFor(node, job);
    if (pages.empty() && !IsAttachedToWrite(job.region)) continue;
    for (const PageRun& run : pages) AppendRun(run, &loads);
    if ((job.region.prot.bits & std::uint64_t{PROT_WRITE}) != 0) continue;
    if (!protects.empty() && protects.back().first.end == job.region.range.start &&
        protects.back().second == job.region.prot) {
      protects.back().first.end = job.region.range.end;
    } else {
      protects.emplace_back(job.region.range, job.region.prot);
    }
  }
  EmitLoads(pid, loads, 0, snapshot_, out_);
  for (const auto& [range, prot] : protects) {
    out_.Emit(pid, ProtectRegion{{range.start}, {range.end}, prot, {}});
  }
  return Result::kOk;
}

/// Whether `node` wants at the end what only `carried`, or another view like it, can give.
bool MemoryPlan::IsOfUse(NodeIndex node, const Region& carried) const {
  const Process* process = tree_.Living(snapshot_, node);
  if (process == nullptr || carried.IsPrivate()) return false;
  const auto& regions = process->memory.regions;
  return std::any_of(regions.begin(), regions.end(), [&](const Region& region) {
    return region.kind == carried.kind && region.object == carried.object;
  });
}

/// Makes an inherited region the process's own: its pages, its protection.
Result MemoryPlan::Adopt(NodeIndex node, Mapped& mapped, Diagnostics& diag) {
  const Region& region = *RegionAt(node, mapped.range);
  const Pid pid = tree_.nodes[node].pid;
  PageChanges changes;
  if (!region.IsPrivate()) {
    if (!mapped.filled) changes.loads = PagesFor(node, {region, {}});
    mapped.filled = true;
  } else if (mapped.content != node) {
    const auto& present = tree_.Living(snapshot_, mapped.content)->memory.pages;
    const auto& wanted = tree_.Living(snapshot_, node)->memory.pages;
    if (Failed(DiffPages(RunsIn(present, mapped.range), RunsIn(wanted, mapped.range),
                         snapshot_.page_images, read_page_, &changes, diag))) {
      return Result::kError;
    }
    mapped.content = node;
  }
  for (const AddressRange& range : changes.drops) {
    out_.Emit(pid, ProtectRegion{{range.start}, {range.end}, std::nullopt, {kDontNeed}});
  }
  if (!changes.loads.empty() && !mapped.prot.Has(std::uint64_t{PROT_WRITE})) {
    mapped.prot = Prot{region.prot.bits | std::uint64_t{PROT_WRITE}};
    out_.Emit(pid, ProtectRegion{{mapped.range.start}, {mapped.range.end}, mapped.prot, {}});
  }
  EmitLoads(pid, changes.loads, 0, snapshot_, out_);
  if (!(mapped.prot == region.prot)) {
    mapped.prot = region.prot;
    out_.Emit(pid, ProtectRegion{{mapped.range.start}, {mapped.range.end}, mapped.prot, {}});
  }
  return Result::kOk;
}

/// Unmaps what `drop` names; neighbours among the mapped regions go in one command.
void MemoryPlan::UnmapIf(NodeIndex node, const std::function<bool(const Mapped&)>& drop) {
  std::vector<Mapped>& mapped = spaces_[node].mapped;
  std::vector<Mapped> kept;
  AddressRange span;  // empty: none
  auto flush = [&] {
    if (span.size() == 0) return;
    out_.Emit(tree_.nodes[node].pid, UnmapRegion{{span.start}, {span.end}});
    span = {};
  };
  for (const Mapped& region : mapped) {
    // The kernel's own page above all processes: nobody gets rid of it.
    const bool fixed = items_[region.item].region.kind == RegionKind::kVsyscall;
    if (fixed || !drop(region)) {
      flush();
      kept.push_back(region);
    } else if (span.size() != 0) {
      span.end = region.range.end;
    } else {
      span = region.range;
    }
  }
  flush();
  mapped = std::move(kept);
}

Result MemoryPlan::BeforeFork(NodeIndex node, TreeTime time, Diagnostics& diag) {
  Space& space = spaces_[node];
  std::vector<Job> jobs;
  std::vector<Mapped> added;
  std::unordered_map<ItemIndex, std::size_t> mapped_at;  // in space.mapped
  for (std::size_t i = 0; i < space.mapped.size(); ++i) mapped_at.emplace(space.mapped[i].item, i);
  Result result = Result::kOk;
  space.carried.Acquire(time, [&](const CarriedItem& carried) {
    if (auto inherited = mapped_at.find(carried.item); inherited != mapped_at.end()) {
      Mapped& mapped = space.mapped[inherited->second];
      if (carried.holder && Failed(Adopt(node, mapped, diag))) result = Result::kError;
      return;
    }
    const Item& item = items_[carried.item];
    Job job{item.region, item.model};
    if (carried.holder) job = {*RegionAt(node, item.region.range), node};
    job.region.madvise.bits &= ~kNotInherited;
    added.push_back(
        {carried.item, job.region.range, job.region.prot, job.content, carried.holder, true});
    jobs.push_back(std::move(job));
  });
  if (jobs.empty()) return result;
  auto by_address = [](const auto& a, const auto& b) { return a.range.start < b.range.start; };
  std::sort(jobs.begin(), jobs.end(),
            [&](const Job& a, const Job& b) { return by_address(a.region, b.region); });
  space.mapped.insert(space.mapped.end(), added.begin(), added.end());
  std::sort(space.mapped.begin(), space.mapped.end(), by_address);
  return Failed(MapAll(node, jobs, diag)) ? Result::kError : result;
}

void MemoryPlan::AfterFork(NodeIndex node, NodeIndex child) {
  Space& from = spaces_[node];
  Space& to = spaces_[child];
  to.mapped = from.mapped;
  std::unordered_map<ItemIndex, bool> holder_of;
  for (const CarriedItem& carried : to.carried.items()) {
    holder_of.emplace(carried.item, carried.holder);
  }
  for (Mapped& region : to.mapped) {
    auto known = holder_of.find(region.item);
    region.holder = known != holder_of.end() && known->second;
    region.filled = false;
  }
  // Whoever forks no more unmaps at the end, all at once.
  const TreeTime now = births_[child];
  if (births_[tree_.nodes[node].children.back()] > now) {
    std::unordered_map<ItemIndex, bool> done;
    from.carried.Release(now, [&](const CarriedItem& carried) {
      if (carried.holder || IsOfUse(node, items_[carried.item].region)) return;
      done.emplace(carried.item, true);
    });
    if (!done.empty()) UnmapIf(node, [&](const Mapped& m) { return done.contains(m.item); });
  }
  if (!tree_.nodes[child].children.empty()) {
    UnmapIf(child, [&](const Mapped& m) { return !holder_of.contains(m.item); });
  }
}

}  // namespace crgen

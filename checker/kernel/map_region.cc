// SPDX-License-Identifier: Apache-2.0
// MAP_REGION of the simulated kernel: mmap(2) and what may back it.
// Rules: Linux mm/mmap.c do_mmap(), mm/memfd.c (seals).
#include <fcntl.h>
#include <sys/mman.h>

#include <string>
#include <utility>
#include <variant>

#include "checker/kernel/kernel.h"
#include "model/access_mode.h"

namespace crgen::check {
namespace {

constexpr std::uint64_t kMapTypes = MAP_TYPE;
constexpr AddressRange kVsyscallPlace = {0xffffffffff600000, 0xffffffffff601000};

bool IsVsyscall(const MapRegion& map) { return map.special == SpecialRegion::kVsyscall; }

}  // namespace

bool Kernel::CheckPages(AddressRange range) {
  if (range.start % kPageSize != 0 || range.end % kPageSize != 0) {
    Violation("EINVAL", RangeText(range) + " is not a multiple of 4096");
    return false;
  }
  if (range.start >= range.end) {
    Violation("EINVAL", RangeText(range) + " is empty");
    return false;
  }
  return true;
}

bool Kernel::CheckUserPart(AddressRange range, std::string_view error) {
  if (range.end <= kUserEnd || range == kVsyscallPlace) return true;
  Violation(error, RangeText(range) + " is not in the user's part of the address space");
  return false;
}

bool Kernel::CheckPlace(const MapRegion& map) {
  const AddressRange range = {map.start.value, map.end.value};
  if (!CheckPages(range) || !CheckUserPart(range, "ENOMEM")) return false;
  if (IsVsyscall(map) != (range == kVsyscallPlace)) {
    Violation("EINVAL", "vsyscall, and only that, lies at " + RangeText(kVsyscallPlace));
    return false;
  }
  auto there = self().space->regions.FirstOverlap(range);
  if (!there) return true;
  Violation("EEXIST", RangeText(range) + " overlaps region " + RangeText(there->range));
  return false;
}

bool Kernel::CheckMapSources(const MapRegion& map) {
  const int sources = map.fd.has_value() + map.shmem.has_value() + map.special.has_value();
  if (sources > 1) {
    Violation("EINVAL", "more than one of fd, shmem and special");
    return false;
  }
  const bool aio = map.special == SpecialRegion::kAio;
  const bool sysv = map.special == SpecialRegion::kSysvIpc;
  if (map.nr_req.has_value() != aio || map.shmid.has_value() != sysv) {
    Violation("EINVAL", "nr_req goes with special aio, shmid with special sysvipc");
    return false;
  }
  return CheckSegment(map) && CheckRing(map);
}

bool Kernel::CheckRing(const MapRegion& map) {
  if (!map.head && !map.tail && !map.events) return true;
  const auto wrong = [&](const std::string& what) {
    Violation("EINVAL", what);
    return false;
  };
  if (map.special != SpecialRegion::kAio) return wrong("head, tail and events are of an aio ring");
  if (map.end.value <= map.start.value) return true;  // refused as a place
  const std::uint64_t slots = AioSlots(map.end.value - map.start.value);
  const std::uint32_t head = map.head.value_or(0), tail = map.tail.value_or(0);
  if (head >= slots || tail >= slots) {
    return wrong("head " + std::to_string(head) + ", tail " + std::to_string(tail) +
                 ": the ring has " + std::to_string(slots) + " slots");
  }
  if (map.events.has_value() != (head != tail)) {
    return wrong("events go with a head that is not the tail");
  }
  if (!map.events) return true;
  const std::uint64_t bytes = slots * AioRing::kEventSize;
  if (map.events->bytes != bytes) {
    return wrong("events of " + std::to_string(map.events->bytes) + " bytes: the slots have " +
                 std::to_string(bytes));
  }
  return CheckSource({map.events->image, map.events->offset}, bytes);
}

bool Kernel::CheckMapFlags(const MapRegion& map) {
  const std::uint64_t type = map.flags.bits & kMapTypes;
  if (type != MAP_SHARED && type != MAP_PRIVATE && type != kMapDroppable) {
    Violation("EINVAL", "the flags have not exactly one of MAP_SHARED and MAP_PRIVATE");
    return false;
  }
  if (type == kMapDroppable && (map.flags.bits & (MAP_LOCKED | MAP_HUGETLB)) != 0) {
    Violation("EINVAL", "droppable memory is neither locked nor of huge pages");
    return false;
  }
  return true;
}

bool Kernel::BackAnonymous(const MapRegion& map, Backing* backing) {
  if (map.flags.Has(MAP_SHARED)) {
    Violation("EINVAL", "shared anonymous memory without a shmem that names it");
    return false;
  }
  backing->kind = RegionKind::kPrivateAnonymous;
  return true;
}

bool Kernel::BackMemfd(const MapRegion& map, const Description& description, Backing* backing) {
  backing->object = description.object;
  if (!map.flags.Has(MAP_SHARED)) {
    backing->kind = RegionKind::kPrivateMemfd;
    return true;
  }
  backing->kind = RegionKind::kSharedMemfd;
  MemoryObject& object = *description.object;
  const bool sealed = (object.seals.bits & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0;
  if (sealed && map.prot.Has(PROT_WRITE)) {
    Violation("EPERM", "memfd " + std::to_string(object.id) + " is sealed against writing");
    return false;
  }
  backing->may_write = backing->may_write && !sealed;
  if (!backing->may_write) return true;
  backing->writable_view = object.writable_view.lock();
  if (backing->writable_view == nullptr) {
    backing->writable_view = std::make_shared<const WritableView>();
    object.writable_view = backing->writable_view;
  }
  return true;
}

bool Kernel::CheckMapFd(const MapRegion& map) {
  if (!map.fd) {
    if (map.shmem || map.special || map.flags.Has(MAP_ANONYMOUS)) return true;
    Violation("EBADF", "neither fd, shmem or special nor MAP_ANONYMOUS");
    return false;
  }
  const std::string name = "fd " + std::to_string(*map.fd);
  const std::uint64_t offset = map.offset.value_or(0);
  if (!map.offset || offset % kPageSize != 0) {
    Violation("EINVAL", "the offset into " + name + " is not a multiple of 4096");
    return false;
  }
  const auto* slot = self().table->slots.Find(*map.fd);
  if (slot == nullptr) {
    Violation("EBADF", name + " is not open");
    return false;
  }
  if (slot->value.description->file->flags.Has(O_PATH)) {
    Violation("EBADF", name + " is opened with O_PATH");
    return false;
  }
  if (offset > ~std::uint64_t{0} - (map.end.value - map.start.value)) {
    Violation("EOVERFLOW", "the offset into " + name + " is " + HexText(offset));
    return false;
  }
  return true;
}

/// packet_mmap().
bool Kernel::BackRings(const MapRegion& map, const PacketSocket& socket,
                       const std::shared_ptr<const Description>& opened, Backing* backing) {
  const std::uint64_t size = map.end.value - map.start.value;
  if (map.offset != 0u || socket.rings.Size() == 0 || size != socket.rings.Size()) {
    Violation("EINVAL", "fd " + std::to_string(*map.fd) + " has " +
                            std::to_string(socket.rings.Size()) +
                            " bytes of rings, which are mapped from 0 on, all of them");
    return false;
  }
  backing->file = opened->file;
  backing->opened = opened;
  backing->kind = RegionKind::kPacketRing;
  return true;
}

bool Kernel::BackFile(const MapRegion& map, Backing* backing) {
  const std::string name = "fd " + std::to_string(*map.fd);
  if (map.flags.Has(MAP_ANONYMOUS) || (map.flags.bits & kMapTypes) == kMapDroppable) {
    Violation("EINVAL", name + " does not back anonymous memory");
    return false;
  }
  const auto& opened = self().table->slots.Find(*map.fd)->value.description;
  const Description& description = *opened;
  const bool can_be_mapped = files.Visit(
      *description.file, [](const auto& rules, const auto&) { return rules.kCanBeMapped; });
  if (!can_be_mapped) {
    Violation("ENODEV", name + " is no file that can be mapped");
    return false;
  }
  const OpenFlags& flags = description.file->flags;
  const bool shared = map.flags.Has(MAP_SHARED);
  if (!IsReadable(flags) || (shared && map.prot.Has(PROT_WRITE) && !IsWritable(flags))) {
    Violation("EACCES", name + " is opened " +
                            FlagNames(OpenFlagKind::Names(), flags.bits & O_ACCMODE).front() + " " +
                            At(description.command));
    return false;
  }
  const PacketSocket* const rings = files.Visit(
      *description.file, [](const auto& rules, const auto& body) { return rules.Rings(body); });
  if (rings != nullptr) return BackRings(map, *rings, opened, backing);
  backing->file = description.file;
  backing->opened = opened;
  backing->may_write = !shared || IsWritable(flags);
  backing->kind = shared ? RegionKind::kSharedFile : RegionKind::kPrivateFile;
  return description.object == nullptr || BackMemfd(map, description, backing);
}

bool Kernel::BackShmem(const MapRegion& map, Backing* backing) {
  const ShmemView& view = *map.shmem;
  const std::string name = "shmem " + std::to_string(view.id.value);
  if (!map.flags.Has(MAP_SHARED | MAP_ANONYMOUS)) {
    Violation("EINVAL", name + " is MAP_SHARED and MAP_ANONYMOUS");
    return false;
  }
  if (view.offset % kPageSize != 0 ||
      view.offset > ~std::uint64_t{0} - (map.end.value - map.start.value)) {
    Violation("EINVAL", "offset " + std::to_string(view.offset) + " into " + name);
    return false;
  }
  backing->kind = RegionKind::kSharedAnonymous;
  auto known = shmems.find(view.id);
  if (known == shmems.end()) {
    if (!view.size || *view.size == 0) {
      Violation("ENOENT", name + " does not exist, and to create it takes a size");
      return false;
    }
    backing->object = std::make_shared<MemoryObject>();
    backing->object->id = view.id.value;
    backing->object->size = *view.size;
    return true;
  }
  backing->object = known->second.lock();
  if (backing->object == nullptr) {
    Violation("ENOENT", name + " is gone: no view of it is left");
    return false;
  }
  if (view.size) {
    Violation("EEXIST", name + " exists already: only the first view of it has a size");
    return false;
  }
  if (self().space->shmem_views.Find(view.id.value) == nullptr) {
    Violation("ENOENT", "process " + std::to_string(self().pid) + " holds no view of " + name);
    return false;
  }
  return true;
}

bool Kernel::BackSpecial(const MapRegion& map, Backing* backing) {
  const auto index = static_cast<std::size_t>(*map.special);
  if (index < special_mapped_.size()) {
    if (special_mapped_[index]) {
      Violation("EEXIST", std::string(kSpecialRegionNames[index]) + " is mapped already " +
                              At(*special_mapped_[index]) + "; it is inherited and moved");
      return false;
    }
  }
  constexpr RegionKind kKinds[] = {RegionKind::kVdso, RegionKind::kVvar, RegionKind::kVsyscall,
                                   RegionKind::kAioRing, RegionKind::kSysvShm};
  backing->kind = kKinds[index];
  backing->nr_req = map.nr_req.value_or(0);
  backing->shmid = map.shmid.value_or(0);
  backing->may_write = map.special != SpecialRegion::kSysvIpc || map.prot.Has(PROT_WRITE);
  backing->head = map.head.value_or(0);
  backing->tail = map.tail.value_or(0);
  if (map.events) backing->events = *map.events;
  return true;
}

void Kernel::Execute(const MapRegion& map) {
  // In the order of mmap(2), so that of several violations the first is the kernel's.
  if (!CheckMapSources(map) || !CheckMapFd(map)) return;
  if (!CheckPlace(map) || !CheckMapFlags(map)) return;
  auto backing = std::make_shared<Backing>();
  bool backed = false;
  if (map.fd) {
    backed = BackFile(map, backing.get());
  } else if (map.shmem) {
    backed = BackShmem(map, backing.get());
  } else if (map.special) {
    backed = BackSpecial(map, backing.get());
  } else {
    backed = BackAnonymous(map, backing.get());
  }
  if (!backed) return;
  const AddressRange range = {map.start.value, map.end.value};
  MappedRegion region;
  region.prot = map.prot;
  region.flags.bits = map.flags.bits & ~std::uint64_t{MAP_FIXED};
  region.offset = map.shmem ? map.shmem->offset
                  : map.fd  ? map.offset.value_or(0)
                            : map.shm_offset.value_or(0);
  region.backing = std::move(backing);
  const std::string problem = BadAdvice(range, region, map.madvise.bits);
  if (!problem.empty()) return Violation("EINVAL", problem);

  if (map.shmem && map.shmem->size) shmems[map.shmem->id] = region.backing->object;
  const auto special = static_cast<std::size_t>(map.special.value_or(SpecialRegion::kAio));
  if (special < special_mapped_.size()) special_mapped_[special] = command_;
  AddRegion(*self().space, range, std::move(region));
  if (map.madvise.bits != 0) Advise(range, map.madvise.bits);
}

}  // namespace crgen::check

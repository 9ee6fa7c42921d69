// SPDX-License-Identifier: Apache-2.0
// mm-<pid>.img: regions.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <variant>

#include "images/load/loader.h"
#include "images/load/place.h"
#include "images/load/private_pages.h"
#include "images/load/vma_status.h"

namespace crgen {
namespace {

constexpr std::uint64_t kVsyscallStart = 0xffffffffff600000;
constexpr std::uint32_t kMapShared = MAP_SHARED, kMapPrivate = MAP_PRIVATE;
constexpr std::uint32_t kMapType = MAP_TYPE;
constexpr std::uint32_t kMapFixed = MAP_FIXED, kMapAnonymous = MAP_ANONYMOUS;
constexpr std::uint64_t kHugeSize = std::uint64_t{MAP_HUGE_MASK} << MAP_HUGE_SHIFT;
constexpr std::uint64_t kMapFlags = std::uint64_t{kMapType} | kMapAnonymous | MAP_GROWSDOWN |
                                    MAP_LOCKED | MAP_NORESERVE | MAP_HUGETLB | kHugeSize;
constexpr std::uint64_t kSealWrite = F_SEAL_WRITE, kSealFutureWrite = F_SEAL_FUTURE_WRITE;
constexpr std::uint32_t kAccessMode = O_ACCMODE, kReadOnly = O_RDONLY, kReadWrite = O_RDWR;
constexpr std::uint64_t kProtWrite = PROT_WRITE, kProtAll = PROT_READ | PROT_WRITE | PROT_EXEC;
// Advice that an area keeps.
constexpr std::uint64_t kReadAhead = MadviseBit(MADV_RANDOM) | MadviseBit(MADV_SEQUENTIAL);
constexpr std::uint64_t kHugePages = MadviseBit(MADV_HUGEPAGE) | MadviseBit(MADV_NOHUGEPAGE);
constexpr std::uint64_t kDontDump = MadviseBit(MADV_DONTDUMP);
constexpr std::uint64_t kAdvice = kReadAhead | kHugePages | kDontDump | MadviseBit(MADV_DONTFORK) |
                                  MadviseBit(MADV_MERGEABLE) | MadviseBit(MADV_WIPEONFORK);

bool IsKernelArea(const Region& region) {
  return region.kind == RegionKind::kVdso || region.kind == RegionKind::kVvar ||
         region.kind == RegionKind::kVsyscall;
}

/// Converts the vmas of one mm_entry.
class RegionBuilder {
 public:
  RegionBuilder(Loader& loader, const pb::mm_entry& mm, ProcessIndex process, std::string image)
      : loader_(loader),
        diag_(loader.diag),
        mm_(mm),
        process_(process),
        pid_(loader.snapshot.tree.nodes[process].pid),
        image_(std::move(image)),
        memory_(loader.snapshot.processes[process].memory) {}

  void Build();

 private:
  /// The area that is being read, as text: on error only, for dumps have millions of them.
  std::string Where(std::string_view field = "") const {
    return image_ + "[0].vmas[" + std::to_string(index_) + "]" + std::string(field);
  }
  bool CheckRange(const pb::vma_entry& vma);
  bool CheckDescriptor(const pb::vma_entry& vma);
  bool Kind(const pb::vma_entry& vma, Region* region);
  bool FileBacked(const pb::vma_entry& vma, Region* region);
  bool PacketRing(const pb::vma_entry& vma, const Loader::FileEntry& file, Region* region);
  bool SharedObject(const pb::vma_entry& vma, Region* region);
  bool Segment(const pb::vma_entry& vma, Region* region);
  bool AioRing(Region* region);
  /// Values that no mmap(2) or mprotect(2) could have left in an area of that kind.
  bool CheckFlags(const pb::vma_entry& vma, Region* region);
  bool CheckOffset(const pb::vma_entry& vma);
  bool CheckKernelArea(const Region& region);
  bool Advice(Region* region);
  void AddGuard(const pb::vma_entry& vma);
  void LeaveOut(const pb::vma_entry& vma);

  Loader& loader_;
  Diagnostics& diag_;
  const pb::mm_entry& mm_;
  ProcessIndex process_;
  Pid pid_;
  std::string image_;
  AddressSpace& memory_;
  int index_ = 0;
  std::uint64_t last_end_ = 0;  // of the last area, supported or not
  std::vector<AddressRange> left_out_;
};

bool RegionBuilder::CheckRange(const pb::vma_entry& vma) {
  if ((vma.status() & kVsyscall) != 0) {
    if (vma.start() == kVsyscallStart && vma.end() == kVsyscallStart + kPageSize) return true;
    diag_.Error(Where(), HexText(vma.start()) + " to " + HexText(vma.end()) +
                             " is not the place of vsyscall, " + HexText(kVsyscallStart));
    return false;
  }
  if (vma.start() % kPageSize != 0 || vma.end() % kPageSize != 0 || vma.start() >= vma.end() ||
      vma.end() > kUserEnd) {
    diag_.Error(Where(), HexText(vma.start()) + " to " + HexText(vma.end()) +
                             " is no range of whole pages below " + HexText(kUserEnd));
    return false;
  }
  return true;
}

/// No number of a descriptor, and how what is mapped was opened.
bool RegionBuilder::CheckDescriptor(const pb::vma_entry& vma) {
  if (vma.fd() != -1) {
    diag_.Error(Where(".fd"), std::to_string(vma.fd()) + ", expected -1");
    return false;
  }
  const std::uint64_t unknown = UnknownBits<OpenFlagKind>(vma.fdflags() & ~kAccessMode);
  if (unknown == 0) return true;
  diag_.Essential(Where(".fdflags"), "bits " + HexText(unknown) + ", which have no name");
  return false;
}

bool RegionBuilder::FileBacked(const pb::vma_entry& vma, Region* region) {
  const bool shared = (vma.status() & kFileShared) != 0;
  const std::uint32_t id = static_cast<std::uint32_t>(vma.shmid());
  const Loader::FileEntry* file =
      vma.shmid() == id ? loader_.FindFile(id, [&] { return Where(".shmid"); }) : nullptr;
  if (file == nullptr) {
    if (vma.shmid() != id) diag_.Error(Where(".shmid"), "is no file id");
    return false;
  }
  const std::uint32_t wanted = (vma.status() & kMemfd) != 0    ? pb::FD_MEMFD
                               : (vma.status() & kSocket) != 0 ? pb::FD_PACKETSK
                                                               : pb::FD_REG;
  if (file->type != wanted) {
    diag_.Error(Where(".shmid"), "file " + std::to_string(id) + " has type " +
                                     TypeName(file->type) + ", expected " +
                                     std::string(kFileTypes[wanted]));
    return false;
  }
  if (wanted == pb::FD_PACKETSK) return PacketRing(vma, *file, region);
  if (wanted == pb::FD_MEMFD) {
    region->kind = shared ? RegionKind::kSharedMemfd : RegionKind::kPrivateMemfd;
    region->object = file->memfd;
    if (file->memfd < 0) return false;
    const Seals seals = loader_.snapshot.memfds[file->memfd].seals;
    if (shared && (vma.prot() & kProtWrite) != 0 && seals.Has(kSealWrite)) {
      diag_.Error(Where(".prot"),
                  "a shared view for writing of a memfd that is sealed "
                  "against it, file " +
                      std::to_string(id));
      return false;
    }
    // It would have to be mapped in all processes before anybody seals the object.
    if (shared && (vma.prot() & kProtWrite) != 0 && seals.Has(kSealFutureWrite)) {
      diag_.Unsupported(Where(".prot"),
                        "a shared view for writing that is older than F_SEAL_FUTURE_WRITE of its "
                        "memfd, file " +
                            std::to_string(id));
      return false;
    }
  } else {
    region->kind = shared ? RegionKind::kSharedFile : RegionKind::kPrivateFile;
    region->file = file->file;
    if (file->file < 0) {
      diag_.Unsupported(Where(),
                        "a mapping of file " + std::to_string(id) + ", which is unsupported");
      return false;
    }
  }
  const bool writes = shared && (vma.prot() & kProtWrite) != 0;
  if (!vma.has_fdflags()) {
    region->open_flags.bits = writes ? kReadWrite : kReadOnly;
    return true;
  }
  const std::uint32_t mode = vma.fdflags() & kAccessMode;
  if (mode != kReadWrite && (mode != kReadOnly || writes)) {
    diag_.Error(Where(".fdflags"), "a file opened with access mode " + std::to_string(mode) +
                                       " cannot be mapped like this");
    return false;
  }
  region->open_flags.bits = mode;
  return true;
}

/// packet_mmap(): all rings of one socket at once, by a descriptor of it.
bool RegionBuilder::PacketRing(const pb::vma_entry& vma, const Loader::FileEntry& file,
                               Region* region) {
  region->kind = RegionKind::kPacketRing;
  region->file = file.file;
  region->open_flags.bits = kReadWrite;
  if (file.file < 0) {
    diag_.Unsupported(Where(), "a mapping of a packet socket that is unsupported");
    return false;
  }
  const auto& socket = std::get<PacketSocket>(loader_.snapshot.files[file.file]->body);
  const std::uint64_t size = vma.end() - vma.start();
  if (size != socket.rings.Size() || vma.pgoff() != 0) {
    diag_.Error(Where(), "shows " + std::to_string(size) + " bytes from " + HexText(vma.pgoff()) +
                             ", but the rings of its packet socket have " +
                             std::to_string(socket.rings.Size()));
    return false;
  }
  const TableIndex table = loader_.snapshot.processes[process_].table;
  const auto shows = [&](const Descriptor& it) { return it.file == file.file; };
  if (table < 0 || std::ranges::none_of(loader_.snapshot.tables[table].slots, shows)) {
    diag_.Unsupported(Where(), "a mapping of a packet socket that the process does not hold");
    return false;
  }
  return true;
}

bool RegionBuilder::SharedObject(const pb::vma_entry& vma, Region* region) {
  if ((vma.status() & kSysvIpc) != 0) {
    return Segment(vma, region);
  }
  region->kind = RegionKind::kSharedAnonymous;
  auto [known, added] =
      loader_.shmems.emplace(vma.shmid(), ObjectIndex(loader_.snapshot.shmems.size()));
  if (added) loader_.snapshot.shmems.push_back({{vma.shmid()}, 0, {}});
  region->object = known->second;
  Shmem& object = loader_.snapshot.shmems[known->second];
  const std::uint64_t size = vma.end() - vma.start();
  if (vma.pgoff() > kUserEnd - size) {
    diag_.Error(Where(".pgoff"), HexText(vma.pgoff()) + " is beyond any object");
    return false;
  }
  object.size = std::max(object.size, vma.pgoff() + size);
  return true;
}

/// What its segment is, is known later. Images without the access mode are of dumpers that took it
/// for granted that all is writable.
bool RegionBuilder::Segment(const pb::vma_entry& vma, Region* region) {
  region->kind = RegionKind::kSysvShm;
  region->shmid = vma.shmid();
  if (loader_.OwnNamespace(Loader::NamespaceKind::kIpc) == 0) {
    diag_.Unsupported(Where(), "System V shared memory " + std::to_string(vma.shmid()));
    return false;
  }
  const std::uint32_t mode = vma.has_fdflags() ? vma.fdflags() & kAccessMode : kReadWrite;
  if (mode != kReadWrite && (mode != kReadOnly || (vma.prot() & kProtWrite) != 0)) {
    diag_.Error(Where(".fdflags"), "a segment with access mode " + std::to_string(mode) +
                                       " cannot be attached like this");
    return false;
  }
  region->open_flags.bits = mode;
  return true;
}

bool RegionBuilder::AioRing(Region* region) {
  region->kind = RegionKind::kAioRing;
  for (const pb::aio_ring_entry& ring : mm_.aios()) {
    if (ring.id() != region->range.start) continue;
    region->nr_req = ring.nr_req();
    return true;
  }
  diag_.Error(Where(), "an AIO ring that mm_entry.aios does not list");
  return false;
}

bool RegionBuilder::Kind(const pb::vma_entry& vma, Region* region) {
  const std::uint32_t status = vma.status();
  if ((status & ~kKnownStatus) != 0) {
    diag_.Essential(Where(".status"),
                    "bits " + HexText(status & ~kKnownStatus) + ", which this crgen does not know");
    return false;
  }
  if ((status & (kShadowStack | kExtPlugin | kUnsupportedArea | kUprobes)) != 0) {
    diag_.Unsupported(Where(), (status & kShadowStack) != 0 ? "a shadow stack"
                               : (status & kExtPlugin) != 0 ? "a device mapping of a plugin"
                               : (status & kUprobes) != 0   ? "the kernel's area of uprobes"
                                                            : "an area that CRIU does not support");
    return false;
  }
  if ((status & kVsyscall) != 0) {
    region->kind = RegionKind::kVsyscall;
  } else if ((status & kAioRing) != 0) {
    return AioRing(region);
  } else if ((status & kVdso) != 0) {
    region->kind = RegionKind::kVdso;
  } else if ((status & kVvar) != 0) {
    region->kind = RegionKind::kVvar;
  } else if ((status & (kFilePrivate | kFileShared | kSocket)) != 0) {
    return FileBacked(vma, region);
  } else if ((status & kAnonShared) != 0) {
    return SharedObject(vma, region);
  } else if ((status & kAnonPrivate) != 0 && (status & kRegular) != 0) {
    region->kind = RegionKind::kPrivateAnonymous;
  } else {
    diag_.Unsupported(Where(), "an area with status " + HexText(status));
    return false;
  }
  return true;
}

bool RegionBuilder::CheckFlags(const pb::vma_entry& vma, Region* region) {
  if ((vma.prot() & ~kProtAll) != 0) {
    diag_.Error(Where(".prot"), HexText(vma.prot()) + " is no protection");
    return false;
  }
  if (region->kind == RegionKind::kAioRing) return true;
  const bool shared =
      region->kind == RegionKind::kSharedFile || region->kind == RegionKind::kPacketRing ||
      region->kind == RegionKind::kSharedMemfd || region->kind == RegionKind::kSharedAnonymous ||
      region->kind == RegionKind::kSysvShm;
  const bool anonymous = region->file < 0 && region->kind != RegionKind::kSharedMemfd &&
                         region->kind != RegionKind::kPrivateMemfd;
  const std::uint32_t type = vma.flags() & kMapType;
  const bool either = region->kind == RegionKind::kPacketRing;
  const bool good = type == (shared ? kMapShared : kMapPrivate) ||
                    (either && type == kMapPrivate) ||
                    (region->kind == RegionKind::kPrivateAnonymous && type == kMapDroppable);
  if (!good || ((vma.flags() & kMapAnonymous) != 0) != anonymous) {
    diag_.Error(Where(".flags"), HexText(vma.flags()) + ", but by its status the area is " +
                                     (shared ? "shared, " : "private, ") +
                                     (anonymous ? "anonymous" : "of a file"));
    return false;
  }
  const std::uint64_t known = IsKernelArea(*region) ? std::uint64_t{kMapPrivate} | kMapAnonymous
                              : region->kind == RegionKind::kSysvShm
                                  ? std::uint64_t{kMapShared} | kMapAnonymous | MAP_LOCKED
                              : (vma.flags() & MAP_HUGETLB) != 0 ? kMapFlags
                                                                 : kMapFlags & ~kHugeSize;
  if ((region->flags.bits & ~known) != 0) {
    diag_.Unsupported(Where(".flags"), "mapping flags " + HexText(region->flags.bits & ~known));
    region->flags.bits &= known;
  }
  return true;
}

bool RegionBuilder::CheckOffset(const pb::vma_entry& vma) {
  if (vma.pgoff() % kPageSize == 0 && vma.pgoff() <= kFileEnd - (vma.end() - vma.start())) {
    return true;
  }
  diag_.Error(Where(".pgoff"), HexText(vma.pgoff()) + " is no offset of a page in a file");
  return false;
}

bool RegionBuilder::CheckKernelArea(const Region& region) {
  const auto number = static_cast<std::uint32_t>(region.prot.bits);
  Loader::KernelArea& first = loader_.kernel_areas[region.kind];
  if (first.size == 0) first = {region.range.size(), number, pid_};
  const auto of_pid = [&] { return " in pid " + std::to_string(first.pid); };
  if (std::any_of(memory_.regions.begin(), memory_.regions.end(),
                  [&](const Region& r) { return r.kind == region.kind; })) {
    diag_.Unsupported(Where(), "a second area of vdso, vvar or vsyscall");
    return false;
  }
  if (region.range.size() != first.size) {
    diag_.Error(Where(), "vdso or vvar has " + HexText(region.range.size()) + " bytes, but " +
                             HexText(first.size) + of_pid());
    return false;
  }
  if (region.kind == RegionKind::kVsyscall && number != first.prot) {
    diag_.Error(Where(".prot"),
                "of vsyscall is " + HexText(number) + ", but " + HexText(first.prot) + of_pid());
    return false;
  }
  return true;
}

/// The kernel's own areas keep the advice that the kernel gives them.
bool RegionBuilder::Advice(Region* region) {
  const std::uint64_t bits = region->madvise.bits;
  if ((bits & kReadAhead) == kReadAhead || (bits & kHugePages) == kHugePages) {
    diag_.Error(Where(".madv"), HexText(bits) + " has advices that exclude each other");
    return false;
  }
  constexpr std::uint64_t kWipeOnFork = MadviseBit(MADV_WIPEONFORK);
  if ((bits & kWipeOnFork) != 0 && region->kind != RegionKind::kPrivateAnonymous) {
    diag_.Error(Where(".madv"), "MADV_WIPEONFORK is for private anonymous memory");
    return false;
  }
  const std::uint64_t own = region->kind == RegionKind::kVvar ? kDontDump : 0;
  const std::uint64_t known = IsKernelArea(*region) ? own : kAdvice;
  if ((bits & ~known) != 0) {
    diag_.Unsupported(Where(".madv"), "advice " + HexText(bits & ~known));
    region->madvise.bits &= known;
  }
  region->madvise.bits |= own;
  return true;
}

void RegionBuilder::AddGuard(const pb::vma_entry& vma) {
  AddressRange guard{vma.start(), vma.end()};
  if (!memory_.guards.empty() && guard.start < memory_.guards.back().end) {
    diag_.Error(Where(), "guard ranges overlap or do not ascend");
    return;
  }
  // Every page of the guard lies in some region; neighbours may share it.
  std::uint64_t covered = guard.start;
  auto region = std::upper_bound(
      memory_.regions.begin(), memory_.regions.end(), guard.start,
      [](std::uint64_t address, const Region& r) { return address < r.range.end; });
  for (; region != memory_.regions.end() && region->range.start <= covered && covered < guard.end;
       ++region) {
    covered = region->range.end;
  }
  if (covered < guard.end) {
    const bool known = std::any_of(left_out_.begin(), left_out_.end(),
                                   [&](const AddressRange& r) { return r.Overlaps(guard); });
    if (!known) diag_.Error(Where(), "a guard range outside of all areas");
    return;
  }
  memory_.guards.push_back(guard);
}

void RegionBuilder::LeaveOut(const pb::vma_entry& vma) {
  const AddressRange range = {vma.start(), vma.end()};
  left_out_.push_back(range);
  if (loader_.options.unplanned == nullptr) return;
  loader_.options.unplanned->regions.push_back(
      {process_, range, {vma.prot() & kProtAll}, AreaName(vma.status(), vma.shmid())});
}

void RegionBuilder::Build() {
  memory_.regions.reserve(static_cast<std::size_t>(mm_.vmas_size()));
  for (int i = 0; i < mm_.vmas_size(); ++i) {
    const pb::vma_entry& vma = mm_.vmas(i);
    index_ = i;
    if (!CheckRange(vma)) continue;
    if (IsContradictory(vma.status())) {
      diag_.Error(Where(".status"), HexText(vma.status()) + " says two kinds of area at once");
      continue;
    }
    if ((vma.status() & kGuard) != 0) {
      AddGuard(vma);
      continue;
    }
    if (vma.start() < last_end_) {
      diag_.Error(Where(), "begins at " + HexText(vma.start()) +
                               ", before the end of the area before, " + HexText(last_end_));
      continue;
    }
    last_end_ = vma.end();
    Region region;
    region.range = {vma.start(), vma.end()};
    region.prot.bits = vma.prot();
    region.flags.bits = vma.flags() & ~std::uint64_t{kMapFixed};
    region.madvise.bits = vma.madv();
    region.offset = vma.pgoff();
    if (!CheckDescriptor(vma) || !Kind(vma, &region) || !CheckFlags(vma, &region) ||
        ((region.file >= 0 || region.object >= 0 || region.kind == RegionKind::kSysvShm) &&
         !CheckOffset(vma)) ||
        (IsKernelArea(region) && !CheckKernelArea(region)) || !Advice(&region)) {
      LeaveOut(vma);
      continue;
    }
    memory_.regions.push_back(region);
  }
}

}  // namespace

void Loader::LoadRegions(ProcessIndex index, const std::string& image) {
  RegionBuilder(*this, mm, index, image).Build();
}

}  // namespace crgen

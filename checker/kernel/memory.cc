// SPDX-License-Identifier: Apache-2.0
// Memory of the simulated kernel after mmap(2): munmap(2), mremap(2), mprotect(2), madvise(2), and
// the filling of pages.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

/// An advice that stays with a region, and the advice that it takes the place of.
struct Advice {
  std::uint64_t advice;
  std::uint64_t clears;
  bool stays;
};

constexpr std::uint64_t Bit(int advice) { return MadviseBit(advice); }

constexpr Advice kAdvice[] = {
    {Bit(MADV_NORMAL), Bit(MADV_RANDOM) | Bit(MADV_SEQUENTIAL), false},
    {Bit(MADV_RANDOM), Bit(MADV_SEQUENTIAL), true},
    {Bit(MADV_SEQUENTIAL), Bit(MADV_RANDOM), true},
    {Bit(MADV_DONTFORK), 0, true},
    {Bit(MADV_DOFORK), Bit(MADV_DONTFORK), false},
    {Bit(MADV_MERGEABLE), 0, true},
    {Bit(MADV_UNMERGEABLE), Bit(MADV_MERGEABLE), false},
    {Bit(MADV_HUGEPAGE), Bit(MADV_NOHUGEPAGE), true},
    {Bit(MADV_NOHUGEPAGE), Bit(MADV_HUGEPAGE), true},
    {Bit(MADV_DONTDUMP), 0, true},
    {Bit(MADV_DODUMP), Bit(MADV_DONTDUMP), false},
    {Bit(MADV_WIPEONFORK), 0, true},
    {Bit(MADV_KEEPONFORK), Bit(MADV_WIPEONFORK), false},
};

constexpr std::uint64_t kDropsPages = Bit(MADV_DONTNEED) | kGuardInstall;

/// The bytes of what is mapped; behind them nothing can be written, privately neither. Absent: none
/// are known.
std::optional<std::uint64_t> MappedSize(const Backing& backing, const AllFileRules& files) {
  if (backing.object != nullptr) return backing.object->size;
  if (backing.file == nullptr) return std::nullopt;
  return files.Visit(*backing.file,
                     [](const auto& rules, const auto& body) { return rules.MappedSize(body); });
}

std::string NothingAt(std::uint64_t hole) { return "nothing is mapped at " + HexText(hole); }

AddressRange Common(AddressRange a, AddressRange b) {
  return {std::max(a.start, b.start), std::min(a.end, b.end)};
}

}  // namespace

bool Kernel::CheckMapped(AddressRange range, std::string_view error) {
  auto hole = self().space->regions.FirstHole(range);
  if (!hole) return true;
  Violation(error, NothingAt(*hole));
  return false;
}

void Kernel::Execute(const UnmapRegion& unmap) {
  const AddressRange range = {unmap.start.value, unmap.end.value};
  if (!CheckPages(range) || !CheckUserPart(range, "EINVAL")) return;
  if (!RemoveRegions(*self().space, range)) {
    Violation("EINVAL", "nothing is mapped in " + RangeText(range));
  }
}

bool Kernel::CheckMove(AddressRange from, AddressRange to) {
  if (from.Overlaps(to)) {
    Violation("EINVAL", RangeText(from) + " and " + RangeText(to) + " overlap");
    return false;
  }
  const RangeMap<MappedRegion>& regions = self().space->regions;
  if (!CheckUserPart(from, "EFAULT") || !CheckMapped(from, "EFAULT")) return false;
  std::optional<AddressRange> previous;
  const MappedRegion* first = nullptr;
  std::string problem;
  regions.ForEachIn(from, [&](AddressRange range, const MappedRegion& region) {
    if (region.backing->kind == RegionKind::kVsyscall) problem = "vsyscall does not move";
    if (first != nullptr && !Continues(*first, previous->size(), region)) {
      problem = RangeText(*previous) + " and " + RangeText(range) + " are different regions";
    }
    first = &region;
    previous = range;
    return problem.empty();
  });
  if (!problem.empty()) {
    Violation("EFAULT", problem);
    return false;
  }
  auto there = regions.FirstOverlap(to);
  if (!there) return true;
  Violation("EEXIST", RangeText(to) + " overlaps region " + RangeText(there->range));
  return false;
}

void Kernel::Execute(const MoveRegion& move) {
  const AddressRange from = {move.start.value, move.end.value};
  if (!CheckPages(from)) return;
  if (move.to.value > ~std::uint64_t{0} - from.size()) {
    return Violation("EINVAL", HexText(move.to.value) + " leaves no place for the region");
  }
  const AddressRange to = {move.to.value, move.to.value + from.size()};
  if (!CheckPages(to) || !CheckUserPart(to, "EINVAL") || !CheckMove(from, to)) return;
  MoveRegions(*self().space, from, to.start);
}

void Kernel::Protect(AddressRange range, Prot prot) {
  std::string problem;
  std::uint64_t mapped = range.start;  // to there without a hole
  RangeMap<MappedRegion>& regions = self().space->regions;
  // mprotect(2) goes from one region to the next.
  regions.ForEachIn(range, [&](AddressRange at, const MappedRegion& region) {
    if (at.start > mapped) return false;
    mapped = at.end;
    if (region.backing->kind == RegionKind::kVsyscall) {
      problem = "the protection of vsyscall does not change";
    } else if (prot.Has(PROT_WRITE) && !region.backing->may_write) {
      problem = "region " + RangeText(at) + " is a shared view without the right to write";
    }
    return problem.empty();
  });
  if (!problem.empty()) return Violation("EACCES", problem);
  if (mapped < range.end) return Violation("ENOMEM", NothingAt(mapped));
  regions.Update(range, [&](AddressRange, MappedRegion* region) { region->prot = prot; });
  JoinRegions(*self().space, range);
}

std::string BadAdvice(AddressRange at, const MappedRegion& region, std::uint64_t bits) {
  std::uint64_t unknown = bits & ~kDropsPages;
  for (const Advice& row : kAdvice) unknown &= ~row.advice;
  if (unknown != 0) return "advice " + HexText(unknown) + " is none that lasts";
  const Backing& backing = *region.backing;
  if ((bits & kDropsPages) != 0 && region.flags.Has(MAP_LOCKED)) {
    return "region " + RangeText(at) + " is locked";
  }
  if ((bits & Bit(MADV_WIPEONFORK)) != 0 && backing.kind != RegionKind::kPrivateAnonymous) {
    return "MADV_WIPEONFORK is for private anonymous memory";
  }
  if ((bits & (Bit(MADV_KEEPONFORK) | Bit(MADV_DODUMP))) != 0 && region.flags.Has(kMapDroppable)) {
    return "region " + RangeText(at) + " is droppable: not for a child, nor for a core dump";
  }
  if ((bits & kGuardInstall) != 0 && (backing.IsSpecial() || region.flags.Has(MAP_HUGETLB))) {
    return "region " + RangeText(at) + " takes no guards";
  }
  return "";
}

void Kernel::Advise(AddressRange range, std::uint64_t bits) {
  Space& space = *self().space;
  std::uint64_t clear = 0, set = 0;  // by one row after the other
  for (const Advice& row : kAdvice) {
    if ((bits & row.advice) == 0) continue;
    clear |= row.clears;
    set = (set & ~row.clears) | (row.stays ? row.advice : 0);
  }
  if ((clear | set) != 0) ChangeMadvise(space, range, clear, set);
  if ((bits & kDropsPages) != 0) space.pages.Erase(range);
  if ((bits & kGuardInstall) != 0) {
    space.guards.Erase(range);
    space.guards.Insert(range, {});
  }
}

void Kernel::Execute(const ProtectRegion& protect) {
  const AddressRange range = {protect.start.value, protect.end.value};
  if (!CheckPages(range) || !CheckUserPart(range, "ENOMEM")) return;
  if (protect.prot.has_value() == (protect.madvise.bits != 0)) {
    return Violation("EINVAL", "exactly one of prot and madvise is to be given");
  }
  if (protect.prot) return Protect(range, *protect.prot);
  std::string problem;
  self().space->regions.ForEachIn(range, [&](AddressRange at, const MappedRegion& region) {
    problem = BadAdvice(at, region, protect.madvise.bits);
    return problem.empty();
  });
  if (!problem.empty()) return Violation("EINVAL", problem);
  // madvise(2) leaves holes out, and reports them when it is through.
  if (!CheckMapped(range, "ENOMEM")) return;
  Advise(range, protect.madvise.bits);
}

/// The kernel reads there at rseq(2), and writes whenever the thread has run.
bool Kernel::CheckRseq(Pid tid, const Attributes& attributes) {
  if (!attributes.rseq) return true;
  const std::uint64_t page = attributes.rseq->pointer.value / kPageSize * kPageSize;
  const AddressRange range = {page, page + kPageSize};
  const Space& space = *self().space;
  std::string_view error = "EFAULT";
  std::string problem = "where nothing is mapped";
  space.regions.ForEachIn(range, [&](AddressRange, const MappedRegion& region) {
    if (region.prot.Has(PROT_WRITE)) return problem.clear();
    problem = "which the thread cannot write to";
    if (region.prot.Has(PROT_READ)) error = "SIGSEGV";
  });
  if (problem.empty() && space.guards.FirstOverlap(range)) problem = "which is guarded";
  if (problem.empty()) return true;
  Violation(error, "thread " + std::to_string(tid) + " has its rseq area at " +
                       HexText(attributes.rseq->pointer.value) + ", " + problem);
  return false;
}

std::uint32_t Kernel::ImageIndex(const std::string& name) {
  auto [at, is_new] = image_index_.try_emplace(name, static_cast<std::uint32_t>(images.size()));
  if (is_new) images.push_back(name);
  return at->second;
}

bool Kernel::CheckSource(const ImageSpan& source, std::uint64_t size) {
  if (!IsImageName(source.image)) {
    Violation("EINVAL", "image \"" + source.image + "\" is not a path inside the dump");
    return false;
  }
  if (source.offset <= (std::uint64_t{1} << 63) - 1 &&
      size <= (std::uint64_t{1} << 63) - 1 - source.offset) {
    return true;
  }
  Violation("EOVERFLOW", "offset " + std::to_string(source.offset) + " in " + source.image);
  return false;
}

bool Kernel::CheckFill(AddressRange range) {
  const Space& space = *self().space;
  std::string_view error = "EFAULT";
  std::string problem;
  space.regions.ForEachIn(range, [&](AddressRange at, const MappedRegion& region) {
    const Backing& backing = *region.backing;
    const auto name = [&] { return "region " + RangeText(at); };
    const AddressRange part = Common(range, at);
    if (backing.IsSpecial()) {
      problem = name() + " is provided by the kernel";
    } else if (backing.kind == RegionKind::kSharedFile) {
      problem = name() + " shows a file, whose content is not restored";
    } else if (!region.prot.Has(PROT_WRITE)) {
      problem = name() + " is not writable";
    } else if (auto size = MappedSize(backing, files)) {
      const std::uint64_t end = region.offset + (part.end - at.start);
      if (end > *size && end - *size >= kPageSize) {
        error = "SIGBUS";
        problem = name() + " ends behind the " + std::to_string(*size) + " bytes of its object";
      }
    }
    return problem.empty();
  });
  if (problem.empty()) {
    if (auto guard = space.guards.FirstOverlap(range)) {
      problem = RangeText(guard->range) + " is guarded";
    }
  }
  if (problem.empty()) return true;
  Violation(error, problem);
  return false;
}

void Kernel::Fill(AddressRange range, const ImageSpan& source) {
  Space& space = *self().space;
  const std::uint32_t image = ImageIndex(source.image);
  const auto from = [&](std::uint64_t start) {
    return PageSource{image, source.offset + (start - range.start)};
  };
  AddressRange whole = {range.start, range.start};  // of private regions, one behind the other
  const auto fill_private = [&] {
    if (whole.size() != 0) FillPages(space.pages, whole, from(whole.start));
  };
  space.regions.ForEachIn(range, [&](AddressRange at, const MappedRegion& region) {
    const AddressRange part = Common(range, at);
    if (region.backing->IsPrivate()) {
      whole.end = part.end;
      return;
    }
    fill_private();
    whole = {part.end, part.end};
    const std::uint64_t offset = region.offset + (part.start - at.start);
    FillPages(region.backing->object->pages, {offset, offset + part.size()}, from(part.start));
  });
  fill_private();
}

void Kernel::Execute(const LoadPages& load) {
  if (load.pages == 0 || load.pages > ~std::uint64_t{0} / kPageSize) {
    return Violation("EINVAL", std::to_string(load.pages) + " pages");
  }
  const std::uint64_t size = load.pages * kPageSize;
  if (load.start.value > ~std::uint64_t{0} - size) {
    return Violation("EFAULT", std::to_string(load.pages) + " pages do not fit behind " +
                                   HexText(load.start.value));
  }
  const AddressRange range = {load.start.value, load.start.value + size};
  if (!CheckPages(range) || !CheckUserPart(range, "EFAULT")) return;
  if (!CheckSource(load.source, size) || !CheckMapped(range, "EFAULT") || !CheckFill(range)) return;
  Fill(range, load.source);
}

}  // namespace crgen::check

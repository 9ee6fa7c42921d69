// SPDX-License-Identifier: Apache-2.0
// Random histories: address spaces.
#include "tests/support/snapshot_history.h"

namespace crgen::test {

void History::DropPages(Space& space, std::uint64_t start, std::uint64_t end) {
  space.pages.erase(space.pages.lower_bound(start), space.pages.lower_bound(end));
}

void History::DropGuards(Space& space, std::uint64_t start, std::uint64_t end) {
  space.guards.erase(space.guards.lower_bound(start), space.guards.lower_bound(end));
}

void History::CutAt(Space& space, std::uint64_t at) {
  auto next = space.vmas.upper_bound(at);
  if (next == space.vmas.begin()) return;
  Vma& head = std::prev(next)->second;
  if (head.start == at || head.end <= at) return;
  Vma tail = head;
  tail.start = at;
  if (tail.kind != RegionKind::kPrivateAnonymous) tail.offset += at - head.start;
  head.end = at;
  space.vmas.emplace(at, tail);
}

void History::Unmap(Space& space, std::uint64_t start, std::uint64_t end) {
  for (const auto& [at, vma] : space.vmas) {  // what the kernel provides goes as a whole
    if (vma.IsSpecial() && vma.start < end && start < vma.end) {
      start = std::min(start, vma.start);
      end = std::max(end, vma.end);
    }
  }
  CutAt(space, start);
  CutAt(space, end);
  space.vmas.erase(space.vmas.lower_bound(start), space.vmas.lower_bound(end));
  DropPages(space, start, end);
  DropGuards(space, start, end);
}

void History::Add(Space& space, const Vma& vma) {
  Unmap(space, vma.start, vma.end);
  space.vmas[vma.start] = vma;
}

History::Vma History::AnonymousVma(std::uint64_t start, std::uint64_t size, std::uint64_t prot) {
  Vma vma;
  vma.start = start;
  vma.end = start + size;
  vma.prot = prot;
  vma.flags = MAP_PRIVATE | MAP_ANONYMOUS;
  return vma;
}

History::Vma History::FileVma(std::uint64_t start, std::uint64_t size, const std::string& path,
                              std::uint64_t access) {
  Vma vma = AnonymousVma(start, size, PROT_READ);
  vma.kind = RegionKind::kPrivateFile;
  vma.flags = MAP_PRIVATE;
  vma.path = path;
  vma.access = access;
  return vma;
}

void History::WritePages(Space& space, std::uint64_t start, std::uint64_t end) {
  for (std::uint64_t page = start; page < end; ++page) {
    auto next = space.vmas.upper_bound(page);
    if (next == space.vmas.begin() || !Chance(70)) continue;
    const Vma& vma = std::prev(next)->second;
    if (vma.end <= page || (vma.prot & PROT_WRITE) == 0 || space.guards.contains(page)) continue;
    const std::uint64_t at = vma.offset + page - vma.start;
    if (vma.object != nullptr && at >= vma.object->size) continue;
    if (vma.IsPrivate()) {
      space.pages[page] = Content();
    } else if (vma.object != nullptr && vma.may_write && (vma.object->seals & F_SEAL_WRITE) == 0) {
      vma.object->pages[at] = Content();
    }
  }
}

void History::Map(Task& task) {
  const std::uint64_t start = Place(), size = 1 + Below(5);
  constexpr std::uint64_t kProts[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
                                      PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC};
  Vma vma = AnonymousVma(start, size, kProts[Below(5)]);
  const std::string path = std::string("/m") + static_cast<char>('a' + Below(3));
  switch (Below(8)) {
    case 0:
    case 1:
    case 2:
      if (Chance(8)) vma.flags |= MAP_LOCKED;
      if (Chance(8)) vma.flags |= MAP_NORESERVE;
      break;
    case 3: {
      const std::uint64_t prot = vma.prot;
      vma = FileVma(start, size, path, Chance(70) ? O_RDONLY : O_RDWR);
      vma.prot = prot;
      vma.offset = Below(3);
      break;
    }
    case 4: {
      const std::uint64_t prot = vma.prot;
      const bool writable = Chance(50);
      vma = FileVma(start, size, path, writable ? O_RDWR : O_RDONLY);
      vma.kind = RegionKind::kSharedFile;
      vma.flags = MAP_SHARED;
      vma.prot = writable ? prot : prot & ~std::uint64_t{PROT_WRITE};
      vma.may_write = writable;
      break;
    }
    case 5:
      vma.kind = RegionKind::kSharedAnonymous;
      vma.flags = MAP_SHARED | MAP_ANONYMOUS;
      vma.object = std::make_shared<Object>();
      vma.object->id = ++last_object_;
      vma.object->size = size;
      break;
    case 6:
      if (!MapMemfd(task, &vma)) return;
      break;
    default:
      if (!Chance(20)) return;
      vma.kind = RegionKind::kAioRing;
      vma.prot = PROT_READ | PROT_WRITE;
      vma.flags = MAP_SHARED;
      break;
  }
  Add(task.space, vma);
  if (!vma.IsSpecial()) WritePages(task.space, vma.start, vma.end);
  if (Chance(20)) {
    Vma& there = task.space.vmas.at(vma.start);
    if (!there.IsSpecial()) there.prot &= ~std::uint64_t{PROT_WRITE};
  }
}

bool History::MapMemfd(Task& task, Vma* vma) {
  for (const auto& [fd, slot] : task.table->slots) {
    const auto& object = slot.description->object;
    if (object == nullptr || !Chance(60)) continue;
    vma->object = object;
    vma->access = slot.description->access;
    vma->offset = Below(2);
    const bool shared = Chance(60);
    vma->kind = shared ? RegionKind::kSharedMemfd : RegionKind::kPrivateMemfd;
    vma->flags = shared ? MAP_SHARED : MAP_PRIVATE;
    if (shared) {
      vma->may_write =
          vma->access == O_RDWR && (object->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) == 0;
      if (!vma->may_write) vma->prot &= ~std::uint64_t{PROT_WRITE};
    }
    return true;
  }
  return false;
}

void History::Move(Space& space) {
  Vma* found = AnyVma(space);
  if (found == nullptr || found->kind == RegionKind::kVsyscall ||
      found->kind == RegionKind::kAioRing) {
    return;
  }
  // A part of it, or a second view of what is shared.
  if (!found->IsSpecial() && found->end - found->start > 1 && Chance(30)) {
    const std::uint64_t at = found->start + 1;
    CutAt(space, at);
    found = &space.vmas.at(at);
  }
  Vma vma = *found;
  const std::uint64_t size = vma.end - vma.start;
  const std::uint64_t to = found->IsSpecial() && Chance(50) ? 0x200 + 8 * Below(4) : Place();
  if (to < vma.end && vma.start < to + size) return;
  const std::uint64_t from = vma.start;
  Unmap(space, to, to + size);
  if (!space.vmas.contains(from)) return;
  std::map<std::uint64_t, std::uint32_t> pages(space.pages.lower_bound(from),
                                               space.pages.lower_bound(from + size));
  std::set<std::uint64_t> guards(space.guards.lower_bound(from),
                                 space.guards.lower_bound(from + size));
  const bool second_view =
      vma.kind == RegionKind::kSharedAnonymous && Chance(40);  // mremap(2), old_size 0
  if (!second_view) Unmap(space, from, from + size);
  vma.start = to;
  vma.end = to + size;
  space.vmas[to] = vma;
  if (second_view) return;
  for (const auto& [page, content] : pages) space.pages[page - from + to] = content;
  for (std::uint64_t page : guards) space.guards.insert(page - from + to);
}

void History::ChangeMemory(Space& space) {
  Vma* vma = AnyVma(space);
  if (vma == nullptr || vma->kind == RegionKind::kVsyscall) return;
  const std::uint64_t start = vma->start + Below(vma->end - vma->start);
  const std::uint64_t end = start + 1 + Below(vma->end - start);
  switch (Below(8)) {
    case 0:
      Unmap(space, start, end);
      return;
    case 1: {
      if (vma->IsSpecial()) return;
      CutAt(space, start);
      CutAt(space, end);
      Vma& part = space.vmas.at(start);
      part.prot = Below(8);
      if (!part.may_write) part.prot &= ~std::uint64_t{PROT_WRITE};
      return;
    }
    case 2:
      if (vma->IsPrivate() && (vma->flags & MAP_LOCKED) == 0) DropPages(space, start, end);
      return;
    case 3: {
      if (vma->kind != RegionKind::kPrivateAnonymous || (vma->flags & MAP_LOCKED) != 0) return;
      DropPages(space, start, end);
      for (std::uint64_t page = start; page < end; ++page) space.guards.insert(page);
      return;
    }
    case 4: {
      if (vma->IsSpecial()) return;
      if (Chance(50)) {
        CutAt(space, start);
        CutAt(space, end);
        vma = &space.vmas.at(start);
      }
      constexpr int kAdvice[] = {MADV_DONTFORK, MADV_WIPEONFORK, MADV_DONTDUMP, MADV_NOHUGEPAGE};
      const int advice = kAdvice[Below(4)];
      if (advice == MADV_WIPEONFORK && vma->kind != RegionKind::kPrivateAnonymous) return;
      vma->madvise ^= MadviseBit(advice);
      return;
    }
    case 5:
      return Move(space);
    default:
      WritePages(space, start, end);
  }
}

}  // namespace crgen::test

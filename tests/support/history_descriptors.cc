// SPDX-License-Identifier: Apache-2.0
// Random histories: descriptor tables and memfds.
#include "tests/support/snapshot_history.h"

namespace crgen::test {

void History::Open(Task& task, Fd fd) {
  auto description = std::make_shared<Description>();
  if (Chance(75)) {
    description->path = std::string("/f") + static_cast<char>('a' + Below(6));
    description->access = Below(3);
  } else if (Chance(60)) {
    description->object = NewMemfd();
  }
  description->pos = Below(9);
  task.table->slots[fd] = {std::move(description), Chance(30)};
}

/// pipe(2), or open(2) of a FIFO; both ends may be put at one number.
void History::OpenPipe(Task& task) {
  const std::uint64_t id = ++last_object_;
  for (const std::uint64_t access : {O_RDONLY, O_WRONLY}) {
    auto end = std::make_shared<Description>();
    end->pipe = id;
    end->access = access;
    task.table->slots[AnyFd()] = {std::move(end), Chance(30)};
  }
  if (!Chance(50)) return;
  PipeContent& content = snapshot().pipes[PipeId{id}];
  content.capacity = std::uint64_t{4096} << Below(5);
  if (Chance(50)) content.data = ImageBytes{"pipes-data.img", id, 1 + Below(4096)};
}

/// Through /proc/PID/fd.
void History::ReopenPipe(Slot& slot) {
  auto again = std::make_shared<Description>(*slot.description);
  again->access = Below(3) | kLargeFile;
  slot.description = std::move(again);
}

std::shared_ptr<History::Object> History::NewMemfd() {
  auto object = std::make_shared<Object>();
  object->memfd = true;
  object->id = ++last_object_;
  object->size = 1 + Below(6);
  for (std::uint64_t page = 0; page < object->size; ++page) {
    if (Chance(40)) object->pages[page] = Content();
  }
  return object;
}

void History::ChangeTable(Task& task) {
  auto& slots = task.table->slots;
  if (slots.empty()) return Open(task, AnyFd());
  auto& [fd, slot] = Any(slots);
  if (slot.description->pipe != 0 && Chance(25)) return ReopenPipe(slot);
  if (Chance(15)) return OpenPipe(task);
  switch (Below(6)) {
    case 0: {
      const Slot copy = slot;
      slots[AnyFd()] = {copy.description, Chance(30)};
      return;
    }
    case 1:
      slots.erase(fd);
      return;
    case 2:
      slot.cloexec = !slot.cloexec;
      return;
    case 3: {
      auto& other = Any(slots).second;
      std::swap(slot, other);
      return;
    }
    case 4: {  // SCM_RIGHTS
      const auto description = slot.description;
      AnyLiving()->table->slots[AnyFd()] = {description, Chance(30)};
      return;
    }
    default:
      Open(task, AnyFd());
  }
}

void History::ChangeMemfd(Task& task) {
  for (auto& [fd, slot] : task.table->slots) {
    if (slot.description->object == nullptr || !Chance(50)) continue;
    Object& object = *slot.description->object;
    if (Chance(30)) {  // through /proc
      auto again = std::make_shared<Description>(*slot.description);
      again->access = Chance(50) ? O_RDONLY : O_RDWR;
      slot.description = std::move(again);
    } else if (Chance(40)) {
      constexpr std::uint64_t kSeals[] = {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE,
                                          F_SEAL_FUTURE_WRITE, F_SEAL_SEAL};
      const std::uint64_t seal = kSeals[Below(5)];
      if ((object.seals & F_SEAL_SEAL) != 0) continue;
      if ((seal == F_SEAL_WRITE || seal == F_SEAL_FUTURE_WRITE) && HasWritableView(object)) {
        continue;
      }
      object.seals |= seal;
    } else if ((object.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) == 0) {
      object.pages[Below(object.size)] = Content();
    }
    return;
  }
}

bool History::HasWritableView(const Object& object) const {
  for (const auto& task : tasks_) {
    for (const auto& [start, vma] : task->space.vmas) {
      if (vma.kind == RegionKind::kSharedMemfd && vma.object.get() == &object && vma.may_write) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace crgen::test

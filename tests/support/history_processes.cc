// SPDX-License-Identifier: Apache-2.0
// Random histories: which call comes next, and how processes are born, exec and die.
#include "tests/support/snapshot_history.h"

namespace crgen::test {

bool History::Used(Pid number) const {
  return std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& task) {
    return task->pid == number || task->pgid == number || task->sid == number ||
           std::find(task->tids.begin(), task->tids.end(), number) != task->tids.end();
  });
}

Pid History::NewNumber() {
  do {
    last_number_ = last_number_ < max_number_ ? last_number_ + 1 : 2;
  } while (Used(last_number_));
  return last_number_;
}

void History::Boot() {
  max_number_ = Chance(30) ? 40 : 9000;
  aslr_ = Chance(40);
  vsyscall_ = Chance(30);
  auto root = std::make_unique<Task>();
  root->pid = Chance(80) ? 1 : 77;
  root->subreaper = root->pid != 1;
  if (Chance(80)) root->pgid = root->sid = root->pid;
  last_number_ = root->pid;
  root->table = std::make_shared<Table>();
  for (Fd fd = 0; fd < 3 && Chance(80); ++fd) Open(*root, fd);
  tasks_.push_back(std::move(root));
  Exec(*tasks_[0]);
}

void History::Fork(Task& parent) {
  if (tasks_.size() >= static_cast<std::size_t>(options_.max_processes)) return;
  auto child = std::make_unique<Task>();
  child->pid = NewNumber();
  child->pgid = parent.pgid;
  child->sid = parent.sid;
  child->parent = parent.parent != nullptr && Chance(3) ? parent.parent : &parent;
  if (Chance(12)) {
    child->table = parent.table;
  } else {
    child->table = std::make_shared<Table>();
    child->table->slots = parent.table->slots;
  }
  child->space = parent.space;
  auto& vmas = child->space.vmas;
  for (auto at = vmas.begin(); at != vmas.end();) {
    Vma& vma = (at++)->second;
    const AddressRange range{vma.start, vma.end};
    if (vma.kind == RegionKind::kAioRing || (vma.madvise & MadviseBit(MADV_DONTFORK)) != 0) {
      DropPages(child->space, range.start, range.end);
      DropGuards(child->space, range.start, range.end);
      vmas.erase(range.start);
      continue;
    }
    if ((vma.madvise & MadviseBit(MADV_WIPEONFORK)) != 0) {
      DropPages(child->space, range.start, range.end);
      DropGuards(child->space, range.start, range.end);
    }
    vma.flags &= ~std::uint64_t{MAP_LOCKED};
  }
  tasks_.push_back(std::move(child));
}

void History::Exit(Task& task) {
  if (task.parent == nullptr) return;
  Task* heir = task.parent;
  while (heir->parent != nullptr && (heir->zombie || !heir->subreaper)) heir = heir->parent;
  for (auto& other : tasks_) {
    if (other->parent == &task) other->parent = heir;
  }
  task.zombie = true;
  task.stopped = task.subreaper = false;
  task.tids.clear();
  task.table = nullptr;
  task.space = {};
  if (Chance(60)) Reap(task);
}

void History::Reap(Task& task) {
  std::erase_if(tasks_, [&](const auto& other) { return other.get() == &task; });
}

void History::SetSid(Task& task) {
  const bool leads = std::any_of(tasks_.begin(), tasks_.end(),
                                 [&](const auto& other) { return other->pgid == task.pid; });
  if (!leads) task.pgid = task.sid = task.pid;
}

void History::SetPgid(Task& task) {
  if (task.sid == task.pid) return;
  Task& other = *Any(tasks_);
  if (Chance(50)) {
    task.pgid = task.pid;
  } else if (other.sid == task.sid && other.pgid != 0 && task.parent != nullptr) {
    task.pgid = other.pgid;
  }
}

void History::Exec(Task& task) {
  if (task.parent != nullptr && task.table.use_count() > 1) return;
  std::erase_if(task.table->slots, [](const auto& slot) { return slot.second.cloexec; });
  task.tids.clear();
  Space& space = task.space;
  space = {};
  space.exe = std::string("/bin/") + static_cast<char>('a' + Below(3));
  const std::uint64_t shift = aslr_ ? Below(6) : 0;
  Vma text = FileVma(0x100 + shift, 2, space.exe, O_RDONLY);
  text.prot = PROT_READ | PROT_EXEC;
  Add(space, text);
  Vma data = FileVma(0x102 + shift, 2, space.exe, O_RDONLY);
  data.prot = PROT_READ | PROT_WRITE;
  data.offset = 2;
  Add(space, data);
  Add(space, AnonymousVma(0x106 + shift, 3, PROT_READ | PROT_WRITE));
  WritePages(space, 0x103 + shift, 0x108 + shift);
  const std::uint64_t base = Chance(15) ? 0x10c + shift : 0x200 + 8 * (aslr_ ? Below(3) : 0);
  Vma vvar = AnonymousVma(base, 4, PROT_READ);
  vvar.kind = RegionKind::kVvar;
  Add(space, vvar);
  Vma vdso = AnonymousVma(base + 4, 2, PROT_READ | PROT_EXEC);
  vdso.kind = RegionKind::kVdso;
  Add(space, vdso);
  if (!vsyscall_) return;
  Vma vsyscall = AnonymousVma(0xffffffffff600, 1, PROT_EXEC);
  vsyscall.kind = RegionKind::kVsyscall;
  Add(space, vsyscall);
}

void History::Step() {
  Task& task = *AnyLiving();
  const std::uint64_t choice = Below(100);
  if (choice < 20) {
    Fork(task);
  } else if (choice < 24) {
    Exit(task);
  } else if (choice < 27) {
    Task& other = *Any(tasks_);
    if (other.zombie) Reap(other);
  } else if (choice < 30) {
    SetSid(task);
  } else if (choice < 33) {
    SetPgid(task);
  } else if (choice < 36) {
    if (task.parent != nullptr) Exec(task);
  } else if (choice < 38) {
    task.tids.push_back(NewNumber());
  } else if (choice < 39) {
    task.stopped = true;
  } else if (choice < 40) {
    if (task.parent != nullptr) task.subreaper = !task.subreaper;
  } else if (choice < 58) {
    ChangeTable(task);
  } else if (choice < 63) {
    ChangeMemfd(task);
  } else if (choice < 76) {
    Map(task);
  } else {
    ChangeMemory(task.space);
  }
}

}  // namespace crgen::test

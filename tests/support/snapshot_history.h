// Random snapshots that can be reached: the end of a random history of system calls, executed by a
// small kernel of its own, which shares no code with the generator or the checker.
#pragma once

#include <algorithm>
#include <functional>
#include <random>
#include <set>

#include "tests/support/snapshot_builder.h"

namespace crgen::test {

struct HistoryOptions {
  std::uint64_t seed = 1;
  int steps = 60;
  int max_processes = 8;
};

class History {
 public:
  explicit History(const HistoryOptions& options) : options_(options), random_(options.seed) {}

  Dump Run() {
    Boot();
    for (int i = 0; i < options_.steps; ++i) Step();
    return MakeDump();
  }

 private:
  struct Object {
    bool memfd = false;
    std::uint64_t id = 0, size = 0, seals = 0;  // size in pages
    std::map<std::uint64_t, std::uint32_t> pages;
    std::int32_t index = -1;  // in the snapshot
  };
  struct Description {
    std::string path;  // of a REG; empty: `object`, or of another type
    std::uint64_t access = O_RDWR;
    std::shared_ptr<Object> object;
    std::uint64_t pos = 0;
    std::int32_t index = -1;
  };
  struct Slot {
    std::shared_ptr<Description> description;
    bool cloexec = false;
  };
  struct Table {
    std::map<Fd, Slot> slots;
    std::int32_t index = -1;
  };
  struct Vma {
    std::uint64_t start = 0, end = 0, offset = 0;  // pages
    RegionKind kind = RegionKind::kPrivateAnonymous;
    std::uint64_t prot = 0, flags = 0, madvise = 0, access = 0;
    bool may_write = true;
    std::string path;
    std::shared_ptr<Object> object;

    bool IsPrivate() const {
      return kind == RegionKind::kPrivateAnonymous || kind == RegionKind::kPrivateFile ||
             kind == RegionKind::kPrivateMemfd;
    }
    bool IsSpecial() const {
      return kind == RegionKind::kVdso || kind == RegionKind::kVvar ||
             kind == RegionKind::kVsyscall || kind == RegionKind::kAioRing;
    }
  };
  struct Space {
    std::map<std::uint64_t, Vma> vmas;
    std::map<std::uint64_t, std::uint32_t> pages;
    std::set<std::uint64_t> guards;
    std::string exe;
  };
  struct Task {
    Pid pid = 0, pgid = 0, sid = 0;
    Task* parent = nullptr;
    bool zombie = false, stopped = false, subreaper = false;
    std::vector<Pid> tids;
    std::shared_ptr<Table> table;
    Space space;
  };

  // ---- choices

  std::uint64_t Below(std::uint64_t n) { return random_() % n; }
  bool Chance(int percent) { return Below(100) < static_cast<std::uint64_t>(percent); }
  template <typename Container>
  auto& Any(Container& container) {
    auto it = container.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(Below(container.size())));
    return *it;
  }
  std::uint32_t Content() { return static_cast<std::uint32_t>(Below(5)); }
  std::uint64_t Place() { return 0x100 + Below(0x30); }
  Task* AnyLiving() {
    std::vector<Task*> living;
    for (auto& task : tasks_) {
      if (!task->zombie) living.push_back(task.get());
    }
    return Any(living);
  }
  Vma* AnyVma(Space& space) { return space.vmas.empty() ? nullptr : &Any(space.vmas).second; }
  Fd AnyFd() { return static_cast<Fd>(Chance(80) ? Below(5) : Below(9)); }

  // ---- processes

  bool Used(Pid number) const {
    return std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& task) {
      return task->pid == number || task->pgid == number || task->sid == number ||
             std::find(task->tids.begin(), task->tids.end(), number) != task->tids.end();
    });
  }
  Pid NewNumber() {
    do {
      last_number_ = last_number_ < max_number_ ? last_number_ + 1 : 2;
    } while (Used(last_number_));
    return last_number_;
  }

  void Boot() {
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

  void Fork(Task& parent) {
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

  void Exit(Task& task) {
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

  void Reap(Task& task) {
    std::erase_if(tasks_, [&](const auto& other) { return other.get() == &task; });
  }

  void SetSid(Task& task) {
    const bool leads = std::any_of(tasks_.begin(), tasks_.end(),
                                   [&](const auto& other) { return other->pgid == task.pid; });
    if (!leads) task.pgid = task.sid = task.pid;
  }

  void SetPgid(Task& task) {
    if (task.sid == task.pid) return;
    Task& other = *Any(tasks_);
    if (Chance(50)) {
      task.pgid = task.pid;
    } else if (other.sid == task.sid && other.pgid != 0 && task.parent != nullptr) {
      task.pgid = other.pgid;
    }
  }

  void Exec(Task& task) {
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

  // ---- descriptors

  void Open(Task& task, Fd fd) {
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

  std::shared_ptr<Object> NewMemfd() {
    auto object = std::make_shared<Object>();
    object->memfd = true;
    object->id = ++last_object_;
    object->size = 1 + Below(6);
    for (std::uint64_t page = 0; page < object->size; ++page) {
      if (Chance(40)) object->pages[page] = Content();
    }
    return object;
  }

  void ChangeTable(Task& task) {
    auto& slots = task.table->slots;
    if (slots.empty()) return Open(task, AnyFd());
    auto& [fd, slot] = Any(slots);
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

  void ChangeMemfd(Task& task) {
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

  bool HasWritableView(const Object& object) const {
    for (const auto& task : tasks_) {
      for (const auto& [start, vma] : task->space.vmas) {
        if (vma.kind == RegionKind::kSharedMemfd && vma.object.get() == &object && vma.may_write) {
          return true;
        }
      }
    }
    return false;
  }

  // ---- memory

  static void DropPages(Space& space, std::uint64_t start, std::uint64_t end) {
    space.pages.erase(space.pages.lower_bound(start), space.pages.lower_bound(end));
  }
  static void DropGuards(Space& space, std::uint64_t start, std::uint64_t end) {
    space.guards.erase(space.guards.lower_bound(start), space.guards.lower_bound(end));
  }

  static void CutAt(Space& space, std::uint64_t at) {
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

  static void Unmap(Space& space, std::uint64_t start, std::uint64_t end) {
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

  static void Add(Space& space, const Vma& vma) {
    Unmap(space, vma.start, vma.end);
    space.vmas[vma.start] = vma;
  }

  static Vma AnonymousVma(std::uint64_t start, std::uint64_t size, std::uint64_t prot) {
    Vma vma;
    vma.start = start;
    vma.end = start + size;
    vma.prot = prot;
    vma.flags = MAP_PRIVATE | MAP_ANONYMOUS;
    return vma;
  }
  static Vma FileVma(std::uint64_t start, std::uint64_t size, const std::string& path,
                     std::uint64_t access) {
    Vma vma = AnonymousVma(start, size, PROT_READ);
    vma.kind = RegionKind::kPrivateFile;
    vma.flags = MAP_PRIVATE;
    vma.path = path;
    vma.access = access;
    return vma;
  }

  void WritePages(Space& space, std::uint64_t start, std::uint64_t end) {
    for (std::uint64_t page = start; page < end; ++page) {
      auto next = space.vmas.upper_bound(page);
      if (next == space.vmas.begin() || !Chance(70)) continue;
      const Vma& vma = std::prev(next)->second;
      if (vma.end <= page || (vma.prot & PROT_WRITE) == 0 || space.guards.contains(page)) continue;
      const std::uint64_t at = vma.offset + page - vma.start;
      if (vma.object != nullptr && at >= vma.object->size) continue;
      if (vma.IsPrivate()) {
        space.pages[page] = Content();
      } else if (vma.object != nullptr && vma.may_write &&
                 (vma.object->seals & F_SEAL_WRITE) == 0) {
        vma.object->pages[at] = Content();
      }
    }
  }

  void Map(Task& task) {
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

  bool MapMemfd(Task& task, Vma* vma) {
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

  void Move(Space& space) {
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

  void ChangeMemory(Space& space) {
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

  void Step() {
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

  // ---- the end state

  Dump MakeDump() {
    AddNode(*tasks_[0], -1);
    snapshot().processes.resize(order_.size());
    for (std::size_t i = 0; i < order_.size(); ++i)
      AddProcess(*order_[i], &snapshot().processes[i]);
    return std::move(dump_);
  }
  Snapshot& snapshot() { return dump_.snapshot; }

  void AddNode(Task& task, std::int32_t parent) {
    const auto index = static_cast<std::int32_t>(order_.size());
    order_.push_back(&task);
    snapshot().tree.nodes.push_back(
        {task.pid, task.pgid, task.sid, parent, task.zombie, task.subreaper, task.tids});
    for (auto& other : tasks_) {
      if (other->parent == &task) AddNode(*other, index);
    }
  }

  void AddProcess(Task& task, Process* process) {
    if (task.zombie) {
      process->state = ProcessState::kZombie;
      process->exit_status.code = static_cast<std::uint32_t>(task.pid % 256);
      return;
    }
    if (task.stopped) {
      process->state = ProcessState::kStopped;
      process->stop_signal = {SIGSTOP};
    }
    process->attributes = AttributesNamed("p" + std::to_string(task.pid));
    for (Pid tid : task.tids) process->threads.push_back({tid, AttributesNamed("thread")});
    process->table = AddTable(*task.table);
    AddSpace(task, &process->memory);
  }

  std::int32_t AddTable(Table& table) {
    if (table.index >= 0) return table.index;
    DescriptorTable result;
    for (auto& [fd, slot] : table.slots) {
      result.slots.push_back({fd, slot.cloexec, AddDescription(*slot.description)});
    }
    table.index = static_cast<std::int32_t>(snapshot().tables.size());
    snapshot().tables.push_back(std::move(result));
    return table.index;
  }

  std::int32_t AddFile(File file) {
    file.id.value = ++snapshot().highest_file_id;
    snapshot().files.push_back(std::make_shared<const File>(std::move(file)));
    return static_cast<std::int32_t>(snapshot().files.size()) - 1;
  }

  std::int32_t AddDescription(Description& description) {
    if (description.index >= 0) return description.index;
    File file;
    if (description.object != nullptr) {
      AddObject(*description.object);
      Memfd body;
      body.inode_id.value = description.object->id;
      file.flags = {description.access};
      body.pos = description.pos;
      file.body = body;
    } else if (!description.path.empty()) {
      RegularFile body;
      body.path = {description.path};
      file.flags = {description.access};
      body.pos = description.pos;
      file.body = body;
    } else {
      file.body = OtherFile{"PIPE"};
    }
    return description.index = AddFile(std::move(file));
  }

  /// The same path may stand in several entries, as in a dump.
  std::int32_t AddPath(const std::string& path) {
    auto known = path_files_.find(path);
    if (known != path_files_.end() && Chance(70)) return known->second;
    RegularFile body;
    body.path = {path};
    File file;
    file.flags = {O_RDONLY};
    file.body = body;
    return path_files_[path] = AddFile(std::move(file));
  }

  std::int32_t AddObject(Object& object) {
    if (object.index >= 0) return object.index;
    std::vector<PageRun> runs;
    const std::string image = "pages-shmem-" + std::to_string(object.id) + ".img";
    for (const auto& [page, content] : object.pages) {
      dump_.AddPage(page * kPageSize, image, content, Chance(10), &runs);
    }
    if (object.memfd) {
      MemfdObject memfd;
      memfd.inode_id.value = object.id;
      memfd.name = {"m"};
      memfd.size = object.size * kPageSize;
      memfd.seals.bits = object.seals;
      memfd.pages = std::move(runs);
      object.index = static_cast<std::int32_t>(snapshot().memfds.size());
      snapshot().memfds.push_back(std::move(memfd));
    } else {
      object.index = static_cast<std::int32_t>(snapshot().shmems.size());
      snapshot().shmems.push_back({{object.id}, object.size * kPageSize, std::move(runs)});
    }
    return object.index;
  }

  void AddSpace(Task& task, AddressSpace* memory) {
    const std::string image = "pages-" + std::to_string(task.pid) + ".img";
    if (!task.space.exe.empty()) memory->exe = AddPath(task.space.exe);
    for (const auto& [start, vma] : task.space.vmas) {
      Region region;
      region.range = {vma.start * kPageSize, vma.end * kPageSize};
      region.kind = vma.kind;
      region.prot.bits = vma.prot;
      region.flags.bits = vma.flags;
      region.madvise.bits = vma.madvise;
      if (!vma.path.empty()) region.file = AddPath(vma.path);
      if (vma.object != nullptr) region.object = AddObject(*vma.object);
      if (region.file >= 0 || region.object >= 0) region.offset = vma.offset * kPageSize;
      const bool opened = vma.kind != RegionKind::kSharedAnonymous;
      if (opened) region.open_flags.bits = vma.access;
      if (vma.kind == RegionKind::kAioRing) region.nr_req = 7;
      memory->regions.push_back(region);
      auto page = task.space.pages.lower_bound(vma.start);
      for (bool first = true; page != task.space.pages.end() && page->first < vma.end; ++page) {
        dump_.AddPage(page->first * kPageSize, image, page->second, first || Chance(5),
                      &memory->pages);
        first = false;
      }
    }
    for (std::uint64_t page : task.space.guards) {
      const AddressRange range{page * kPageSize, (page + 1) * kPageSize};
      if (!memory->guards.empty() && memory->guards.back().end == range.start && !Chance(10)) {
        memory->guards.back().end = range.end;
      } else {
        memory->guards.push_back(range);
      }
    }
  }

  HistoryOptions options_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<Task>> tasks_;  // [0] is the root
  Pid last_number_ = 0, max_number_ = 0;
  std::uint64_t last_object_ = 0;
  bool aslr_ = false, vsyscall_ = false;

  Dump dump_;
  std::vector<Task*> order_;
  std::map<std::string, std::int32_t> path_files_;
};

}  // namespace crgen::test

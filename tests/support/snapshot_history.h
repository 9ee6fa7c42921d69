// SPDX-License-Identifier: Apache-2.0
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

  MadeDump Run() {
    Boot();
    for (int i = 0; i < options_.steps; ++i) Step();
    return MakeDump();
  }

 private:
  struct Object {
    bool memfd = false;
    std::uint64_t id = 0, size = 0, seals = 0;  // size in pages
    std::map<std::uint64_t, std::uint32_t> pages;
    ObjectIndex index;  // in the snapshot
  };
  struct Description {
    std::string path;  // of a REG; empty: `object`, or of another type
    std::uint64_t access = O_RDWR;
    std::shared_ptr<Object> object;
    std::uint64_t pipe = 0;  // 0: it is none
    std::uint64_t pos = 0;
    FileIndex index;
  };
  struct Slot {
    std::shared_ptr<Description> description;
    bool cloexec = false;
  };
  struct Table {
    std::map<Fd, Slot> slots;
    TableIndex index;
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

  // ---- the next call, and processes: history_processes.cc

  void Step();

  bool Used(Pid number) const;
  Pid NewNumber();
  void Boot();
  void Fork(Task& parent);
  void Exit(Task& task);
  void Reap(Task& task);
  void SetSid(Task& task);
  void SetPgid(Task& task);
  void Exec(Task& task);

  // ---- descriptors: history_descriptors.cc

  void Open(Task& task, Fd fd);
  void OpenPipe(Task& task);
  void ReopenPipe(Slot& slot);
  std::shared_ptr<Object> NewMemfd();
  void ChangeTable(Task& task);
  void ChangeMemfd(Task& task);
  bool HasWritableView(const Object& object) const;

  // ---- memory: history_memory.cc

  static void DropPages(Space& space, std::uint64_t start, std::uint64_t end);
  static void DropGuards(Space& space, std::uint64_t start, std::uint64_t end);
  static void CutAt(Space& space, std::uint64_t at);
  static void Unmap(Space& space, std::uint64_t start, std::uint64_t end);
  static void Add(Space& space, const Vma& vma);
  static Vma AnonymousVma(std::uint64_t start, std::uint64_t size, std::uint64_t prot);
  static Vma FileVma(std::uint64_t start, std::uint64_t size, const std::string& path,
                     std::uint64_t access);
  void WritePages(Space& space, std::uint64_t start, std::uint64_t end);
  void Map(Task& task);
  bool MapMemfd(Task& task, Vma* vma);
  void Move(Space& space);
  void ChangeMemory(Space& space);

  // ---- the end state: history_snapshot.cc

  MadeDump MakeDump();
  Snapshot& snapshot() { return dump_.snapshot; }
  void AddNode(Task& task, ProcessIndex parent);
  void AddProcess(Task& task, Process* process);
  TableIndex AddTable(Table& table);
  FileIndex AddFile(File file);
  FileIndex AddDescription(Description& description);
  /// The same path may stand in several entries, as in a dump.
  FileIndex AddPath(const std::string& path);
  ObjectIndex AddObject(Object& object);
  void AddSpace(Task& task, AddressSpace* memory);

  HistoryOptions options_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<Task>> tasks_;  // [0] is the root
  Pid last_number_ = 0, max_number_ = 0;
  std::uint64_t last_object_ = 0;
  bool aslr_ = false, vsyscall_ = false;

  MadeDump dump_;
  std::vector<Task*> order_;
  std::map<std::string, FileIndex> path_files_;
};

}  // namespace crgen::test

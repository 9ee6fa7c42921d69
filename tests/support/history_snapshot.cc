// SPDX-License-Identifier: Apache-2.0
// Random histories: the end state as a snapshot.
#include "tests/support/snapshot_history.h"

namespace crgen::test {

MadeDump History::MakeDump() {
  AddNode(*tasks_[0], {});
  snapshot().processes.resize(order_.size());
  for (std::size_t i = 0; i < order_.size(); ++i) AddProcess(*order_[i], &snapshot().processes[i]);
  return std::move(dump_);
}

void History::AddNode(Task& task, ProcessIndex parent) {
  const ProcessIndex index(order_.size());
  order_.push_back(&task);
  snapshot().tree.nodes.push_back(
      {task.pid, task.pgid, task.sid, parent, task.zombie, task.subreaper, task.tids});
  for (auto& other : tasks_) {
    if (other->parent == &task) AddNode(*other, index);
  }
}

void History::AddProcess(Task& task, Process* process) {
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

TableIndex History::AddTable(Table& table) {
  if (table.index >= 0) return table.index;
  DescriptorTable result;
  for (auto& [fd, slot] : table.slots) {
    result.slots.push_back({fd, slot.cloexec, AddDescription(*slot.description)});
  }
  table.index = TableIndex(snapshot().tables.size());
  snapshot().tables.push_back(std::move(result));
  return table.index;
}

FileIndex History::AddFile(File file) {
  file.id.value = ++snapshot().highest_file_id;
  snapshot().files.push_back(std::make_shared<const File>(std::move(file)));
  return FileIndex(snapshot().files.size() - 1);
}

FileIndex History::AddDescription(Description& description) {
  if (description.index >= 0) return description.index;
  File file;
  if (description.pipe != 0) {
    file.flags = {description.access};
    file.body = Pipe{{description.pipe}, {}, {}};
  } else if (description.object != nullptr) {
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
    file.body = OtherFile{"INOTIFY"};
  }
  return description.index = AddFile(std::move(file));
}

FileIndex History::AddPath(const std::string& path) {
  auto known = path_files_.find(path);
  if (known != path_files_.end() && Chance(70)) return known->second;
  RegularFile body;
  body.path = {path};
  File file;
  file.flags = {O_RDONLY};
  file.body = body;
  return path_files_[path] = AddFile(std::move(file));
}

ObjectIndex History::AddObject(Object& object) {
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
    object.index = ObjectIndex(snapshot().memfds.size());
    snapshot().memfds.push_back(std::move(memfd));
  } else {
    object.index = ObjectIndex(snapshot().shmems.size());
    snapshot().shmems.push_back({{object.id}, object.size * kPageSize, std::move(runs)});
  }
  return object.index;
}

void History::AddSpace(Task& task, AddressSpace* memory) {
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

}  // namespace crgen::test

// SPDX-License-Identifier: Apache-2.0
#include "generator/files/unlinked.h"

#include <algorithm>
#include <optional>

namespace crgen {
namespace {

template <typename Function>
void ForEachUnlinkedDirectory(const Snapshot& snapshot, Function&& function) {
  for (const Process& process : snapshot.processes) {
    if (process.attributes == nullptr || !process.attributes->fs) continue;
    const FsAttributes& fs = *process.attributes->fs;
    for (const auto& id : {fs.cwd_unlinked, fs.root_unlinked}) {
      if (id) function(*id);
    }
  }
}

}  // namespace

bool HasUnlinkedDirectories(const Snapshot& snapshot) {
  bool any = false;
  ForEachUnlinkedDirectory(snapshot, [&](UnlinkedId) { any = true; });
  return any;
}

void HoldUnlinkedDirectories(Snapshot* snapshot, std::vector<TemporarySlot>* temporary) {
  const auto id_of = [&](FileIndex file) -> std::optional<UnlinkedId> {
    const auto name = UnlinkedOf(*snapshot->files[file]);
    return name ? std::optional(name->file->id) : std::nullopt;
  };
  std::unordered_set<UnlinkedId> open;
  for (const DescriptorTable& table : snapshot->tables) {
    for (const Descriptor& slot : table.slots) {
      if (const auto id = id_of(slot.file)) open.insert(*id);
    }
  }
  std::unordered_map<UnlinkedId, FileIndex> entries;
  for (std::size_t i = 0; i < snapshot->files.size(); ++i) {
    if (const auto id = id_of(FileIndex(i))) entries.try_emplace(*id, FileIndex(i));
  }
  const ProcessIndex root(0);
  TableIndex& table = snapshot->processes[root].table;
  if (table < 0) {
    table = TableIndex(snapshot->tables.size());
    snapshot->tables.emplace_back();
  }
  std::vector<Descriptor>& slots = snapshot->tables[table].slots;
  Fd free = 0;
  auto next = slots.begin();
  std::vector<Descriptor> more;
  ForEachUnlinkedDirectory(*snapshot, [&](UnlinkedId id) {
    if (!open.insert(id).second) return;
    for (; next != slots.end() && next->fd == free; ++next) ++free;
    more.push_back({free, false, entries.at(id)});
    temporary->push_back({root, free, entries.at(id)});
    ++free;
  });
  slots.insert(slots.end(), more.begin(), more.end());
  std::ranges::sort(slots, {}, &Descriptor::fd);
}

}  // namespace crgen

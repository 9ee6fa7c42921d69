// SPDX-License-Identifier: Apache-2.0
#include "checker/final_state.h"

#include "checker/kernel/kernel.h"

namespace crgen {
namespace check {
namespace {

FinalRegion RegionAt(const Space& space, AddressRange range, const MappedRegion& region) {
  const Backing& backing = *region.backing;
  FinalRegion found = {range, region.prot, backing.kind, backing.file.get()};
  found.loaded = space.pages.FirstOverlap(range).has_value();
  if (backing.kind == RegionKind::kSysvShm) found.object = backing.shmid + 1;
  if (backing.object == nullptr) return found;
  if (backing.object->memfd) found.memfd = &backing.object->created;
  found.object = reinterpret_cast<std::uintptr_t>(backing.object.get());
  found.seals = backing.object->seals;
  const AddressRange shown = {region.offset, region.offset + range.size()};
  found.loaded = found.loaded || backing.object->pages.FirstOverlap(shown).has_value();
  return found;
}

FinalProcess ProcessOf(const Task& task) {
  FinalProcess process = {task.pid, task.sid, task.state == TaskState::kZombie, {}, {}, {}};
  process.threads.push_back({task.pid, task.attributes.get()});
  for (const SimulatedThread& thread : task.threads) {
    process.threads.push_back({thread.tid, thread.attributes.get()});
  }
  if (task.space != nullptr) {
    task.space->regions.ForEach([&](AddressRange range, const MappedRegion& region) {
      process.regions.push_back(RegionAt(*task.space, range, region));
    });
  }
  if (task.table != nullptr) {
    task.table->slots.ForEach([&](Fd fd, const Slot& slot) {
      process.descriptors.emplace_back(fd, slot.description->file.get());
    });
  }
  return process;
}

}  // namespace
}  // namespace check

void ForEachFinalProcess(const SimulatedState& state,
                         const std::function<void(const FinalProcess&)>& function) {
  for (const check::Task& task : state.kernel()->tasks) {
    if (&task == &state.kernel()->tasks[check::kRestorer]) continue;
    if (task.state != check::TaskState::kGone) function(check::ProcessOf(task));
  }
}

}  // namespace crgen

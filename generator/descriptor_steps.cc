// The commands of descriptor tables, step by step.
#include <algorithm>

#include "generator/descriptors.h"

namespace crgen {
namespace {

auto LowerBound(std::vector<FdSlot>& slots, Fd fd) {
  return std::lower_bound(slots.begin(), slots.end(), fd,
                          [](const FdSlot& slot, Fd number) { return slot.fd < number; });
}

}  // namespace

Result DescriptorPlan::BeforeFork(std::int32_t node, std::int32_t time, FileOpener& opener,
                                  Emitter& out, Diagnostics& diag) {
  Table& table = tables_[table_of_[node]];
  const Pid pid = tree_->nodes[node].pid;
  Result result = Result::kOk;
  table.carried.Acquire(time, [&](const CarriedItem& carried) {
    const FdSlot& slot = items_[carried.item];
    auto place = LowerBound(table.slots, slot.fd);
    if (place != table.slots.end() && place->fd == slot.fd) return;  // inherited
    auto source = std::find_if(table.slots.begin(), table.slots.end(),
                               [&](const FdSlot& other) { return other.file == slot.file; });
    if (source != table.slots.end()) {
      out.Emit(pid, DupFd{source->fd, slot.fd, slot.cloexec});
    } else if (Failed(opener.Open(pid, slot.fd, SpareFd(node, slot.fd), snapshot_->files[slot.file],
                                  slot.cloexec, diag))) {
      result = Result::kError;
    }
    table.slots.insert(LowerBound(table.slots, slot.fd), slot);
  });
  return result;
}

bool DescriptorPlan::Wants(const Table& table, std::int32_t file) const {
  return table.wanted != nullptr &&
         std::any_of(table.wanted->slots.begin(), table.wanted->slots.end(),
                     [&](const Descriptor& slot) { return slot.file == file; });
}

/// Closes what a new table got only because its creator held it at that moment.
void DescriptorPlan::CloseStrangers(Table& table, Pid pid, Emitter& out) {
  std::unordered_map<Fd, std::int32_t> carried;
  for (const CarriedItem& item : table.carried.items()) {
    carried.emplace(items_[item.item].fd, items_[item.item].file);
  }
  std::erase_if(table.slots, [&](const FdSlot& slot) {
    auto known = carried.find(slot.fd);
    if (known != carried.end() && known->second == slot.file) return false;
    out.Emit(pid, CloseFd{slot.fd});
    return true;
  });
}

/// Closes what was handed on for the last time, unless it is of use at the end.
void DescriptorPlan::CloseHandedOn(Table& table, Pid pid, std::int32_t now, Emitter& out) {
  table.carried.Release(now, [&](const CarriedItem& carried) {
    const FdSlot& slot = items_[carried.item];
    if (carried.holder || Wants(table, slot.file)) return;
    out.Emit(pid, CloseFd{slot.fd});
    table.slots.erase(LowerBound(table.slots, slot.fd));
  });
}

void DescriptorPlan::AfterFork(std::int32_t node, std::int32_t child, Emitter& out) {
  if (table_of_[child] == table_of_[node]) return;
  Table& from = tables_[table_of_[node]];
  Table& to = tables_[table_of_[child]];
  to.slots = from.slots;
  // Whoever forks no more closes at the end, where some of it is overwritten for nothing.
  if (from.last_fork > to.birth) CloseHandedOn(from, tree_->nodes[node].pid, to.birth, out);
  if (to.last_fork >= 0) CloseStrangers(to, tree_->nodes[child].pid, out);
}

Result DescriptorPlan::Finish(std::int32_t node, FileOpener& opener, Emitter& out,
                              Diagnostics& diag) {
  Table& table = tables_[table_of_[node]];
  if (table.finished || table.wanted == nullptr) return Result::kOk;
  table.finished = true;
  const Pid pid = tree_->nodes[node].pid;
  std::vector<FdSlot> wanted;
  wanted.reserve(table.wanted->slots.size());
  for (const Descriptor& slot : table.wanted->slots) {
    wanted.push_back({slot.fd, slot.file, slot.cloexec});
  }
  const std::vector<PlacementStep> steps = PlaceDescriptors(table.slots, wanted);
  table.slots = std::move(wanted);
  for (const PlacementStep& step : steps) {
    switch (step.kind) {
      case PlacementStep::Kind::kDup:
        out.Emit(pid, DupFd{step.old_fd, step.fd, step.cloexec});
        break;
      case PlacementStep::Kind::kClose:
        out.Emit(pid, CloseFd{step.fd});
        break;
      case PlacementStep::Kind::kOpen:
        // All that is closed is closed by now, so what the table does not want is free.
        if (Failed(opener.Open(pid, step.fd, SpareFd(node, step.fd), snapshot_->files[step.file],
                               step.cloexec, diag))) {
          return Result::kError;
        }
        break;
    }
  }
  return Result::kOk;
}

Fd DescriptorPlan::SpareFd(std::int32_t node, Fd besides) const {
  Fd fd = 0;
  for (const FdSlot& slot : tables_[table_of_[node]].slots) {
    if (fd == besides) ++fd;
    if (slot.fd > fd) break;
    fd = slot.fd + 1;
  }
  return fd == besides ? fd + 1 : fd;
}

}  // namespace crgen

// The commands of descriptor tables, step by step.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "generator/descriptors/descriptors.h"

namespace crgen {
namespace {

auto LowerBound(std::vector<FdSlot>& slots, Fd fd) {
  return std::lower_bound(slots.begin(), slots.end(), fd,
                          [](const FdSlot& slot, Fd number) { return slot.fd < number; });
}

/// At which number of `slots` each description is, the lowest if there are several. Made when it is
/// first asked for: most forks ask for none.
template <typename Slot>
class NumberOfFile {
 public:
  explicit NumberOfFile(const std::vector<Slot>& slots) : slots_(slots) {}

  /// -1: nowhere.
  Fd Find(std::int32_t file) {
    if (!std::exchange(made_, true)) {
      for (const Slot& slot : slots_) numbers_.emplace(slot.file, slot.fd);
    }
    auto found = numbers_.find(file);
    return found == numbers_.end() ? -1 : found->second;
  }
  void Add(const Slot& slot) {
    auto [place, is_new] = numbers_.emplace(slot.file, slot.fd);
    if (!is_new) place->second = std::min(place->second, slot.fd);
  }

 private:
  const std::vector<Slot>& slots_;
  std::unordered_map<std::int32_t, Fd> numbers_;
  bool made_ = false;
};

}  // namespace

Result DescriptorPlan::BeforeFork(std::int32_t node, std::int32_t time, FileOpener& opener,
                                  Emitter& out, Diagnostics& diag) {
  Table& table = tables_[table_of_[node]];
  const Pid pid = tree_->nodes[node].pid;
  NumberOfFile numbers(table.slots);
  Result result = Result::kOk;
  table.carried.Acquire(time, [&](const CarriedItem& carried) {
    const FdSlot& slot = items_[carried.item];
    auto place = LowerBound(table.slots, slot.fd);
    if (place != table.slots.end() && place->fd == slot.fd) return;  // inherited
    const Fd source = numbers.Find(slot.file);
    if (source >= 0) {
      out.Emit(pid, DupFd{source, slot.fd, slot.cloexec});
    } else if (Failed(opener.Open({pid, slot.fd, SpareFd(node, slot.fd), slot.cloexec},
                                  snapshot_->files[slot.file], diag))) {
      result = Result::kError;
    }
    table.slots.insert(place, slot);
    numbers.Add(slot);
  });
  return result;
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
  static const std::vector<Descriptor> kNothing;
  NumberOfFile wanted(table.wanted == nullptr ? kNothing : table.wanted->slots);
  table.carried.Release(now, [&](const CarriedItem& carried) {
    const FdSlot& slot = items_[carried.item];
    if (carried.holder || wanted.Find(slot.file) >= 0) return;
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
  // All that is closed is closed before anything is opened, so what the table does not want is
  // free.
  const Fd spare = SpareFd(node);
  for (const PlacementStep& step : steps) {
    switch (step.kind) {
      case PlacementStep::Kind::kDup:
        out.Emit(pid, DupFd{step.old_fd, step.fd, step.cloexec});
        break;
      case PlacementStep::Kind::kClose:
        out.Emit(pid, CloseFd{step.fd});
        break;
      case PlacementStep::Kind::kOpen:
        if (Failed(opener.Open({pid, step.fd, spare, step.cloexec}, snapshot_->files[step.file],
                               diag))) {
          return Result::kError;
        }
        break;
    }
  }
  return Result::kOk;
}

Fd DescriptorPlan::SpareFd(std::int32_t node, Fd besides) const {
  const std::vector<FdSlot>& slots = tables_[table_of_[node]].slots;
  // Numbers ascend, so those below the lowest free one are their own indices; behind `besides`, one
  // more than these.
  auto lowest_free = [&](Fd from, Fd more) {
    auto place = std::partition_point(slots.begin() + from, slots.end(), [&](const FdSlot& slot) {
      return slot.fd == &slot - slots.data() + more;
    });
    return static_cast<Fd>(place - slots.begin()) + more;
  };
  const Fd lowest = lowest_free(0, 0);
  return lowest == besides ? lowest_free(lowest, 1) : lowest;
}

}  // namespace crgen

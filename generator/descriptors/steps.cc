// SPDX-License-Identifier: Apache-2.0
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
  Fd Find(FileIndex file) {
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
  std::unordered_map<FileIndex, Fd> numbers_;
  bool made_ = false;
};

}  // namespace

/// Who asks does so for one file again and again, so where it was is looked at first.
Fd DescriptorPlan::NumberOf(PlannedTable table, FileIndex file) {
  std::vector<FdSlot>& slots = tables_[table].slots;
  Fd& last = last_number_[{table, file}];
  const auto there = LowerBound(slots, last);
  const auto is_there = [&](const FdSlot& slot) {
    return slot.file == file && !unplaced_.contains(slot.fd);
  };
  if (there != slots.end() && there->fd == last && is_there(*there)) return last;
  const auto found = std::find_if(slots.begin(), slots.end(), is_there);
  return found == slots.end() ? -1 : last = found->fd;
}

/// Opens what is to be at `slot`, and its peer: both are in the table's slots already. A peer that
/// no process holds is closed at once, or by what is copied over it later. `spare`: SpareFd(node).
Result DescriptorPlan::Open(NodeIndex node, const FdSlot& slot, std::optional<FdSlot> peer,
                            Fd spare, FileOpener& opener, Emitter& out, Diagnostics& diag) {
  OpeningSite site{tree_->nodes[node].pid, slot.fd, spare, slot.cloexec};
  const FileIndex peer_file = openings_->PeerOf(slot.file);
  bool is_closed = peer_file >= 0 && !peer;
  if (is_closed && !overwritten_.empty()) {
    peer = FdSlot{overwritten_.back(), peer_file, false};
    overwritten_.pop_back();
    is_closed = false;
  } else if (is_closed) {
    peer = FdSlot{site.other_fd, peer_file, false};
    site.other_fd = SpareFd(node, peer->fd);
  }
  if (peer) {
    site.peer =
        std::make_shared<PeerEnd>(PeerEnd{peer->fd, snapshot_->files[peer_file], peer->cloexec});
  }
  const auto taken = taken_.find(slot.file);
  if (taken != taken_.end()) {
    if (taken->second) {
      out.Emit(site.pid, OpenFile{slot.fd, snapshot_->files[slot.file], slot.cloexec, nullptr,
                                  taken->second});
      return Result::kOk;
    }
    taken->second = HeldElsewhere{site.pid, slot.fd};
  }
  site.number_of = [this, node](FileIndex file) { return NumberOf(table_of_[node], file); };
  if (Failed(opener.Open(site, snapshot_->files[slot.file], diag))) return Result::kError;
  if (is_closed) out.Emit(site.pid, CloseFd{peer->fd});
  return Result::kOk;
}

Result DescriptorPlan::BeforeFork(NodeIndex node, TreeTime time, FileOpener& opener, Emitter& out,
                                  Diagnostics& diag) {
  Table& table = tables_[table_of_[node]];
  const Pid pid = tree_->nodes[node].pid;
  NumberOfFile numbers(table.slots);
  Result result = Result::kOk;
  const auto put = [&](const FdSlot& slot) {
    table.slots.insert(LowerBound(table.slots, slot.fd), slot);
    numbers.Add(slot);
  };
  table.carried.Acquire(time, [&](const CarriedItem& carried) {
    const FdSlot& slot = items_[carried.item];
    auto place = LowerBound(table.slots, slot.fd);
    if (place != table.slots.end() && place->fd == slot.fd) return;  // inherited
    const Fd source = numbers.Find(slot.file);
    put(slot);
    if (source >= 0) {
      out.Emit(pid, DupFd{source, slot.fd, slot.cloexec});
      return;
    }
    std::optional<FdSlot> peer;
    const auto known = item_of_end_.find(openings_->PeerOf(slot.file));
    if (known != item_of_end_.end()) {
      peer = items_[known->second];
      put(*peer);
    }
    if (Failed(Open(node, slot, peer, SpareFd(node), opener, out, diag))) result = Result::kError;
  });
  return result;
}

/// Closes what a new table got only because its creator held it at that moment.
void DescriptorPlan::CloseStrangers(Table& table, Pid pid, Emitter& out) {
  std::unordered_map<Fd, FileIndex> carried;
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
void DescriptorPlan::CloseHandedOn(Table& table, Pid pid, TreeTime now, Emitter& out) {
  static const std::vector<Descriptor> kNothing;
  NumberOfFile wanted(table.wanted == nullptr ? kNothing : table.wanted->slots);
  table.carried.Release(now, [&](const CarriedItem& carried) {
    const FdSlot& slot = items_[carried.item];
    if (carried.holder || wanted.Find(slot.file) >= 0) return;
    out.Emit(pid, CloseFd{slot.fd});
    table.slots.erase(LowerBound(table.slots, slot.fd));
  });
}

void DescriptorPlan::AfterFork(NodeIndex node, NodeIndex child, Emitter& out) {
  if (table_of_[child] == table_of_[node]) return;
  Table& from = tables_[table_of_[node]];
  Table& to = tables_[table_of_[child]];
  to.slots = from.slots;
  // Whoever forks no more closes at the end, where some of it is overwritten for nothing.
  if (from.last_fork > to.birth) CloseHandedOn(from, tree_->nodes[node].pid, to.birth, out);
  if (to.last_fork >= 0) CloseStrangers(to, tree_->nodes[child].pid, out);
}

Result DescriptorPlan::Finish(NodeIndex node, FileOpener& opener, Emitter& out, Diagnostics& diag) {
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
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    if (step->kind != PlacementStep::Kind::kDup) break;  // copies of what is opened come last
    const auto before = LowerBound(table.slots, step->fd);
    const bool is_free = before == table.slots.end() || before->fd != step->fd;
    if (is_free && !openings_->pairs().empty()) overwritten_.push_back(step->fd);
  }
  table.slots = std::move(wanted);
  if (!openings_->needs().empty()) {
    for (const PlacementStep& step : steps) {
      if (step.kind != PlacementStep::Kind::kClose) unplaced_.insert(step.fd);
    }
  }
  // All that is closed is closed before anything is opened, so what the table does not want is
  // free.
  const auto is_open = [](const PlacementStep& step) {
    return step.kind == PlacementStep::Kind::kOpen;
  };
  for (auto step = steps.begin(); step != steps.end(); ++step) {
    if (is_open(*step)) {
      const auto end = std::find_if_not(step, steps.end(), is_open);
      if (Failed(OpenOwn(node, {step, end}, opener, out, diag))) return Result::kError;
      step = std::prev(end);
    } else if (step->kind == PlacementStep::Kind::kDup) {
      out.Emit(pid, DupFd{step->old_fd, step->fd, step->cloexec});
      unplaced_.erase(step->fd);
    } else {
      out.Emit(pid, CloseFd{step->fd});
    }
  }
  unplaced_.clear();
  overwritten_.clear();
  return Result::kOk;
}

/// Opens what the table alone has: pairs at once, and what is needed first.
Result DescriptorPlan::OpenOwn(NodeIndex node, std::vector<PlacementStep> steps, FileOpener& opener,
                               Emitter& out, Diagnostics& diag) {
  if (!openings_->needs().empty()) {
    const auto rank = [&](const PlacementStep& step) {
      const auto* at = opening_plan_->Find(openings_->OpeningOf(step.file));
      return at == nullptr ? 0 : at->rank;
    };
    std::stable_sort(
        steps.begin(), steps.end(),
        [&](const PlacementStep& a, const PlacementStep& b) { return rank(a) < rank(b); });
  }
  std::unordered_map<FileIndex, FdSlot> ends;  // of pairs, that are still to be opened
  for (const PlacementStep& step : steps) {
    if (openings_->PeerOf(step.file) < 0) continue;
    ends.emplace(step.file, FdSlot{step.fd, step.file, step.cloexec});
  }
  const Fd spare = SpareFd(node);
  for (const PlacementStep& step : steps) {
    const FileIndex peer_file = openings_->PeerOf(step.file);
    std::optional<FdSlot> peer;
    if (peer_file >= 0) {
      if (ends.erase(step.file) == 0) continue;  // opened as the other's peer
      if (const auto end = ends.extract(peer_file)) peer = end.mapped();
    }
    const FdSlot slot{step.fd, step.file, step.cloexec};
    if (Failed(Open(node, slot, peer, spare, opener, out, diag))) return Result::kError;
    unplaced_.erase(slot.fd);
    if (peer) unplaced_.erase(peer->fd);
  }
  return Result::kOk;
}

std::vector<NodeIndex> DescriptorPlan::FinishOrder() const {
  std::vector<NodeIndex> nodes;
  for (NodeIndex n(0); n < static_cast<std::int32_t>(tree_->nodes.size()); ++n) {
    if (tree_->Living(*snapshot_, n) != nullptr) nodes.push_back(n);
  }
  const std::vector<PlannedTable>& order = opening_plan_->finish_order();
  if (order.empty()) return nodes;
  std::vector<std::int32_t> turn(tables_.size());
  for (std::size_t i = 0; i < order.size(); ++i) turn[order[i]] = static_cast<std::int32_t>(i);
  std::stable_sort(nodes.begin(), nodes.end(), [&](NodeIndex a, NodeIndex b) {
    return turn[table_of_[a]] < turn[table_of_[b]];
  });
  return nodes;
}

Fd DescriptorPlan::SpareFd(NodeIndex node, Fd besides) const {
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

#include "generator/placement.h"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace crgen {
namespace {

using Kind = PlacementStep::Kind;

const FdSlot* FindSlot(std::span<const FdSlot> slots, Fd fd) {
  auto found = std::lower_bound(slots.begin(), slots.end(), fd,
                                [](const FdSlot& slot, Fd number) { return slot.fd < number; });
  return found != slots.end() && found->fd == fd ? &*found : nullptr;
}

class Placer {
 public:
  Placer(std::span<const FdSlot> now, std::span<const FdSlot> wanted)
      : now_(now), wanted_(wanted) {}

  std::vector<PlacementStep> Run();

 private:
  void Sort();
  void Copy();
  void CopyTo(const FdSlot& target);
  void BreakCycle();
  void CloseAndOpen();
  bool IsBlocked(Fd fd) const;
  Fd Spare();

  std::span<const FdSlot> now_;
  std::span<const FdSlot> wanted_;
  std::vector<PlacementStep> steps_;
  // Where a description that is still to be copied can be had, and how many slots want it.
  std::unordered_map<std::int32_t, Fd> source_of_;
  std::unordered_map<std::int32_t, int> demand_;
  std::map<Fd, FdSlot> pending_;         // to be copied, but would destroy a source
  std::unordered_map<Fd, FdSlot> open_;  // slots of now_ that pending ones may destroy
  std::vector<FdSlot> ready_;
  std::vector<FdSlot> to_open_;
  Fd spare_ = -1;
};

/// Tells apart what stands already, what can be copied, and what is to be opened.
void Placer::Sort() {
  // The best source is a slot that stays, the next best one that nothing is written to.
  std::unordered_map<std::int32_t, int> rank_of;
  for (const FdSlot& slot : now_) {
    const FdSlot* want = FindSlot(wanted_, slot.fd);
    const int rank = want == nullptr ? 2 : want->file == slot.file ? 3 : 1;
    int& best = rank_of[slot.file];
    if (rank > best) {
      best = rank;
      source_of_[slot.file] = slot.fd;
    }
  }
  for (const FdSlot& slot : wanted_) {
    const FdSlot* here = FindSlot(now_, slot.fd);
    if (here != nullptr && here->file == slot.file) {
      if (here->cloexec != slot.cloexec) {
        steps_.push_back({Kind::kDup, slot.fd, slot.fd, slot.cloexec});
      }
    } else if (source_of_.contains(slot.file)) {
      pending_.emplace(slot.fd, slot);
      ++demand_[slot.file];
      if (here != nullptr) open_.emplace(slot.fd, *here);
    } else {
      to_open_.push_back(slot);
    }
  }
}

/// Whether writing to `fd` would destroy the only source of what is still wanted.
bool Placer::IsBlocked(Fd fd) const {
  auto here = open_.find(fd);
  if (here == open_.end()) return false;
  auto wanted = demand_.find(here->second.file);
  return wanted != demand_.end() && wanted->second > 0 && source_of_.at(here->second.file) == fd;
}

void Placer::CopyTo(const FdSlot& target) {
  Fd& source = source_of_[target.file];
  const Fd old_source = source;
  steps_.push_back({Kind::kDup, target.fd, source, target.cloexec});
  open_.erase(target.fd);
  --demand_[target.file];
  source = target.fd;
  // What stood in the way of a pending write to the old source is gone now.
  if (auto freed = pending_.extract(old_source)) ready_.push_back(freed.mapped());
}

/// Only cycles are left: puts one slot's description aside.
void Placer::BreakCycle() {
  const FdSlot slot = pending_.extract(pending_.begin()).mapped();
  const std::int32_t file = open_.at(slot.fd).file;
  spare_ = Spare();
  steps_.push_back({Kind::kDup, spare_, slot.fd, false});
  source_of_[file] = spare_;
  ready_.push_back(slot);
}

/// A slot for a moment: one that is closed afterwards anyway, or a number that nobody uses.
Fd Placer::Spare() {
  if (spare_ >= 0) return spare_;
  for (const FdSlot& slot : now_) {
    auto wanted = demand_.find(slot.file);
    const bool needed = wanted != demand_.end() && wanted->second > 0;
    if (!needed && FindSlot(wanted_, slot.fd) == nullptr) return slot.fd;
  }
  Fd fd = 0;
  while (FindSlot(now_, fd) != nullptr || FindSlot(wanted_, fd) != nullptr) ++fd;
  return fd;
}

void Placer::Copy() {
  for (const auto& [fd, slot] : pending_) {
    if (!IsBlocked(fd)) ready_.push_back(slot);
  }
  for (const FdSlot& slot : ready_) pending_.erase(slot.fd);
  std::reverse(ready_.begin(), ready_.end());  // taken from the back: ascending
  while (!ready_.empty() || !pending_.empty()) {
    if (ready_.empty()) BreakCycle();
    const FdSlot slot = ready_.back();
    ready_.pop_back();
    CopyTo(slot);
  }
}

void Placer::CloseAndOpen() {
  bool spare_closed = spare_ < 0;
  for (const FdSlot& slot : now_) {
    const FdSlot* want = FindSlot(wanted_, slot.fd);
    // What can be copied was written over it; what is to be opened wants a free number.
    if (want != nullptr && source_of_.contains(want->file)) continue;
    if (slot.fd == spare_) spare_closed = true;
    steps_.push_back({Kind::kClose, slot.fd});
  }
  if (!spare_closed) steps_.push_back({Kind::kClose, spare_});
  std::unordered_map<std::int32_t, Fd> opened;
  for (const FdSlot& slot : to_open_) {
    auto [first, is_first] = opened.emplace(slot.file, slot.fd);
    if (is_first) {
      steps_.push_back({Kind::kOpen, slot.fd, -1, slot.cloexec, slot.file});
    } else {
      steps_.push_back({Kind::kDup, slot.fd, first->second, slot.cloexec});
    }
  }
}

std::vector<PlacementStep> Placer::Run() {
  Sort();
  Copy();
  CloseAndOpen();
  return std::move(steps_);
}

}  // namespace

std::vector<PlacementStep> PlaceDescriptors(std::span<const FdSlot> now,
                                            std::span<const FdSlot> wanted) {
  return Placer(now, wanted).Run();
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "generator/descriptors/placement.h"

#include <algorithm>
#include <map>
#include <optional>
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
  /// Where a description that is still to be copied can be had.
  struct Source {
    Fd lasting = -1;          ///< a slot that nothing is copied to
    std::vector<Fd> passing;  ///< slots that something is to be copied to
    std::vector<Fd> wanters;  ///< slots that it is to be copied to
  };

  void Sort();
  void Copy();
  void CopyTo(const FdSlot& target);
  void Last(FileIndex file, Fd fd);
  void Unblock();
  void BreakCycle(Fd fd);
  void CloseAndOpen();
  bool IsBlocked(Fd fd) const;
  bool IsNeeded(const FdSlot& slot) const;
  const Fd* OtherWanter(FileIndex file, Fd besides) const;
  Fd Spare() const;

  std::span<const FdSlot> now_;
  std::span<const FdSlot> wanted_;
  std::vector<PlacementStep> steps_;
  std::unordered_map<FileIndex, Source> sources_;  // of all that is there now
  std::map<Fd, FdSlot> pending_;                   // to be copied
  std::unordered_map<Fd, FileIndex> holds_;        // what is at those numbers now
  std::vector<FdSlot> ready_;
  std::vector<FdSlot> to_open_;
  std::unordered_map<FileIndex, Fd> opened_at_;
  std::optional<FdSlot> deferred_;  // written at the end, a spare slot until then
  Fd spare_ = -1;
};

/// Tells apart what stands already, what can be copied, and what is to be opened.
void Placer::Sort() {
  for (const FdSlot& slot : now_) sources_[slot.file];
  // The best source is a slot that stays as it is, the next best one that gets another flag.
  std::unordered_map<FileIndex, int> rank_of;
  for (const FdSlot& slot : now_) {
    const FdSlot* want = FindSlot(wanted_, slot.fd);
    Source& source = sources_[slot.file];
    const bool stays = want != nullptr && want->file == slot.file;
    if (want != nullptr && !stays && sources_.contains(want->file)) {
      source.passing.push_back(slot.fd);
      continue;
    }
    const int rank = !stays ? 1 : want->cloexec != slot.cloexec ? 2 : 3;
    if (rank <= rank_of[slot.file]) continue;
    rank_of[slot.file] = rank;
    source.lasting = slot.fd;
  }
  for (const FdSlot& slot : wanted_) {
    const FdSlot* here = FindSlot(now_, slot.fd);
    auto source = sources_.find(slot.file);
    if (here != nullptr && here->file == slot.file) {
      if (here->cloexec == slot.cloexec) continue;
      if (source->second.lasting == slot.fd) {
        steps_.push_back({Kind::kDup, slot.fd, slot.fd, slot.cloexec});
      } else {  // another slot has it, so this one can be a spare one
        pending_.emplace(slot.fd, slot);
      }
    } else if (source != sources_.end()) {
      pending_.emplace(slot.fd, slot);
      source->second.wanters.push_back(slot.fd);
      if (here != nullptr) holds_.emplace(slot.fd, here->file);
    } else {
      to_open_.push_back(slot);
      // At a free number if there is one; what is copied over the others closes them.
      auto [place, is_first] = opened_at_.emplace(slot.file, slot.fd);
      if (!is_first && here == nullptr && FindSlot(now_, place->second) != nullptr) {
        place->second = slot.fd;
      }
    }
  }
}

/// Whether writing to `fd` could destroy the only source of what is still wanted.
bool Placer::IsBlocked(Fd fd) const {
  auto here = holds_.find(fd);
  if (here == holds_.end()) return false;
  const Source& source = sources_.at(here->second);
  return source.lasting < 0 && !source.wanters.empty();
}

/// From now on `file` can be had at `fd`, so what it held up can be written.
void Placer::Last(FileIndex file, Fd fd) {
  Source& source = sources_.at(file);
  source.lasting = fd;
  for (Fd held_up : source.passing) {
    if (auto freed = pending_.extract(held_up)) ready_.push_back(freed.mapped());
  }
}

void Placer::CopyTo(const FdSlot& target) {
  const Source& source = sources_.at(target.file);
  const FdSlot* here = FindSlot(now_, target.fd);
  const bool only_flag = here != nullptr && here->file == target.file && target.fd != spare_;
  const Fd from = only_flag             ? target.fd
                  : source.lasting >= 0 ? source.lasting
                                        : source.passing.back();
  steps_.push_back({Kind::kDup, target.fd, from, target.cloexec});
  if (auto held = holds_.find(target.fd); held != holds_.end()) {
    Source& lost = sources_.at(held->second);
    if (lost.lasting < 0 && !lost.wanters.empty()) std::erase(lost.passing, target.fd);
    holds_.erase(held);
  }
  if (source.lasting < 0 || source.lasting == spare_) Last(target.file, target.fd);
}

const Fd* Placer::OtherWanter(FileIndex file, Fd besides) const {
  for (const Fd& fd : sources_.at(file).wanters) {
    if (fd != besides && pending_.contains(fd)) return &fd;
  }
  return nullptr;
}

/// Only cycles are left, and what hangs on them. Goes from slot to slot that wants what the last
/// one holds, until that closes a cycle. One where something is held twice can be entered there for
/// nothing; one that something outside wants to be copied from waits for that.
void Placer::Unblock() {
  std::vector<Fd> path;
  std::unordered_map<FileIndex, std::size_t> seen;  // what is held -> length of the path there
  Fd fd = pending_.begin()->first;
  while (true) {
    const FileIndex file = holds_.at(fd);
    path.push_back(fd);
    auto [known, is_new] = seen.emplace(file, path.size());
    if (is_new) {
      fd = *OtherWanter(file, -1);
      continue;
    }
    const std::span<const Fd> cycle = std::span(path).subspan(known->second);
    const Fd* outside = nullptr;
    for (std::size_t i = 0; i < cycle.size(); ++i) {
      const FileIndex held = holds_.at(cycle[i]);
      if (sources_.at(held).passing.size() > 1) {
        ready_.push_back(pending_.extract(cycle[i]).mapped());
        return;
      }
      if (outside == nullptr) outside = OtherWanter(held, cycle[(i + 1) % cycle.size()]);
    }
    if (outside == nullptr) return BreakCycle(cycle.front());
    fd = *outside;
    path.clear();
    seen.clear();
  }
}

/// Puts what is at `fd` aside.
void Placer::BreakCycle(Fd fd) {
  if (spare_ < 0) spare_ = Spare();
  steps_.push_back({Kind::kDup, spare_, fd, false});
  Last(holds_.at(fd), spare_);
}

bool Placer::IsNeeded(const FdSlot& slot) const {
  return sources_.at(slot.file).lasting == slot.fd &&
         (OtherWanter(slot.file, -1) != nullptr || (deferred_ && deferred_->file == slot.file));
}

/// A slot for a moment: one that is closed or written to afterwards anyway, else a number that
/// nobody uses.
Fd Placer::Spare() const {
  for (const FdSlot& slot : now_) {
    const FdSlot* want = FindSlot(wanted_, slot.fd);
    const bool closed = want == nullptr || opened_at_.contains(want->file);
    if (closed && !IsNeeded(slot)) return slot.fd;
  }
  if (deferred_) return deferred_->fd;
  for (const FdSlot& slot : to_open_) {
    if (opened_at_.at(slot.file) != slot.fd && FindSlot(now_, slot.fd) == nullptr) return slot.fd;
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
    if (ready_.empty()) Unblock();
    const FdSlot slot = ready_.back();
    ready_.pop_back();
    // Nothing waits for a further copy.
    const Fd lasting = sources_.at(slot.file).lasting;
    if (!deferred_ && !pending_.empty() && lasting >= 0 && lasting != spare_) {
      deferred_ = slot;
    } else {
      CopyTo(slot);
    }
  }
  if (deferred_) CopyTo(*deferred_);
}

void Placer::CloseAndOpen() {
  auto is_closed = [&](const FdSlot* want, Fd fd) {
    if (want == nullptr) return true;
    auto opened = opened_at_.find(want->file);
    return opened != opened_at_.end() && opened->second == fd;
  };
  for (const FdSlot& slot : now_) {
    if (is_closed(FindSlot(wanted_, slot.fd), slot.fd)) steps_.push_back({Kind::kClose, slot.fd});
  }
  if (spare_ >= 0 && FindSlot(now_, spare_) == nullptr && FindSlot(wanted_, spare_) == nullptr) {
    steps_.push_back({Kind::kClose, spare_});
  }
  for (const FdSlot& slot : to_open_) {
    if (opened_at_.at(slot.file) != slot.fd) continue;
    steps_.push_back({Kind::kOpen, slot.fd, -1, slot.cloexec, slot.file});
  }
  for (const FdSlot& slot : to_open_) {
    const Fd from = opened_at_.at(slot.file);
    if (from != slot.fd) steps_.push_back({Kind::kDup, slot.fd, from, slot.cloexec});
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

// SPDX-License-Identifier: Apache-2.0
// The final form of an address space: a parallel assignment of what was inherited, then what is
// the process's own.
#include <algorithm>

#include "generator/memory/memory.h"

namespace crgen {
namespace {

bool IsMovable(RegionKind kind) {
  return kind == RegionKind::kVdso || kind == RegionKind::kVvar || kind == RegionKind::kVsyscall ||
         kind == RegionKind::kSharedAnonymous;
}

/// Whether moving what `mapped` shows gives what `wanted` is.
bool SameBacking(const Region& mapped, const Region& wanted) {
  return mapped.kind == wanted.kind && mapped.range.size() == wanted.range.size() &&
         mapped.object == wanted.object && mapped.offset == wanted.offset &&
         mapped.flags == wanted.flags &&
         mapped.madvise.bits == (wanted.madvise.bits & ~MemoryPlan::kNotInherited);
}

}  // namespace

/// What becomes of every region that is mapped now and of every region that is wanted.
struct MemoryPlan::Final {
  struct Move {
    AddressRange from;
    std::uint64_t to;
    Prot prot;             ///< it has now
    const Region* wanted;  ///< nullptr: put out of the way, see `helpers`
  };
  const Process* process;
  std::vector<bool> have;  ///< beside the wanted regions: stands already, or is moved there
  std::vector<Move> moves;
  std::vector<Mapped> helpers;  ///< views that are needed until the last view is mapped
  std::vector<Mapped> stay;
};

void MemoryPlan::Match(NodeIndex node, Final& state) const {
  const std::vector<Region>& wanted = state.process->memory.regions;
  state.have.assign(wanted.size(), false);
  std::vector<Mapped> loose;
  for (const Mapped& mapped : spaces_[node].mapped) {
    const Region* own = mapped.holder ? RegionAt(node, mapped.range) : nullptr;
    if (own == nullptr) {
      loose.push_back(mapped);
      continue;
    }
    state.have[static_cast<std::size_t>(own - wanted.data())] = true;
    state.stay.push_back(mapped);
  }
  std::unordered_map<std::int32_t, bool> seen;  // shared objects of which a view stays
  for (const Mapped& mapped : state.stay) {
    const Region& region = items_[mapped.item].region;
    if (region.kind == RegionKind::kSharedAnonymous) seen[region.object] = true;
  }
  for (const Mapped& mapped : loose) {
    const Region& region = items_[mapped.item].region;
    if (!IsMovable(region.kind)) continue;
    bool object_wanted = false;
    std::size_t target = wanted.size();
    for (std::size_t i = 0; i < wanted.size() && target == wanted.size(); ++i) {
      if (state.have[i] || wanted[i].kind != region.kind || wanted[i].object != region.object) {
        continue;
      }
      object_wanted = true;
      if (SameBacking(region, wanted[i])) target = i;
    }
    if (target < wanted.size()) {
      state.have[target] = true;
      seen[region.object] = true;
      state.moves.push_back(
          {mapped.range, wanted[target].range.start, mapped.prot, &wanted[target]});
    } else if (object_wanted && region.kind == RegionKind::kSharedAnonymous &&
               !seen[region.object]) {
      seen[region.object] = true;
      state.helpers.push_back(mapped);
    }
  }
}

/// Moves regions to their places, which may be where others still are: a cycle goes through
/// addresses that nobody uses.
Result MemoryPlan::MoveIntoPlace(NodeIndex node, Final& state, Diagnostics& diag) {
  const Pid pid = tree_.nodes[node].pid;
  const std::vector<Region>& wanted = state.process->memory.regions;
  // A helper in the way of anything wanted goes first.
  for (Mapped& helper : state.helpers) {
    const bool in_the_way = std::any_of(wanted.begin(), wanted.end(), [&](const Region& region) {
      return region.range.Overlaps(helper.range);
    });
    if (!in_the_way) continue;
    AddressRange aside;
    if (Failed(spare_.Take(helper.range.size(), &aside, diag))) return Result::kError;
    out_.Emit(pid, MoveRegion{{helper.range.start}, {helper.range.end}, {aside.start}});
    helper.range = aside;
  }
  std::vector<Final::Move> pending = state.moves;
  auto blocker_of = [&](const Final::Move& move) {
    const AddressRange place{move.to, move.to + move.from.size()};
    return std::find_if(pending.begin(), pending.end(),
                        [&](const Final::Move& other) { return other.from.Overlaps(place); });
  };
  while (!pending.empty()) {
    auto next = std::find_if(pending.begin(), pending.end(), [&](const Final::Move& move) {
      return blocker_of(move) == pending.end();
    });
    if (next == pending.end()) {
      // From blocker to blocker, until it is one in a cycle (maybe with itself alone).
      auto in_cycle = pending.begin();
      for (std::size_t i = 0; i < pending.size(); ++i) in_cycle = blocker_of(*in_cycle);
      AddressRange aside;
      if (Failed(spare_.Take(in_cycle->from.size(), &aside, diag))) return Result::kError;
      out_.Emit(pid, MoveRegion{{in_cycle->from.start}, {in_cycle->from.end}, {aside.start}});
      in_cycle->from = aside;
      continue;
    }
    out_.Emit(pid, MoveRegion{{next->from.start}, {next->from.end}, {next->to}});
    pending.erase(next);
  }
  for (const Final::Move& move : state.moves) {
    Mapped mapped{{}, move.wanted->range, move.prot, {}, true, false};
    if (Failed(Adopt(node, mapped, diag))) return Result::kError;
  }
  return Result::kOk;
}

Result MemoryPlan::Finish(NodeIndex node, Diagnostics& diag) {
  Final state;
  state.process = tree_.Living(snapshot_, node);
  const Pid pid = tree_.nodes[node].pid;
  const std::vector<Region>& wanted = state.process->memory.regions;
  Match(node, state);
  auto stays = [&](const Mapped& mapped) {
    auto same = [&](const auto& range) { return range == mapped.range; };
    return (mapped.holder && RegionAt(node, mapped.range) != nullptr) ||
           std::any_of(state.moves.begin(), state.moves.end(),
                       [&](const Final::Move& move) { return same(move.from); }) ||
           std::any_of(state.helpers.begin(), state.helpers.end(),
                       [&](const Mapped& helper) { return same(helper.range); });
  };
  UnmapIf(node, [&](const Mapped& mapped) { return !stays(mapped); });
  if (Failed(MoveIntoPlace(node, state, diag))) return Result::kError;
  for (Mapped& mapped : state.stay) {
    if (Failed(Adopt(node, mapped, diag))) return Result::kError;
  }
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!state.have[i]) jobs.push_back({wanted[i], node});
  }
  if (Failed(MapAll(node, jobs, diag))) return Result::kError;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Madvise late{wanted[i].madvise.bits & kNotInherited};
    if (!state.have[i] || late.bits == 0) continue;
    out_.Emit(pid, ProtectRegion{{wanted[i].range.start}, {wanted[i].range.end}, {}, late});
  }
  for (const Mapped& helper : state.helpers) {
    out_.Emit(pid, UnmapRegion{{helper.range.start}, {helper.range.end}});
  }
  for (const AddressRange& guard : state.process->memory.guards) {
    out_.Emit(pid, ProtectRegion{{guard.start}, {guard.end}, std::nullopt, {kGuardInstall}});
  }
  spaces_[node] = {};
  return Result::kOk;
}

}  // namespace crgen

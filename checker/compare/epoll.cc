// SPDX-License-Identifier: Apache-2.0
// The comparison of what sets of epoll(7) watch: in no order, each by its description and number.
#include <sys/epoll.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "checker/compare/comparison.h"
#include "checker/compare/difference.h"

namespace crgen::check {
namespace {

using Key = std::pair<const Description*, Fd>;

/// What epoll_ctl(2) makes of them.
EpollTarget AsKept(EpollTarget target) {
  constexpr std::uint64_t kAlways = EPOLLERR | EPOLLHUP;
  if (!target.HasFired()) target.events.bits |= kAlways;
  return target;
}

using Watched = std::map<Key, const EpollTarget*>;

/// Of those that watch `description` by a number that is closed, which no image says: the one that
/// is as `expected`, else any.
template <typename IsOpen>
Watched::iterator FindClosed(Watched& watched, const Description* description,
                             const EpollTarget& expected, IsOpen&& is_open) {
  auto any = watched.end();
  for (auto it = watched.lower_bound({description, 0}); it != watched.end(); ++it) {
    if (it->first.first != description) break;
    if (is_open(it->first.second)) continue;
    EpollTarget found = AsKept(*it->second);
    found.fd = expected.fd;
    if (found == AsKept(expected)) return it;
    if (any == watched.end()) any = it;
  }
  return any;
}

}  // namespace

void Comparison::CompareEpollSets() {
  for (const EpollPair& pair : epoll_sets_)
    CompareEpollSet(pair.where, *pair.expected, *pair.found);
}

void Comparison::CompareEpollSet(const std::string& where, const LateEntry& expected,
                                 const Description& found) {
  Watched watched;
  for (const LateState& state : found.late) {
    const auto* set = std::get_if<EpollTargets>(&state);
    if (set == nullptr) continue;
    for (std::size_t i = 0; i < set->targets.size(); ++i) {
      const auto target = found.epoll().watched[i].lock();
      if (target != nullptr) watched[{target.get(), set->targets[i].fd}] = &set->targets[i];
    }
  }
  const auto& slots = snapshot_.tables[snapshot_.processes[expected.process].table].slots;
  const auto is_open = [&](Fd fd) {
    return std::ranges::binary_search(slots, fd, {}, &Descriptor::fd);
  };
  std::set<Fd> seen;
  for (const EpollTarget& target : std::get<EpollTargets>(expected.state).targets) {
    const std::string name = "epoll target fd " + std::to_string(target.fd);
    const auto slot = std::ranges::lower_bound(slots, target.fd, {}, &Descriptor::fd);
    const bool open = slot != slots.end() && slot->fd == target.fd;
    const auto known = open ? description_of_.find(slot->file) : description_of_.end();
    const Description* description = known == description_of_.end() ? nullptr : known->second;
    auto there = watched.find({description, target.fd});
    if (!seen.insert(target.fd).second) {
      there = FindClosed(watched, description, target, is_open);
    }
    if (there == watched.end()) {
      diag_.Error(where, name + ": expected, not watched");
      continue;
    }
    EpollTarget found_target = AsKept(*there->second);
    found_target.fd = target.fd;
    Compare(where, name, AsKept(target), found_target, diag_);
    watched.erase(there);
  }
  for (const auto& [key, target] : watched) {
    diag_.Error(where, "epoll target fd " + std::to_string(target->fd) + ": watched, not expected");
  }
}

}  // namespace crgen::check

// SPDX-License-Identifier: Apache-2.0
// The comparison of what sets of epoll(7) watch: in no order, each by its description and number.
#include <sys/epoll.h>

#include <algorithm>
#include <map>
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

}  // namespace

void Comparison::CompareEpollSets() {
  for (const EpollPair& pair : epoll_sets_)
    CompareEpollSet(pair.where, *pair.expected, *pair.found);
}

void Comparison::CompareEpollSet(const std::string& where, const LateEntry& expected,
                                 const Description& found) {
  std::map<Key, const EpollTarget*> watched;
  for (const LateState& state : found.late) {
    const auto* set = std::get_if<EpollTargets>(&state);
    if (set == nullptr) continue;
    for (std::size_t i = 0; i < set->targets.size(); ++i) {
      const auto target = found.epoll().watched[i].lock();
      if (target != nullptr) watched[{target.get(), set->targets[i].fd}] = &set->targets[i];
    }
  }
  const auto& slots = snapshot_.tables[snapshot_.processes[expected.process].table].slots;
  for (const EpollTarget& target : std::get<EpollTargets>(expected.state).targets) {
    const std::string name = "epoll target fd " + std::to_string(target.fd);
    const auto slot = std::ranges::lower_bound(slots, target.fd, {}, &Descriptor::fd);
    const bool open = slot != slots.end() && slot->fd == target.fd;
    const auto known = open ? description_of_.find(slot->file) : description_of_.end();
    const auto there =
        watched.find({known == description_of_.end() ? nullptr : known->second, target.fd});
    if (there == watched.end()) {
      diag_.Error(where, name + ": expected, not watched");
      continue;
    }
    Compare(where, name, AsKept(target), AsKept(*there->second), diag_);
    watched.erase(there);
  }
  for (const auto& [key, target] : watched) {
    diag_.Error(where, "epoll target fd " + std::to_string(target->fd) + ": watched, not expected");
  }
}

}  // namespace crgen::check

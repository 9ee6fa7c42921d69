// SPDX-License-Identifier: Apache-2.0
// The fewest commands to all small descriptor tables of the two ends of a pipe or a pair of
// sockets.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "dsl/commands.h"

namespace crgen::test {

inline constexpr int kNumbers = 3;  // of which a snapshot uses all but the last
inline constexpr int kNothing = 0, kReads = 1, kWrites = 2, kOpened = 3;
using Table = std::array<int, kNumbers>;

/// A tree of at most three processes while it is built: who is born, what everybody has.
struct State {
  std::array<Table, 3> tables{};
  int born = 1;  ///< bits
  bool made = false, opened = false;

  std::uint64_t Key() const {
    std::uint64_t key = static_cast<std::uint64_t>(born) * 4 + (made ? 2 : 0) + (opened ? 1 : 0);
    for (const Table& table : tables) {
      for (const int slot : table) key = key * 4 + static_cast<std::uint64_t>(slot);
    }
    return key;
  }
  bool Has(int what) const {
    for (const Table& table : tables) {
      for (const int slot : table) {
        if (slot == what) return true;
      }
    }
    return false;
  }
};

/// The fewest OPEN_FILEs, DUP_FDs and CLOSE_FDs to every state, by breadth.
class Fewest {
 public:
  /// `creators[n]`: who forks process n. `plain`: pipe(2) has made what is wanted, so a description
  /// that was opened comes later.
  /// `sockets`: both ends are made at once, and none is opened.
  Fewest(std::array<int, 3> creators, int processes, bool plain, bool sockets = false)
      : creators_(creators), processes_(processes), plain_(plain), sockets_(sockets) {
    Reach(State{}, 0);
    for (std::size_t cost = 0; cost < layers_.size(); ++cost) {
      for (std::size_t i = 0; i < layers_[cost].size(); ++i) {
        const State state = layers_[cost][i];
        if (costs_.at(state.Key()) == cost) Leave(state, cost);
      }
    }
  }
  /// -1: it cannot be reached.
  int To(const State& state) const {
    const auto found = costs_.find(state.Key());
    return found == costs_.end() ? -1 : static_cast<int>(found->second);
  }

 private:
  void Reach(const State& state, std::size_t cost) {
    const auto [known, is_new] = costs_.try_emplace(state.Key(), cost);
    if (!is_new && known->second <= cost) return;
    known->second = cost;
    if (layers_.size() <= cost) layers_.resize(cost + 1);
    layers_[cost].push_back(state);
  }

  void Leave(const State& state, std::size_t cost) {
    for (int p = 0; p < processes_; ++p) {
      const bool is_born = (state.born >> p & 1) != 0;
      if (!is_born && (state.born >> creators_[p] & 1) != 0) {
        State next = state;
        next.born |= 1 << p;
        next.tables[p] = next.tables[creators_[p]];
        Reach(next, cost);
      }
      if (is_born) Change(state, p, cost + 1);
    }
  }

  void Change(const State& state, int p, std::size_t cost) {
    for (int to = 0; to < kNumbers; ++to) {
      const int there = state.tables[p][to];
      const auto put = [&](int what) {
        State next = state;
        next.tables[p][to] = what;
        Reach(next, cost);
      };
      if (there != kNothing) put(kNothing);
      for (const int what : state.tables[p]) {
        if (what != kNothing && what != there) put(what);
      }
      if (there == kNothing) Open(state, p, to, cost);
    }
  }

  void Open(const State& state, int p, int to, std::size_t cost) {
    const auto open = [&](int what, int peer_at, int peer) {
      State next = state;
      next.tables[p][to] = what;
      if (peer_at >= 0) next.tables[p][peer_at] = peer;
      (what == kOpened ? next.opened : next.made) = true;
      Reach(next, cost);
    };
    const bool alive = state.Has(kReads) || state.Has(kWrites) || state.Has(kOpened);
    if (!state.made && !state.opened) {
      if (!sockets_) open(kReads, -1, kNothing);
      if (!sockets_) open(kWrites, -1, kNothing);
      for (int other = 0; other < kNumbers; ++other) {
        if (other == to || state.tables[p][other] != kNothing) continue;
        open(kReads, other, kWrites);
      }
    }
    if (!sockets_ && !state.opened && (plain_ ? alive : !state.made)) open(kOpened, -1, kNothing);
  }

  std::array<int, 3> creators_;
  int processes_;
  bool plain_;
  bool sockets_;
  std::unordered_map<std::uint64_t, std::size_t> costs_;
  std::vector<std::vector<State>> layers_;
};

inline std::size_t DescriptorCommands(const Program& program) {
  return static_cast<std::size_t>(std::ranges::count_if(program, [](const Command& command) {
    return std::holds_alternative<OpenFile>(command.body) ||
           std::holds_alternative<DupFd>(command.body) ||
           std::holds_alternative<CloseFd>(command.body);
  }));
}

}  // namespace crgen::test

// SPDX-License-Identifier: Apache-2.0
// The numbers of a snapshot: which are in use, as what, and which are free for invented processes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/ids.h"

namespace crgen {

/// Index of a number in a NumberTable. Pids, groups and sessions are handled as slots, so that
/// everything known about a number is one array access away.
using Slot = Index<struct SlotTag>;
inline constexpr Slot kNoSlot;

/// In BirthTree::births: a process of the snapshot, or one that is gone by now.
using BirthIndex = Index<struct BirthIndexTag>;

/// A process of the simulation; the first one is the restorer.
using SimulatedIndex = Index<struct SimulatedIndexTag>;

/// What a snapshot uses one number for (struct pid of the kernel: one object for all four uses).
struct Number {
  Pid value = 0;
  BirthIndex process{};          ///< the process that has it as pid, invented ones included
  bool tid = false;              ///< a further thread has it
  bool session = false;          ///< some process is in a session of this name
  Slot group_session = kNoSlot;  ///< the session of the group of this name
  std::int32_t nr_members = 0;   ///< processes of the snapshot in the group of this name
};

/// Numbers by value; slots are dense and stay valid. Find and Add cost O(1).
class NumberTable {
 public:
  explicit NumberTable(std::size_t expected) {
    std::size_t size = 16;
    while (size < expected * 2) size *= 2;
    table_.assign(size, kNoSlot);
    numbers_.reserve(expected);
  }

  Slot Find(Pid value) const { return table_[Probe(value)]; }

  /// The slot of `value`, made if it is new.
  Slot Add(Pid value) {
    std::size_t place = Probe(value);
    if (table_[place] != kNoSlot) return table_[place];
    if (numbers_.size() * 2 >= table_.size()) {
      Grow();
      place = Probe(value);
    }
    const Slot slot(numbers_.size());
    table_[place] = slot;
    numbers_.push_back(Number{.value = value});
    largest_ = std::max(largest_, value);
    return slot;
  }

  /// A number that nothing uses: above all others while that does not leave the range of pids that
  /// the snapshot itself shows to be allowed (32768 is the smallest usual pid_max), else the lowest
  /// one. kNoSlot: all numbers are in use.
  Slot AddFree() {
    Pid limit = largest_ < kSmallPidMax ? kSmallPidMax : kPidLimit;
    if (largest_ + 1 < limit) return Add(largest_ + 1);
    while (lowest_ < kPidLimit && Find(lowest_) != kNoSlot) ++lowest_;
    return lowest_ < kPidLimit ? Add(lowest_) : kNoSlot;
  }

  std::size_t size() const { return numbers_.size(); }
  Number& operator[](Slot slot) { return numbers_[static_cast<std::size_t>(slot)]; }
  const Number& operator[](Slot slot) const { return numbers_[static_cast<std::size_t>(slot)]; }

 private:
  static constexpr Pid kSmallPidMax = 32768;

  /// Fibonacci hashing keeps any arithmetic progression of pids spread out.
  std::size_t Probe(Pid value) const {
    std::size_t mask = table_.size() - 1;
    std::uint64_t hash = static_cast<std::uint32_t>(value) * 0x9e3779b97f4a7c15ull;
    std::size_t place = static_cast<std::size_t>(hash >> 32) & mask;
    while (table_[place] != kNoSlot && (*this)[table_[place]].value != value) {
      place = (place + 1) & mask;
    }
    return place;
  }

  void Grow() {
    table_.assign(table_.size() * 2, kNoSlot);
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
      table_[Probe(numbers_[i].value)] = Slot(i);
    }
  }

  std::vector<Slot> table_;
  std::vector<Number> numbers_;
  Pid largest_ = 1;
  Pid lowest_ = 2;
};

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Files that have lost their names: what of one stands at which opening, and who opens it when
// nobody has it open at the end.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "generator/files/temporary_slot.h"
#include "model/snapshot.h"

namespace crgen {

/// The first opening of all describes the file; the first one by another name says whose it is.
class UnlinkedFiles {
 public:
  /// `snapshot` must outlive this.
  explicit UnlinkedFiles(const Snapshot& snapshot) : snapshot_(snapshot) {}

  /// Gives `*it`, an opening's, what of the file stands there. Call it in the order of openings.
  void Describe(Unlinked* it) {
    const std::uint64_t file = it->link_of.value_or(it->id.value);
    const auto [known, first] = created_by_.try_emplace(file, it->id.value);
    const bool new_name = named_.insert(it->id.value).second;
    const UnlinkedId id = it->id;
    if (first) {
      *it = snapshot_.unlinked.at(file);
      it->id = id;
    }
    it->link_of.reset();
    if (new_name && !first) it->link_of = known->second;
  }

 private:
  const Snapshot& snapshot_;
  std::unordered_map<std::uint64_t, std::uint64_t> created_by_;  ///< file: the name's id
  std::unordered_set<std::uint64_t> named_;
};

/// Whether a process has its working or root directory where no name leads any more.
bool HasUnlinkedDirectories(const Snapshot& snapshot);

/// Gives the root of the tree, for the time, a descriptor of each such directory that nobody has
/// open. Cost: linear.
void HoldUnlinkedDirectories(Snapshot* snapshot, std::vector<TemporarySlot>* temporary);

}  // namespace crgen

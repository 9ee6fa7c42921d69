// SPDX-License-Identifier: Apache-2.0
// Who opens what several descriptor tables get from one call, or wait for, and when.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "generator/files/opening.h"
#include "generator/inheritance.h"
#include "model/diagnostics.h"
#include "model/snapshot.h"

namespace crgen {

/// A descriptor table that the program makes; those of processes that exit are among them.
using PlannedTable = Index<struct PlannedTableTag>;

/// What is to be known of a descriptor table. A creator has a lower index than what it creates.
struct TableLife {
  PlannedTable creator{};      ///< the table that it is a copy of; none: it is the first
  TreeTime birth;              ///< the FORK that made it
  TreeTime first_fork;         ///< the first FORK that copies it; -1: none does
  std::int32_t finished = -1;  ///< when it takes its final form, among all; -1: never
};

/// Places openings that come in pairs, or that others need. One that is needed comes first: if need
/// be, an ancestor makes it before it forks.
class OpeningPlan {
 public:
  struct Acquisition {
    PlannedTable owner;
    /// The FORK before which it is made; kNever: when the table takes its final form.
    TreeTime first = CarriedItem::kNever;
    std::int32_t rank = 0;  ///< one more than that of any that it needs
    bool early() const { return first != CarriedItem::kNever; }
  };

  /// `openings` must outlive the plan.
  OpeningPlan(const Openings& openings, std::vector<TableLife> tables);

  /// Tells that `table` holds `file`; tables ascend.
  void AddHolder(FileIndex file, PlannedTable table);
  /// When all holders are told. Errors: a description that needs itself.
  Result Build(const Snapshot& snapshot, Diagnostics& diag);

  /// By the name of the opening (Openings::OpeningOf); nullptr: nothing was planned for it.
  const Acquisition* Find(FileIndex opening) const {
    const auto found = openings_.find(opening);
    return found == openings_.end() || found->second.at.owner < 0 ? nullptr : &found->second.at;
  }
  /// Those that are opened before a FORK.
  std::vector<FileIndex> EarlyOpenings() const;
  /// In which order tables take their final form; empty: in any.
  const std::vector<PlannedTable>& finish_order() const { return finish_order_; }

 private:
  struct Planned {
    std::vector<PlannedTable> holders;
    std::vector<FileIndex> needs, dependants;
    Acquisition at;
  };

  bool SortByNeeds(std::vector<FileIndex>* order);
  void Place(Planned& planned);
  bool OrderTables();

  std::vector<TableLife> tables_;
  std::vector<PlannedTable> creators_;
  std::vector<TreeTime> births_;
  std::unordered_map<FileIndex, Planned> openings_;
  const Openings& given_;
  bool all_early_ = false;  ///< what a table of its own has, and another one needs
  std::vector<PlannedTable> finish_order_;
};

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Descriptor tables: what each process opens, hands on, puts in place and closes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "generator/creation_tree.h"
#include "generator/descriptors/opening_plan.h"
#include "generator/descriptors/placement.h"
#include "generator/emitter.h"
#include "generator/files/file_opener.h"
#include "generator/inheritance.h"
#include "model/diagnostics.h"
#include "model/hash.h"
#include "model/snapshot.h"

namespace crgen {

/// Plans the descriptor tables of a snapshot, then gives their commands step by step as the tree
/// is built.
///
/// Before the last fork a table holds only *carried* slots: a number and a description that two or
/// more tables have there, opened (or duplicated) by the owner just before the first child that
/// needs it is born. After it the table takes its final form: a parallel assignment of what was
/// inherited, then everything else is closed, then what is the table's own is opened.
///
/// What can be opened only when it is too late to be inherited is opened by one table, last of all,
/// and taken from there by the others.
///
/// Processes with one table (CLONE_FILES) are one node here. What one call makes, both ends of a
/// pair, is opened by the owner of what both are for.
class DescriptorPlan {
 public:
  /// The arguments must outlive the plan. Errors: a table shared by processes that are not born of
  /// one another.
  Result Build(const Snapshot& snapshot, const CreationTree& tree, const Openings& openings,
               Diagnostics& diag);

  /// Whether `node` is born with CLONE_FILES.
  bool SharesCreatorsTable(NodeIndex node) const;

  /// Opens what is to be inherited by the child that the FORK `time` of `node` makes.
  Result BeforeFork(NodeIndex node, TreeTime time, FileOpener& opener, Emitter& out,
                    Diagnostics& diag);
  /// Gives `child` its table, and closes in both what they need no more.
  void AfterFork(NodeIndex node, NodeIndex child, Emitter& out);
  /// All nodes that are alive at the end, in the order in which their tables take their final form.
  std::vector<NodeIndex> FinishOrder() const;
  /// Whether an opening relies on what another process holds.
  bool RelyOnEachOther() const { return openings_->rely_on_each_other() || !taken_.empty(); }
  /// The final form of the table of `node`, once for all that share it.
  Result Finish(NodeIndex node, FileOpener& opener, Emitter& out, Diagnostics& diag);
  /// The lowest number that is free now in the table of `node`, other than `besides`.
  Fd SpareFd(NodeIndex node, Fd besides = -1) const;

 private:
  struct Table {
    const DescriptorTable* wanted = nullptr;  ///< nullptr: exits, so any content will do
    TreeTime birth;                           ///< the FORK that made it
    TreeTime first_fork;                      ///< the first FORK that copies it
    TreeTime last_fork;                       ///< the last FORK that copies it
    CarryList carried;                        ///< by index in items_
    std::vector<FdSlot> slots;                ///< now; ascending by fd
    bool finished = false;
  };
  struct Holding {
    PlannedTable table;
    bool cloexec;
  };
  using Holdings = std::vector<Holding>;
  using ByNumber = std::map<Fd, Holdings>;
  /// How a description gets from its owner to its holders.
  struct Way {
    PlannedTable owner;
    std::vector<InheritanceLink<PlannedTable>> links;
    TreeTime first = CarriedItem::kNever;  ///< it is opened before that FORK already
  };

  Result GroupTables(Diagnostics& diag);
  Result JoinTable(NodeIndex node, TableIndex table, std::vector<TableIndex>& group_of,
                   Diagnostics& diag);
  std::vector<TableLife> TableLives() const;
  Result FindCarried(Diagnostics& diag);
  void FindTaken();
  void PlanShared();
  void PlanPrimary(FileIndex file, const ByNumber& numbers, const ByNumber* other_end);
  void PlanSecondary(FileIndex file, const ByNumber& numbers);
  Way WayTo(std::vector<PlannedTable> tables, const OpeningPlan::Acquisition* acquisition) const;
  bool TryItem(Fd fd, FileIndex file, const Way& way, const Holdings& standing);
  bool IsFree(Fd fd, const Way& way) const;
  void AddItem(const FdSlot& slot, const Way& way, const Holdings& standing);
  Fd NewNumber();

  Result Open(NodeIndex node, const FdSlot& slot, std::optional<FdSlot> peer, Fd spare,
              FileOpener& opener, Emitter& out, Diagnostics& diag);
  Fd NumberOf(PlannedTable table, FileIndex file);
  Result OpenOwn(NodeIndex node, std::vector<PlacementStep> steps, FileOpener& opener, Emitter& out,
                 Diagnostics& diag);
  void CloseStrangers(Table& table, Pid pid, Emitter& out);
  void CloseHandedOn(Table& table, Pid pid, TreeTime now, Emitter& out);

  const Snapshot* snapshot_ = nullptr;
  const CreationTree* tree_ = nullptr;
  const Openings* openings_ = nullptr;
  std::optional<OpeningPlan> opening_plan_;
  std::vector<PlannedTable> table_of_;  ///< by node
  std::vector<Table> tables_;
  std::vector<PlannedTable> creators_;  ///< of tables
  std::vector<TreeTime> births_;        ///< likewise
  std::vector<FdSlot> items_;           ///< numbers and descriptions that are carried
  std::vector<FileIndex> carried_;      ///< descriptions that are opened before a FORK
  /// Those that are not inherited although several tables have them: where they are, once open.
  std::unordered_map<FileIndex, std::optional<HeldElsewhere>> taken_;
  std::unordered_map<FileIndex, ItemIndex> item_of_end_;  ///< of a pair: where it is opened
  /// Table and number -> item; empty behind Build().
  std::unordered_map<std::uint64_t, ItemIndex, MixedHash> carried_at_;
  /// Table and file -> where NumberOf() has found it last.
  std::map<std::pair<PlannedTable, FileIndex>, Fd> last_number_;
  std::unordered_set<Fd> unplaced_;  ///< while a table gets its final form: not there yet
  std::vector<Fd> overwritten_;      ///< likewise: free, and copied to once all is opened
  std::vector<Fd> wanted_numbers_;   ///< of all tables, ascending
  std::vector<Fd> handed_out_;       ///< numbers that no table wants, used to carry
  Fd next_number_ = 0;
};

}  // namespace crgen

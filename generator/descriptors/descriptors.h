// Descriptor tables: what each process opens, hands on, puts in place and closes.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "generator/creation_tree.h"
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
/// Processes with one table (CLONE_FILES) are one node here.
class DescriptorPlan {
 public:
  /// `tree` and `snapshot` must outlive the plan. Errors: a table shared by processes that are not
  /// born of one another.
  Result Build(const Snapshot& snapshot, const CreationTree& tree, Diagnostics& diag);

  /// Whether `node` is born with CLONE_FILES.
  bool SharesCreatorsTable(std::int32_t node) const;

  /// Opens what is to be inherited by the child that the FORK `time` of `node` makes.
  Result BeforeFork(std::int32_t node, std::int32_t time, FileOpener& opener, Emitter& out,
                    Diagnostics& diag);
  /// Gives `child` its table, and closes in both what they need no more.
  void AfterFork(std::int32_t node, std::int32_t child, Emitter& out);
  /// The final form of the table of `node`, once for all that share it.
  Result Finish(std::int32_t node, FileOpener& opener, Emitter& out, Diagnostics& diag);
  /// The lowest number that is free now in the table of `node`, other than `besides`.
  Fd SpareFd(std::int32_t node, Fd besides = -1) const;

 private:
  struct Table {
    const DescriptorTable* wanted = nullptr;  ///< nullptr: exits, so any content will do
    std::int32_t birth = -1;                  ///< the FORK that made it
    std::int32_t last_fork = -1;              ///< the last FORK that copies it
    CarryList carried;                        ///< by index in items_
    std::vector<FdSlot> slots;                ///< now; ascending by fd
    bool finished = false;
  };
  struct Holding {
    std::int32_t table;
    bool cloexec;
  };
  using Holdings = std::vector<Holding>;
  using ByNumber = std::map<Fd, Holdings>;

  Result GroupTables(Diagnostics& diag);
  Result JoinTable(std::int32_t node, std::int32_t table, std::vector<std::int32_t>& group_of,
                   Diagnostics& diag);
  void PlanShared();
  void PlanPrimary(std::int32_t file, const ByNumber& numbers);
  void PlanSecondary(std::int32_t file, const ByNumber& numbers);
  bool TryItem(Fd fd, std::int32_t file, const std::vector<std::int32_t>& tables,
               const Holdings& standing);
  bool IsFree(Fd fd, std::int32_t owner, const std::vector<InheritanceLink>& links) const;
  void AddItem(const FdSlot& slot, std::int32_t owner, const std::vector<InheritanceLink>& links,
               const Holdings& standing);
  Fd NewNumber();

  void CloseStrangers(Table& table, Pid pid, Emitter& out);
  void CloseHandedOn(Table& table, Pid pid, std::int32_t now, Emitter& out);

  const Snapshot* snapshot_ = nullptr;
  const CreationTree* tree_ = nullptr;
  std::vector<std::int32_t> table_of_;  ///< node -> table
  std::vector<Table> tables_;
  std::vector<std::int32_t> creators_, births_;  ///< of tables
  std::vector<FdSlot> items_;  ///< numbers and descriptions that several tables have in common
  /// Table and number -> item; empty behind Build().
  std::unordered_map<std::uint64_t, std::int32_t, MixedHash> carried_at_;
  std::vector<Fd> wanted_numbers_;  ///< of all tables, ascending
  std::vector<Fd> handed_out_;      ///< numbers that no table wants, used to carry
  Fd next_number_ = 0;
};

}  // namespace crgen

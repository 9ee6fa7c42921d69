// SPDX-License-Identifier: Apache-2.0
// Which slots are carried from whom to whom.
#include <algorithm>

#include "generator/descriptors/descriptors.h"

namespace crgen {
namespace {

std::uint64_t TableAndNumber(PlannedTable table, Fd fd) {
  return static_cast<std::uint64_t>(table.value) << 32 | static_cast<std::uint32_t>(fd);
}

/// Numbers that carry for others are used again if that can be seen quickly.
constexpr std::size_t kNumbersTried = 64;

/// How many holders want a description at that number.
struct WantedNumber {
  std::size_t holders;
  Fd fd;
};

/// What most want first.
template <typename ByNumber>
std::vector<WantedNumber> WantedNumbers(const ByNumber& numbers) {
  std::vector<WantedNumber> wanted;
  for (const auto& [fd, holdings] : numbers) wanted.push_back({holdings.size(), fd});
  std::stable_sort(wanted.begin(), wanted.end(), [](const WantedNumber& a, const WantedNumber& b) {
    return a.holders > b.holders;
  });
  return wanted;
}

/// Two ends that are wanted at one number, first of all: one gets its second choice, if both
/// together come off better so.
void LeaveRoom(std::vector<WantedNumber>& own, const std::vector<WantedNumber>& other) {
  if (own.empty() || other.empty() || own.front().fd != other.front().fd) return;
  const std::size_t own_loss = own.front().holders - (own.size() > 1 ? own[1].holders : 0);
  const std::size_t loss = other.front().holders - (other.size() > 1 ? other[1].holders : 0);
  if (own_loss < loss) own.erase(own.begin());
}

}  // namespace

Result DescriptorPlan::Build(const Snapshot& snapshot, const CreationTree& tree,
                             const Openings& openings, Diagnostics& diag) {
  snapshot_ = &snapshot;
  tree_ = &tree;
  openings_ = &openings;
  if (Failed(GroupTables(diag))) return Result::kError;
  for (const DescriptorTable& table : snapshot.tables) {
    for (const Descriptor& slot : table.slots) wanted_numbers_.push_back(slot.fd);
  }
  std::sort(wanted_numbers_.begin(), wanted_numbers_.end());
  wanted_numbers_.erase(std::unique(wanted_numbers_.begin(), wanted_numbers_.end()),
                        wanted_numbers_.end());
  if (Failed(FindCarried(diag))) return Result::kError;
  PlanShared();
  for (Table& table : tables_) table.carried.Sort();
  carried_at_.clear();
  return Result::kOk;
}

/// Adds `node` to the nodes that share `table`, with those between it and them, which pass the
/// table on and exit.
Result DescriptorPlan::JoinTable(NodeIndex node, TableIndex table,
                                 std::vector<TableIndex>& group_of, Diagnostics& diag) {
  group_of[node] = table;
  for (NodeIndex at = tree_->nodes[node].creator; at < 0 || group_of[at] != table;
       at = tree_->nodes[at].creator) {
    if (at < 0 || tree_->Living(*snapshot_, at) != nullptr || group_of[at] >= 0) {
      return diag.Fail("pid " + std::to_string(tree_->nodes[node].pid),
                       "shares its descriptor table with a process that it is not born of");
    }
    group_of[at] = table;
  }
  return Result::kOk;
}

Result DescriptorPlan::GroupTables(Diagnostics& diag) {
  const auto count = static_cast<std::int32_t>(tree_->nodes.size());
  std::vector<std::int32_t> members(snapshot_->tables.size());
  for (const Process& process : snapshot_->processes) {
    if (process.table >= 0) ++members[process.table];
  }
  std::vector<TableIndex> group_of(count);
  std::vector<bool> has_first(snapshot_->tables.size());
  for (NodeIndex n(0); n < count; ++n) {
    const Process* process = tree_->Living(*snapshot_, n);
    if (process == nullptr || process->table < 0 || members[process->table] < 2) continue;
    if (!has_first[process->table]) {
      has_first[process->table] = true;
      group_of[n] = process->table;
    } else if (Failed(JoinTable(n, process->table, group_of, diag))) {
      return Result::kError;
    }
  }
  table_of_.resize(count);
  for (NodeIndex n(0); n < count; ++n) {
    const CreationNode& node = tree_->nodes[n];
    if (node.creator >= 0 && group_of[n] >= 0 && group_of[node.creator] == group_of[n]) {
      table_of_[n] = table_of_[node.creator];
      continue;
    }
    table_of_[n] = PlannedTable(tables_.size());
    Table table;
    table.birth = node.birth;
    const PlannedTable creator = node.creator < 0 ? PlannedTable() : table_of_[node.creator];
    if (creator >= 0) {
      Table& from = tables_[creator];
      from.last_fork = std::max(from.last_fork, node.birth);
      if (from.first_fork < 0) from.first_fork = node.birth;
    }
    creators_.push_back(creator);
    births_.push_back(node.birth);
    tables_.push_back(std::move(table));
  }
  for (NodeIndex n(0); n < count; ++n) {
    const Process* process = tree_->Living(*snapshot_, n);
    if (process != nullptr && process->table >= 0) {
      tables_[table_of_[n]].wanted = &snapshot_->tables[process->table];
    }
  }
  return Result::kOk;
}

bool DescriptorPlan::SharesCreatorsTable(NodeIndex node) const {
  const NodeIndex creator = tree_->nodes[node].creator;
  return creator >= 0 && table_of_[creator] == table_of_[node];
}

std::vector<TableLife> DescriptorPlan::TableLives() const {
  std::vector<TableLife> lives(tables_.size());
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    lives[t] = {creators_[t], births_[t], tables_[t].first_fork, -1};
  }
  for (std::size_t n = 0; n < table_of_.size(); ++n) {
    TableLife& life = lives[table_of_[n]];
    const bool living = tree_->Living(*snapshot_, NodeIndex(n)) != nullptr;
    if (living && life.finished < 0) life.finished = static_cast<std::int32_t>(n);
  }
  return lives;
}

/// Finds what is opened before a FORK: what several tables have, both ends of a pair that they
/// have, and what others wait for.
Result DescriptorPlan::FindCarried(Diagnostics& diag) {
  opening_plan_.emplace(*openings_, TableLives());
  std::vector<PlannedTable> first_table(snapshot_->files.size());  // by opening
  std::vector<bool> is_carried(snapshot_->files.size());
  const auto carry = [&](FileIndex opening) {
    if (is_carried[opening]) return;
    is_carried[opening] = true;
    carried_.push_back(opening);
    const FileIndex peer = openings_->PeerOf(opening);
    if (peer < 0 || is_carried[peer]) return;
    is_carried[peer] = true;
    carried_.push_back(peer);
  };
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    if (tables_[t].wanted == nullptr) continue;
    const PlannedTable table(t);
    for (const Descriptor& slot : tables_[t].wanted->slots) {
      const FileIndex opening = openings_->OpeningOf(slot.file);
      opening_plan_->AddHolder(slot.file, table);
      if (first_table[opening] < 0) first_table[opening] = table;
      if (first_table[opening] != table) carry(opening);
    }
  }
  if (Failed(opening_plan_->Build(*snapshot_, diag))) return Result::kError;
  for (const FileIndex opening : opening_plan_->EarlyOpenings()) carry(opening);
  FindTaken();
  return Result::kOk;
}

/// What would have to be opened before a process is born that it is of.
void DescriptorPlan::FindTaken() {
  const auto waits = [&](FileIndex file) { return openings_->BirthBefore(file) >= 0; };
  std::unordered_map<FileIndex, std::vector<PlannedTable>> holders;
  for (const FileIndex file : carried_) {
    if (waits(file)) holders.try_emplace(file);
  }
  if (holders.empty()) return;
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    if (tables_[t].wanted == nullptr) continue;
    for (const Descriptor& slot : tables_[t].wanted->slots) {
      const auto known = holders.find(slot.file);
      if (known != holders.end()) known->second.push_back(PlannedTable(t));
    }
  }
  std::erase_if(carried_, [&](FileIndex file) {
    const auto known = holders.find(file);
    if (known == holders.end()) return false;
    const Way way = WayTo(std::move(known->second), nullptr);
    const TreeTime birth = openings_->BirthBefore(file);
    const bool late = std::ranges::any_of(way.links, [&](const auto& link) {
      return link.parent == way.owner && link.time <= birth;
    });
    if (late) taken_.try_emplace(file);
    return late;
  });
}

void DescriptorPlan::PlanShared() {
  if (carried_.empty()) return;
  std::vector<ByNumber> numbers(snapshot_->files.size());
  std::vector<std::size_t> holders(snapshot_->files.size());
  std::vector<bool> is_carried(snapshot_->files.size());
  for (FileIndex file : carried_) is_carried[file] = true;
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    if (tables_[t].wanted == nullptr) continue;
    for (const Descriptor& slot : tables_[t].wanted->slots) {
      if (!is_carried[slot.file]) continue;
      numbers[slot.file][slot.fd].push_back({PlannedTable(t), slot.cloexec});
      ++holders[slot.file];
    }
  }
  // What is needed first, and of that what many share, gets its number first.
  const auto rank = [&](FileIndex file) {
    const auto* at = opening_plan_->Find(openings_->OpeningOf(file));
    return at == nullptr ? 0 : at->rank;
  };
  std::stable_sort(carried_.begin(), carried_.end(), [&](FileIndex a, FileIndex b) {
    const std::int32_t rank_a = rank(a), rank_b = rank(b);
    return rank_a != rank_b ? rank_a < rank_b : holders[a] > holders[b];
  });
  std::erase_if(carried_, [&](FileIndex file) { return holders[file] == 0; });
  for (FileIndex file : carried_) {
    const FileIndex peer = openings_->PeerOf(file);
    const bool first = peer >= 0 && holders[peer] != 0 && !item_of_end_.contains(peer);
    PlanPrimary(file, numbers[file], first ? &numbers[peer] : nullptr);
  }
  for (FileIndex file : carried_) PlanSecondary(file, numbers[file]);
}

DescriptorPlan::Way DescriptorPlan::WayTo(std::vector<PlannedTable> tables,
                                          const OpeningPlan::Acquisition* acquisition) const {
  Way way;
  if (acquisition != nullptr) {
    way.first = acquisition->first;
    tables.push_back(acquisition->owner);
  }
  way.owner = FindOwner(creators_, births_, std::move(tables), &way.links);
  return way;
}

/// Every holder of `file` inherits it at one number: the one that most of them want, if nobody on
/// the way needs that for something else. `other_end`: the numbers of the other end of a pair,
/// which is still to be planned; null: there is none.
void DescriptorPlan::PlanPrimary(FileIndex file, const ByNumber& numbers,
                                 const ByNumber* other_end) {
  std::vector<PlannedTable> tables;
  for (const auto& [fd, holdings] : numbers) {
    for (const Holding& holding : holdings) tables.push_back(holding.table);
  }
  std::sort(tables.begin(), tables.end());
  tables.erase(std::unique(tables.begin(), tables.end()), tables.end());
  std::vector<WantedNumber> candidates = WantedNumbers(numbers);
  const Way way = WayTo(std::move(tables), opening_plan_->Find(openings_->OpeningOf(file)));
  std::erase_if(candidates, [&](const WantedNumber& it) { return !IsFree(it.fd, way); });
  if (other_end != nullptr) LeaveRoom(candidates, WantedNumbers(*other_end));
  const ItemIndex item(items_.size());
  if (openings_->PeerOf(file) >= 0) item_of_end_.emplace(file, item);
  for (const WantedNumber& it : candidates) {
    if (TryItem(it.fd, file, way, numbers.at(it.fd))) return;
  }
  for (std::size_t i = 0; i < std::min(kNumbersTried, handed_out_.size()); ++i) {
    if (TryItem(handed_out_[i], file, way, {})) return;
  }
  (void)TryItem(NewNumber(), file, way, {});
}

/// Further numbers that several tables have in common: duplicated once, by the owner, instead of
/// in each, where that costs less.
void DescriptorPlan::PlanSecondary(FileIndex file, const ByNumber& numbers) {
  for (const auto& [fd, holdings] : numbers) {
    if (holdings.size() < 2) continue;
    auto carried = carried_at_.find(TableAndNumber(holdings.front().table, fd));
    const bool is_primary = carried != carried_at_.end() && items_[carried->second].file == file;
    if (is_primary) continue;
    std::vector<PlannedTable> tables;
    for (const Holding& holding : holdings) tables.push_back(holding.table);
    const Way way = WayTo(tables, nullptr);
    // One DUP_FD for all, and a CLOSE_FD wherever it is only passed on.
    std::size_t cost = 1;
    std::unordered_set<PlannedTable> holders(tables.begin(), tables.end());
    auto passes_on = [&](PlannedTable table) {
      return tables_[table].wanted != nullptr && !holders.contains(table);
    };
    if (passes_on(way.owner)) ++cost;
    for (const auto& link : way.links) cost += passes_on(link.child) ? 1 : 0;
    if (cost < holdings.size()) (void)TryItem(fd, file, way, holdings);
  }
}

bool DescriptorPlan::IsFree(Fd fd, const Way& way) const {
  if (carried_at_.contains(TableAndNumber(way.owner, fd))) return false;
  return std::none_of(way.links.begin(), way.links.end(), [&](const auto& link) {
    return carried_at_.contains(TableAndNumber(link.child, fd));
  });
}

/// Carries `file` at `fd` that way, if the number is free on it. `standing`: the tables that want
/// it just there.
bool DescriptorPlan::TryItem(Fd fd, FileIndex file, const Way& way, const Holdings& standing) {
  if (!IsFree(fd, way)) return false;
  std::size_t cloexec = 0;
  for (const Holding& holding : standing) cloexec += holding.cloexec ? 1 : 0;
  AddItem({fd, file, cloexec * 2 > standing.size()}, way, standing);
  return true;
}

void DescriptorPlan::AddItem(const FdSlot& slot, const Way& way, const Holdings& standing) {
  const ItemIndex item(items_.size());
  items_.push_back(slot);
  std::vector<PlannedTable> holders;
  for (const Holding& holding : standing) holders.push_back(holding.table);
  for (auto& [table, carried] : ShareOut(item, way.owner, way.links, holders)) {
    if (table == way.owner) carried.first = std::min(carried.first, way.first);
    tables_[table].carried.Add(carried);
    carried_at_.emplace(TableAndNumber(table, slot.fd), item);
  }
}

/// A number that no table of the dump wants.
Fd DescriptorPlan::NewNumber() {
  while (std::binary_search(wanted_numbers_.begin(), wanted_numbers_.end(), next_number_)) {
    ++next_number_;
  }
  handed_out_.push_back(next_number_);
  return next_number_++;
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "generator/descriptors/opening_plan.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <string>
#include <unordered_set>
#include <utility>

namespace crgen {

OpeningPlan::OpeningPlan(const Openings& openings, std::vector<TableLife> tables)
    : tables_(std::move(tables)), given_(openings) {
  for (const TableLife& table : tables_) {
    creators_.push_back(table.creator);
    births_.push_back(table.birth);
  }
  for (const auto& [file, peer] : openings.pairs()) openings_[openings.OpeningOf(file)];
  for (const auto& [file, earlier] : openings.needs()) {
    const FileIndex opening = openings.OpeningOf(file);
    for (const FileIndex one : earlier) {
      const FileIndex needed = openings.OpeningOf(one);
      openings_[opening].needs.push_back(needed);
      openings_[needed].dependants.push_back(opening);
    }
  }
}

void OpeningPlan::AddHolder(FileIndex file, PlannedTable table) {
  if (openings_.empty()) return;
  const auto found = openings_.find(given_.OpeningOf(file));
  if (found == openings_.end()) return;
  std::vector<PlannedTable>& holders = found->second.holders;
  if (holders.empty() || holders.back() != table) holders.push_back(table);
}

/// Dependants come before what they need. False: some need each other.
bool OpeningPlan::SortByNeeds(std::vector<FileIndex>* order) {
  std::unordered_map<FileIndex, std::size_t> waiting_for;
  for (const auto& [opening, planned] : openings_) {
    waiting_for[opening] = planned.dependants.size();
    if (planned.dependants.empty()) order->push_back(opening);
  }
  std::sort(order->begin(), order->end());
  for (std::size_t i = 0; i < order->size(); ++i) {
    for (const FileIndex needed : openings_.at((*order)[i]).needs) {
      if (--waiting_for.at(needed) == 0) order->push_back(needed);
    }
  }
  return order->size() == openings_.size();
}

Result OpeningPlan::Build(const Snapshot& snapshot, Diagnostics& diag) {
  if (openings_.empty()) return Result::kOk;
  std::vector<FileIndex> order;
  if (!SortByNeeds(&order)) {
    const std::unordered_set<FileIndex> sorted(order.begin(), order.end());
    const auto cyclic = std::find_if(openings_.begin(), openings_.end(),
                                     [&](const auto& one) { return !sorted.contains(one.first); });
    return diag.Fail("file " + std::to_string(snapshot.files[cyclic->first]->id.value),
                     "can be opened only when it is open already");
  }
  for (auto opening = order.rbegin(); opening != order.rend(); ++opening) {
    Planned& planned = openings_.at(*opening);
    for (const FileIndex needed : planned.needs) {
      planned.at.rank = std::max(planned.at.rank, openings_.at(needed).at.rank + 1);
    }
  }
  for (const FileIndex opening : order) Place(openings_.at(opening));
  if (OrderTables()) return Result::kOk;
  // Tables wait for each other: so none waits for another's final form.
  all_early_ = true;
  for (const FileIndex opening : order) Place(openings_.at(opening));
  return Result::kOk;
}

/// REQUIRES: whatever needs it has its place.
void OpeningPlan::Place(Planned& planned) {
  Acquisition& at = planned.at;
  at.owner = {};
  at.first = CarriedItem::kNever;
  if (planned.holders.empty()) return;
  const auto place = [&](std::vector<PlannedTable> tables) {
    std::vector<InheritanceLink<PlannedTable>> links;
    at.owner = FindOwner(creators_, births_, std::move(tables), &links);
    for (const auto& link : links) {
      if (link.parent == at.owner) at.first = std::min(at.first, link.time);
    }
  };
  place(planned.holders);
  std::vector<PlannedTable> waiting;  // tables that open what needs this before it is there
  bool before_any_finish = false;
  for (const FileIndex one : planned.dependants) {
    const Acquisition& dependant = openings_.at(one).at;
    if (dependant.owner < 0 || dependant.first >= at.first) {
      before_any_finish |=
          all_early_ && !at.early() && dependant.owner >= 0 && dependant.owner != at.owner;
    } else {
      waiting.push_back(dependant.owner);
    }
  }
  if (!waiting.empty()) {
    waiting.insert(waiting.end(), planned.holders.begin(), planned.holders.end());
    place(std::move(waiting));
    for (const FileIndex one : planned.dependants) {
      const Acquisition& dependant = openings_.at(one).at;
      if (dependant.owner == at.owner) at.first = std::min(at.first, dependant.first);
    }
  } else if (before_any_finish) {
    const TableLife& table = tables_[at.owner];
    at.first = table.creator < 0 ? table.first_fork : table.birth;
    if (table.creator >= 0) at.owner = table.creator;
  }
}

/// False: tables wait for each other.
bool OpeningPlan::OrderTables() {
  std::vector<std::pair<PlannedTable, PlannedTable>> edges;  // the first before the second
  for (const auto& [opening, planned] : openings_) {
    if (planned.at.owner < 0 || planned.at.early()) continue;
    for (const FileIndex needed : planned.needs) {
      const Acquisition& at = openings_.at(needed).at;
      const bool waits = at.owner >= 0 && !at.early() && at.owner != planned.at.owner;
      if (waits) edges.emplace_back(at.owner, planned.at.owner);
    }
  }
  if (edges.empty()) return true;
  std::sort(edges.begin(), edges.end());
  std::vector<std::size_t> waiting_for(tables_.size());
  for (const auto& [before, after] : edges) ++waiting_for[after];
  using Turn = std::pair<std::int32_t, PlannedTable>;  // when it would be its turn
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> ready;
  std::size_t finished = 0;
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    if (tables_[t].finished < 0) continue;
    ++finished;
    if (waiting_for[t] == 0) ready.emplace(tables_[t].finished, PlannedTable(t));
  }
  while (!ready.empty()) {
    const PlannedTable table = ready.top().second;
    ready.pop();
    finish_order_.push_back(table);
    auto edge = std::lower_bound(edges.begin(), edges.end(), std::pair(table, PlannedTable()));
    for (; edge != edges.end() && edge->first == table; ++edge) {
      const PlannedTable next = edge->second;
      if (--waiting_for[next] == 0) ready.emplace(tables_[next].finished, next);
    }
  }
  if (finish_order_.size() == finished) return true;
  finish_order_.clear();
  return false;
}

std::vector<FileIndex> OpeningPlan::EarlyOpenings() const {
  std::vector<FileIndex> early;
  for (const auto& [opening, planned] : openings_) {
    if (planned.at.early()) early.push_back(opening);
  }
  std::sort(early.begin(), early.end());
  return early;
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Which regions are carried from whom to whom.
#include <sys/mman.h>

#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "generator/memory/memory.h"
#include "model/hash.h"

namespace crgen {
namespace {

// fork(2) drops the contents or the flag, or shares in other units.
constexpr std::uint64_t kNotAlike = kMapDroppable | MAP_LOCKED | MAP_HUGETLB;

bool CanBeAlike(const Region& region) {
  return region.IsPrivate() && (region.madvise.bits & MemoryPlan::kNotInherited) == 0 &&
         (region.flags.bits & kNotAlike) == 0;
}

bool IsSpecial(RegionKind kind) {
  return kind == RegionKind::kVdso || kind == RegionKind::kVvar || kind == RegionKind::kVsyscall;
}

/// Numbers for paths: equal numbers, equal paths.
class PathNumbers {
 public:
  explicit PathNumbers(const Snapshot& snapshot) : snapshot_(snapshot) {}
  std::int32_t Of(FileIndex file) {
    if (file < 0) return -1;
    if (numbers_.size() <= static_cast<std::size_t>(file)) numbers_.resize(file + 1, -1);
    std::int32_t& number = numbers_[file];
    if (number < 0) {
      const auto& path = As<RegularFile>(*snapshot_.files[file])->path.bytes;
      number = known_.emplace(path, static_cast<std::int32_t>(known_.size())).first->second;
    }
    return number;
  }

 private:
  const Snapshot& snapshot_;
  std::vector<std::int32_t> numbers_;
  std::unordered_map<std::string, std::int32_t> known_;
};

}  // namespace

/// What makes two private regions alike (CRIU's premap_priv_vmas() asks for the same, with the
/// executable for the likeness of their history).
struct MemoryPlan::Key {
  std::uint64_t start, end, offset, flags, madvise, open_flags;
  std::int32_t file;  // by PathNumbers
  ObjectIndex object;
  std::int32_t exe;
  RegionKind kind;
  friend bool operator==(const Key&, const Key&) = default;
};

struct MemoryPlan::KeyHash {
  std::size_t operator()(const Key& key) const noexcept {
    return HashOf({key.start, key.end, key.offset, key.flags, key.madvise, key.open_flags,
                   static_cast<std::uint64_t>(key.file), static_cast<std::uint64_t>(key.object),
                   static_cast<std::uint64_t>(key.exe), static_cast<std::uint64_t>(key.kind)});
  }
};

MemoryPlan::MemoryPlan(const Snapshot& snapshot, const CreationTree& tree,
                       const DescriptorPlan& descriptors, SpareAddresses& spare, FileOpener& opener,
                       PageReader read_page, Emitter& out)
    : snapshot_(snapshot),
      tree_(tree),
      descriptors_(descriptors),
      spare_(spare),
      opener_(opener),
      read_page_(std::move(read_page)),
      out_(out),
      spaces_(tree.nodes.size()),
      shmem_created_(snapshot.shmems.size()) {
  for (const CreationNode& node : tree.nodes) {
    creators_.push_back(node.creator);
    births_.push_back(node.birth);
  }
}

Result MemoryPlan::Build(Diagnostics& diag) {
  if (Failed(PlanSpecials(diag))) return Result::kError;
  PlanPrivate();
  if (Failed(PlanObjects(diag))) return Result::kError;
  for (Space& space : spaces_) {
    space.carried.Sort();
    space.taken.clear();
  }
  ChooseFillers();
  return Result::kOk;
}

bool MemoryPlan::IsFreeIn(const AddressRange& range, NodeIndex node) const {
  const auto& taken = spaces_[node].taken;
  auto next = taken.lower_bound(range.start);
  if (next != taken.end() && next->first < range.end) return false;
  return next == taken.begin() || std::prev(next)->second <= range.start;
}

bool MemoryPlan::IsFree(const AddressRange& range, NodeIndex owner,
                        const std::vector<InheritanceLink<NodeIndex>>& links) const {
  return IsFreeIn(range, owner) && std::all_of(links.begin(), links.end(), [&](const auto& link) {
           return IsFreeIn(range, link.child);
         });
}

/// Carries `item` to all nodes in `all`; those in `standing` have it in just that place at the
/// end. False: something else is carried there.
bool MemoryPlan::TryCarry(const Item& item, const std::vector<NodeIndex>& all,
                          const std::vector<NodeIndex>& standing) {
  std::vector<InheritanceLink<NodeIndex>> links;
  const NodeIndex owner = FindOwner(creators_, births_, all, &links);
  return TryCarry(item, owner, links, standing);
}

bool MemoryPlan::TryCarry(const Item& item, NodeIndex owner,
                          const std::vector<InheritanceLink<NodeIndex>>& links,
                          const std::vector<NodeIndex>& standing) {
  if (!IsFree(item.region.range, owner, links)) return false;
  const ItemIndex index(items_.size());
  items_.push_back(item);
  for (const auto& [node, part] : ShareOut(index, owner, links, standing)) {
    spaces_[node].carried.Add(part);
    spaces_[node].taken.emplace(item.region.range.start, item.region.range.end);
  }
  return true;
}

/// The kernel provides these once; who has them elsewhere, moves them.
Result MemoryPlan::PlanSpecials(Diagnostics& diag) {
  std::map<std::pair<RegionKind, std::uint64_t>, std::map<std::uint64_t, std::vector<NodeIndex>>>
      places;  // kind and size -> address -> nodes
  std::map<std::pair<RegionKind, std::uint64_t>, std::vector<NodeIndex>> all;
  std::map<std::pair<RegionKind, std::uint64_t>, Region> regions;
  for (NodeIndex n(0); n < static_cast<std::int32_t>(tree_.nodes.size()); ++n) {
    const Process* process = tree_.Living(snapshot_, n);
    if (process == nullptr) continue;
    for (const Region& region : process->memory.regions) {
      if (!IsSpecial(region.kind)) continue;
      const std::pair key{region.kind, region.range.size()};
      places[key][region.range.start].push_back(n);
      regions.emplace(key, region);
      if (all[key].empty() || all[key].back() != n) all[key].push_back(n);
    }
  }
  for (const auto& [key, by_address] : places) {
    if (all[key].size() < 2) continue;
    auto most = std::max_element(
        by_address.begin(), by_address.end(),
        [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
    Item item{regions.at(key), all[key].front()};
    item.region.range = {most->first, most->first + key.second};
    if (TryCarry(item, all[key], most->second)) continue;
    if (Failed(spare_.Take(key.second, &item.region.range, diag))) return Result::kError;
    (void)TryCarry(item, all[key], {});
  }
  return Result::kOk;
}

void MemoryPlan::PlanPrivate() {
  PathNumbers paths(snapshot_);
  std::unordered_map<Key, std::size_t, KeyHash> group_of;
  std::vector<std::vector<NodeIndex>> groups;  // nodes with one key, in birth order
  std::vector<const Region*> regions;
  const auto count = static_cast<std::int32_t>(tree_.nodes.size());
  std::vector<NodeIndex> living_ancestor(count);
  for (NodeIndex n(0); n < count; ++n) {
    const NodeIndex creator = tree_.nodes[n].creator;
    if (creator >= 0) {
      const bool living = tree_.Living(snapshot_, creator) != nullptr;
      living_ancestor[n] = living ? creator : living_ancestor[creator];
    }
    const Process* process = tree_.Living(snapshot_, n);
    if (process == nullptr) continue;
    for (const Region& region : process->memory.regions) {
      if (!CanBeAlike(region)) continue;
      const Key key{region.range.start,
                    region.range.end,
                    region.offset,
                    region.flags.bits,
                    region.madvise.bits,
                    region.open_flags.bits,
                    paths.Of(region.file),
                    region.object,
                    paths.Of(process->memory.exe),
                    region.kind};
      auto [known, added] = group_of.emplace(key, groups.size());
      if (added) {
        groups.emplace_back();
        regions.push_back(&region);
      }
      groups[known->second].push_back(n);
    }
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].size() < 2) continue;
    // A region is of one history with that of the nearest living ancestor, or with those of the
    // others that have the same ancestor, who has another region (or program) by now.
    std::unordered_map<NodeIndex, std::int32_t> cluster_of;  // node -> its cluster's name
    std::map<std::int32_t, std::vector<NodeIndex>> clusters;
    for (const NodeIndex n : groups[g]) {
      auto known = cluster_of.find(living_ancestor[n]);
      // Names of clusters without a holder on top are negative.
      const std::int32_t name = known != cluster_of.end() ? known->second : -2 - living_ancestor[n];
      cluster_of.emplace(n, name);
      clusters[name].push_back(n);
    }
    for (const auto& [name, holders] : clusters) {
      if (holders.size() > 1) PlanPrivateHolders(holders, *regions[g]);
    }
  }
}

/// Whether an owner that does not keep the region saves more than it costs: it unmaps it, and so
/// does every child that is born meanwhile and has no use for it.
bool MemoryPlan::PaysOff(NodeIndex owner, const std::vector<InheritanceLink<NodeIndex>>& links,
                         const std::vector<NodeIndex>& holders) const {
  if (std::find(holders.begin(), holders.end(), owner) != holders.end()) return true;
  TreeTime first = CarriedItem::kNever, last;
  std::size_t on_the_way = 0;
  for (const auto& link : links) {
    if (link.parent != owner) continue;
    ++on_the_way;
    first = std::min(first, link.time);
    last = std::max(last, link.time);
  }
  const auto& children = tree_.nodes[owner].children;
  auto begin = std::lower_bound(children.begin(), children.end(), first,
                                [&](NodeIndex c, TreeTime t) { return births_[c] < t; });
  auto end = std::upper_bound(children.begin(), children.end(), last,
                              [&](TreeTime t, NodeIndex c) { return t < births_[c]; });
  const auto bystanders = static_cast<std::size_t>(end - begin) - on_the_way;
  return bystanders == 0 || bystanders + 1 < holders.size();
}

void MemoryPlan::PlanPrivateHolders(const std::vector<NodeIndex>& all, const Region& region) {
  std::vector<std::vector<NodeIndex>> work{all};
  while (!work.empty()) {
    const std::vector<NodeIndex> holders = std::move(work.back());
    work.pop_back();
    std::vector<InheritanceLink<NodeIndex>> links;
    const NodeIndex owner = FindOwner(creators_, births_, holders, &links);
    const NodeIndex first = holders.front();
    Item item{region, first};
    if (const Region* own = RegionAt(first, region.range)) item.region = *own;
    if (PaysOff(owner, links, holders) && TryCarry(item, owner, links, holders)) continue;
    // Something else is in the way: try it without those below, and those for themselves. With the
    // owner that is each of its children.
    const bool owner_free = IsFreeIn(item.region.range, owner) && PaysOff(owner, links, holders);
    std::unordered_map<NodeIndex, NodeIndex> part_of{{owner, owner}};
    std::map<NodeIndex, std::vector<NodeIndex>> parts;
    for (auto link = links.rbegin(); link != links.rend(); ++link) {  // from the owner down
      const bool parts_here =
          owner_free ? !IsFreeIn(item.region.range, link->child) : link->parent == owner;
      part_of[link->child] = parts_here ? link->child : part_of.at(link->parent);
    }
    for (const NodeIndex n : holders) {
      if (n != owner || owner_free) parts[part_of.at(n)].push_back(n);
    }
    for (auto& [child, part] : parts) {
      if (part.size() > 1) work.push_back(std::move(part));
    }
  }
}

Result MemoryPlan::PlanObjects(Diagnostics& diag) {
  std::vector<std::vector<NodeIndex>> holders(snapshot_.shmems.size());
  for (NodeIndex n(0); n < static_cast<std::int32_t>(tree_.nodes.size()); ++n) {
    const Process* process = tree_.Living(snapshot_, n);
    if (process == nullptr) continue;
    for (const Region& region : process->memory.regions) {
      if (region.kind != RegionKind::kSharedAnonymous) continue;
      auto& nodes = holders[region.object];
      if (nodes.empty() || nodes.back() != n) nodes.push_back(n);
    }
  }
  for (std::size_t object = 0; object < holders.size(); ++object) {
    if (holders[object].size() < 2) continue;
    if (Failed(PlanViews(ObjectIndex(object), holders[object], diag))) {
      return Result::kError;
    }
  }
  return Result::kOk;
}

/// Hands on one view of a shared object to all its holders, the one that most of them have, and
/// every other view that several have.
Result MemoryPlan::PlanViews(ObjectIndex object, const std::vector<NodeIndex>& holders,
                             Diagnostics& diag) {
  struct View {
    Region region;
    std::vector<NodeIndex> nodes;
  };
  std::map<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>,
           View>
      views;
  for (const NodeIndex n : holders) {
    for (Region region : tree_.Living(snapshot_, n)->memory.regions) {
      if (region.kind != RegionKind::kSharedAnonymous || region.object != object) continue;
      region.madvise.bits &= ~kNotInherited;
      const bool locked = (region.flags.bits & MAP_LOCKED) != 0;
      region.flags.bits &= ~MAP_LOCKED;
      View& view = views[{region.range.start, region.range.end, region.offset, region.flags.bits,
                          region.madvise.bits}];
      view.region = region;
      if (!locked) view.nodes.push_back(n);
    }
  }
  std::vector<const View*> by_holders;
  for (const auto& [place, view] : views) by_holders.push_back(&view);
  std::stable_sort(by_holders.begin(), by_holders.end(),
                   [](const View* a, const View* b) { return a->nodes.size() > b->nodes.size(); });
  bool has_primary = false;
  for (const View* view : by_holders) {
    const Item item{view->region, holders.front()};
    if (!has_primary) {
      has_primary = TryCarry(item, holders, view->nodes);
    } else if (view->nodes.size() > 1) {
      std::vector<InheritanceLink<NodeIndex>> links;
      const NodeIndex owner = FindOwner(creators_, births_, view->nodes, &links);
      if (PaysOff(owner, links, view->nodes)) (void)TryCarry(item, owner, links, view->nodes);
    }
  }
  if (has_primary) return Result::kOk;
  Item item{by_holders.front()->region, holders.front()};
  if (Failed(spare_.Take(item.region.range.size(), &item.region.range, diag)))
    return Result::kError;
  (void)TryCarry(item, holders, {});
  return Result::kOk;
}

/// Decides who fills each shared object: the first process with a view that shows all its pages.
void MemoryPlan::ChooseFillers() {
  fillers_.resize(snapshot_.shmems.size());
  for (NodeIndex n(0); n < static_cast<std::int32_t>(tree_.nodes.size()); ++n) {
    const Process* process = tree_.Living(snapshot_, n);
    if (process == nullptr) continue;
    for (const Region& region : process->memory.regions) {
      if (region.kind != RegionKind::kSharedAnonymous) continue;
      Filler& filler = fillers_[region.object];
      if (filler.node < 0 && ShowsAll(region, snapshot_.shmems[region.object].pages)) {
        filler = {n, region.range, region.offset};
      }
    }
  }
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Address spaces: what each process maps, hands on, moves, fills, protects and unmaps.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "generator/creation_tree.h"
#include "generator/descriptors/descriptors.h"
#include "generator/emitter.h"
#include "generator/files/file_opener.h"
#include "generator/inheritance.h"
#include "generator/memory/page_diff.h"
#include "generator/memory/spare_addresses.h"
#include "model/diagnostics.h"
#include "model/snapshot.h"

namespace crgen {

/// Plans the address spaces of a snapshot, then gives their commands step by step as the tree is
/// built. As with descriptors, before its last fork a process has only *carried* regions mapped:
///
///   private regions that it and its children, or its children, have alike: the pages that stay
///   equal stay shared copy-on-write;
///   one view of every shared anonymous object that several processes have, since only who holds a
///   view can make another;
///   what the kernel provides once: vdso, vvar, vsyscall.
class MemoryPlan {
 public:
  /// MADV_DONTFORK, MADV_WIPEONFORK: given at the end, when nothing is to be inherited any more.
  static constexpr std::uint64_t kNotInherited = MadviseBit(10) | MadviseBit(18);

  /// The arguments must outlive the plan.
  MemoryPlan(const Snapshot& snapshot, const CreationTree& tree, const DescriptorPlan& descriptors,
             SpareAddresses& spare, FileOpener& opener, PageReader read_page, Emitter& out);

  /// Errors: no room for what has to be carried out of the way.
  Result Build(Diagnostics& diag);

  /// Maps what is to be inherited by the child that the FORK `time` of `node` makes.
  Result BeforeFork(NodeIndex node, TreeTime time, Diagnostics& diag);
  /// Gives `child` its regions and unmaps in both what they need no more.
  void AfterFork(NodeIndex node, NodeIndex child);
  /// The final address space of `node`, which is alive.
  Result Finish(NodeIndex node, Diagnostics& diag);

 private:
  /// A region that several processes have in common, as it is carried.
  struct Item {
    Region region;    ///< of the first holder; its range is where it is carried
    NodeIndex model;  ///< of the process whose pages its owner loads
  };
  /// A carried region that is mapped in a process now.
  struct Mapped {
    ItemIndex item;
    AddressRange range;
    Prot prot;
    NodeIndex content;  ///< of the process whose pages it has
    bool holder;        ///< the process has it there at the end
    bool filled;        ///< the process has loaded the shared object behind it, if that is on it
  };
  /// A region to be mapped now.
  struct Job {
    Region region;
    NodeIndex content;  ///< of the process whose pages it gets; none: none
  };
  struct Space {
    CarryList carried;
    std::vector<Mapped> mapped;  ///< ascending by address
    /// Ranges of all carried items: start, end. Empty behind Build().
    std::map<std::uint64_t, std::uint64_t> taken;
  };
  struct Key;
  struct KeyHash;

  // memory_items.cc
  Result PlanSpecials(Diagnostics& diag);
  void PlanPrivate();
  Result PlanObjects(Diagnostics& diag);
  void PlanPrivateHolders(const std::vector<NodeIndex>& all, const Region& region);
  bool TryCarry(const Item& item, const std::vector<NodeIndex>& all,
                const std::vector<NodeIndex>& standing);
  /// Likewise, with what FindOwner() gave for all nodes.
  bool TryCarry(const Item& item, NodeIndex owner,
                const std::vector<InheritanceLink<NodeIndex>>& links,
                const std::vector<NodeIndex>& standing);
  Result PlanViews(ObjectIndex object, const std::vector<NodeIndex>& holders, Diagnostics& diag);
  void ChooseFillers();
  bool PaysOff(NodeIndex owner, const std::vector<InheritanceLink<NodeIndex>>& links,
               const std::vector<NodeIndex>& holders) const;
  bool IsFreeIn(const AddressRange& range, NodeIndex node) const;
  bool IsFree(const AddressRange& range, NodeIndex owner,
              const std::vector<InheritanceLink<NodeIndex>>& links) const;

  // memory_steps.cc
  const Region* RegionAt(NodeIndex node, const AddressRange& range) const;
  bool IsOfUse(NodeIndex node, const Region& carried) const;
  Result Adopt(NodeIndex node, Mapped& mapped, Diagnostics& diag);
  void UnmapIf(NodeIndex node, const std::function<bool(const Mapped&)>& drop);
  Result MapAll(NodeIndex node, const std::vector<Job>& jobs, Diagnostics& diag);
  Result MapFileBacked(NodeIndex node, const std::vector<Job>& jobs, std::size_t from,
                       std::vector<bool>* done, Diagnostics& diag);
  Result CreateShmem(NodeIndex node, const Region& region, AddressRange* view, Diagnostics& diag);
  void DescribeRing(const Region& region, MapRegion* map) const;
  static void DescribeSegment(const Region& region, MapRegion* map);
  std::optional<Fd> RingFd(NodeIndex node, const Region& region) const;
  Result MapOne(NodeIndex node, const Job& job, std::optional<Fd> fd, Diagnostics& diag);
  std::vector<PageRun> PagesFor(NodeIndex node, const Job& job) const;

  // memory_finish.cc
  struct Final;
  void Match(NodeIndex node, Final& state) const;
  Result MoveIntoPlace(NodeIndex node, Final& state, Diagnostics& diag);

  const Snapshot& snapshot_;
  const CreationTree& tree_;
  const DescriptorPlan& descriptors_;
  SpareAddresses& spare_;
  FileOpener& opener_;
  PageReader read_page_;
  Emitter& out_;
  std::vector<NodeIndex> creators_;
  std::vector<TreeTime> births_;
  std::vector<Item> items_;
  std::vector<Space> spaces_;
  std::vector<bool> shmem_created_;
  /// Which process fills a shared anonymous object, through which of its regions; -1: nobody has a
  /// view of all pages, so whoever creates it fills it through a view for the moment.
  struct Filler {
    NodeIndex node;
    AddressRange range;
    std::uint64_t offset = 0;
    bool Is(NodeIndex n, const Region& region) const {
      return n == node && region.range == range && region.offset == offset;
    }
  };
  std::vector<Filler> fillers_;
};

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// inventory.img and pstree.img.
#include <algorithm>
#include <unordered_set>

#include "images/load/loader.h"

namespace crgen {
namespace {

/// CRTOOLS_IMAGES_V1_1, since CRIU 1.6.
constexpr std::uint32_t kImageVersion = 2;
constexpr std::uint32_t kLastLsm = 2;  // APPARMOR of enum lsmtype

/// Turns the entries of pstree.img into a tree, checking each.
class TreeBuilder {
 public:
  TreeBuilder(TreeSnapshot* tree, Diagnostics& diag) : nodes_(tree->nodes), diag_(diag) {}

  void Add(const pb::pstree_entry& entry, const ImageReader& at);

 private:
  bool Number(std::uint32_t value, std::uint32_t smallest, const ImageReader& at,
              std::string_view field) {
    if (value >= smallest && value < static_cast<std::uint32_t>(kPidLimit)) return true;
    diag_.Error(at.Where(field), std::to_string(value) + " is no pid number, expected " +
                                     std::to_string(smallest) + " to " +
                                     std::to_string(kPidLimit - 1));
    return false;
  }

  std::vector<TreeNode>& nodes_;
  Diagnostics& diag_;
  std::unordered_map<Pid, ProcessIndex> by_pid_;
};

void TreeBuilder::Add(const pb::pstree_entry& entry, const ImageReader& at) {
  const bool good_pid = Number(entry.pid(), 1, at, "pid");
  const bool good_pgid = Number(entry.pgid(), 0, at, "pgid");
  const bool good_sid = Number(entry.sid(), 0, at, "sid");
  if (!good_pid || !good_pgid || !good_sid) return;
  TreeNode node;
  node.pid = static_cast<Pid>(entry.pid());
  node.pgid = static_cast<Pid>(entry.pgid());
  node.sid = static_cast<Pid>(entry.sid());
  if (nodes_.empty()) {
    if (entry.ppid() != 0) {
      diag_.Error(at.Where("ppid"),
                  "the root has parent " + std::to_string(entry.ppid()) + ", expected 0");
    }
  } else {
    auto parent = by_pid_.find(static_cast<Pid>(entry.ppid()));
    if (parent == by_pid_.end()) {
      diag_.Error(at.Where("ppid"), "parent " + std::to_string(entry.ppid()) + " of pid " +
                                        std::to_string(node.pid) +
                                        " is not among the entries before");
      return;
    }
    node.parent = ProcessIndex(parent->second);
  }
  if (!by_pid_.emplace(node.pid, ProcessIndex(nodes_.size())).second) {
    diag_.Error(at.Where("pid"), "pid " + std::to_string(node.pid) + " stands twice");
    return;
  }
  // For a zombie this is one undefined value; which processes are zombies is known later.
  for (std::uint32_t tid : entry.threads()) node.tids.push_back(static_cast<Pid>(tid));
  nodes_.push_back(std::move(node));
}

Result ReadTree(ImageSet& images, TreeSnapshot* tree, Diagnostics& diag) {
  ImageReader reader{"", ""};
  if (Failed(images.Open(ImageKindNamed("PSTREE"), 0, &reader, diag))) return Result::kError;
  const std::size_t errors = diag.Count(Severity::kError);
  TreeBuilder builder(tree, diag);
  pb::pstree_entry entry;
  while (!reader.AtEnd()) {
    std::string_view bytes;
    if (Failed(reader.Next(&bytes, diag))) return Result::kError;
    if (Failed(ParseMessage(bytes, reader, &entry, diag))) continue;
    builder.Add(entry, reader);
  }
  if (reader.count() == 0) return diag.Fail("pstree.img", "has no entry, expected the root");
  return diag.Count(Severity::kError) == errors ? Result::kOk : Result::kError;
}

/// What can be told without all core images: a live process's thread list begins with its pid.
Result MarkStates(ImageSet& images, TreeSnapshot* tree, Diagnostics& diag) {
  const std::size_t errors = diag.Count(Severity::kError);
  const ImageKind& core_kind = ImageKindNamed("CORE");
  std::unordered_set<Pid> taken;
  for (const TreeNode& node : tree->nodes) taken.insert(node.pid);
  pb::core_entry core;
  for (std::size_t i = 0; i < tree->nodes.size(); ++i) {
    TreeNode& node = tree->nodes[i];
    const auto pid = static_cast<std::uint64_t>(node.pid);
    if (!images.Has(core_kind, pid)) {
      node.zombie = node.tids.size() == 1 && node.tids[0] != node.pid;
    } else if (Succeeded(images.ReadSingle(core_kind, pid, &core, diag))) {
      node.zombie = IsZombieState(core.tc().task_state());
      node.subreaper = core.tc().child_subreaper();
    }
    KeepThreads(ProcessIndex(i), taken, node, diag);
  }
  return diag.Count(Severity::kError) == errors ? Result::kOk : Result::kError;
}

}  // namespace

void KeepThreads(ProcessIndex index, std::unordered_set<Pid>& taken, TreeNode& node,
                 Diagnostics& diag) {
  if (node.zombie) {
    node.tids.clear();
    return;
  }
  const std::string where = "pstree.img[" + std::to_string(index) + "].threads";
  if (node.tids.empty() || node.tids[0] != node.pid) {
    diag.Error(where, "does not begin with the leader, pid " + std::to_string(node.pid));
    node.tids.clear();
    return;
  }
  node.tids.erase(node.tids.begin());
  if (node.tids.empty()) node.tids.shrink_to_fit();  // of most processes, and there may be millions
  for (Pid tid : node.tids) {
    if (tid <= 0 || tid >= kPidLimit) {
      diag.Error(where, std::to_string(static_cast<std::uint32_t>(tid)) + " is no tid");
    } else if (!taken.insert(tid).second) {
      diag.Error(where, "tid " + std::to_string(tid) + " stands twice");
    }
  }
}

Result CheckZombies(const TreeSnapshot& tree, Diagnostics& diag) {
  bool good = true;
  for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
    const ProcessIndex parent = tree.nodes[i].parent;
    if (parent < 0 || !tree.nodes[parent].zombie) continue;
    good = false;
    diag.Error(
        "pstree.img[" + std::to_string(i) + "].ppid",
        "parent " + std::to_string(tree.nodes[parent].pid) + " is a zombie, which has no children");
  }
  return good ? Result::kOk : Result::kError;
}

Result Loader::LoadInventory() {
  const ImageKind& kind = ImageKindNamed("INVENTORY");
  if (!images.Has(kind)) {
    return diag.Fail("inventory.img", "is missing: the dump was cut short, or this is no dump");
  }
  if (Failed(images.ReadSingle(kind, 0, &inventory, diag))) return Result::kError;
  if (inventory.img_version() == 0) {
    return diag.Fail("inventory.img[0].img_version",
                     "0: a pre-dump, which can only be the parent of a dump");
  }
  if (inventory.img_version() != kImageVersion) {
    return diag.Fail(
        "inventory.img[0].img_version",
        std::to_string(inventory.img_version()) + ", expected " + std::to_string(kImageVersion));
  }
  if (!inventory.fdinfo_per_id()) {
    return diag.Fail("inventory.img[0].fdinfo_per_id",
                     "not set: descriptor tables by pid are from before CRIU 3.17");
  }
  if (inventory.lsmtype() > kLastLsm) {
    diag.Essential("inventory.img[0].lsmtype",
                   std::to_string(inventory.lsmtype()) + ", which this crgen does not know");
  }
  for (const std::string& plugin : inventory.plugins_entry().plugins()) {
    diag.Essential("inventory.img[0].plugins_entry",
                   "CRIU's plugin " + plugin + " has dumped a part of it");
  }
  return Result::kOk;
}

Result Loader::LoadProcessTree() {
  if (Failed(ReadTree(images, &snapshot.tree, diag))) return Result::kError;
  for (const TreeNode& node : snapshot.tree.nodes) taken.insert(node.pid);
  snapshot.processes.resize(snapshot.tree.nodes.size());
  ids.resize(snapshot.tree.nodes.size());
  return Result::kOk;
}

Result LoadTree(ImageSource& source, TreeSnapshot* tree, Diagnostics& diag) {
  ImageSet images(source);
  if (Failed(images.Index(diag)) || Failed(ReadTree(images, tree, diag)) ||
      Failed(MarkStates(images, tree, diag))) {
    return Result::kError;
  }
  return CheckZombies(*tree, diag);
}

}  // namespace crgen

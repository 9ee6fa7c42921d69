// SPDX-License-Identifier: Apache-2.0
// Which mount namespaces the tree has, and what is in which of them.
#include <algorithm>
#include <set>

#include "images/load/loader.h"
#include "images/proto/namespaces.pb.h"
#include "model/mount_paths.h"

namespace crgen {

void Loader::FindMountNamespaces() {
  const ImageKind &kind = ImageKindNamed("MNTS"), &task = ImageKindNamed("IDS");
  const auto of_kind = [&](const ImageSet::Image& it) { return it.kind == &kind; };
  if (options.caller_namespaces || std::ranges::count_if(images.images(), of_kind) < 2) return;
  Diagnostics reported_later;
  std::set<std::uint32_t> found;
  std::uint32_t own = 0;
  for (const TreeNode& node : snapshot.tree.nodes) {
    pb::task_kobj_ids_entry entry;
    const auto pid = static_cast<std::uint64_t>(node.pid);
    if (!images.Has(task, pid) || Failed(images.ReadSingle(task, pid, &entry, reported_later))) {
      continue;
    }
    if (&node == &snapshot.tree.nodes.front()) own = entry.mnt_ns_id();
    if (images.Has(kind, entry.mnt_ns_id())) found.insert(entry.mnt_ns_id());
  }
  const bool is_own = inventory.has_root_ids() && inventory.root_ids().mnt_ns_id() != own;
  if (!is_own || found.size() < 2 || found.erase(own) == 0) return;
  mount_namespaces = {own};
  mount_namespaces.insert(mount_namespaces.end(), found.begin(), found.end());
  for (const std::uint32_t id : mount_namespaces) {
    ImageReader reader{"", ""};
    std::string_view bytes;
    pb::mnt_entry entry;
    if (Failed(images.Open(kind, id, &reader, reported_later))) continue;
    while (!reader.AtEnd() && Succeeded(reader.Next(&bytes, reported_later))) {
      if (Failed(ParseMessage(bytes, reader, &entry, reported_later))) continue;
      namespace_of_mount.emplace(entry.mnt_id(), id);
    }
  }
}

std::optional<std::uint64_t> Loader::MountNamespaceOf(std::uint64_t id) const {
  const auto found = namespace_of_mount.find(id);
  if (found == namespace_of_mount.end() || found->second == mount_namespaces[0]) return {};
  return found->second;
}

std::optional<std::uint64_t> Loader::MountNamespaceOf(ProcessIndex index) const {
  if (mount_namespaces.empty()) return {};
  const std::uint32_t id = ids[index].mnt_ns_id();
  const auto more = std::find(mount_namespaces.begin() + 1, mount_namespaces.end(), id);
  return more == mount_namespaces.end() ? std::nullopt : std::optional<std::uint64_t>(id);
}

Rare<std::uint64_t> Loader::MountOf(std::int64_t mount) const {
  const auto id = static_cast<std::uint64_t>(mount);
  if (mount <= 0 || !namespace_of_mount.contains(id)) return {};
  return id;
}

/// Paths are looked up by name, so each must lead to the mount that the dump has it in.
void Loader::CheckPathPlaces() {
  const auto& root = snapshot.processes.front().attributes;
  if (root == nullptr || root->mounts.empty()) {
    if (mount_namespaces.empty() || diag.HasErrors()) return;
    return diag.Essential(ImageSet::NameOf(ImageKindNamed("MNTS"), mount_namespaces[0]),
                          "the tree is in " + std::to_string(mount_namespaces.size()) +
                              " mount namespaces: without these mounts paths lead elsewhere");
  }
  const MountNamespaces namespaces(root->mounts);
  for (const PathPlace& place : path_places) {
    if (!IsCanonical(place.path)) continue;
    const Mount* mount = namespaces.Of(MountNamespaceOf(place.mount)).MountOf(place.path);
    if (mount->id == place.mount) continue;
    // Whoever opens it would open another file.
    diag.Essential(place.where, place.path + " is in mount " + std::to_string(place.mount) +
                                    ", and mount " + std::to_string(mount->id) + " at " +
                                    mount->mountpoint.bytes + " hides it");
  }
}

}  // namespace crgen

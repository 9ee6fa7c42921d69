// SPDX-License-Identifier: Apache-2.0
#include "images/files/namespace_file.h"

#include <linux/sched.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {
namespace {

constexpr struct {
  std::uint32_t type;
  std::uint32_t (pb::task_kobj_ids_entry::*id)() const;
} kOfTask[] = {{CLONE_NEWNS, &pb::task_kobj_ids_entry::mnt_ns_id},
               {CLONE_NEWCGROUP, &pb::task_kobj_ids_entry::cgroup_ns_id},
               {CLONE_NEWUTS, &pb::task_kobj_ids_entry::uts_ns_id},
               {CLONE_NEWIPC, &pb::task_kobj_ids_entry::ipc_ns_id},
               {CLONE_NEWUSER, &pb::task_kobj_ids_entry::user_ns_id},
               {CLONE_NEWPID, &pb::task_kobj_ids_entry::pid_ns_id},
               {CLONE_NEWNET, &pb::task_kobj_ids_entry::net_ns_id},
               {CLONE_NEWTIME, &pb::task_kobj_ids_entry::time_ns_id}};

/// 0: it has none, or nobody knows.
std::uint32_t IdOf(const pb::task_kobj_ids_entry& task, std::uint32_t type) {
  for (const auto& row : kOfTask) {
    if (row.type == type) return (task.*row.id)();
  }
  return 0;
}

bool HasMountNamespace(const Attributes& root, std::uint64_t id) {
  return std::ranges::any_of(root.mounts,
                             [&](const Mount& mount) { return mount.namespace_id == id; });
}

/// The `id` of the attribute by which the root enters a namespace of that type, or makes it;
/// `known`: in the dump.
std::optional<std::uint64_t> AttributeId(const Attributes& root, std::uint32_t type,
                                         std::uint32_t known) {
  if (type == CLONE_NEWNET && FindNet(root, std::uint64_t{known}) != nullptr) return known;
  if (type == CLONE_NEWNS && HasMountNamespace(root, known)) return known;
  if (type == CLONE_NEWUTS && root.uts) return root.uts->id;
  if (type == CLONE_NEWIPC && root.ipc) return root.ipc->id;
  if (type == CLONE_NEWNET && root.net) return root.net->id;
  return std::nullopt;
}

}  // namespace

void FileLoaderOf<NamespaceFile>::LoadObjects(Loader& loader) {
  Diagnostics reported_later;
  const auto pid = static_cast<std::uint64_t>(loader.snapshot.tree.nodes.front().pid);
  const ImageKind& kind = ImageKindNamed("IDS");
  if (!loader.images.Has(kind, pid)) return;
  if (Failed(loader.images.ReadSingle(kind, pid, &root_, reported_later))) root_.Clear();
}

Result FileLoaderOf<NamespaceFile>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                            Loader& loader, ConvertedFile* file) {
  if (!entry.has_nsf()) return MissingMessage(at, kType, loader.diag);
  const pb::ns_file_entry& from = entry.nsf();
  file->field = "nsf";
  file->id = from.id();
  file->flags = from.flags();
  NamespaceFile to;
  to.type.value = from.ns_cflag();
  if (!IsNamed<NamespaceTypeKind>(from.ns_cflag())) {
    return loader.diag.Fail(at.Where("nsf.ns_cflag"),
                            HexText(from.ns_cflag()) + " is no type of a namespace");
  }
  const auto& spaces = loader.mount_namespaces;
  const bool is_further =
      (from.ns_cflag() == CLONE_NEWNET && loader.NetOf(from.ns_id())) ||
      (from.ns_cflag() == CLONE_NEWNS && std::ranges::count(spaces, from.ns_id()) != 0);
  if (from.ns_id() == 0 || (IdOf(root_, from.ns_cflag()) != from.ns_id() && !is_further)) {
    file->unsupported = "descriptor of a namespace (" +
                        ValueName(NamespaceTypeKind::Names(), from.ns_cflag()) +
                        ") that the root is not in";
  }
  known_.push_back({entry.id(), from.ns_id()});
  file->body = to;
  return Result::kOk;
}

void FileLoaderOf<NamespaceFile>::Finish(Loader& loader) {
  const auto& root = loader.snapshot.processes.front().attributes;
  if (root == nullptr) return;
  for (const Known& known : known_) {
    const auto entry = loader.files.find(known.id);
    if (entry == loader.files.end() || entry->second.type != kType || entry->second.file < 0) {
      continue;
    }
    std::shared_ptr<const File>& file = loader.snapshot.files[entry->second.file];
    const auto id =
        AttributeId(*root, std::get<NamespaceFile>(file->body).type.value, known.namespace_id);
    if (id != known.namespace_id) continue;
    auto named = std::make_shared<File>(*file);
    std::get<NamespaceFile>(named->body).id = id;
    file = std::move(named);
  }
}

}  // namespace crgen

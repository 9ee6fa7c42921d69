// SPDX-License-Identifier: Apache-2.0
// ids-<pid>.img: what processes share, and which namespaces they are in.
#include "images/load/loader.h"

namespace crgen {
namespace {

struct NamespaceId {
  std::string_view name;
  std::string_view field;
  bool (pb::task_kobj_ids_entry::*has)() const;
  std::uint32_t (pb::task_kobj_ids_entry::*get)() const;
};
constexpr NamespaceId kNamespaces[] = {
    {"a pid", "pid_ns_id", &pb::task_kobj_ids_entry::has_pid_ns_id,
     &pb::task_kobj_ids_entry::pid_ns_id},
    {"a network", "net_ns_id", &pb::task_kobj_ids_entry::has_net_ns_id,
     &pb::task_kobj_ids_entry::net_ns_id},
    {"an IPC", "ipc_ns_id", &pb::task_kobj_ids_entry::has_ipc_ns_id,
     &pb::task_kobj_ids_entry::ipc_ns_id},
    {"a UTS", "uts_ns_id", &pb::task_kobj_ids_entry::has_uts_ns_id,
     &pb::task_kobj_ids_entry::uts_ns_id},
    {"a mount", "mnt_ns_id", &pb::task_kobj_ids_entry::has_mnt_ns_id,
     &pb::task_kobj_ids_entry::mnt_ns_id},
    {"a user", "user_ns_id", &pb::task_kobj_ids_entry::has_user_ns_id,
     &pb::task_kobj_ids_entry::user_ns_id},
    {"a cgroup", "cgroup_ns_id", &pb::task_kobj_ids_entry::has_cgroup_ns_id,
     &pb::task_kobj_ids_entry::cgroup_ns_id},
    {"a time", "time_ns_id", &pb::task_kobj_ids_entry::has_time_ns_id,
     &pb::task_kobj_ids_entry::time_ns_id},
};

/// Of those that LoadNamespaces() reads, or misses.
bool HasImages(std::string_view field) {
  return field == "uts_ns_id" || field == "ipc_ns_id" || field == "net_ns_id" ||
         field == "mnt_ns_id" || field == "user_ns_id";
}

}  // namespace

void Loader::LoadIds(ProcessIndex index) {
  const TreeNode& node = snapshot.tree.nodes[index];
  pb::task_kobj_ids_entry& own = ids[index];
  const ImageKind& kind = ImageKindNamed("IDS");
  if (Failed(images.ReadSingle(kind, static_cast<std::uint64_t>(node.pid), &own, diag))) return;
  const std::string where = ImageSet::NameOf(kind, static_cast<std::uint64_t>(node.pid)) + "[0]";
  auto unique = [&](std::unordered_map<std::uint64_t, Pid>& users, std::uint32_t id,
                    std::string_view field) {
    auto [user, added] = users.emplace(id, node.pid);
    if (!added) {
      diag.Error(where + "." + std::string(field),
                 std::to_string(id) + " is pid " + std::to_string(user->second) +
                     "'s too; no dump shares it between processes");
    }
  };
  unique(vm_ids, own.vm_id(), "vm_id");
  unique(fs_ids, own.fs_id(), "fs_id");
  unique(sighand_ids, own.sighand_id(), "sighand_id");
  CheckNamespaces(index, where);
  LoadDescriptorTable(index, own.files_id());
}

void Loader::UnsupportedContainer(const std::string& where, const std::string& what) {
  Diagnostic entry = {Severity::kUnsupported, where, what};
  entry.essential = !options.caller_namespaces;
  entry.loss = Loss::kNamespaces;
  diag.Add(std::move(entry));
}

void Loader::CheckNamespaces(ProcessIndex index, const std::string& where) {
  const pb::task_kobj_ids_entry& own = ids[index];
  const bool root = index == 0;
  const pb::task_kobj_ids_entry& base = root ? inventory.root_ids() : ids[0];
  if (root && !inventory.has_root_ids()) return;
  for (const NamespaceId& ns : kNamespaces) {
    if (!(own.*ns.has)() || !(base.*ns.has)() || (own.*ns.get)() == (base.*ns.get)()) continue;
    if (root && ns.field == "pid_ns_id" && !options.caller_namespaces &&
        images.Has(ImageKindNamed("PIDNS"), own.pid_ns_id())) {
      continue;  // LoadNamespaces
    }
    if (root && ns.field == "pid_ns_id" && snapshot.tree.nodes[0].pid == 1) {
      snapshot.new_pid_namespace = true;
    } else if (root && ns.field == "time_ns_id" &&
               images.Has(ImageKindNamed("TIMENS"), own.time_ns_id())) {
      continue;  // every restore makes one: LoadClocks
    } else if (root && ns.field == "cgroup_ns_id" && HasCgroupNamespace(core)) {
      continue;  // said with the places that are in it
    } else if (root && !options.caller_namespaces && HasImages(ns.field)) {
      continue;  // LoadNamespaces
    } else if (!root && ns.field == "mnt_ns_id" && MountNamespaceOf(index)) {
      continue;  // LoadMounts
    } else if (!root && ns.field == "net_ns_id" && NetNamespaceOf(index)) {
      continue;  // LoadNet
    } else {
      UnsupportedContainer(where + "." + std::string(ns.field),
                           std::string(ns.name) + (!root ? " namespace that is not the root's"
                                                   : ns.field == "pid_ns_id"
                                                       ? " namespace whose init is not the root"
                                                       : " namespace of the tree's own"));
    }
  }
}

bool Loader::CheckSocketNamespace(std::uint32_t namespace_id, const std::string& where) {
  if (ids.empty()) return true;
  const std::uint32_t own = ids.front().net_ns_id();
  if (namespace_id == 0 || own == 0 || namespace_id == own || NetOf(namespace_id)) return true;
  UnsupportedContainer(where + ".ns_id", "a socket of a network namespace that is not the root's");
  return false;
}

}  // namespace crgen

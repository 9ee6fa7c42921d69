// SPDX-License-Identifier: Apache-2.0
// Namespaces in dumps that tests make up.
#pragma once

#include <string>

#include "tests/support/image_builder.h"

namespace crgen::test {

/// The root of the tree has namespace `id` of that kind ("uts", "mnt" …), the dumper another one.
/// False: there is no such kind.
inline bool AddOwnNamespace(Dump& dump, const std::string& kind, std::uint32_t id) {
  constexpr std::uint32_t kOfDumper = 3;
  pb::task_kobj_ids_entry& base = *dump.inventory.mutable_root_ids();
  const auto* field = base.GetDescriptor()->FindFieldByName(kind + "_ns_id");
  if (field == nullptr) return false;
  base.GetReflection()->SetUInt32(&base, field, kOfDumper);
  base.GetReflection()->SetUInt32(&dump.ids[10], field, id);
  return true;
}

struct MountImage {
  std::uint32_t id, parent, fstype, device;
  std::string root, mountpoint;
};
inline pb::mnt_entry& AddMount(Dump& dump, std::uint32_t in, const MountImage& from) {
  pb::mnt_entry& mount = dump.mounts[in].emplace_back();
  mount.set_mnt_id(from.id);
  mount.set_parent_mnt_id(from.parent);
  mount.set_fstype(from.fstype);
  mount.set_root_dev(from.device);
  mount.set_root(from.root);
  mount.set_mountpoint(from.mountpoint);
  return mount;
}

}  // namespace crgen::test

// SPDX-License-Identifier: Apache-2.0
// utsns-<id>.img, ipcns-var-<id>.img; and which namespaces are the tree's own.
#include <linux/utsname.h>

#include <algorithm>

#include "images/load/loader.h"
#include "images/load/place.h"
#include "images/proto/namespaces.pb.h"

namespace crgen {
namespace {

constexpr std::size_t kNameAtMost = __NEW_UTS_LEN;
constexpr std::size_t kKeyAtMost = 4096;
constexpr std::uint32_t kNoNextId = ~std::uint32_t{0};

std::optional<std::uint32_t> NextId(bool has, std::uint32_t id) {
  return has && id != kNoNextId ? std::optional(id) : std::nullopt;
}

}  // namespace

std::uint32_t Loader::OwnNamespace(NamespaceKind kind) const {
  if (ids.empty() || !inventory.has_root_ids() || options.caller_namespaces) return 0;
  const pb::task_kobj_ids_entry& own = ids[0];
  const pb::task_kobj_ids_entry& base = inventory.root_ids();
  const auto differs = [](bool has, bool base_has, std::uint32_t id, std::uint32_t base_id) {
    return has && base_has && id != base_id ? id : 0;
  };
  switch (kind) {
    case NamespaceKind::kPid:
      return differs(own.has_pid_ns_id(), base.has_pid_ns_id(), own.pid_ns_id(), base.pid_ns_id());
    case NamespaceKind::kUts:
      return differs(own.has_uts_ns_id(), base.has_uts_ns_id(), own.uts_ns_id(), base.uts_ns_id());
    case NamespaceKind::kIpc:
      return differs(own.has_ipc_ns_id(), base.has_ipc_ns_id(), own.ipc_ns_id(), base.ipc_ns_id());
    case NamespaceKind::kNet:
      return differs(own.has_net_ns_id(), base.has_net_ns_id(), own.net_ns_id(), base.net_ns_id());
    case NamespaceKind::kMount:
      return differs(own.has_mnt_ns_id(), base.has_mnt_ns_id(), own.mnt_ns_id(), base.mnt_ns_id());
    case NamespaceKind::kUser:
      return differs(own.has_user_ns_id(), base.has_user_ns_id(), own.user_ns_id(),
                     base.user_ns_id());
  }
  return 0;
}

void Loader::LoadNamespaces(Attributes* attributes) {
  if (const std::uint32_t id = OwnNamespace(NamespaceKind::kPid); id != 0) LoadPidNamespace(id);
  if (const std::uint32_t id = OwnNamespace(NamespaceKind::kUser); id != 0) LoadUser(id);
  if (const std::uint32_t id = OwnNamespace(NamespaceKind::kUts); id != 0) {
    LoadUts(id, attributes);
  }
  if (const std::uint32_t id = OwnNamespace(NamespaceKind::kIpc); id != 0) {
    LoadIpc(id, attributes);
  }
  if (const std::uint32_t id = OwnNamespace(NamespaceKind::kNet); id != 0) {
    LoadNet(id, attributes);
  }
  if (const std::uint32_t id = OwnNamespace(NamespaceKind::kMount); id != 0) {
    LoadMounts(id, attributes);
  }
}

/// CRIU writes the image of one from outside alone: what is new is only where the root is 1.
void Loader::LoadPidNamespace(std::uint32_t id) {
  const ImageKind& kind = ImageKindNamed("PIDNS");
  if (!images.Has(kind, id)) return;  // CheckNamespaces
  pb::pidns_entry entry;
  if (Failed(images.ReadSingle(kind, id, &entry, diag))) return;
  const std::string where = ImageSet::NameOf(kind, id) + "[0]";
  const Pid root = snapshot.tree.nodes.front().pid;
  if (entry.ext_key().empty() || entry.ext_key().size() > kKeyAtMost ||
      entry.ext_key().find('\0') != std::string::npos) {
    diag.Error(
        where + ".ext_key",
        "expected the key of criu dump --external pid[INODE]:KEY, 1 to 4096 bytes without NUL");
  } else if (root == 1) {
    UnsupportedContainer(where, "the pid namespace comes from outside, and the tree has its init");
  } else if (OwnNamespace(NamespaceKind::kUser) != 0) {
    UnsupportedContainer(where,
                         "a pid namespace from outside, and a user namespace of the tree's own, "
                         "which has no rights in it");
  } else {
    snapshot.pid_namespace = PidNamespace{{entry.ext_key()}};
  }
}

/// criu/cr-dump.c, dump_zombies(): it looks into the /proc of such a namespace only if it is new.
void Loader::WarnOfOuterZombies() {
  const auto zombies = std::ranges::count_if(snapshot.tree.nodes, &TreeNode::zombie);
  if (!snapshot.pid_namespace || zombies == 0) return;
  diag.NotRestorable(
      ImageSet::NameOf(ImageKindNamed("PIDNS"), OwnNamespace(NamespaceKind::kPid)) + "[0]",
      "the numbers of " + std::to_string(zombies) + (zombies == 1 ? " zombie" : " zombies") +
          " in the pid namespace from outside, of which CRIU writes those that it sees itself: "
          "they get these");
}

void Loader::LoadUts(std::uint32_t id, Attributes* attributes) {
  const ImageKind& kind = ImageKindNamed("UTSNS");
  pb::utsns_entry entry;
  if (Failed(images.ReadSingle(kind, id, &entry, diag))) return;
  for (const auto& [field, name] :
       {std::pair{"nodename", &entry.nodename()}, std::pair{"domainname", &entry.domainname()}}) {
    if (name->size() <= kNameAtMost && name->find('\0') == std::string::npos) continue;
    diag.Error(ImageSet::NameOf(kind, id) + "[0]." + field,
               std::to_string(name->size()) + " bytes, expected at most " +
                   std::to_string(kNameAtMost) + ", without NUL");
  }
  attributes->uts = UtsNamespace{id, {entry.nodename()}, {entry.domainname()}};
}

void Loader::LoadIpc(std::uint32_t id, Attributes* attributes) {
  const ImageKind& kind = ImageKindNamed("IPC_VAR");
  pb::ipc_var_entry entry;
  if (Failed(images.ReadSingle(kind, id, &entry, diag))) return;
  const std::string where = ImageSet::NameOf(kind, id) + "[0]";
  constexpr int kSemaphoreLimits = 4;
  if (entry.sem_ctls_size() != kSemaphoreLimits) {
    diag.Error(where + ".sem_ctls",
               std::to_string(entry.sem_ctls_size()) + " entries, expected 4: kernel.sem");
    return;
  }
  const Place place(where, diag);
  place.AtMost(".auto_msgmni", entry.auto_msgmni(), 1);
  place.AtMost(".shm_rmid_forced", entry.shm_rmid_forced(), 1);
  constexpr std::uint32_t kMostSigned = 0x7fffffff;  // the kernel has these as int
  for (const auto& [field, value] :
       {std::pair{".sem_ctls[0]", entry.sem_ctls(0)}, std::pair{".sem_ctls[1]", entry.sem_ctls(1)},
        std::pair{".sem_ctls[2]", entry.sem_ctls(2)}, std::pair{".sem_ctls[3]", entry.sem_ctls(3)},
        std::pair{".msg_ctlmax", entry.msg_ctlmax()}, std::pair{".msg_ctlmnb", entry.msg_ctlmnb()},
        std::pair{".msg_ctlmni", entry.msg_ctlmni()}, std::pair{".shm_ctlmni", entry.shm_ctlmni()},
        std::pair{".mq_queues_max", entry.mq_queues_max()},
        std::pair{".mq_msg_max", entry.mq_msg_max()},
        std::pair{".mq_msgsize_max", entry.mq_msgsize_max()},
        std::pair{".mq_msg_default", entry.mq_msg_default()},
        std::pair{".mq_msgsize_default", entry.mq_msgsize_default()}}) {
    place.AtMost(field, value, kMostSigned);
  }
  IpcSysctls to;
  to.sem_msl = entry.sem_ctls(0), to.sem_mns = entry.sem_ctls(1);
  to.sem_opm = entry.sem_ctls(2), to.sem_mni = entry.sem_ctls(3);
  to.msgmax = entry.msg_ctlmax(), to.msgmnb = entry.msg_ctlmnb(), to.msgmni = entry.msg_ctlmni();
  to.auto_msgmni = entry.auto_msgmni() != 0;
  to.shmmax.value = entry.shm_ctlmax();
  to.shmall.value = entry.shm_ctlall();
  to.shmmni = entry.shm_ctlmni();
  to.shm_rmid_forced = entry.shm_rmid_forced() != 0;
  to.queues_max = entry.mq_queues_max();
  to.msg_max = entry.mq_msg_max(), to.msgsize_max = entry.mq_msgsize_max();
  if (entry.has_mq_msg_default()) to.msg_default = entry.mq_msg_default();
  if (entry.has_mq_msgsize_default()) to.msgsize_default = entry.mq_msgsize_default();
  to.msg_next_id = NextId(entry.has_msg_next_id(), entry.msg_next_id());
  to.sem_next_id = NextId(entry.has_sem_next_id(), entry.sem_next_id());
  to.shm_next_id = NextId(entry.has_shm_next_id(), entry.shm_next_id());
  attributes->ipc = IpcNamespace{id, to, {}, {}, {}};
  LoadSystemV(id, &*attributes->ipc);
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Namespaces inside attributes.
#pragma once

#include "dsl/describe.h"
#include "dsl/image_bytes.h"
#include "dsl/net_namespace.h"
#include "dsl/system_v.h"
#include "model/namespaces.h"

namespace crgen {

template <>
struct Describe<UtsNamespace> {
  static constexpr auto kFields =
      std::tuple{Required("id", &UtsNamespace::id, "of the namespace in the dump"),
                 Required("nodename", &UtsNamespace::nodename, "sethostname(2)"),
                 Required("domainname", &UtsNamespace::domainname, "setdomainname(2)")};
};

template <>
struct Describe<IpcSysctls> {
  static constexpr auto kFields = std::tuple{
      Required("sem_msl", &IpcSysctls::sem_msl, "of kernel.sem the first"),
      Required("sem_mns", &IpcSysctls::sem_mns, "the second"),
      Required("sem_opm", &IpcSysctls::sem_opm, "the third"),
      Required("sem_mni", &IpcSysctls::sem_mni, "the fourth"),
      Required("msgmax", &IpcSysctls::msgmax, "kernel.msgmax, and so on"),
      Required("msgmnb", &IpcSysctls::msgmnb, "bytes in a queue"),
      Required("msgmni", &IpcSysctls::msgmni, "queues"),
      Optional("auto_msgmni", &IpcSysctls::auto_msgmni, "has no effect since Linux 3.19"),
      Required("shmmax", &IpcSysctls::shmmax, "bytes"),
      Required("shmall", &IpcSysctls::shmall, "pages"),
      Required("shmmni", &IpcSysctls::shmmni, "segments"),
      Optional("shm_rmid_forced", &IpcSysctls::shm_rmid_forced,
               "segments that nobody has attached are removed"),
      Required("queues_max", &IpcSysctls::queues_max, "fs.mqueue.queues_max, and so on"),
      Required("msg_max", &IpcSysctls::msg_max, "messages in a queue"),
      Required("msgsize_max", &IpcSysctls::msgsize_max, "bytes of a message"),
      Optional("msg_default", &IpcSysctls::msg_default,
               "messages in a queue, where mq_open(3) does not say"),
      Optional("msgsize_default", &IpcSysctls::msgsize_default, "bytes of a message, likewise"),
      Optional("msg_next_id", &IpcSysctls::msg_next_id, "kernel.msg_next_id, and so on"),
      Optional("sem_next_id", &IpcSysctls::sem_next_id, "likewise"),
      Optional("shm_next_id", &IpcSysctls::shm_next_id, "likewise")};
};

template <>
struct Describe<IpcNamespace> {
  static constexpr auto kFields =
      std::tuple{Required("id", &IpcNamespace::id, "of the namespace in the dump"),
                 Required("sysctls", &IpcNamespace::sysctls, "limits of the namespace: proc(5)"),
                 Optional("shm", &IpcNamespace::shm, "segments of shared memory: shmget(2)"),
                 Optional("msg", &IpcNamespace::msg, "message queues: msgget(2)"),
                 Optional("sem", &IpcNamespace::sem, "sets of semaphores: semget(2)")};
};

template <>
struct Describe<Mount> {
  static constexpr auto kFields = std::tuple{
      Required("id", &Mount::id, "of the mount, in the program"),
      Optional("parent", &Mount::parent,
               "the id of the mount that it is mounted on; absent: the root of the namespace"),
      Required("mountpoint", &Mount::mountpoint, "from the root of the namespace"),
      Required("root", &Mount::root, "the part of its file system that is mounted"),
      Optional(
          "deleted", &Mount::deleted,
          "of a bind mount: `root` leads to it no more, and is there for a moment only; default "
          "false"),
      Optional("superblock", &Mount::superblock,
               "a file system: the first mount that has it makes it, others are bind mounts"),
      Optional("fstype", &Mount::fstype,
               "of a new file system: proc, sysfs, tmpfs, devpts, mqueue, cgroup or cgroup2"),
      Optional("source", &Mount::source, "of a new file system: mount(2)"),
      Optional("options", &Mount::options, "of a new file system, as /proc/PID/mountinfo has them"),
      Required("flags", &Mount::flags, "of the mount"),
      Optional("sb_flags", &Mount::sb_flags, "of a new file system"),
      Optional("shared", &Mount::shared, "the group of mounts whose events it shares"),
      Optional("master", &Mount::master,
               "the group whose events it gets; in no mount's `shared`: the caller's"),
      Optional("shared_with_caller", &Mount::shared_with_caller,
               "of an `external` mount: what the caller has is in its group `shared`, too; default "
               "false"),
      Optional("external", &Mount::external,
               "the key by which the caller of a restore says what is mounted"),
      Optional("content", &Mount::content, "of a new tmpfs: a tar archive, compressed by gzip"),
      Optional("namespace", &Mount::namespace_id,
               "the mount namespace that it is in, by an id of the program's own; absent: the one "
               "that the root enters")};
};

template <>
struct Describe<EnteredNamespaces> {
  static constexpr auto kFields = std::tuple{
      Optional("mnt", &EnteredNamespaces::mnt,
               "the `namespace` of mounts; absent: the mount namespace that the root has entered"),
      Optional("net", &EnteredNamespaces::net,
               "the id of one of `further_nets`; absent: the network namespace that the root has "
               "entered")};
};

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// What is in an IPC namespace.
#pragma once

#include "dsl/describe.h"
#include "dsl/image_bytes.h"
#include "model/system_v.h"

namespace crgen {

template <>
struct Describe<IpcPermissions> {
  static constexpr auto kFields = std::tuple{
      Required("mode", &IpcPermissions::mode, "st_mode of the owner, the group and others"),
      Required("uid", &IpcPermissions::uid, "of the owner"),
      Required("gid", &IpcPermissions::gid, "of the owner"),
      Required("creator_uid", &IpcPermissions::creator_uid, "of whoever made it"),
      Required("creator_gid", &IpcPermissions::creator_gid, "likewise")};
};

template <>
struct Describe<ShmSegment> {
  static constexpr auto kFields = std::tuple{
      Required("id", &ShmSegment::id, "as shmget(2) gave it: no other segment's modulo 32768"),
      Required("key", &ShmSegment::key, "0x0: IPC_PRIVATE"),
      Required("permissions", &ShmSegment::permissions, "ipc_perm of shmctl(2)"),
      Required("size", &ShmSegment::size, "bytes"),
      Optional("locked", &ShmSegment::locked, "SHM_LOCK of shmctl(2)"),
      Optional("removed", &ShmSegment::removed,
               "IPC_RMID of shmctl(2), when all have it attached: it has no key then"),
      Optional("content", &ShmSegment::content, "what is no hole")};
};

template <>
struct Describe<IpcMessage> {
  static constexpr auto kFields = std::tuple{Required("type", &IpcMessage::type, "msgsnd(2)"),
                                             Required("text", &IpcMessage::text, "what was sent")};
};

template <>
struct Describe<MsgQueue> {
  static constexpr auto kFields = std::tuple{
      Required("id", &MsgQueue::id, "as msgget(2) gave it: no other queue's modulo 32768"),
      Required("key", &MsgQueue::key, "0x0: IPC_PRIVATE"),
      Required("permissions", &MsgQueue::permissions, "ipc_perm of msgctl(2)"),
      Required("qbytes", &MsgQueue::qbytes, "how many bytes may be in it"),
      Optional("messages", &MsgQueue::messages, "the oldest first")};
};

template <>
struct Describe<SemSet> {
  static constexpr auto kFields =
      std::tuple{Required("id", &SemSet::id, "as semget(2) gave it: no other set's modulo 32768"),
                 Required("key", &SemSet::key, "0x0: IPC_PRIVATE"),
                 Required("permissions", &SemSet::permissions, "ipc_perm of semctl(2)"),
                 Required("values", &SemSet::values, "of each semaphore")};
};

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// What is in an IPC namespace: sysvipc(7).
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "model/ids.h"
#include "model/image_bytes.h"
#include "model/values.h"

namespace crgen {

/// ipc_desc_entry, struct ipc_perm: what segments, queues and sets have in common.
struct IpcPermissions {
  std::uint32_t mode = 0;  ///< rwx for the owner, the group and others
  std::uint32_t uid = 0, gid = 0;
  std::uint32_t creator_uid = 0, creator_gid = 0;
  friend bool operator==(const IpcPermissions&, const IpcPermissions&) = default;
};

/// ipc_shm_entry.
struct ShmSegment {
  std::uint32_t id = 0;
  Hex key;  ///< 0: IPC_PRIVATE
  IpcPermissions permissions;
  std::uint64_t size = 0;           ///< bytes
  bool locked = false;              ///< SHM_LOCK
  bool removed = false;             ///< IPC_RMID: is gone when nobody has it attached any more
  std::vector<ContentRun> content;  ///< ascending, without overlap
  friend bool operator==(const ShmSegment&, const ShmSegment&) = default;
};

/// ipc_msg: what msgsnd(2) sent.
struct IpcMessage {
  std::uint64_t type = 0;
  ImageBytes text;
  friend bool operator==(const IpcMessage&, const IpcMessage&) = default;
};

/// ipc_msg_entry.
struct MsgQueue {
  std::uint32_t id = 0;
  Hex key;
  IpcPermissions permissions;
  std::uint32_t qbytes = 0;          ///< how many bytes may be in it
  std::vector<IpcMessage> messages;  ///< the oldest first
  friend bool operator==(const MsgQueue&, const MsgQueue&) = default;
};

/// ipc_sem_entry.
struct SemSet {
  std::uint32_t id = 0;
  Hex key;
  IpcPermissions permissions;
  std::vector<std::uint32_t> values;  ///< semctl(2), GETALL
  friend bool operator==(const SemSet&, const SemSet&) = default;
};

/// ipc/util.h: an id is a place among as many, and how often the place was taken before. Objects of
/// one kind are in places of their own.
inline constexpr std::uint32_t kIpcPlaces = 1 << 15;
inline constexpr std::uint32_t kMostIpcId = std::numeric_limits<std::int32_t>::max();
inline constexpr std::uint32_t kMostSemaphoreValue = 32767;  ///< SEMVMX
inline constexpr std::uint64_t kMostMessageType = std::numeric_limits<std::int64_t>::max();
/// Of a message, and of all in one queue: fields of msgctl(2) are of type int.
inline constexpr std::uint64_t kMostMessageBytes = std::numeric_limits<std::int32_t>::max();
inline constexpr std::uint64_t kMostSegmentSize = std::uint64_t{1} << 46;  ///< of any address space

/// Of that many bytes, whole pages: what is attached of it.
inline std::uint64_t SegmentPages(std::uint64_t size) {
  return (size + kPageSize - 1) / kPageSize * kPageSize;
}

}  // namespace crgen

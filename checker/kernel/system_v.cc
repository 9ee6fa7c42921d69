// SPDX-License-Identifier: Apache-2.0
// What is in an IPC namespace: shmget(2), msgget(2), msgsnd(2), semget(2), semctl(2).
// Rules: Linux ipc/util.c, ipc/shm.c, ipc/msg.c, ipc/sem.c.
#include <sys/mman.h>

#include <string>
#include <unordered_map>

#include "checker/compare/difference.h"
#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

using Refusals = std::optional<Refusal>;

constexpr std::uint32_t kMostKey = ~std::uint32_t{0};
constexpr std::uint32_t kMostMode = 0777;
constexpr std::uint32_t kNobody = ~std::uint32_t{0};  // uid_t that no user has

/// What the objects of one kind have in common: no two are in one place, or have one key.
class IpcTable {
 public:
  explicit IpcTable(std::string kind) : kind_(std::move(kind)) {}

  /// Its numbers, and whether the key is free.
  template <typename Object>
  Refusals CheckKey(const Object& object) {
    const std::string name = NameOf(object.id);
    if (object.id > kMostIpcId) return Refusal{"EINVAL", name + " has an id above 2147483647"};
    if (object.key.value > kMostKey) {
      return Refusal{"EINVAL", name + " has a key of more than 32 bits"};
    }
    if (object.permissions.mode > kMostMode) {
      return Refusal{"EINVAL", name + " has a mode of more than rwxrwxrwx"};
    }
    if (object.key.value == 0) return std::nullopt;
    const auto [key, is_new] = keys_.emplace(object.key.value, object.id);
    if (is_new) return std::nullopt;
    return Refusal{"EEXIST", name + " has the key of " + NameOf(key->second)};
  }

  Refusals CheckPlace(std::uint32_t id) {
    const auto [place, is_free] = places_.emplace(id % kIpcPlaces, id);
    if (is_free) return std::nullopt;
    // It takes the next one that is free, if there is one (ipc_idr_alloc()).
    const bool is_last = id % kIpcPlaces == kIpcPlaces - 1;
    return Refusal{is_last ? "ENOSPC" : "EEXIST",
                   NameOf(id) + " would be in the place of " + NameOf(place->second) +
                       ": ids differ modulo " + std::to_string(kIpcPlaces)};
  }

  std::string NameOf(std::uint32_t id) const { return "ipc: " + kind_ + " " + std::to_string(id); }

 private:
  std::string kind_;
  std::unordered_map<std::uint64_t, std::uint32_t> places_, keys_;  ///< whose
};

/// IPC_SET.
Refusals CheckOwner(const IpcPermissions& who, const std::string& name) {
  for (const std::uint32_t id : {who.uid, who.gid, who.creator_uid, who.creator_gid}) {
    if (id == kNobody) return Refusal{"EINVAL", name + " has an owner or creator of 4294967295"};
  }
  return std::nullopt;
}

// Whether it can be made.
Refusals CheckSize(const ShmSegment& segment, const std::string& name) {
  if (segment.size == 0 || segment.size > kMostSegmentSize) {
    return Refusal{"EINVAL", name + " has " + std::to_string(segment.size) + " bytes"};
  }
  if (!segment.removed || segment.key.value == 0) return std::nullopt;
  return Refusal{"EINVAL", name + " is removed, and has a key"};
}
Refusals CheckSize(const MsgQueue&, const std::string&) { return std::nullopt; }
Refusals CheckSize(const SemSet& set, const std::string& name) {
  if (!set.values.empty()) return std::nullopt;
  return Refusal{"EINVAL", name + " has no semaphore"};
}

// Whether it can have what is in it.
Refusals CheckContent(const ShmSegment& segment, const std::string& name) {
  if (Refusals refusal = CheckOwner(segment.permissions, name)) return refusal;
  std::uint64_t end = 0;
  const std::uint64_t pages = SegmentPages(segment.size);
  for (const ContentRun& run : segment.content) {
    if (run.bytes == 0 || run.at < end || run.at > pages || run.bytes > pages - run.at) {
      return Refusal{"EFAULT", name + " has content at " + std::to_string(run.at) +
                                   " that is empty, before what is there, or behind its end"};
    }
    end = run.at + run.bytes;
  }
  return std::nullopt;
}
Refusals CheckContent(const MsgQueue& queue, const std::string& name) {
  std::uint64_t bytes = 0;
  for (const IpcMessage& message : queue.messages) {
    if (message.type == 0 || message.type > kMostMessageType) {
      return Refusal{"EINVAL", name + " has a message of type " + std::to_string(message.type) +
                                   ", expected 1 to 9223372036854775807"};
    }
    if (message.text.bytes > kMostMessageBytes - bytes) {
      return Refusal{"EINVAL", name + " has messages of more than 2147483647 bytes"};
    }
    bytes += message.text.bytes;
  }
  return CheckOwner(queue.permissions, name);
}
Refusals CheckContent(const SemSet& set, const std::string& name) {
  for (const std::uint32_t value : set.values) {
    if (value <= kMostSemaphoreValue) continue;
    return Refusal{"ERANGE", name + " has a value of " + std::to_string(value) +
                                 ", expected at most " + std::to_string(kMostSemaphoreValue)};
  }
  return CheckOwner(set.permissions, name);
}

/// In the order in which the kernel asks.
template <typename Object>
Refusals CheckAll(const std::string& kind, const std::vector<Object>& objects) {
  IpcTable table(kind);
  for (const Object& object : objects) {
    const std::string name = table.NameOf(object.id);
    if (Refusals refusal = table.CheckKey(object)) return refusal;
    if (Refusals refusal = CheckSize(object, name)) return refusal;
    if (Refusals refusal = table.CheckPlace(object.id)) return refusal;
    if (Refusals refusal = CheckContent(object, name)) return refusal;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> RefusedSystemV(const IpcNamespace& ipc) {
  if (Refusals refusal = CheckAll("segment", ipc.shm)) return refusal;
  if (Refusals refusal = CheckAll("queue", ipc.msg)) return refusal;
  return CheckAll("set", ipc.sem);
}

/// What the images have of it; and segments can be attached from now on.
bool Kernel::AddSystemV(const IpcNamespace& ipc) {
  for (const ShmSegment& segment : ipc.shm) {
    for (const ContentRun& run : segment.content) {
      if (!CheckSource(run.source, run.bytes)) return false;
    }
    segments_.emplace(segment.id, SegmentPages(segment.size));
  }
  for (const MsgQueue& queue : ipc.msg) {
    for (const IpcMessage& message : queue.messages) {
      if (!CheckSource({message.text.image, message.text.offset}, message.text.bytes)) return false;
    }
  }
  return true;
}

/// shmat(2), and munmap(2) of what is not shown.
bool Kernel::CheckSegment(const MapRegion& map) {
  if (map.special != SpecialRegion::kSysvIpc) {
    if (!map.shm_offset) return true;
    Violation("EINVAL", "shm_offset goes with special sysvipc");
    return false;
  }
  const std::string name = "segment " + std::to_string(*map.shmid);
  const std::uint64_t offset = map.shm_offset.value_or(0);
  if (!map.flags.Has(MAP_SHARED)) {
    Violation("EINVAL", name + " is attached MAP_SHARED");
    return false;
  }
  if (offset % kPageSize != 0 || offset >= kMostSegmentSize) {
    Violation("EINVAL",
              "shm_offset " + std::to_string(offset) + " is no multiple of 4096 in a " + "segment");
    return false;
  }
  if (!tasks[root_].attributes->ipc) {
    segments_.emplace(*map.shmid, 0);  // no namespace is entered behind it
    return true;
  }
  const auto known = segments_.find(*map.shmid);
  if (known == segments_.end()) {
    Violation("EINVAL", name + " is none of the root's own IPC namespace");
    return false;
  }
  if (map.end.value <= map.start.value) return true;  // refused as a place
  const std::uint64_t size = map.end.value - map.start.value;
  if (offset <= known->second && size <= known->second - offset) return true;
  Violation("EINVAL", "bytes " + std::to_string(offset) + " to " + std::to_string(offset + size) +
                          " of " + name + ", which has " + std::to_string(known->second));
  return false;
}

}  // namespace crgen::check

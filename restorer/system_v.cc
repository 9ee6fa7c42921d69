// SPDX-License-Identifier: Apache-2.0
#include "restorer/system_v.h"

#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>

#include "restorer/cleanup.h"
#include "restorer/other_ids.h"
#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"
#include "restorer/sysctl.h"

namespace crgen::restorer {
namespace {

constexpr std::uint64_t kReadAtOnce = std::uint64_t{64} << 20;

/// As many and as large objects as the kernel has numbers for: those of the dump may be older than
/// its limits.
constexpr std::pair<const char*, const char*> kWideLimits[] = {
    {"kernel/sem", "2147483647 2147483647 500 32768"},
    {"kernel/msgmax", "2147483647"},
    {"kernel/msgmnb", "2147483647"},
    {"kernel/msgmni", "32768"},
    {"kernel/shmmni", "32768"}};

/// Of ids outside.
template <typename Status>
void SetPermissions(const IpcPermissions& from, Status* to) {
  to->uid = from.uid;
  to->gid = from.gid;
  to->mode = static_cast<decltype(to->mode)>(from.mode);
}

/// Makes the objects of one namespace; each call gives an empty text, or what failed.
class Maker {
 public:
  Maker(const HostFiles& files, const OutsideIds& ids, std::vector<void*>& held)
      : files_(files), ids_(ids), held_(held) {}
  Maker(const Maker&) = delete;
  Maker& operator=(const Maker&) = delete;
  ~Maker() {
    for (const auto& [name, fd] : images_) close(fd);
  }

  std::string Make(const ShmSegment& segment, bool rmid_forced) {
    const std::string name = "segment " + std::to_string(segment.id);
    std::string problem = Create("kernel/shm_next_id", name, segment, [&](key_t key, int flags) {
      return shmget(key, segment.size, flags);
    });
    if (!problem.empty()) return problem;
    const int id = static_cast<int>(segment.id);
    shmid_ds status;
    if (FailsOnPurpose() || shmctl(id, IPC_STAT, &status) != 0)
      return Failed("IPC_STAT of " + name);
    SetPermissions(Outside(segment.permissions), &status.shm_perm);
    if (FailsOnPurpose() || shmctl(id, IPC_SET, &status) != 0) return Failed("IPC_SET of " + name);
    if (segment.locked && (FailsOnPurpose() || shmctl(id, SHM_LOCK, nullptr) != 0)) {
      return Failed("SHM_LOCK of " + name);
    }
    const bool held = segment.removed || rmid_forced;
    if (!held && segment.content.empty()) return "";
    void* at = FailsOnPurpose() ? reinterpret_cast<void*>(-1) : shmat(id, nullptr, 0);
    if (at == reinterpret_cast<void*>(-1)) return Failed("shmat of " + name);
    if (held) held_.push_back(at);
    problem = Fill(segment, static_cast<char*>(at));
    if (!problem.empty()) return problem;
    if (segment.removed && (FailsOnPurpose() || shmctl(id, IPC_RMID, nullptr) != 0)) {
      return Failed("IPC_RMID of " + name);
    }
    if (!held && (FailsOnPurpose() || shmdt(at) != 0)) return Failed("shmdt of " + name);
    return "";
  }

  std::string Make(const MsgQueue& queue) {
    const std::string name = "queue " + std::to_string(queue.id);
    std::string problem = Create("kernel/msg_next_id", name, queue,
                                 [&](key_t key, int flags) { return msgget(key, flags); });
    if (!problem.empty()) return problem;
    const int id = static_cast<int>(queue.id);
    for (const IpcMessage& message : queue.messages) {
      problem = Send(id, name, message);
      if (!problem.empty()) return problem;
    }
    msqid_ds status;
    if (FailsOnPurpose() || msgctl(id, IPC_STAT, &status) != 0)
      return Failed("IPC_STAT of " + name);
    SetPermissions(Outside(queue.permissions), &status.msg_perm);
    status.msg_qbytes = queue.qbytes;  // there may be more in it: msgctl(2) asks nobody
    if (FailsOnPurpose() || msgctl(id, IPC_SET, &status) != 0) return Failed("IPC_SET of " + name);
    return "";
  }

  std::string Make(const SemSet& set) {
    const std::string name = "set " + std::to_string(set.id);
    std::string problem = Create("kernel/sem_next_id", name, set, [&](key_t key, int flags) {
      return semget(key, static_cast<int>(set.values.size()), flags);
    });
    if (!problem.empty()) return problem;
    const int id = static_cast<int>(set.id);
    union {
      semid_ds* status;
      unsigned short* values;
    } argument;
    std::vector<unsigned short> values(set.values.begin(), set.values.end());
    argument.values = values.data();
    if (FailsOnPurpose() || semctl(id, 0, SETALL, argument) != 0)
      return Failed("SETALL of " + name);
    semid_ds status;
    argument.status = &status;
    if (FailsOnPurpose() || semctl(id, 0, IPC_STAT, argument) != 0) {
      return Failed("IPC_STAT of " + name);
    }
    SetPermissions(Outside(set.permissions), &status.sem_perm);
    if (FailsOnPurpose() || semctl(id, 0, IPC_SET, argument) != 0) {
      return Failed("IPC_SET of " + name);
    }
    return "";
  }

 private:
  static std::string Failed(const std::string& what) { return ErrorText("System V: " + what); }

  /// `get`: shmget(2) and its like. The owner may do everything until the mode is set.
  template <typename Object, typename Get>
  std::string Create(const char* next_id, const std::string& name, const Object& object,
                     Get&& get) const {
    std::string problem = WriteSysctl(next_id, std::to_string(object.id));
    if (!problem.empty()) return problem;
    // The kernel takes whoever calls for the creator.
    const IpcPermissions permissions = Outside(object.permissions);
    const int id = WithEffectiveIds(permissions.creator_uid, permissions.creator_gid, [&] {
      if (FailsOnPurpose()) return -1;
      return get(static_cast<key_t>(object.key.value), IPC_CREAT | IPC_EXCL | 0600);
    });
    if (id < 0) return Failed("making " + name);
    if (static_cast<std::uint32_t>(id) == object.id) return "";
    return "System V: " + name + " would get the id " + std::to_string(id);
  }

  /// The image, open for reading; -1: errno says why.
  int Image(const std::string& name) {
    const auto known = images_.find(name);
    if (known != images_.end()) return known->second;
    const int fd = FailsOnPurpose() ? -1 : Reopen(files_.image(name), O_RDONLY);
    if (fd >= 0) images_.emplace(name, fd);
    return fd;
  }

  std::string Read(const std::string& image, std::uint64_t offset, std::uint64_t bytes, char* to) {
    const int fd = Image(image);
    if (fd < 0) return ErrorText(image);
    while (bytes != 0) {
      if (AskedToStop()) return "interrupted";
      const ssize_t got = pread(fd, to, std::min(bytes, kReadAtOnce), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrorText(image);
      if (got == 0) return "the image " + image + " ends";
      offset += static_cast<std::uint64_t>(got);
      bytes -= static_cast<std::uint64_t>(got);
      to += got;
    }
    return "";
  }

  std::string Fill(const ShmSegment& segment, char* at) {
    for (const ContentRun& run : segment.content) {
      std::string problem = Read(run.source.image, run.source.offset, run.bytes, at + run.at);
      if (!problem.empty()) return problem;
    }
    return "";
  }

  std::string Send(int id, const std::string& name, const IpcMessage& message) {
    buffer_.resize(sizeof(long) + message.text.bytes);
    const long type = static_cast<long>(message.type);
    std::memcpy(buffer_.data(), &type, sizeof type);
    std::string problem = Read(message.text.image, message.text.offset, message.text.bytes,
                               buffer_.data() + sizeof type);
    if (!problem.empty()) return problem;
    if (!FailsOnPurpose() && msgsnd(id, buffer_.data(), message.text.bytes, IPC_NOWAIT) == 0) {
      return "";
    }
    return Failed("msgsnd to " + name);
  }

  IpcPermissions Outside(IpcPermissions permissions) const {
    permissions.uid = ids_.Uid(permissions.uid);
    permissions.gid = ids_.Gid(permissions.gid);
    permissions.creator_uid = ids_.Uid(permissions.creator_uid);
    permissions.creator_gid = ids_.Gid(permissions.creator_gid);
    return permissions;
  }

  const HostFiles& files_;
  const OutsideIds& ids_;
  std::vector<void*>& held_;
  std::map<std::string, int> images_;  ///< open for reading
  std::vector<char> buffer_;
};

}  // namespace

std::string SystemV::Make(const IpcNamespace& ipc, const HostFiles& files, const OutsideIds& ids) {
  if (ipc.shm.empty() && ipc.msg.empty() && ipc.sem.empty()) return "";
  std::string problem;
  for (const auto& [name, value] : kWideLimits) {
    problem = WriteSysctl(name, value);
    if (!problem.empty()) return problem;
  }
  Maker maker(files, ids, held_);
  for (const ShmSegment& segment : ipc.shm) {
    problem = maker.Make(segment, ipc.sysctls.shm_rmid_forced);
    if (!problem.empty()) return problem;
  }
  for (const MsgQueue& queue : ipc.msg) {
    problem = maker.Make(queue);
    if (!problem.empty()) return problem;
  }
  for (const SemSet& set : ipc.sem) {
    problem = maker.Make(set);
    if (!problem.empty()) return problem;
  }
  return "";
}

std::string SystemV::Release() {
  for (void* at : held_) {
    if (FailsOnPurpose() || shmdt(at) != 0) return ErrorText("System V: shmdt");
  }
  held_.clear();
  return "";
}

}  // namespace crgen::restorer

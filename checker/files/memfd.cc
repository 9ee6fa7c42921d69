// SPDX-License-Identifier: Apache-2.0
#include "checker/files/memfd.h"

#include <fcntl.h>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

std::string NameOf(const Memfd& memfd) { return "memfd " + std::to_string(memfd.inode_id.value); }

bool CreatesObject(const Memfd& memfd) {
  return memfd.name || memfd.size || memfd.huge || memfd.mode || memfd.uid || memfd.gid;
}

std::optional<Refusal> RefusedFirst(const Memfd& memfd) {
  if (!memfd.name || !memfd.size) {
    return Refusal{"ENOENT",
                   NameOf(memfd) + " does not exist, and to create it takes a name and a size"};
  }
  if (*memfd.size > (std::uint64_t{1} << 63) - 1) {
    return Refusal{"EFBIG", NameOf(memfd) + " has " + std::to_string(*memfd.size) + " bytes"};
  }
  return std::nullopt;
}

std::optional<Refusal> RefusedLater(const File& file, const Memfd& memfd,
                                    const MemoryObject& object) {
  if (CreatesObject(memfd)) {
    return Refusal{"EEXIST", NameOf(memfd) +
                                 " exists already: only its first opening has name, size, huge, "
                                 "mode, uid or gid"};
  }
  if (!memfd.seals || memfd.seals->bits == 0) return std::nullopt;
  const std::uint64_t seals = memfd.seals->bits;
  if ((file.flags.bits & O_ACCMODE) == O_RDONLY) {
    return Refusal{"EPERM", "seals are added through a description that can write"};
  }
  if (object.seals.Has(F_SEAL_SEAL)) return Refusal{"EPERM", NameOf(memfd) + " has F_SEAL_SEAL"};
  const bool adds_write = (seals & F_SEAL_WRITE) != 0 && !object.seals.Has(F_SEAL_WRITE);
  if (adds_write && !object.writable_view.expired()) {
    return Refusal{"EBUSY", NameOf(memfd) + " is mapped shared and writable"};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> FileRules<Memfd>::Check(const File& file, const Memfd& memfd) const {
  if (auto refused = RefusedFlags(file.flags)) return refused;
  if (auto refused = RefusedPosition(memfd.pos)) return refused;
  if (!objects_.contains(memfd.inode_id)) return RefusedFirst(memfd);
  const std::shared_ptr<MemoryObject> object = Find(memfd.inode_id);
  if (object != nullptr) return RefusedLater(file, memfd, *object);
  return Refusal{"ENOENT", NameOf(memfd) + " is gone: nothing refers to it any more"};
}

std::shared_ptr<MemoryObject> FileRules<Memfd>::Open(const Memfd& memfd) {
  std::weak_ptr<MemoryObject>& known = objects_[memfd.inode_id];
  std::shared_ptr<MemoryObject> object = known.lock();
  if (object == nullptr) {
    object = std::make_shared<MemoryObject>();
    known = object;
    object->memfd = true;
    object->id = memfd.inode_id.value;
    object->size = memfd.size.value_or(0);
    object->created = memfd;
  }
  if (memfd.seals) object->seals.bits |= memfd.seals->bits;
  return object;
}

}  // namespace crgen::check

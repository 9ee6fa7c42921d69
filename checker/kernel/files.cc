// Descriptor tables and open file descriptions of the simulated kernel.
// Rules: open(2), dup3(2), close(2), memfd_create(2), F_ADD_SEALS of fcntl(2).
#include <fcntl.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

/// What open(2) does once and no description has (do_dentry_open()): it would spoil the file.
constexpr std::uint64_t kCreating = O_CREAT | O_EXCL | O_TRUNC;

/// Why no description has `flags`; empty: one can.
std::string BadFlags(OpenFlags flags) {
  if ((flags.bits & O_ACCMODE) == O_ACCMODE) return "the flags have two access modes";
  if ((flags.bits & kCreating) != 0) return "the flags create or truncate the file";
  return "";
}

bool CreatesObject(const Memfd& file) {
  return file.name || file.size || file.huge || file.mode || file.uid || file.gid;
}

}  // namespace

bool Kernel::CheckNewSlot(Fd fd) {
  if (fd < 0 || fd >= kFdLimit) {
    Violation("EBADF",
              "fd " + std::to_string(fd) + " is not in 0 to " + std::to_string(kFdLimit - 1));
    return false;
  }
  const auto* taken = self().table->slots.Find(fd);
  if (taken == nullptr) return true;
  const Description& there = *taken->value.description;
  Violation("EEXIST", "fd " + std::to_string(fd) + " refers to file " +
                          std::to_string(there.file->id.value) + " " + At(there.command));
  return false;
}

bool Kernel::CheckBody(const RegularFile& file) {
  if (file.path.bytes.empty() || file.path.bytes.front() != '/') {
    Violation("EINVAL", "the path is not absolute");
    return false;
  }
  if (file.path.bytes.find('\0') != std::string::npos) {
    Violation("EINVAL", "the path contains a NUL");
    return false;
  }
  const std::string problem = BadFlags(file.flags);
  if (problem.empty()) return true;
  Violation("EINVAL", problem);
  return false;
}

bool Kernel::CheckBody(const OtherFile& file) {
  if (!file.type.empty()) return true;
  Violation("EINVAL", "the file has no type");
  return false;
}

bool Kernel::CheckFirstMemfd(const Memfd& file) {
  const std::string name = "memfd " + std::to_string(file.inode_id);
  if (!file.name || !file.size) {
    Violation("ENOENT", name + " does not exist, and to create it takes a name and a size");
    return false;
  }
  if (*file.size > (std::uint64_t{1} << 63) - 1) {
    Violation("EFBIG", name + " has " + std::to_string(*file.size) + " bytes");
    return false;
  }
  return true;
}

bool Kernel::CheckLaterMemfd(const Memfd& file, const MemoryObject& object) {
  const std::string name = "memfd " + std::to_string(file.inode_id);
  if (CreatesObject(file)) {
    Violation("EEXIST", name +
                            " exists already: only its first opening has name, size, huge, "
                            "mode, uid or gid");
    return false;
  }
  if (!file.seals || file.seals->bits == 0) return true;
  const std::uint64_t seals = file.seals->bits;
  if ((file.flags.bits & O_ACCMODE) == O_RDONLY) {
    Violation("EPERM", "seals are added through a description that can write");
    return false;
  }
  if (object.seals.Has(F_SEAL_SEAL)) {
    Violation("EPERM", name + " has F_SEAL_SEAL");
    return false;
  }
  const bool adds_write = (seals & F_SEAL_WRITE) != 0 && !object.seals.Has(F_SEAL_WRITE);
  if (adds_write && !object.writable_view.expired()) {
    Violation("EBUSY", name + " is mapped shared and writable");
    return false;
  }
  return true;
}

bool Kernel::CheckBody(const Memfd& file) {
  const std::string problem = BadFlags(file.flags);
  if (!problem.empty()) {
    Violation("EINVAL", problem);
    return false;
  }
  auto found = memfds.find(file.inode_id);
  if (found == memfds.end()) return CheckFirstMemfd(file);
  std::shared_ptr<MemoryObject> object = found->second.lock();
  if (object != nullptr) return CheckLaterMemfd(file, *object);
  Violation("ENOENT",
            "memfd " + std::to_string(file.inode_id) + " is gone: nothing refers to it any more");
  return false;
}

bool Kernel::CheckNewFile(const std::shared_ptr<const File>& file) {
  if (file == nullptr) {
    Violation("EINVAL", "there is no file");
    return false;
  }
  auto used = file_ids_.find(file->id.value);
  if (used != file_ids_.end()) {
    Violation("EEXIST", "file id " + std::to_string(file->id.value) + " names another opening " +
                            At(used->second));
    return false;
  }
  return std::visit([this](const auto& body) { return CheckBody(body); }, file->body);
}

void Kernel::CheckOwner(const File& file) {
  const auto* regular = std::get_if<RegularFile>(&file.body);
  const auto* memfd = std::get_if<Memfd>(&file.body);
  if (regular == nullptr && memfd == nullptr) return;
  const std::optional<FileOwner>& owner = regular != nullptr ? regular->owner : memfd->owner;
  if (!owner || owner->pid <= 0) return;
  std::string user;
  if (!IsFree(owner->pid, &user)) return;
  Suspect("ESRCH of F_SETOWN_EX: nothing uses " + std::to_string(owner->pid) + " at this moment");
}

void Kernel::Install(Fd fd, const std::shared_ptr<const File>& file, bool cloexec) {
  auto description = std::make_shared<Description>();
  description->file = file;
  description->command = command_;
  if (const auto* memfd = std::get_if<Memfd>(&file->body)) {
    std::weak_ptr<MemoryObject>& known = memfds[memfd->inode_id];
    description->object = known.lock();
    if (description->object == nullptr) {
      description->object = std::make_shared<MemoryObject>();
      known = description->object;
      description->object->memfd = true;
      description->object->id = memfd->inode_id;
      description->object->size = memfd->size.value_or(0);
      description->object->created = *memfd;
    }
    if (memfd->seals) description->object->seals.bits |= memfd->seals->bits;
  }
  CheckOwner(*file);
  file_ids_[file->id.value] = command_;
  self().table->slots.Set(fd, Slot{std::move(description), cloexec});
}

void Kernel::Execute(const OpenFile& open) {
  if (self().is_sealed) {
    return Violation("EPERM", "creds or seccomp of the process are set " + At(self().sealed));
  }
  if (!CheckNewSlot(open.fd) || !CheckNewFile(open.file)) return;
  if (open.peer != nullptr) {
    const PeerEnd& peer = *open.peer;
    if (!std::holds_alternative<OtherFile>(open.file->body)) {
      return Violation("EINVAL", "a file of this type has no second end");
    }
    if (peer.fd == open.fd) {
      return Violation("EEXIST", "both ends have fd " + std::to_string(open.fd));
    }
    if (!CheckNewSlot(peer.fd) || !CheckNewFile(peer.file)) return;
    if (!std::holds_alternative<OtherFile>(peer.file->body)) {
      return Violation("EINVAL", "a file of this type is no second end");
    }
    if (peer.file->id == open.file->id) {
      return Violation("EEXIST", "both ends have file id " + std::to_string(peer.file->id.value));
    }
    Install(peer.fd, peer.file, peer.cloexec);
  }
  Install(open.fd, open.file, open.cloexec);
}

void Kernel::Execute(const DupFd& dup) {
  const auto* old_slot = self().table->slots.Find(dup.old_fd);
  if (old_slot == nullptr) {
    return Violation("EBADF", "fd " + std::to_string(dup.old_fd) + " is not open");
  }
  if (dup.new_fd < 0 || dup.new_fd >= kFdLimit) {
    return Violation("EBADF", "fd " + std::to_string(dup.new_fd) + " is not in 0 to " +
                                  std::to_string(kFdLimit - 1));
  }
  self().table->slots.Set(dup.new_fd, Slot{old_slot->value.description, dup.cloexec});
}

void Kernel::Execute(const CloseFd& close) {
  if (self().table->slots.Find(close.fd) == nullptr) {
    return Violation("EBADF", "fd " + std::to_string(close.fd) + " is not open");
  }
  self().table->slots.Erase(close.fd);
}

}  // namespace crgen::check

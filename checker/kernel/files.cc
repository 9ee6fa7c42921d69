// SPDX-License-Identifier: Apache-2.0
// Descriptor tables and open file descriptions of the simulated kernel, and their late state.
// Rules: open(2), dup3(2), close(2); those of each type stand in checker/files/.
#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "checker/files/locked_inode.h"
#include "checker/kernel/kernel.h"
#include "model/access_mode.h"
#include "model/files/external.h"
#include "model/printable.h"
#include "model/proc_path.h"

namespace crgen::check {
namespace {

/// By who opens it, below its own root: for the others the restorer has a descriptor of the place.
bool IsLookedUp(const File& file) {
  if (const auto* socket = As<UnixSocket>(file)) {
    return socket->HasFile() && !file.external && !socket->accept_from && !socket->name_root &&
           !socket->mount;
  }
  return As<RegularFile>(file) != nullptr || As<Fifo>(file) != nullptr ||
         (As<TunFile>(file) != nullptr && !file.external);
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
  if (file->external && !IsKeyOf(*file->external, TypeOf(*file))) {
    Violation("EINVAL", "\"" + Printable(*file->external) + "\" is no key of a " +
                            std::string(TypeOf(*file)) + " from outside");
    return false;
  }
  if (!Passes(files.Visit(
          *file, [&](const auto& rules, const auto& body) { return rules.Check(*file, body); }))) {
    return false;
  }
  if (IsLookedUp(*file) && !CheckLookup()) return false;
  const RegularFile* regular = As<RegularFile>(*file);
  return regular == nullptr || CheckProcFile(regular->path.bytes);
}

/// proc(5): /proc/PID is there only while the process is, /proc/PID/task/TID while the thread is.
bool Kernel::CheckProcFile(const std::string& path) {
  const auto owner = ParseProcPath(path);
  if (!owner) return true;
  for (const Pid number : {owner->pid, owner->tid}) {
    const auto use = numbers.find(number);
    const bool there =
        use != numbers.end() && (use->second.task != kNoTask || use->second.thread_of != kNoTask);
    if (number == 0 || there) continue;
    if (last_of_pid_.contains(number)) {
      Violation("ENOENT",
                "nobody has the number " + std::to_string(number) + " of " + path + " any more");
      return false;
    }
    in_proc_.try_emplace(number, command_);  // of somebody outside of the tree, or too early
  }
  return true;
}

void Kernel::CheckTooEarly(Pid number) {
  const auto asked = in_proc_.find(number);
  if (asked == in_proc_.end()) return;
  Violation("ENOENT", "a file of /proc for " + std::to_string(number) +
                          ", which is there only now, was opened " + At(asked->second));
  in_proc_.erase(asked);
}

bool Kernel::Passes(std::optional<Refusal> refused) {
  if (!refused) return true;
  Violation(refused->error, std::move(refused->fact));
  return false;
}

std::shared_ptr<Description> Kernel::Install(Fd fd, const std::shared_ptr<const File>& file,
                                             bool cloexec) {
  openings_.reset();
  auto description = std::make_shared<Description>();
  description->file = file;
  description->command = command_;
  description->object =
      files.Visit(*file, [](auto& rules, const auto& body) { return rules.Open(body); });
  files.Of<RegularFile>().AddUnlinked(*file);
  file_ids_[file->id.value] = command_;
  self().table->slots.Set(fd, Slot{description, cloexec});
  return description;
}

bool Kernel::ComesInPairs(const File& file) const {
  return files.Visit(file, [](const auto& rules, const auto&) { return rules.kComesInPairs; });
}

bool Kernel::CheckPeer(const OpenFile& open) {
  const PeerEnd& peer = *open.peer;
  if (!ComesInPairs(*open.file)) {
    Violation("EINVAL", "a file of this type has no second end");
    return false;
  }
  if (peer.fd == open.fd) {
    Violation("EEXIST", "both ends have fd " + std::to_string(open.fd));
    return false;
  }
  if (!CheckNewSlot(peer.fd) || !CheckNewFile(peer.file)) return false;
  if (!ComesInPairs(*peer.file)) {
    Violation("EINVAL", "a file of this type is no second end");
    return false;
  }
  if (peer.file->id == open.file->id) {
    Violation("EEXIST", "both ends have file id " + std::to_string(peer.file->id.value));
    return false;
  }
  return true;
}

/// pidfd_open(2) of a process and pidfd_getfd(2).
void Kernel::Take(const OpenFile& open) {
  const auto [pid, fd] = *open.from;
  if (!CheckNewSlot(open.fd)) return;
  const bool can_be_late = files.Visit(
      *open.file, [](const auto& rules, const auto& body) { return rules.IsOfAProcess(body); });
  if (!can_be_late || open.peer != nullptr) {
    return Violation("EINVAL", "only what is of a process can be taken `from` another, alone");
  }
  const auto use = numbers.find(pid);
  const bool is_thread = use != numbers.end() && use->second.thread_of != kNoTask;
  if (use == numbers.end() || use->second.task == kNoTask) {
    return Violation(is_thread ? "ENOENT" : "ESRCH", "there is no process " + std::to_string(pid));
  }
  const Task& holder = tasks[use->second.task];
  if (holder.state == TaskState::kZombie) {
    return Violation("ESRCH", "process " + std::to_string(pid) + " is a zombie");
  }
  const auto* slot = holder.table->slots.Find(fd);
  if (slot == nullptr) {
    return Violation("EBADF", "fd " + std::to_string(fd) + " of process " + std::to_string(pid) +
                                  " is not open");
  }
  const std::shared_ptr<const Description> description = slot->value.description;
  if (*description->file != *open.file) {
    return Violation("EINVAL", "fd " + std::to_string(fd) + " of process " + std::to_string(pid) +
                                   " refers to file " +
                                   std::to_string(description->file->id.value) +
                                   ", or to another `file`");
  }
  self().table->slots.Set(open.fd, Slot{description, open.cloexec});
}

void Kernel::Execute(const OpenFile& open) {
  if (self().is_sealed) {
    return Violation("EPERM", "creds or seccomp of the process are set " + At(self().sealed));
  }
  if (!CheckBeforeLate()) return;
  if (open.from) return Take(open);
  std::shared_ptr<const File> placed;
  if (!FindItsMount(open.file, &placed)) return;
  if (placed == nullptr && !FindItsNet(open.file, &placed)) return;
  if (placed != nullptr) {
    OpenFile in_place = open;
    in_place.file = std::move(placed);
    return Execute(in_place);
  }
  if (open.peer != nullptr) {
    if (!FindItsNet(open.peer->file, &placed)) return;
    if (placed != nullptr) {
      OpenFile in_place = open;
      auto peer = std::make_shared<PeerEnd>(*open.peer);
      peer->file = std::move(placed);
      in_place.peer = std::move(peer);
      return Execute(in_place);
    }
  }
  if (!CheckNewSlot(open.fd) || !CheckNewFile(open.file)) return;
  if (open.peer != nullptr && !CheckPeer(open)) return;
  const File* other = open.peer == nullptr ? nullptr : open.peer->file.get();
  if (!Passes(files.Visit(*open.file, [&](const auto& rules, const auto& body) {
        return rules.CheckOpening(*this, *open.file, body, other);
      }))) {
    return;
  }
  std::shared_ptr<Description> peer;
  if (other != nullptr) peer = Install(open.peer->fd, open.peer->file, open.peer->cloexec);
  const std::shared_ptr<Description> description = Install(open.fd, open.file, open.cloexec);
  files.Visit(*open.file, [&](auto& rules, const auto& body) {
    rules.Opened(*this, *description, body, peer.get());
  });
  const auto controls = files.Visit(
      *open.file, [](const auto& rules, const auto& body) { return rules.Controls(body); });
  if (controls) self().terminal = *controls;
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
  const std::shared_ptr<const Description> description = old_slot->value.description;
  const auto* replaced = self().table->slots.Find(dup.new_fd);
  const std::shared_ptr<const Description> closed =
      replaced == nullptr || dup.old_fd == dup.new_fd ? nullptr : replaced->value.description;
  self().table->slots.Set(dup.new_fd, Slot{description, dup.cloexec});
  if (closed != nullptr) Unlock(*closed->file);
}

void Kernel::Execute(const CloseFd& close) {
  const auto* slot = self().table->slots.Find(close.fd);
  if (slot == nullptr) {
    return Violation("EBADF", "fd " + std::to_string(close.fd) + " is not open");
  }
  const std::shared_ptr<const Description> closed = slot->value.description;
  self().table->slots.Erase(close.fd);
  Unlock(*closed->file);
}

// ---- late state

bool Kernel::CheckBeforeLate() {
  if (!first_late_) return true;
  Violation("EINVAL", "late state is set " + At(*first_late_) +
                          ": all processes, threads and descriptions come before it");
  return false;
}

bool Kernel::CheckLate(const DescriptorState& entry, const Description* description) {
  if (description == nullptr) {
    Violation("EBADF", "fd " + std::to_string(entry.fd) + " is not open");
    return false;
  }
  const std::size_t kind = entry.state.index();
  if (kind < last_late_kind_) {
    Violation("EINVAL", "the state of fd " + std::to_string(entry.fd) +
                            " is of a kind that comes before what is set " + At(last_late_));
    return false;
  }
  // Locks are of ranges, and POSIX ones of each table: those add up.
  const bool twice = !std::holds_alternative<LockSetting>(entry.state) &&
                     std::any_of(description->late.begin(), description->late.end(),
                                 [&](const LateState& state) { return state.index() == kind; });
  if (twice) {
    Violation("EEXIST", "this state of file " + std::to_string(description->file->id.value) +
                            " is set already");
    return false;
  }
  return Passes(std::visit(
      [&]<typename Late>(const Late& late) {
        return LateRules<Late>::Check(*this, *description, late);
      },
      entry.state));
}

void Kernel::ApplyLate(const Description& description) const {
  std::visit(
      [&]<typename Late>(const Late& late) {
        if constexpr (requires { LateRules<Late>::Apply(*this, description, late); }) {
          LateRules<Late>::Apply(*this, description, late);
        }
      },
      description.late.back());
}

void Kernel::UndoLate(const Description& description) {
  std::visit(
      [&]<typename Late>(const Late&) {
        if constexpr (requires { LateRules<Late>::Undo(description); }) {
          LateRules<Late>::Undo(description);
        }
      },
      description.late.back());
  description.late.pop_back();
}

bool Kernel::Lock(const LockSetting& setting,
                  const std::shared_ptr<const Description>& description) {
  const std::string inode = *LockedInode(*this, *description->file);
  for (const FileLock& lock : setting.locks) {
    const std::shared_ptr<const void> owner =
        lock.kind.value == kPosixLock ? std::shared_ptr<const void>(self().table) : description;
    if (!Passes(locks.Add(inode, lock, owner, description))) return false;
  }
  return true;
}

void Kernel::Unlock(const File& file) {
  if (locks.empty() || file.flags.Has(O_PATH)) return;
  const auto inode = LockedInode(*this, file);
  if (!inode || !locks.Close(*inode, self().table)) return;
  Suspect("closes a descriptor of file " + std::to_string(file.id.value) +
          ": the POSIX locks on it that the table had are gone");
}

/// Those that are unlinked, and those of processes.
bool Kernel::CheckDirectories(const FsAttributes& fs) {
  if (!CheckProcFile(fs.cwd.bytes) || !CheckProcFile(fs.root.bytes)) return false;
  const auto& regular = files.Of<RegularFile>();
  const std::pair<const char*, const std::optional<UnlinkedId>&> both[] = {
      {"working", fs.cwd_unlinked}, {"root", fs.root_unlinked}};
  for (const auto& [name, id] : both) {
    if (!id) continue;
    const Unlinked* created = regular.Created(*id);
    if (created != nullptr && S_ISDIR(*created->mode)) continue;
    Violation(created == nullptr ? "ENOENT" : "ENOTDIR",
              "the " + std::string(name) + " directory, unlinked file " +
                  std::to_string(id->value) +
                  (created == nullptr ? ", does not exist" : ", is none"));
    return false;
  }
  return true;
}

/// prctl(2), PR_SET_MM_EXE_FILE, opens and closes it.
bool Kernel::CheckExecutable(const MmAttributes& mm) {
  openings_.reset();
  const auto& regular = files.Of<RegularFile>();
  if (mm.exe_unlinked && regular.Created(*mm.exe_unlinked) == nullptr) {
    Violation("ENOENT", "the executable, unlinked file " + std::to_string(mm.exe_unlinked->value) +
                            ", does not exist");
    return false;
  }
  if (mm.exe_opened_by) {
    if (!Passes(RefusedPath(*mm.exe_opened_by))) return false;
    if (mm.exe_unlinked) {
      Violation("EINVAL", "an unlinked executable is not opened by another name");
      return false;
    }
  }
  if (mm.exe_mount && !Passes(RefusedMount(*mm.exe_mount, mm.exe.bytes))) return false;
  if (locks.empty()) return true;
  const std::string inode = ExecutableInode(mm);
  if (locks.BreaksLease(inode)) {
    Violation("EAGAIN", mm.exe.bytes + " is leased: to make it the executable, it is opened");
    return false;
  }
  if (!locks.Close(inode, self().table)) return true;
  Suspect("makes " + mm.exe.bytes +
          " the executable, which closes a descriptor of it: the POSIX locks on it that the table "
          "had are gone");
  return true;
}

std::string Kernel::ExecutableInode(const MmAttributes& mm) const {
  RegularFile regular;
  regular.path = mm.exe;
  if (mm.exe_unlinked) regular.unlinked.emplace().id = *mm.exe_unlinked;
  regular.mount = mm.exe_mount ? mm.exe_mount : MountOf(mm.exe.bytes);
  return *files.Of<RegularFile>().Inode(regular);
}

Openings Kernel::OpeningsOf(const std::string& inode) const {
  if (!openings_) {
    openings_.emplace();
    std::unordered_set<const void*> seen;
    std::unordered_set<const Description*> known;
    const auto add = [&](const std::shared_ptr<const Description>& it) {
      if (it == nullptr || it->file->flags.Has(O_PATH) || !known.insert(it.get()).second) return;
      if (const auto name = InodeOf(*it->file)) (*openings_)[*name].descriptions.push_back(it);
    };
    for (const Task& task : tasks) {
      if (task.table == nullptr || task.space == nullptr) continue;
      task.table->slots.ForEachOnce(&seen, [&](Fd, const Slot& slot) { add(slot.description); });
      task.space->regions.ForEachOnce(
          &seen, [&](AddressRange, const MappedRegion& it) { add(it.backing->opened); });
      const auto& mm = task.attributes->mm;
      if (mm) (*openings_)[ExecutableInode(*mm)].executed = true;
    }
  }
  Openings found;
  const auto known = openings_->find(inode);
  if (known == openings_->end()) return found;
  found.executed = known->second.executed;
  for (const auto& it : known->second.descriptions) {
    const auto description = it.lock();
    if (description == nullptr) continue;
    const OpenFlags& flags = description->file->flags;
    found.writers += IsWritable(flags);
    found.readers += IsReadable(flags) && !IsWritable(flags);
  }
  return found;
}

bool Kernel::SetLate(const std::vector<DescriptorState>& entries) {
  const std::size_t last = last_late_, last_kind = last_late_kind_;
  std::vector<const Description*> set;
  const auto give_up = [&] {
    for (; !set.empty(); set.pop_back()) UndoLate(*set.back());
    last_late_ = last;
    last_late_kind_ = last_kind;
    return false;
  };
  for (const DescriptorState& entry : entries) {
    const auto* slot = self().table->slots.Find(entry.fd);
    const auto description = slot == nullptr ? nullptr : slot->value.description;
    if (!CheckLate(entry, description.get())) return give_up();
    if (const auto* setting = std::get_if<LockSetting>(&entry.state)) {
      if (!Lock(*setting, description)) return give_up();
    } else {
      description->late.push_back(entry.state);
      ApplyLate(*description);
      set.push_back(description.get());
    }
    if (const auto* lease = std::get_if<LeaseSetting>(&entry.state)) {
      locks.AddLease(*InodeOf(*description->file), lease->locks.front(), description);
    }
    last_late_ = command_;
    last_late_kind_ = entry.state.index();
  }
  if (!entries.empty() && !first_late_) first_late_ = command_;
  return true;
}

}  // namespace crgen::check

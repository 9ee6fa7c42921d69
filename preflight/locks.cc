// SPDX-License-Identifier: Apache-2.0
// File locks and leases of the plan.
#include <fcntl.h>
#include <linux/capability.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <set>

#include "dsl/descriptor_tables.h"
#include "preflight/credentials.h"
#include "preflight/file_status.h"
#include "preflight/held_locks.h"
#include "preflight/question.h"

namespace crgen::preflight {
namespace {

class LockQuestion : public QuestionOn<LockQuestion> {
 public:
  explicit LockQuestion(Context& context)
      : QuestionOn(context),
        any_(std::any_of(context.program.begin(), context.program.end(), HasLateState)),
        locks_(host_, HeldLocks::Kinds::kAll) {}

  void Ask(const Command& command) override {
    if (!any_) return;
    tables_.Follow(command);
    QuestionOn::Ask(command);
  }

  template <typename Body>
  void On(const Body&) {}
  void On(const SetAttr& set) {
    if (set.attributes->mm) {
      executables_[pid_] = set.attributes->mm->exe.bytes;
      CheckExecutable();
    }
    for (const DescriptorState& late : set.attributes->descriptors) {
      if (const auto* setting = std::get_if<LockSetting>(&late.state)) {
        for (const FileLock& lock : setting->locks) Look(late.fd, lock);
      } else if (const auto* lease = std::get_if<LeaseSetting>(&late.state)) {
        Look(late.fd, lease->locks.front());
      }
    }
  }

 private:
  void Look(Fd fd, const FileLock& lock) {
    const std::optional<Name> name = NameOf(tables_.At(pid_, fd));
    if (!name) return;
    const std::string& path = *name->path;
    const std::string& there = name->link == nullptr ? path : *name->link;
    if (lock.kind.value == kPosixLock) {
      if (locked_[pid_].insert(path).second) CheckExecutable();
    }
    const auto text = host_.Text(FactKind::kFiles, there + ", locked", [&] {
      return StatusOf(context_.files.file(there), EBADF).Text();
    });
    const FileStatus status = FileStatus::Of(text.value_or(""));
    if (status.error != 0) return;
    if (lock.kind.value == kLease) CheckRight(path, status.uid);
    for (const HeldLock& held : locks_.Of(status)) {
      if (!Conflict(lock, held)) continue;
      findings_.Wrong(path + ": " + locks_.Describe(held), "end that process, or wait for it");
    }
  }

  struct Name {
    const std::string* path;
    const std::string* link;  ///< that the dumper has left, by which it is opened; or nullptr
  };
  template <typename Body>
  static Name NameIn(const Body& body) {
    return {&body.path.bytes, body.opened_by ? &body.opened_by->bytes : nullptr};
  }
  /// Of what somebody outside can have as well; absent: it is the plan's alone, or the caller's.
  static std::optional<Name> NameOf(const File& file) {
    if (const auto* regular = As<RegularFile>(file)) return NameIn(*regular);
    if (const auto* fifo = As<Fifo>(file)) return NameIn(*fifo);
    return std::nullopt;
  }

  /// PR_SET_MM_EXE_FILE comes last, and opens and closes the file: its POSIX locks would be gone.
  void CheckExecutable() {
    const auto exe = executables_.find(pid_);
    if (exe == executables_.end() || !locked_[pid_].contains(exe->second)) return;
    findings_.Unsupported("a POSIX lock of " + exe->second +
                          " by a process whose executable it is");
  }

  void CheckRight(const std::string& path, std::uint32_t owner) {
    if (!own_) own_ = ReadCredentials(host_);
    if (owner == own_->uid[3] || own_->Has(CAP_LEASE)) return;
    findings_.Wrong("CAP_LEASE is missing, for a lease of " + path + ", which is another user's",
                    "run with that capability: as root, outside of what drops it");
  }

  static bool Conflict(const FileLock& lock, const HeldLock& held) {
    const std::uint32_t kind = lock.kind.value;
    const bool same_kind = kind == kFlock   ? held.kind == "FLOCK"
                           : kind == kLease ? held.kind == "LEASE"
                                            : held.kind == "POSIX" || held.kind == "OFDLCK";
    const bool exclusive = lock.type.value == F_WRLCK || held.exclusive;
    const std::uint64_t last =
        lock.length == 0 ? HeldLock::kLastByte : lock.start + lock.length - 1;
    return same_kind && exclusive && lock.start <= held.last && held.first <= last;
  }

  const bool any_;
  std::optional<Credentials> own_;  ///< read for the first lease
  DescriptorTables tables_;
  std::map<Pid, std::string> executables_;
  std::map<Pid, std::set<std::string>> locked_;  ///< by POSIX locks
  HeldLocks locks_;
};

}  // namespace

std::unique_ptr<Question> AskForLocks(Context& context) {
  return std::make_unique<LockQuestion>(context);
}

}  // namespace crgen::preflight

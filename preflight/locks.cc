// SPDX-License-Identifier: Apache-2.0
// File locks that others hold: whoever does stands in /proc/locks (proc_locks(5)).
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <tuple>
#include <vector>

#include "dsl/descriptor_tables.h"
#include "model/printable.h"
#include "preflight/credentials.h"
#include "preflight/file_status.h"
#include "preflight/question.h"

namespace crgen::preflight {
namespace {

constexpr std::uint64_t kLastByte = ~std::uint64_t{0} >> 1;

/// A line of /proc/locks.
struct HeldLock {
  std::string kind;  ///< POSIX, OFDLCK, FLOCK, LEASE
  bool exclusive = false;
  Pid pid = 0;  ///< below 1: it does not say
  std::uint64_t first = 0, last = kLastByte;
};

/// Device (major, minor) and number.
using Inode = std::tuple<unsigned, unsigned, std::uint64_t>;

/// "1: POSIX  ADVISORY  WRITE 123 08:02:456 0 EOF"; "1: -> POSIX …" is somebody who waits.
bool ParseLine(const std::string& line, HeldLock* lock, Inode* inode) {
  std::istringstream words(line);
  std::string number, mode, type, file, first, last;
  words >> number >> lock->kind >> mode >> type >> lock->pid >> file >> first >> last;
  if (!words || lock->kind == "->") return false;
  unsigned major_number = 0, minor_number = 0;
  unsigned long long id = 0;
  if (std::sscanf(file.c_str(), "%x:%x:%llu", &major_number, &minor_number, &id) != 3) return false;
  *inode = {major_number, minor_number, id};
  lock->exclusive = type == "WRITE";
  lock->first = std::strtoull(first.c_str(), nullptr, 10);
  if (last != "EOF") lock->last = std::strtoull(last.c_str(), nullptr, 10);
  return true;
}

std::string LocksHere() {
  std::ostringstream text;
  text << std::ifstream("/proc/locks").rdbuf();
  return text.str();
}

std::string NameOf(Host& host, Pid pid) {
  const std::string name =
      host.Text(FactKind::kFiles, "name of process " + std::to_string(pid),
                [&] {
                  std::string comm;
                  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/comm"), comm);
                  return Printable(comm);
                })
          .value_or("");
  return pid < 1 ? "some process"
                 : "process " + std::to_string(pid) + (name.empty() ? "" : " (" + name + ")");
}

class LockQuestion : public QuestionOn<LockQuestion> {
 public:
  explicit LockQuestion(Context& context)
      : QuestionOn(context),
        any_(std::any_of(context.program.begin(), context.program.end(), HasLateState)) {}

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
    const RegularFile* regular = As<RegularFile>(tables_.At(pid_, fd));
    if (regular == nullptr) return;  // nobody outside has it
    const std::string& path = regular->path.bytes;
    if (lock.kind.value == kPosixLock) {
      if (locked_[pid_].insert(path).second) CheckExecutable();
    }
    const auto text = host_.Text(FactKind::kFiles, path + ", locked",
                                 [&] { return StatusOf(context_.files.file(path), EBADF).Text(); });
    const FileStatus status = FileStatus::Of(text.value_or(""));
    if (status.error != 0) return;
    if (lock.kind.value == kLease) CheckRight(path, status.uid);
    if (!read_) Read();
    const auto found = held_.find({major(status.device), minor(status.device), status.inode});
    if (found == held_.end()) return;
    for (const HeldLock& held : found->second) {
      if (!Conflict(lock, held)) continue;
      findings_.Wrong(path + ": " + NameOf(host_, held.pid) + " holds a " + held.kind +
                          (held.exclusive ? " write" : " read") +
                          (held.kind == "LEASE" ? "" : " lock") + " on it",
                      "end that process, or wait for it");
    }
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

  void Read() {
    read_ = true;
    std::istringstream locks(host_.Text(FactKind::kFiles, "locks", LocksHere).value_or(""));
    for (std::string line; std::getline(locks, line);) {
      HeldLock lock;
      Inode inode;
      if (ParseLine(line, &lock, &inode)) held_[inode].push_back(std::move(lock));
    }
  }

  static bool Conflict(const FileLock& lock, const HeldLock& held) {
    const std::uint32_t kind = lock.kind.value;
    const bool same_kind = kind == kFlock   ? held.kind == "FLOCK"
                           : kind == kLease ? held.kind == "LEASE"
                                            : held.kind == "POSIX" || held.kind == "OFDLCK";
    const bool exclusive = lock.type.value == F_WRLCK || held.exclusive;
    const std::uint64_t last = lock.length == 0 ? kLastByte : lock.start + lock.length - 1;
    return same_kind && exclusive && lock.start <= held.last && held.first <= last;
  }

  const bool any_;
  bool read_ = false;
  std::optional<Credentials> own_;  ///< read for the first lease
  DescriptorTables tables_;
  std::map<Pid, std::string> executables_;
  std::map<Pid, std::set<std::string>> locked_;  ///< by POSIX locks
  std::map<Inode, std::vector<HeldLock>> held_;
};

}  // namespace

std::unique_ptr<Question> AskForLocks(Context& context) {
  return std::make_unique<LockQuestion>(context);
}

}  // namespace crgen::preflight

// SPDX-License-Identifier: Apache-2.0
#include "preflight/held_locks.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "model/printable.h"
#include "preflight/lock_lines.h"

namespace crgen::preflight {
namespace {

constexpr const char* kLease = "LEASE";

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

}  // namespace

/// __break_lease() of the kernel. With O_NONBLOCK open(2) fails instead of waiting, and breaks it
/// all the same.
bool HeldLock::BreaksFor(std::uint64_t flags) const {
  if (kind != kLease || (flags & O_PATH) != 0) return false;
  return exclusive || (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
}

bool HeldLocks::IsEmpty() {
  Read();
  return held_.empty();
}

const std::vector<HeldLock>& HeldLocks::Of(const FileStatus& file) {
  static const std::vector<HeldLock> kNone;
  Read();
  const auto found = held_.find({major(file.device), minor(file.device), file.inode});
  return found == held_.end() ? kNone : found->second;
}

std::string HeldLocks::Describe(const HeldLock& held) {
  const std::string kind = held.kind == "OFDLCK" ? "an OFD" : "a " + held.kind;
  return NameOf(host_, held.pid) + " holds " + kind + (held.exclusive ? " write" : " read") +
         (held.kind == kLease ? "" : " lock") + " on it";
}

/// "1: POSIX ADVISORY WRITE 123 08:02:456 0 EOF". Of a lease that is being broken the type says
/// what it becomes.
bool HeldLocks::ParseLine(const std::string& line, HeldLock* lock, Inode* inode) {
  std::istringstream words(line);
  std::string number, mode, type, file, first, last;
  words >> number >> lock->kind >> mode >> type >> lock->pid >> file >> first >> last;
  if (!words) return false;
  unsigned major_number = 0, minor_number = 0;
  unsigned long long id = 0;
  if (std::sscanf(file.c_str(), "%x:%x:%llu", &major_number, &minor_number, &id) != 3) return false;
  *inode = {major_number, minor_number, id};
  lock->exclusive = type == "WRITE" || mode == "BREAKING";
  lock->first = std::strtoull(first.c_str(), nullptr, 10);
  if (last != "EOF") lock->last = std::strtoull(last.c_str(), nullptr, 10);
  return true;
}

void HeldLocks::Read() {
  if (read_) return;
  read_ = true;
  const auto lines = host_.Text(FactKind::kFiles, kinds_ == Kinds::kAll ? "locks" : "leases", [&] {
    return kinds_ == Kinds::kAll ? LinesOfLocks() : LinesOfLeases();
  });
  std::istringstream locks(lines.value_or(""));
  for (std::string line; std::getline(locks, line);) {
    HeldLock lock;
    Inode inode;
    if (ParseLine(line, &lock, &inode)) held_[inode].push_back(std::move(lock));
  }
}

}  // namespace crgen::preflight

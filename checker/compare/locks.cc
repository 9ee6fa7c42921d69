// SPDX-License-Identifier: Apache-2.0
// File locks of a final state against those of a snapshot.
#include <algorithm>
#include <iterator>
#include <tuple>

#include "checker/compare/comparison.h"

namespace crgen::check {
namespace {

/// A lock in the snapshot's terms.
struct NamedLock {
  FileIndex file;
  TableIndex table;  ///< whose a POSIX lock is; none: it belongs to the description
  FileLock lock;

  auto Key() const {
    return std::tuple(file.value, table.value, lock.kind.value, lock.start, lock.length,
                      lock.type.value);
  }
  bool operator<(const NamedLock& other) const { return Key() < other.Key(); }
};

std::string LockText(const FileLock& lock) {
  std::string text = ValueText(lock.kind) + " lock " + ValueText(lock.type);
  if (lock.kind.value == kFlock) return text;
  return text + " from " + std::to_string(lock.start) + " to " +
         (lock.length == 0 ? "the end" : std::to_string(lock.start + lock.length - 1));
}

}  // namespace

void Comparison::CompareLocks() {
  std::vector<NamedLock> expected, found;
  for (const LateEntry& late : snapshot_.late) {
    const auto* setting = std::get_if<LockSetting>(&late.state);
    if (setting == nullptr) continue;
    const TableIndex table =
        late.process < 0 ? TableIndex() : snapshot_.processes[late.process].table;
    for (const FileLock& lock : setting->locks) expected.push_back({late.file, table, lock});
  }
  kernel_.locks.ForEach(
      [&](const FileLock& lock, const LockOwner& owner, const Description* description) {
        if (lock.kind.value == kLease) return;
        const auto file = known_descriptions_.find(description);
        if (file == known_descriptions_.end()) return;  // not expected itself
        TableIndex table;
        if (lock.kind.value == kPosixLock) {
          const auto known = known_tables_.find(static_cast<const Table*>(owner.lock().get()));
          if (known == known_tables_.end()) return;
          table = known->second;
        }
        found.push_back({file->second, table, lock});
      });
  std::sort(expected.begin(), expected.end());
  std::sort(found.begin(), found.end());
  const auto report = [&](const auto& these, const auto& those, const char* what) {
    std::vector<NamedLock> only;
    std::set_difference(these.begin(), these.end(), those.begin(), those.end(),
                        std::back_inserter(only));
    for (const NamedLock& it : only) {
      diag_.Error("file " + std::to_string(snapshot_.files[it.file]->id.value),
                  LockText(it.lock) + what);
    }
  };
  report(expected, found, ": expected, not set");
  report(found, expected, ": set, not expected");
}

}  // namespace crgen::check

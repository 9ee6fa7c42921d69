// SPDX-License-Identifier: Apache-2.0
// Names that are there for a moment: whatever happens, they go.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "restorer/tree_paths.h"

namespace crgen::restorer {

/// Closes it, and leaves errno as it is.
class ScopedFd {
 public:
  explicit ScopedFd(int fd = -1) : fd_(fd) {}
  ScopedFd(const ScopedFd&) = delete;
  ScopedFd& operator=(const ScopedFd&) = delete;
  ScopedFd(ScopedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~ScopedFd();
  int get() const { return fd_; }
  void Reset(int fd) { const ScopedFd before(std::exchange(fd_, fd)); }

 private:
  int fd_;
};

/// On record, in a file that outlives this process: names of the moment, for whoever is left to
/// remove them (left_names.h).
class NameRecord {
 public:
  struct Entry {
    enum : std::uint32_t { kNone, kAnnounced, kMade } state;
    bool known;  ///< announced is a further name of the file with these numbers
    std::uint64_t device, inode;
    timespec since;  ///< announced, by the clock that file systems take
    char name[256];
    bool elsewhere;     ///< in a mount namespace that is not the root's:
    std::uint64_t mnt;  ///< this one
    char folder[4096];  ///< as the tree has it
  };

  /// `file` is written behind what it has, and not closed.
  explicit NameRecord(int file);
  /// What is about to be made there, in that mount namespace; the entry's number, or -1: a path is
  /// too long.
  long Announce(const std::string& folder, const std::string& name,
                std::optional<std::uint64_t> mnt, const struct stat* known);
  void Made(long entry, const struct stat& file);
  void Forget(long entry);

 private:
  void SetState(long entry, std::uint32_t state) const;

  int file_;
  long next_;
  std::vector<long> free_;
};

/// The folder of a path, and the name in it. `folder` is below 0, and errno says why, if it is not
/// there.
struct Place {
  /// `on_record`, which may be null, must outlive this.
  Place(const TreePaths& paths, const std::string& file, NameRecord* on_record = nullptr);
  /// Takes over `in`, which `in_path` leads to in the mount namespace `in_mnt`.
  Place(std::string base, int in, std::string in_path, std::optional<std::uint64_t> in_mnt,
        NameRecord* on_record)
      : name(std::move(base)),
        folder(in),
        path(std::move(in_path)),
        mnt(in_mnt),
        record(on_record) {}

  std::string name;
  ScopedFd folder;
  std::string path;                  ///< of the folder
  std::optional<std::uint64_t> mnt;  ///< where that is looked up; absent: in the root's namespace
  NameRecord* record = nullptr;
  long entry = -1;  ///< of the record
};

bool SameInode(const struct stat& a, const struct stat& b);

/// Calls `make(name)`, which makes something and fails with EEXIST where something has that name,
/// with `place->name` and then with others that nobody has; `*place` gets the one that is taken,
/// and a warning says so of `path`. Gives what `make` gave last. `known`: the file that gets the
/// name, if it has been there before.
int MakeUnderFreeName(const std::string& path, Place* place, auto&& make,
                      const struct stat* known = nullptr);

/// A name for the moment: whatever happens, it is removed, if it is still that file's. Whoever may
/// write in its folder can rename it meanwhile: then the file still has one.
class MomentaryName {
 public:
  /// `place` must outlive this; `file`: what was made there.
  MomentaryName(const Place& place, const struct stat& file);
  MomentaryName(const MomentaryName&) = delete;
  MomentaryName& operator=(const MomentaryName&) = delete;
  ~MomentaryName();
  /// False: it is still there; errno.
  bool Remove();

 private:
  const Place& place_;
  const struct stat file_;
  bool removed_ = false;
};

/// The next name to try for `wanted`, as long as a name may be.
std::string OtherName(const std::string& wanted, int number);
void WarnOfOtherName(const std::string& path, const std::string& name);

int MakeUnderFreeName(const std::string& path, Place* place, auto&& make,
                      const struct stat* known) {
  constexpr int kMostNames = 1000;
  const std::string wanted = place->name;
  for (int number = 0;; ++number) {
    if (number != 0) place->name = OtherName(wanted, number);
    NameRecord* const record = place->record;
    if (record != nullptr)
      place->entry = record->Announce(place->path, place->name, place->mnt, known);
    const int made = make(place->name.c_str());
    if (record != nullptr && made < 0) record->Forget(place->entry);
    if (made >= 0 && number != 0) WarnOfOtherName(path, place->name);
    if (made >= 0 || errno != EEXIST || number == kMostNames) return made;
  }
}

}  // namespace crgen::restorer

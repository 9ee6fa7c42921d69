// SPDX-License-Identifier: Apache-2.0
#include "restorer/momentary_name.h"

#include <fcntl.h>
#include <unistd.h>

#include <climits>
#include <cstddef>
#include <cstdio>

#include "model/printable.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {

ScopedFd::~ScopedFd() {
  const int error = errno;
  if (fd_ >= 0) close(fd_);
  errno = error;
}

namespace {

/// Where the fields of an entry begin in the file.
off_t At(long entry, std::size_t field) {
  return static_cast<off_t>(static_cast<std::size_t>(entry) * sizeof(NameRecord::Entry) + field);
}

}  // namespace

NameRecord::NameRecord(int file) : file_(file) {
  const off_t size = lseek(file, 0, SEEK_END);
  next_ = size < 0 ? 0 : static_cast<long>(static_cast<std::size_t>(size) / sizeof(Entry));
}

long NameRecord::Announce(const std::string& folder, const std::string& name,
                          std::optional<std::uint64_t> mnt, const struct stat* known) {
  Entry it = {};
  it.elsewhere = mnt.has_value();
  it.mnt = mnt.value_or(0);
  if (name.size() >= sizeof it.name || folder.size() >= sizeof it.folder) return -1;
  if (known != nullptr) {
    it.known = true;
    it.device = known->st_dev;
    it.inode = known->st_ino;
  }
  clock_gettime(CLOCK_REALTIME_COARSE, &it.since);
  name.copy(it.name, sizeof it.name - 1);
  folder.copy(it.folder, sizeof it.folder - 1);
  const long entry = free_.empty() ? next_++ : free_.back();
  if (!free_.empty()) free_.pop_back();
  [[maybe_unused]] const ssize_t written = pwrite(file_, &it, sizeof it, At(entry, 0));
  SetState(entry, Entry::kAnnounced);
  return entry;
}

void NameRecord::Made(long entry, const struct stat& file) {
  if (entry < 0) return;
  const std::uint64_t numbers[] = {file.st_dev, file.st_ino};
  [[maybe_unused]] const ssize_t written =
      pwrite(file_, numbers, sizeof numbers, At(entry, offsetof(Entry, device)));
  SetState(entry, Entry::kMade);
}

void NameRecord::Forget(long entry) {
  if (entry < 0) return;
  SetState(entry, Entry::kNone);
  free_.push_back(entry);
}

/// At once, when all else of the entry is there.
void NameRecord::SetState(long entry, std::uint32_t state) const {
  [[maybe_unused]] const ssize_t written =
      pwrite(file_, &state, sizeof state, At(entry, offsetof(Entry, state)));
}

Place::Place(const TreePaths& paths, const std::string& file, NameRecord* on_record)
    : name(file.substr(file.rfind('/') + 1)),
      folder(paths.Open(file.substr(0, file.rfind('/') + 1), O_DIRECTORY)),
      path(file.substr(0, file.rfind('/') + 1)),
      mnt(paths.in()),
      record(on_record) {}

bool SameInode(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

MomentaryName::MomentaryName(const Place& place, const struct stat& file)
    : place_(place), file_(file) {
  if (place.record != nullptr) place.record->Made(place.entry, file);
}

MomentaryName::~MomentaryName() {
  const int error = errno;
  Remove();
  errno = error;
}

bool MomentaryName::Remove() {
  if (removed_) return true;
  const char* name = place_.name.c_str();
  const int folder = place_.folder.get();
  struct stat now;
  const bool there = fstatat(folder, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && SameInode(now, file_);
  const int flags = S_ISDIR(file_.st_mode) ? AT_REMOVEDIR : 0;
  removed_ = !there || (!FailsOnPurpose() && unlinkat(folder, name, flags) == 0);
  if (removed_ && place_.record != nullptr) place_.record->Forget(place_.entry);
  return removed_;
}

std::string OtherName(const std::string& wanted, int number) {
  const std::string end = ".crrestore-" + std::to_string(number);
  return wanted.substr(0, NAME_MAX - end.size()) + end;
}

void WarnOfOtherName(const std::string& path, const std::string& name) {
  std::fprintf(stderr,
               "crrestore: warning: %s is another file now: the unlinked one comes back as %s "
               "(deleted)\n",
               Printable(path).c_str(), Printable(name).c_str());
}

}  // namespace crgen::restorer

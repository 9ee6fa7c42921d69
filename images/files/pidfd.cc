// SPDX-License-Identifier: Apache-2.0
#include "images/files/pidfd.h"

#include <fcntl.h>

#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {
namespace {

bool HasTarget(Loader& loader, Pid number, bool thread) {
  const PossibleOwners& known = loader.Numbers();
  return thread ? known.threads.contains(number) : known.processes.contains(number);
}

}  // namespace

Result FileLoaderOf<Pidfd>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                    Loader& loader, ConvertedFile* file) {
  if (!entry.has_pidfd()) return MissingMessage(at, kType, loader.diag);
  const pb::pidfd_entry& from = entry.pidfd();
  const Place place(at, loader.diag, "pidfd");
  TakeDescription("pidfd", from, file);
  // The dumper keeps what pidfd_open(2) takes; that is all but the access mode.
  constexpr std::uint64_t kThread = O_EXCL;  // PIDFD_THREAD
  constexpr std::int32_t kGone = -1;
  Pidfd body;
  body.thread = (file->flags & kThread) != 0;
  file->flags = (file->flags & ~kThread) | O_RDWR;
  if ((file->flags & kLargeFile) != 0) {
    file->unsupported = "a pidfd that was opened once more, through /proc";
    file->flags &= ~kLargeFile;
  }
  CheckAnonymousFlags(file->flags, place);
  if (from.nspid() == kGone) {
    body.dead = DeadId{from.ino()};
    ++dead_;
  } else {
    body.target = PidReference{from.nspid()};
    if (!HasTarget(loader, from.nspid(), body.thread)) {
      file->unsupported = std::string("pidfd of ") + (body.thread ? "thread " : "process ") +
                          std::to_string(from.nspid()) + ", which is not of the tree";
    }
  }
  file->body = body;
  return Result::kOk;
}

void FileLoaderOf<Pidfd>::Finish(Loader& loader) {
  if (dead_ == 0) return;
  loader.diag.NotRestorable(
      "files.img",
      std::to_string(dead_) + " of type PIDFD whose process is gone: no image says how it died");
}

}  // namespace crgen

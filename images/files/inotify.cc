// SPDX-License-Identifier: Apache-2.0
#include "images/files/inotify.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

#include "images/files/inode_handle.h"
#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {
namespace {

/// Older kernels show bits of their own: FS_UNMOUNT, FS_IN_IGNORED, FS_EVENT_ON_CHILD.
constexpr std::uint64_t kOfKernel = 0x2000 | 0x8000 | 0x08000000;

InotifyWatch WatchOf(const pb::inotify_wd_entry& from, const Place& at) {
  constexpr std::uint32_t kMaxWd = 0x7fffffff;
  InotifyWatch watch;
  watch.wd = static_cast<std::int32_t>(from.wd());
  if (from.wd() == 0 || from.wd() > kMaxWd) {
    at.Error(".wd", std::to_string(from.wd()) + ", expected 1 to " + std::to_string(kMaxWd));
  }
  watch.mask.bits = from.mask() & ~kOfKernel;
  at.KnownBits<InotifyMaskKind>(".mask", watch.mask.bits);
  TakeHandle(from.f_handle(), from.i_ino(), from.s_dev(), at, &watch.path, &watch.handle);
  return watch;
}

}  // namespace

Result FileLoaderOf<Inotify>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                      Loader& loader, ConvertedFile* file) {
  if (!entry.has_ify()) return MissingMessage(at, kType, loader.diag);
  const pb::inotify_file_entry& from = entry.ify();
  CheckAnonymousFlags(from.flags(), Place(at, loader.diag, "ify"), O_RDONLY);
  TakeDescription("ify", from, file);
  file->body = Inotify{};
  ++count_;
  if (from.wd_size() == 0) return Result::kOk;
  InotifyWatches watches;
  std::unordered_set<std::int32_t> numbers;
  for (int i = 0; i < from.wd_size(); ++i) {
    const Place place = Place(at, loader.diag, "ify").At("ify.wd", i);
    watches.watches.push_back(WatchOf(from.wd(i), place));
    TakeElsewhere(from.wd(i).f_handle().mnt_id(), ".f_handle.mnt_id", place, loader,
                  &watches.watches.back());
    const std::int32_t wd = watches.watches.back().wd;
    if (!numbers.insert(wd).second) place.Error(".wd", std::to_string(wd) + " stands twice");
  }
  std::ranges::sort(watches.watches, {}, &InotifyWatch::wd);
  file->late.emplace_back(std::move(watches));
  return Result::kOk;
}

void FileLoaderOf<Inotify>::Finish(Loader& loader) {
  if (count_ == 0) return;
  for (LateEntry& late : loader.snapshot.late) {
    auto* set = std::get_if<InotifyWatches>(&late.state);
    if (set == nullptr) continue;
    for (auto& it : set->watches) NameUnlinked(loader, &it);
  }
  loader.diag.NotRestorable("files.img", std::to_string(count_) +
                                             " of type INOTIFY: no image says which events were "
                                             "queued; they come back without");
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "images/files/fanotify.h"

#include <fcntl.h>
#include <sys/fanotify.h>

#include <algorithm>
#include <string>
#include <utility>

#include "images/files/inode_handle.h"
#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {
namespace {

constexpr std::uint32_t kNoNotify = 0x4000000;           // FMODE_NONOTIFY, which older kernels show
constexpr std::uint32_t kInodeMark = 1, kMountMark = 2;  // mark_type

FanotifyMark MarkOf(const pb::fanotify_mark_entry& from, const Place& at) {
  FanotifyMark mark;
  mark.mask.bits = from.mask();
  mark.ignored_mask.bits = from.ignored_mask();
  mark.flags.bits = from.mflags();
  at.KnownBits<FanotifyMaskKind>(".mask", from.mask());
  at.KnownBits<FanotifyMaskKind>(".ignored_mask", from.ignored_mask());
  at.KnownBits<FanotifyMarkFlagKind>(".mflags", from.mflags());
  if (from.type() == kMountMark) {
    mark.type.value = FAN_MARK_MOUNT;
    if (from.me().has_path()) {
      TakePath(from.me().path(), ".me.path", at, &mark.path);
    } else {
      at.Unsupported(".me.path", "absent: a mount that is known by its number alone");
    }
  } else if (from.type() == kInodeMark && from.has_ie()) {
    mark.type.value = FAN_MARK_INODE;
    TakeHandle(from.ie().f_handle(), from.ie().i_ino(), from.s_dev(), at, &mark.path, &mark.handle);
  } else {
    at.Error(".type", std::to_string(from.type()) + ", expected 1 with `ie` or 2 with `me`");
  }
  return mark;
}

}  // namespace

Result FileLoaderOf<Fanotify>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                       Loader& loader, ConvertedFile* file) {
  if (!entry.has_ffy()) return MissingMessage(at, kType, loader.diag);
  const pb::fanotify_file_entry& from = entry.ffy();
  const Place place(at, loader.diag, "ffy");
  TakeDescription("ffy", from, file);
  file->flags &= ~std::uint64_t{kNoNotify};
  CheckAnonymousFlags(file->flags, place);
  place.KnownBits<FanotifyInitKind>(".faflags", from.faflags());
  place.KnownBits<OpenFlagKind>(".evflags", from.evflags());
  file->body = Fanotify{{from.faflags()}, {from.evflags()}};
  ++count_;
  if (from.mark_size() == 0) return Result::kOk;
  FanotifyMarks marks;
  for (int i = 0; i < from.mark_size(); ++i) {
    marks.marks.push_back(MarkOf(from.mark(i), place.At("ffy.mark", i)));
  }
  // The kernel lists what was added last first.
  std::reverse(marks.marks.begin(), marks.marks.end());
  file->late.emplace_back(std::move(marks));
  return Result::kOk;
}

void FileLoaderOf<Fanotify>::Finish(Loader& loader) {
  if (count_ == 0) return;
  for (LateEntry& late : loader.snapshot.late) {
    auto* set = std::get_if<FanotifyMarks>(&late.state);
    if (set == nullptr) continue;
    for (auto& it : set->marks) NameUnlinked(loader, &it);
  }
  loader.diag.NotRestorable("files.img", std::to_string(count_) +
                                             " of type FANOTIFY: no image says which events were "
                                             "queued; they come back without");
}

}  // namespace crgen

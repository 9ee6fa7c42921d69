// SPDX-License-Identifier: Apache-2.0
#include "images/files/fanotify.h"

#include <fcntl.h>
#include <sys/fanotify.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "images/files/inode_handle.h"
#include "images/load/file_checks.h"
#include "images/load/loader.h"
#include "model/mount_paths.h"

namespace crgen {
namespace {

constexpr std::uint32_t kNoNotify = 0x4000000;           // FMODE_NONOTIFY, which older kernels show
constexpr std::uint32_t kInodeMark = 1, kMountMark = 2;  // mark_type

constexpr std::uint64_t kClasses = FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT;

/// What no fanotify_init(2) takes.
void CheckGroup(const pb::fanotify_file_entry& from, const Place& at) {
  constexpr std::uint64_t kEventFlags =
      O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_CLOEXEC | 0x8000 /* O_LARGEFILE */ | O_NOATIME;
  at.KnownBits<FanotifyInitKind>(".faflags", from.faflags());
  if ((from.faflags() & kClasses) == kClasses) {
    at.Error(".faflags", HexText(from.faflags()) + " has two classes");
  }
  at.KnownBits<OpenFlagKind>(".evflags", from.evflags());
  if ((from.evflags() & O_ACCMODE) == O_ACCMODE || (from.evflags() & ~kEventFlags) != 0) {
    at.Error(".evflags", HexText(from.evflags()) + ": no event opens a file so");
  }
}

/// What fanotify_mark(2) takes of some groups only.
void CheckMask(std::uint64_t faflags, std::uint64_t mask, std::string_view field, const Place& at) {
  constexpr std::uint64_t kPermission = FAN_OPEN_PERM | FAN_ACCESS_PERM | FAN_OPEN_EXEC_PERM;
  constexpr std::uint64_t kWithoutFid = FAN_ACCESS | FAN_MODIFY | FAN_CLOSE | FAN_OPEN |
                                        FAN_OPEN_EXEC | kPermission | std::uint64_t{FAN_ONDIR} |
                                        FAN_EVENT_ON_CHILD;
  constexpr std::uint64_t kFid = FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME;
  if ((mask & kPermission) != 0 && (faflags & kClasses) == 0) {
    at.Error(field,
             HexText(mask) + " has permission events, and the group is of no class for them");
  }
  const std::uint64_t unknown = UnknownBits<FanotifyMaskKind>(mask);  // reported
  if ((faflags & kFid) == 0 && (mask & ~kWithoutFid & ~unknown) != 0) {
    at.Error(field, HexText(mask) + " has events of groups with FAN_REPORT_FID alone");
  }
}

/// The same text for two marks that are surely of one object; the kernel has one of each.
std::string KeyOf(const FanotifyMark& mark) {
  const std::string type = std::to_string(mark.type.value) + " ";
  if (!mark.handle) {
    return type + (mark.mount ? std::to_string(*mark.mount) + " " : "") +
           (mark.path ? mark.path->bytes : "");
  }
  return type + std::to_string(mark.handle->device) + " " + std::to_string(mark.handle->inode) +
         " " + std::to_string(mark.handle->type) + " " + mark.handle->bytes.bytes;
}

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
    if (from.me().has_path()) TakePath(from.me().path(), ".me.path", at, &mark.path);
  } else if (from.type() == kInodeMark && from.has_ie()) {
    mark.type.value = FAN_MARK_INODE;
    TakeHandle(from.ie().f_handle(), from.ie().i_ino(), from.s_dev(), at, &mark.path, &mark.handle);
  } else {
    at.Error(".type", std::to_string(from.type()) + ", expected 1 with `ie` or 2 with `me`");
  }
  return mark;
}

}  // namespace

/// Of a tree with mounts of its own a mount is known by its number, which Finish() finds.
void FileLoaderOf<Fanotify>::TakeMount(const pb::fanotify_mount_mark_entry& from, const Place& at,
                                       Loader& loader, FanotifyMark* mark) {
  if (mark->path) {
    TakeElsewhere(from.mnt_id(), ".me.mnt_id", at, loader, mark);
  } else {
    mark->mount = from.mnt_id();
    numbered_[from.mnt_id()] = at.Where(".me.mnt_id");
  }
}

void FileLoaderOf<Fanotify>::FindMount(Loader& loader, FanotifyMark* mark) const {
  if (mark->path || mark->type.value != FAN_MARK_MOUNT) return;
  const std::uint64_t id = *mark->mount;
  mark->mount.reset();
  const auto& root = loader.snapshot.processes.front().attributes;
  const std::vector<Mount> none;
  const std::vector<Mount>& mounts = root ? root->mounts : none;
  const auto mount = std::ranges::find(mounts, id, &Mount::id);
  if (mount == mounts.end()) {
    return loader.diag.Unsupported(numbered_.at(id),
                                   "mount " + std::to_string(id) + ", which is none of the tree's");
  }
  const MountPaths paths(mounts, mount->namespace_id);
  if (const Mount* seen = paths.MountOf(mount->mountpoint.bytes); seen != &*mount) {
    return loader.diag.Unsupported(
        numbered_.at(id), "mount " + std::to_string(id) + " at " + mount->mountpoint.bytes +
                              ", which mount " + std::to_string(seen->id) + " hides");
  }
  mark->path = mount->mountpoint;
  if (mount->namespace_id) mark->mount = id;
}

Result FileLoaderOf<Fanotify>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                       Loader& loader, ConvertedFile* file) {
  if (!entry.has_ffy()) return MissingMessage(at, kType, loader.diag);
  const pb::fanotify_file_entry& from = entry.ffy();
  const Place place(at, loader.diag, "ffy");
  TakeDescription("ffy", from, file);
  file->flags &= ~std::uint64_t{kNoNotify};
  CheckAnonymousFlags(file->flags, place);
  CheckGroup(from, place);
  file->body = Fanotify{{from.faflags()}, {from.evflags()}};
  ++count_;
  if (from.mark_size() == 0) return Result::kOk;
  FanotifyMarks marks;
  std::set<std::string> marked;
  for (int i = 0; i < from.mark_size(); ++i) {
    const Place mark_at = place.At("ffy.mark", i);
    FanotifyMark mark = MarkOf(from.mark(i), mark_at);
    if (from.mark(i).type() == kMountMark) {
      TakeMount(from.mark(i).me(), mark_at, loader, &mark);
    } else {
      TakeElsewhere(from.mark(i).ie().f_handle().mnt_id(), ".ie.f_handle.mnt_id", mark_at, loader,
                    &mark);
    }
    const bool named = mark.path || mark.handle || mark.mount;
    if (named && !marked.insert(KeyOf(mark)).second) {
      mark_at.Error("", "a second mark of the same type on the same object");
    }
    CheckMask(from.faflags(), from.mark(i).mask(), ".mask", mark_at);
    CheckMask(from.faflags(), from.mark(i).ignored_mask(), ".ignored_mask", mark_at);
    if (named && mark.mask.bits == 0 && mark.ignored_mask.bits == 0) {
      // A change of the file clears what is ignored, and the mark stays.
      mark_at.Warning(".mask",
                      "neither this nor ignored_mask has an event: left out, since no "
                      "fanotify_mark(2) makes such a mark");
      continue;
    }
    marks.marks.push_back(std::move(mark));
  }
  if (marks.marks.empty()) return Result::kOk;
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
    for (FanotifyMark& it : set->marks) {
      NameUnlinked(loader, &it);
      FindMount(loader, &it);
    }
  }
  loader.diag.NotRestorable("files.img", std::to_string(count_) +
                                             " of type FANOTIFY: no image says which events were "
                                             "queued; they come back without");
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "images/files/regular.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <optional>
#include <string_view>
#include <unordered_map>

#include "images/load/file_checks.h"
#include "images/load/loader.h"
#include "model/proc_path.h"

namespace crgen {
namespace {

constexpr std::uint64_t kNoSeek = ~std::uint64_t{0}, kMaxOffset = kNoSeek >> 1;
constexpr std::uint32_t kMaxMode = 0177777;
constexpr std::uint64_t kTmpfile = 020000000;  // __O_TMPFILE

/// The directory of a process in /proc, behind whose name CRIU has put a slash in the place of the
/// NUL that ends it (check_path_remap): the rest is whatever lay there.
std::string WithoutRest(const pb::reg_file_entry& from) {
  const std::string& path = from.name();
  if (!S_ISDIR(from.mode()) || !ParseProcPath(path)) return path;
  const std::size_t end = path.find('/', std::string_view("/proc/").size());
  if (end == std::string::npos) return path;
  const std::string folder = path.substr(end + 1, path.find('/', end + 1) - end - 1);
  for (const char* known : {"attr", "fd", "fdinfo", "map_files", "net", "ns", "task"}) {
    if (folder == known) return path;
  }
  return path.substr(0, end);
}

RegularFile BodyOf(const pb::reg_file_entry& from) {
  RegularFile to;
  to.path.bytes = WithoutRest(from);
  if (from.pos() != kNoSeek) to.pos = from.pos();
  if (from.has_size()) to.size = from.size();
  if (from.has_mode()) to.mode = from.mode();
  if (from.build_id_size() != 0) {
    to.build_id.emplace();
    for (std::uint32_t word : from.build_id()) {  // the ELF note, four bytes at a time
      for (int shift = 0; shift < 32; shift += 8) {
        to.build_id->bytes.push_back(static_cast<char>(word >> shift));
      }
    }
  }
  return to;
}

/// Why a description of a file without a name cannot be made; empty: it can.
std::string RefusedGhost(const Loader::Ghost& ghost, const std::string& path, std::uint64_t flags) {
  const std::uint32_t mode = *ghost.file->mode;
  if (S_ISDIR(mode) && !ghost.names.empty() && !ghost.names.contains(path)) {
    return "it is an unlinked directory, and has been known by another name";
  }
  const bool only_path = (flags & O_PATH) != 0;
  if (S_ISLNK(mode) && (!only_path || (flags & O_NOFOLLOW) == 0)) {
    return "it is an unlinked symbolic link, and not opened with O_PATH and O_NOFOLLOW";
  }
  if (S_ISFIFO(mode) && only_path) return "it is an unlinked FIFO, and open as a path only";
  if (S_ISSOCK(mode) && !only_path) return "it is an unlinked socket, and not opened with O_PATH";
  return "";
}

/// Why nobody can take the place of a process that is gone, of which the file is; empty: somebody
/// can.
std::string RefusedOfGone(const std::optional<ProcPath>& owner, std::string_view path,
                          Loader& loader) {
  if (!owner) return "it belonged to a process that is gone, and its proc(5) is not at /proc";
  const std::string pid = std::to_string(owner->pid);
  if (owner->pid >= kPidLimit) return "no process has the number " + pid;
  if (loader.ProcessesOf().contains(owner->pid)) {
    return "it belonged to a process that is gone, or to a thread of it, and somebody else has the "
           "number " +
           pid;
  }
  if (owner->tid != 0 && owner->tid != owner->pid) {
    return "it belonged to a thread of a process that is gone";
  }
  for (const char* folder : {"/fdinfo/", "/fd/", "/map_files/"}) {
    if (path.find(folder) == std::string_view::npos) continue;
    return "it belonged to a descriptor or region of a process that is gone";
  }
  return "";
}

/// Whether it is below the proc(5) of a thread that a process of the tree has no more: nobody can
/// take the place of a thread and leave it again.
bool IsOfGoneThread(std::string_view path, Loader& loader) {
  const auto owner = ParseProcPath(path);
  if (!owner || owner->tid == 0 || owner->tid == owner->pid) return false;
  const auto& processes = loader.ProcessesOf();
  const auto process = processes.find(owner->pid), of_thread = processes.find(owner->tid);
  if (process == processes.end()) return false;
  return of_thread == processes.end() || of_thread->second != process->second;
}

/// The file was there once: what its entry says of it, its content cannot contradict.
void CheckGhost(const Unlinked& ghost, const RegularFile& body, const std::string& image,
                const Place& place) {
  const auto differs = [&](const char* field, std::uint64_t here, std::uint64_t there) {
    place.Error(field, std::to_string(here) + ", but " + image + " has " + std::to_string(there));
  };
  if (ghost.size && body.size && *body.size != *ghost.size) {
    differs(".size", *body.size, *ghost.size);
  }
  if (body.mode && *body.mode != *ghost.mode) differs(".mode", *body.mode, *ghost.mode);
}

}  // namespace

/// Of a file with kTmpfile that has a name by now.
static void DropTmpfile(const std::string& where, Loader& loader, ConvertedFile* file) {
  loader.diag.NotRestorable(where, "O_TMPFILE among the flags of file " + std::to_string(file->id) +
                                       ", " + std::get<RegularFile>(file->body).path.bytes +
                                       ", which has a name by now");
  file->flags &= ~std::uint64_t{O_TMPFILE};
}

Result FileLoaderOf<RegularFile>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                          Loader& loader, ConvertedFile* file) {
  if (!entry.has_reg()) return MissingMessage(at, kType, loader.diag);
  const pb::reg_file_entry& from = entry.reg();
  TakeDescription("reg", from, file);
  file->body = BodyOf(from);
  const Place place(at, loader.diag, "reg");
  CheckPosition(from.pos(), place);
  if (from.has_size()) place.AtMost(".size", from.size(), kMaxOffset);
  if (from.has_mode()) place.AtMost(".mode", from.mode(), kMaxMode);
  if (from.ext()) {
    file->unsupported =
        "external file " + from.name() + ", which the caller of a restore hands over";
    return Result::kOk;
  }
  if (!from.name().starts_with('/')) {
    return loader.diag.Fail(at.Where("reg.name"), "\"" + from.name() + "\" is no absolute path");
  }
  if (from.name().find('\0') != std::string::npos) {
    return loader.diag.Fail(at.Where("reg.name"), "contains a NUL");
  }
  std::get<RegularFile>(file->body).mount = loader.MountOf(from.mnt_id());
  if (from.mnt_id() > 0) {
    loader.path_places.push_back(
        {static_cast<std::uint64_t>(from.mnt_id()), from.name(), at.Where("reg.mnt_id")});
  }
  const auto remap = loader.remaps.find(entry.id());
  if (remap == loader.remaps.end()) {
    if ((file->flags & kTmpfile) != 0) DropTmpfile(at.Where("reg.flags"), loader, file);
    if (IsOfGoneThread(from.name(), loader)) {
      file->unsupported = "file " + from.name() +
                          " is not reachable by its name: it belonged to a thread that is gone";
    }
    return Result::kOk;
  }
  if (Failed(Reach(remap->second, loader, file))) return Result::kError;
  auto& body = std::get<RegularFile>(file->body);
  if (!body.unlinked) return Result::kOk;
  const Unlinked& ghost = *loader.GhostOf(remap->second).file;
  if (!ghost.size) body.size.reset();  // of what has none, each file system says what it likes
  CheckGhost(ghost, body, ImageSet::NameOf(ImageKindNamed("GHOST_FILE"), remap->second.id), place);
  return Result::kOk;
}

/// A file that its name does not reach.
Result FileLoaderOf<RegularFile>::Reach(const Loader::Remap& remap, Loader& loader,
                                        ConvertedFile* file) {
  auto& body = std::get<RegularFile>(file->body);
  std::string why;
  if (remap.type == pb::REMAP_PROCFS) {
    const auto owner = ParseProcPath(body.path.bytes);
    if (owner && owner->pid != static_cast<std::int64_t>(remap.id)) {
      return loader.diag.Fail(
          remap.where + ".remap_id",
          "process " + std::to_string(remap.id) + ", but the file is " + body.path.bytes);
    }
    why = RefusedOfGone(owner, body.path.bytes, loader);
    if (why.empty()) loader.gone.insert(owner->pid);
  } else if (remap.type != pb::REMAP_GHOST && remap.type != pb::REMAP_LINKED) {
    why = "it is remapped";
  } else if (remap.type == pb::REMAP_LINKED && S_ISDIR(body.mode.value_or(S_IFREG))) {
    why = "it is a directory, of which there are no hard links";
  } else if (remap.type == pb::REMAP_LINKED && (file->flags & kTmpfile) != 0) {
    DropTmpfile(remap.where, loader, file);
  } else if (remap.type == pb::REMAP_GHOST) {
    const Loader::Ghost& ghost = loader.GhostOf(remap);
    why = ghost.unsupported;
    if (why.empty() && !ghost.file) return Result::kError;  // reported
    if (why.empty()) why = RefusedGhost(ghost, body.path.bytes, file->flags);
    if (why.empty()) body.unlinked = loader.NameUnlinked(remap, body.path.bytes);
  }
  if (!why.empty()) {
    file->unsupported = "file " + body.path.bytes + " is not reachable by its name: " + why;
  }
  return Result::kOk;
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "images/files/regular.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {
namespace {

constexpr std::uint64_t kNoSeek = ~std::uint64_t{0}, kMaxOffset = kNoSeek >> 1;
constexpr std::uint32_t kMaxMode = 0177777;
constexpr std::uint64_t kTmpfile = 020000000;  // __O_TMPFILE

RegularFile BodyOf(const pb::reg_file_entry& from) {
  RegularFile to;
  to.path.bytes = from.name();
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

}  // namespace

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
  if (from.mnt_id() > 0) {
    loader.path_places.push_back(
        {static_cast<std::uint64_t>(from.mnt_id()), from.name(), at.Where("reg.mnt_id")});
  }
  const auto remap = loader.remaps.find(entry.id());
  return remap == loader.remaps.end() ? Result::kOk : Reach(remap->second, loader, file);
}

/// A file that its name does not reach.
Result FileLoaderOf<RegularFile>::Reach(const Loader::Remap& remap, Loader& loader,
                                        ConvertedFile* file) {
  auto& body = std::get<RegularFile>(file->body);
  std::string why;
  if (remap.type == pb::REMAP_PROCFS) {
    why = "it belonged to a dead process";
  } else if (remap.type != pb::REMAP_GHOST && remap.type != pb::REMAP_LINKED) {
    why = "it is remapped";
  } else if (remap.type == pb::REMAP_LINKED && (file->flags & kTmpfile) != 0) {
    why = "it was opened with O_TMPFILE, and has another name by now";
  } else if (remap.type == pb::REMAP_LINKED && !S_ISREG(body.mode.value_or(S_IFREG))) {
    why = "it is unlinked, and no regular file";
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

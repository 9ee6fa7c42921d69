// SPDX-License-Identifier: Apache-2.0
// files.img, remap-fpath.img: open file descriptions, and paths.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "images/load/file_checks.h"
#include "images/load/loader.h"

namespace crgen {
namespace {

/// O_PATH_FLAGS: what is left beside it.
constexpr std::uint64_t kBesidePath = O_PATH | O_DIRECTORY | O_NOFOLLOW;

bool IsPossible(std::uint64_t flags) {
  const bool only_path = (flags & O_PATH) != 0;
  // build_open_flags() wants, or adds, the second bit of these.
  const bool half_sync = (flags & O_SYNC) == (O_SYNC & ~O_DSYNC);
  const bool half_temporary = (flags & O_TMPFILE) == (O_TMPFILE & ~O_DIRECTORY);
  return (flags & kOpeningOnly) == 0 && !(only_path && (flags & ~kBesidePath) != 0) && !half_sync &&
         !half_temporary;
}

/// Whoever can own a description, by the number that F_SETOWN_EX takes.
PossibleOwners OwnersOf(const TreeSnapshot& tree) {
  PossibleOwners owners;
  for (const TreeNode& node : tree.nodes) {
    owners.processes.insert(node.pid);
    owners.groups.insert(node.pgid);
    owners.threads.insert(node.pid);
    owners.threads.insert(node.tids.begin(), node.tids.end());
  }
  return owners;
}

}  // namespace

std::string TypeName(std::uint32_t type) {
  return type < std::size(kFileTypes) ? std::string(kFileTypes[type])
                                      : "type " + std::to_string(type);
}

/// Images of the first releases have no type: the top bit of the id says what it is.
void Loader::AddRemap(const pb::remap_file_path_entry& entry, const ImageReader& at) {
  constexpr std::uint32_t kGhostBit = 0x80000000;
  Remap remap = {at.Where(), entry.remap_type(), entry.remap_id()};
  if (!entry.has_remap_type() && (remap.id & kGhostBit) != 0) {
    remap.type = pb::REMAP_GHOST;
    remap.id &= ~kGhostBit;
  }
  if (!remaps.emplace(entry.orig_id(), std::move(remap)).second) {
    diag.Error(at.Where("orig_id"), "file " + std::to_string(entry.orig_id()) + " stands twice");
  }
}

void Loader::LoadRemaps() {
  const ImageKind& kind = ImageKindNamed("REMAP_FPATH");
  if (!images.Has(kind)) return;
  ImageReader reader{"", ""};
  if (Failed(images.Open(kind, 0, &reader, diag))) return;
  pb::remap_file_path_entry entry;
  std::string_view bytes;
  while (!reader.AtEnd()) {
    if (Failed(reader.Next(&bytes, diag))) return;
    if (Failed(ParseMessage(bytes, reader, &entry, diag))) continue;
    AddRemap(entry, reader);
  }
}

void Loader::LoadFiles() {
  LoadRemaps();
  const ImageKind& kind = ImageKindNamed("FILES");
  if (!images.Has(kind)) return;
  ImageReader reader{"", ""};
  if (Failed(images.Open(kind, 0, &reader, diag))) return;
  pb::file_entry entry;
  std::string_view bytes;
  while (!reader.AtEnd()) {
    if (Failed(reader.Next(&bytes, diag))) return;
    if (Failed(ParseMessage(bytes, reader, &entry, diag))) continue;
    AddFile(entry, reader);
  }
  ResolveLinks();
  snapshot.tree.gone.assign(gone.begin(), gone.end());
  for (const auto& [id, remap] : remaps) {
    if (!files.contains(id)) {
      diag.Error(remap.where + ".orig_id", "no file " + std::to_string(id) + " in files.img");
    }
  }
}

const PossibleOwners& Loader::Numbers() {
  if (!owners) owners = OwnersOf(snapshot.tree);
  return *owners;
}

const std::unordered_map<Pid, Pid>& Loader::ProcessesOf() {
  if (processes_of) return *processes_of;
  processes_of.emplace();
  for (const TreeNode& node : snapshot.tree.nodes) {
    processes_of->emplace(node.pid, node.pid);
    if (node.tids.empty() || node.tids[0] != node.pid) continue;  // of a zombie: undefined
    for (const Pid tid : node.tids) processes_of->emplace(tid, node.pid);
  }
  return *processes_of;
}

/// Who gets the signals of O_ASYNC; a process of outside has no number that a program could name.
std::optional<OwnerSetting> Loader::OwnerOf(const ConvertedFile& file, const ImageReader& at) {
  if (file.owner == nullptr) return std::nullopt;
  const pb::fown_entry& from = *file.owner;
  if (from.pid() == 0 && from.signum() == 0) return std::nullopt;
  OwnerSetting setting;
  FileOwner& owner = setting.owner;
  if (from.signum() != 0) owner.signal = Signal{from.signum()};
  if (from.pid() == 0) return setting;
  if (!IsNamed<OwnerTypeKind>(from.pid_type())) return std::nullopt;  // reported
  const auto pid = static_cast<Pid>(from.pid());
  const std::unordered_set<Pid>& inside = from.pid_type() == F_OWNER_PGRP  ? Numbers().groups
                                          : from.pid_type() == F_OWNER_TID ? Numbers().threads
                                                                           : Numbers().processes;
  if (!inside.contains(pid)) {
    diag.Unsupported(at.Where(std::string(file.field) + ".fown.pid"),
                     "the owner, " + ValueName(OwnerTypeKind::Names(), from.pid_type()) + " " +
                         std::to_string(pid) + ", is not of the tree");
    return std::nullopt;
  }
  owner.type = OwnerType{from.pid_type()};
  owner.pid = PidReference{pid};
  owner.uid = from.uid();
  owner.euid = from.euid();
  return setting;
}

void Loader::AddFile(const pb::file_entry& entry, const ImageReader& at) {
  snapshot.highest_file_id = std::max<std::uint64_t>(snapshot.highest_file_id, entry.id());
  ConvertedFile file;
  FileLoader* type = file_loaders.Find(entry.type());
  if (type == nullptr) {
    file.id = entry.id();
    const bool named = entry.type() < std::size(kFileTypes);
    file.unsupported =
        std::string("descriptor of ") + (named ? "type " : "") + TypeName(entry.type());
  } else if (Failed(type->Convert(entry, at, *this, &file))) {
    return;
  } else {
    CheckDescription(file, Place(at, diag, file.field));
    file.flags &= ~UnknownBits<OpenFlagKind>(file.flags);  // told
  }
  if (!IsPossible(file.flags)) {
    diag.Error(at.Where(),
               "flags " + HexText(file.flags) + " hold some that no open description has");
    return;
  }
  if (file.unsupported.empty() && (file.flags & O_ACCMODE) == O_ACCMODE &&
      !std::holds_alternative<RegularFile>(file.body)) {
    file.unsupported = "file opened with access mode 3, for ioctl(2) alone";
  }
  if (file.id != entry.id()) {
    diag.Error(at.Where(), "id " + std::to_string(entry.id()) + " but its message has id " +
                               std::to_string(file.id));
    return;
  }
  FileEntry known;
  known.type = entry.type();
  known.memfd = file.memfd;
  if (file.unsupported.empty()) {
    known.file = FileIndex(snapshot.files.size());
  }
  const FileIndex index = known.file;
  const std::size_t others = files.size();
  files.emplace_hint(files.end(), entry.id(), std::move(known));  // ids mostly ascend
  if (files.size() == others) {
    diag.Error(at.Where("id"), "file " + std::to_string(entry.id()) + " stands twice");
    return;
  }
  if (index < 0) {
    unsupported_files.emplace(entry.id(),
                              UnsupportedFile{file.unsupported, at.Where(), entry.type()});
    return;
  }
  if (auto owner = OwnerOf(file, at)) file.late.emplace_back(std::move(*owner));
  std::ranges::sort(file.late, {}, &LateState::index);
  for (LateState& state : file.late) snapshot.late.push_back({index, std::move(state)});
  constexpr std::uint64_t kCloexec = O_CLOEXEC;  // never part of a description's flags
  has_descriptor.push_back(false);
  snapshot.files.push_back(std::make_shared<File>(File{
      {entry.id()}, {file.flags & ~kCloexec}, std::move(file.body), std::move(file.external)}));
}

/// Late state is of descriptions: an entry that only names a path has none.
void Loader::FinishFiles() {
  file_loaders.Finish(*this);
  std::erase_if(snapshot.late, [&](const LateEntry& late) { return !has_descriptor[late.file]; });
  SortLate();
}

void Loader::SortLate() {
  std::ranges::stable_sort(snapshot.late, {}, [](const LateEntry& late) {
    return std::pair(late.file, late.state.index());
  });
}

bool Loader::RegularPath(std::uint32_t id, const std::string& where, Text* path, FileIndex* file) {
  const FileEntry* entry = FindFile(id, [&] { return where; });
  if (entry == nullptr) return false;
  if (entry->type == pb::FD_MEMFD) {
    diag.Unsupported(where, "a MEMFD, file " + std::to_string(id) +
                                ": no executable of a process is made from one");
    return false;
  }
  if (entry->type != pb::FD_REG) {
    diag.Error(where,
               "file " + std::to_string(id) + " is a " + TypeName(entry->type) + ", expected REG");
    return false;
  }
  if (entry->file < 0) {
    diag.Unsupported(where, unsupported_files.at(id).what);
    return false;
  }
  const RegularFile& regular = *As<RegularFile>(*snapshot.files[entry->file]);
  *path = regular.path;
  *file = entry->file;
  return true;
}

bool Loader::DirectoryPath(std::uint32_t id, const std::string& where, Text* path,
                           std::optional<UnlinkedId>* unlinked) {
  FileIndex file;
  if (!RegularPath(id, where, path, &file)) return false;
  const RegularFile& regular = *As<RegularFile>(*snapshot.files[file]);
  if (regular.opened_by) {
    diag.Error(where, "file " + std::to_string(id) + ", " + path->bytes + ", is no directory");
    return false;
  }
  if (!regular.unlinked) return true;
  const std::uint64_t created = regular.unlinked->link_of.value_or(regular.unlinked->id.value);
  if (!S_ISDIR(*snapshot.unlinked.at(created).mode)) {
    diag.Error(where, "file " + std::to_string(id) + ", " + path->bytes + ", is no directory");
    return false;
  }
  *unlinked = regular.unlinked->id;
  return true;
}

void Loader::ReportUnsupportedFiles() {
  for (const auto& [id, file] : unsupported_files) {
    diag.Unsupported(file.where,
                     file.what + ", file " + std::to_string(id) +
                         (file.holders.empty() ? "" : " (" + file.holders + ")"),
                     file.type == pb::FD_REG ? Loss::kUnlinked : Loss::kDescriptors);
  }
}

}  // namespace crgen

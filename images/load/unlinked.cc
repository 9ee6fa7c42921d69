// SPDX-License-Identifier: Apache-2.0
// ghost-file-<hex>.img, and hard links of the dumper: files that their names do not reach.
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <climits>
#include <cstring>
#include <map>

#include "images/load/loader.h"

namespace crgen {
namespace {

constexpr std::uint64_t kMostBytes = ~std::uint64_t{0} >> 1;
constexpr std::uint32_t kEntryAtMost = 64 * 1024;  // bytes of a message that has a path at most
constexpr std::size_t kChunksAtMost = 100'000;     // of one command
constexpr std::uint64_t kUsecPerSec = 1'000'000;

/// Walks an image whose bulk stays where it is: only messages are read.
class GhostReader {
 public:
  GhostReader(ImageSource& source, const std::string& name, Diagnostics& diag)
      : source_(source), name_(name), diag_(diag), at_(name, "") {}

  Result Open(const ImageKind& kind) {
    if (Failed(source_.Size(name_, &size_, diag_))) return Result::kError;
    std::array<char, 8> magics;
    if (size_ < magics.size()) return Fail("has no magic");
    if (Failed(source_.ReadAt(name_, 0, magics, diag_))) return Result::kError;
    offset_ = magics.size();
    return ImageReader(name_, std::string_view(magics.data(), magics.size()))
        .ReadMagic(kind, diag_);
  }

  template <typename Message>
  Result Next(Message* message) {
    std::uint32_t length = 0;
    std::array<char, sizeof length> word;
    if (size_ - offset_ < word.size()) return Fail("ends inside the length of an entry");
    if (Failed(source_.ReadAt(name_, offset_, word, diag_))) return Result::kError;
    std::memcpy(&length, word.data(), sizeof length);
    offset_ += word.size();
    if (length > kEntryAtMost || length > size_ - offset_) {
      return Fail("an entry wants " + std::to_string(length) + " bytes, " +
                  std::to_string(size_ - offset_) + " are left");
    }
    entry_.resize(length);
    if (Failed(source_.ReadAt(name_, offset_, entry_, diag_))) return Result::kError;
    offset_ += length;
    return ParseMessage(entry_, at_, message, diag_);
  }

  Result Skip(std::uint64_t bytes) {
    if (bytes > size_ - offset_) {
      return Fail("wants " + std::to_string(bytes) + " bytes behind an entry, " +
                  std::to_string(size_ - offset_) + " are left");
    }
    offset_ += bytes;
    return Result::kOk;
  }

  std::uint64_t offset() const { return offset_; }
  std::uint64_t left() const { return size_ - offset_; }

  Result Fail(const std::string& what) {
    Error(what);
    return Result::kError;
  }
  void Error(const std::string& what) { diag_.Error(name_ + " @" + HexText(offset_), what); }

 private:
  ImageSource& source_;
  const std::string& name_;
  Diagnostics& diag_;
  ImageReader at_;
  std::uint64_t size_ = 0, offset_ = 0;
  std::string entry_;
};

/// The chunks behind the entry, or all that follows it.
Result ReadContent(const pb::ghost_file_entry& entry, const std::string& name, GhostReader& reader,
                   Unlinked* file, std::string* unsupported) {
  if (!entry.chunks()) {
    file->size = reader.left();
    if (reader.left() != 0) file->content.push_back({0, {name, reader.offset()}, reader.left()});
    return Result::kOk;
  }
  file->size = entry.size();
  std::uint64_t end = 0;
  pb::ghost_chunk_entry chunk;
  while (reader.left() != 0) {
    if (Failed(reader.Next(&chunk))) return Result::kError;
    if (chunk.len() == 0 || chunk.off() < end || chunk.off() > entry.size() ||
        chunk.len() > entry.size() - chunk.off()) {
      return reader.Fail("a piece of " + std::to_string(chunk.len()) + " bytes at " +
                         std::to_string(chunk.off()) + " of a file of " +
                         std::to_string(entry.size()) + ": pieces ascend, and do not overlap");
    }
    end = chunk.off() + chunk.len();
    file->content.push_back({chunk.off(), {name, reader.offset()}, chunk.len()});
    if (Failed(reader.Skip(chunk.len()))) return Result::kError;
    if (file->content.size() > kChunksAtMost) {
      *unsupported = "it has more than " + std::to_string(kChunksAtMost) + " pieces";
      return Result::kOk;
    }
  }
  return Result::kOk;
}

/// Whether something like a path can be in a symbolic link.
bool IsTarget(const std::string& text) {
  return !text.empty() && text.size() < PATH_MAX && text.find('\0') == std::string::npos;
}

/// What only files of its type have.
Result ReadKind(const pb::ghost_file_entry& entry, const std::string& name, GhostReader& reader,
                Unlinked* file, std::string* unsupported) {
  switch (entry.mode() & S_IFMT) {
    case S_IFREG:
      return ReadContent(entry, name, reader, file, unsupported);
    case S_IFCHR:
    case S_IFBLK:
      file->rdev = entry.rdev();
      break;
    case S_IFLNK:
      if (!IsTarget(entry.symlnk_target())) {
        return reader.Fail("a symbolic link without a target of 1 to 4095 bytes");
      }
      file->target = Text{entry.symlnk_target()};
      break;
    case S_IFDIR:
    case S_IFIFO:
    case S_IFSOCK:
      break;
    default:
      return reader.Fail("mode " + std::to_string(entry.mode()) + " is that of no file");
  }
  if (reader.left() == 0) return Result::kOk;
  return reader.Fail(std::to_string(reader.left()) + " bytes of what has no content");
}

}  // namespace

void Loader::ReadGhost(std::uint32_t number, const std::string& where, Ghost* ghost) {
  const ImageKind& kind = ImageKindNamed("GHOST_FILE");
  const std::string name = ImageSet::NameOf(kind, number);
  if (!images.Use(kind, number)) {
    diag.Error(where + ".remap_id", name + " is missing");
    return;
  }
  GhostReader reader(images.source(), name, diag);
  pb::ghost_file_entry entry;
  if (Failed(reader.Open(kind)) || Failed(reader.Next(&entry))) return;
  if (entry.mode() > 0177777 || entry.size() > kMostBytes) {
    reader.Error("mode " + std::to_string(entry.mode()) + " or size " +
                 std::to_string(entry.size()) + " is none of a file");
    return;
  }
  ghost->device = entry.dev();
  ghost->inode = entry.ino();
  Unlinked file;
  file.mode = entry.mode();
  file.uid = entry.uid();
  file.gid = entry.gid();
  if (entry.has_atim() && entry.has_mtim()) {
    for (const pb::timeval& time : {entry.atim(), entry.mtim()}) {
      if (time.tv_sec() <= kMostBytes && time.tv_usec() < kUsecPerSec) continue;
      reader.Error("a time of " + std::to_string(time.tv_sec()) + " s " +
                   std::to_string(time.tv_usec()) + " us");
      return;
    }
    const auto span = [](const pb::timeval& time) {
      return TimeSpan{time.tv_sec(), time.tv_usec() * 1000};
    };
    file.times = FileTimes{span(entry.atim()), span(entry.mtim())};
  }
  if (Failed(ReadKind(entry, name, reader, &file, &ghost->unsupported))) return;
  if (ghost->unsupported.empty()) ghost->file = std::move(file);
}

const Loader::Ghost& Loader::GhostOf(const Remap& remap) {
  const auto [known, fresh] = ghosts.try_emplace(remap.id);
  if (fresh) ReadGhost(remap.id, remap.where, &known->second);
  return known->second;
}

Unlinked Loader::NameUnlinked(const Remap& remap, const std::string& path) {
  Ghost& ghost = ghosts.at(remap.id);
  const bool first = ghost.names.empty();
  const auto [known, fresh] = ghost.names.try_emplace(path, unlinked_names + 1);
  if (fresh) ++unlinked_names;
  if (first) {
    ghost.file->id = {known->second};
    snapshot.unlinked.emplace(known->second, *ghost.file);
  }
  Unlinked name;
  name.id = {known->second};
  if (name.id != ghost.file->id) name.link_of = ghost.file->id.value;
  return name;
}

std::optional<UnlinkedId> Loader::UnlinkedInode(const InodeHandle& handle) {
  if (!unlinked_inodes) {
    std::map<std::uint64_t, UnlinkedId> opened;  // by file, a name of it
    const auto add = [&](FileIndex index) {
      if (index < 0) return;
      const auto name = UnlinkedOf(*snapshot.files[index]);
      if (!name) return;
      opened.emplace(name->file->link_of.value_or(name->file->id.value), name->file->id);
    };
    for (const DescriptorTable& table : snapshot.tables) {
      for (const Descriptor& slot : table.slots) add(slot.file);
    }
    for (const Process& process : snapshot.processes) {
      for (const Region& region : process.memory.regions) add(region.file);
    }
    std::unordered_set<UnlinkedId> directories;
    for (const Process& process : snapshot.processes) {
      if (process.attributes == nullptr || !process.attributes->fs) continue;
      const FsAttributes& fs = *process.attributes->fs;
      if (fs.cwd_unlinked) directories.insert(*fs.cwd_unlinked);
      if (fs.root_unlinked) directories.insert(*fs.root_unlinked);
    }
    for (const auto& [number, ghost] : ghosts) {
      if (!ghost.file) continue;
      for (const auto& [path, id] : ghost.names) {
        if (directories.contains({id})) opened.emplace(ghost.file->id.value, UnlinkedId{id});
      }
    }
    unlinked_inodes.emplace();
    for (const auto& [number, ghost] : ghosts) {
      if (ghost.inode == 0 || !ghost.file) continue;
      const auto name = opened.find(ghost.file->id.value);
      if (name == opened.end()) continue;
      unlinked_inodes->emplace(std::pair(ghost.device, ghost.inode), name->second);
    }
  }
  const auto known = unlinked_inodes->find({handle.device, handle.inode});
  if (known == unlinked_inodes->end()) return std::nullopt;
  return known->second;
}

/// A hard link of the dumper has a file entry of its own, anywhere in the image.
void Loader::ResolveLinks() {
  for (const auto& [id, remap] : remaps) {
    const auto file = files.find(id);
    if (remap.type != pb::REMAP_LINKED || file == files.end() || file->second.file < 0) continue;
    const auto link = files.find(remap.id);
    const RegularFile* regular = link == files.end() || link->second.file < 0
                                     ? nullptr
                                     : As<RegularFile>(*snapshot.files[link->second.file]);
    if (regular == nullptr) {
      diag.Error(remap.where + ".remap_id",
                 "no regular file " + std::to_string(remap.id) + " in files.img");
      continue;
    }
    std::shared_ptr<const File>& entry = snapshot.files[file->second.file];
    auto changed = std::make_shared<File>(*entry);
    std::get<RegularFile>(changed->body).opened_by = regular->path;
    entry = std::move(changed);
  }
  for (const auto& [fifo, path] : linked_fifos) {
    const auto file = files.find(fifo);
    if (file == files.end() || file->second.type != pb::FD_FIFO || file->second.file < 0) continue;
    std::shared_ptr<const File>& entry = snapshot.files[file->second.file];
    auto changed = std::make_shared<File>(*entry);
    const RegularFile& regular = *As<RegularFile>(*snapshot.files[files.at(path).file]);
    std::get<Fifo>(changed->body).opened_by = regular.opened_by;
    entry = std::move(changed);
  }
}

}  // namespace crgen

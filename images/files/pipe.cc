// SPDX-License-Identifier: Apache-2.0
#include "images/files/pipe.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "images/load/file_checks.h"
#include "images/load/loader.h"
#include "images/runtime_descriptors.h"
#include "model/files/external.h"

namespace crgen {
namespace {

constexpr std::uint64_t kDefaultCapacity = 16 * kPageSize, kMostCapacity = std::uint64_t{1} << 31;

bool IsCapacity(std::uint64_t bytes) {
  return bytes >= kPageSize && bytes <= kMostCapacity && (bytes & (bytes - 1)) == 0;
}

/// pipe(2), F_SETFL of fcntl(2); open(2) through /proc/PID/fd.
void CheckPipeFlags(std::uint64_t flags, const Place& at) {
  constexpr std::uint64_t kSettable = O_APPEND | O_NONBLOCK | O_ASYNC | O_NOATIME | O_DIRECT;
  const std::uint64_t possible = O_ACCMODE | O_CLOEXEC | kSettable |
                                 (IsReopenedEnd({flags}) ? kLargeFile | O_SYNC | O_DSYNC : 0);
  if ((flags & ~possible) != 0) at.Error(".flags", HexText(flags) + ": no end of a pipe has them");
}

/// The pipes among what a runtime says that the first descriptors of the root were: what has come
/// from outside.
void ReadRuntimeDescriptors(Loader& loader, std::set<std::uint32_t>* pipes) {
  constexpr std::uint64_t kMostBytes = 1 << 20;
  const std::string name(kRuntimeDescriptors);
  ImageSource& source = loader.images.source();
  std::vector<std::string> names;
  if (Failed(source.List(&names, loader.diag))) return;
  if (std::ranges::find(names, name) == names.end()) return;
  std::uint64_t size = 0;
  std::string content;
  if (Failed(source.Size(name, &size, loader.diag))) return;
  if (size > kMostBytes) {
    return loader.diag.Error(
        name, std::to_string(size) + " bytes, expected at most " + std::to_string(kMostBytes));
  }
  if (Failed(source.Read(name, &content, loader.diag))) return;
  const auto list = nlohmann::json::parse(content, nullptr, false);
  const bool strings = list.is_array() && std::ranges::all_of(list, [](const auto& entry) {
                         return entry.is_string();
                       });
  if (!strings) {
    return loader.diag.Error(name,
                             "is no list of strings, such as [\"/dev/null\", \"pipe:[4711]\"]");
  }
  for (const auto& entry : list) {
    const auto id = PipeOfKey(entry.get_ref<const std::string&>());
    if (id) pipes->insert(*id);
  }
}

bool Reads(std::uint64_t flags) { return (flags & O_ACCMODE) != O_WRONLY; }

/// CRIU writes an entry for whatever somebody can read from, also if nothing is queued.
void MissingContent(std::string_view image, const std::string& read_at, const std::string& name,
                    Loader& loader) {
  loader.diag.Error(read_at, name + " can be read from, and " +
                                 ImageSet::NameOf(ImageKindNamed(image), 0) +
                                 " has no entry of it");
}

}  // namespace

void PipeContents::Load(std::string_view name, Loader& loader) {
  const ImageKind& kind = ImageKindNamed(name);
  if (!loader.images.Has(kind)) return;
  complete_ = false;
  bool all = true;
  ImageReader reader{"", ""};
  if (Failed(loader.images.Open(kind, 0, &reader, loader.diag))) return;
  pb::pipe_data_entry entry;
  std::string_view bytes;
  while (!reader.AtEnd()) {
    if (Failed(reader.Next(&bytes, loader.diag))) return;
    // How much follows is said in the message alone.
    if (Failed(ParseMessage(bytes, reader, &entry, loader.diag))) return;
    const Place at(reader, loader.diag, "");
    Entry known{reader.Where(), {}};
    if (entry.has_size()) known.content.capacity = entry.size();
    if (entry.bytes() != 0) {
      known.content.data = ImageBytes{ImageSet::NameOf(kind, 0), reader.offset(), entry.bytes()};
    }
    if (Failed(reader.Skip(entry.bytes(), loader.diag))) return;
    if (entry.has_size() && !IsCapacity(entry.size())) {
      at.Error("size", std::to_string(entry.size()) +
                           " is no capacity of a pipe: expected a power of two, at least 4096");
      all = false;
      continue;
    }
    at.AtMost("bytes", entry.bytes(), known.content.capacity.value_or(kDefaultCapacity));
    if (!entries_.emplace(entry.pipe_id(), std::move(known)).second) {
      at.Error("pipe_id", std::to_string(entry.pipe_id()) + " stands twice");
    }
  }
  complete_ = all;
}

std::optional<PipeContent> PipeContents::Take(std::uint32_t pipe_id) {
  const auto entry = entries_.extract(pipe_id);
  if (!entry) return std::nullopt;
  return std::move(entry.mapped().content);
}

void PipeContents::ReportRest(Loader& loader) const {
  for (const auto& [id, entry] : entries_) {
    loader.ReportUnused(entry.where, "pipe " + std::to_string(id));
  }
}

void FileLoaderOf<Pipe>::LoadObjects(Loader& loader) { contents_.Load("PIPES_DATA", loader); }

Result FileLoaderOf<Pipe>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                   Loader& loader, ConvertedFile* file) {
  if (!entry.has_pipe()) return MissingMessage(at, kType, loader.diag);
  const auto& from = entry.pipe();
  const Place place(at, loader.diag, "pipe");
  TakeDescription("pipe", from, file);
  file->body = Pipe{PipeId{from.pipe_id()}, {}, {}};
  if ((from.flags() & O_PATH) != 0) {
    file->unsupported = "pipe that is open as a path only";
    return Result::kOk;
  }
  if (pipes_.empty()) ReadRuntimeDescriptors(loader, &outside_);
  CheckPipeFlags(from.flags(), place);
  Ends& ends = pipes_[from.pipe_id()];
  if (ends.where.empty()) ends.where = at.Where();
  if (outside_.contains(from.pipe_id())) {
    file->external = PipeKey(from.pipe_id());
    ends.outside = true;
    return Result::kOk;
  }
  const bool writes = (from.flags() & O_ACCMODE) != O_RDONLY;
  ends.packets |= writes && (from.flags() & O_DIRECT) != 0;
  ends.descriptions.push_back(entry.id());
  if (ends.read_at.empty() && Reads(from.flags())) ends.read_at = at.Where();
  if (IsReopenedEnd({from.flags()})) return Result::kOk;
  std::string& plain = ends.plain[writes ? 1 : 0];
  if (!plain.empty()) {
    place.Error(".flags",
                "without O_LARGEFILE, so pipe(2) made it, as it made the same end in " + plain);
  }
  plain = at.Where();
  return Result::kOk;
}

void FileLoaderOf<Pipe>::Finish(Loader& loader) {
  for (const auto& [pipe_id, ends] : pipes_) FinishPipe(pipe_id, ends, loader);
  contents_.ReportRest(loader);
}

void FileLoaderOf<Pipe>::FinishPipe(std::uint32_t pipe_id, const Ends& ends, Loader& loader) {
  auto content = contents_.Take(pipe_id);
  const std::string name = "pipe " + std::to_string(pipe_id);
  if (ends.outside) {
    if (!content || !content->data) return;
    loader.diag.Warning(ends.where, name + " comes from outside: what is queued in it, " +
                                        std::to_string(content->data->bytes) +
                                        " bytes, is not restored");
    return;
  }
  if (!content && !ends.read_at.empty() && contents_.complete()) {
    MissingContent("PIPES_DATA", ends.read_at, name, loader);
  }
  if (content && content->data && ends.packets) {
    loader.diag.Unsupported(ends.where,
                            "packets (O_DIRECT) queued in " + name +
                                ": no image says where one "
                                "ends",
                            Loss::kQueues);
    content->data.reset();
  }
  if (content) loader.snapshot.pipes.emplace(PipeId{pipe_id}, std::move(*content));
  bool held[2] = {};
  for (const std::uint32_t id : ends.descriptions) {
    const auto known = loader.files.find(id);
    if (known == loader.files.end() || known->second.file < 0) continue;
    if (!loader.has_descriptor[known->second.file]) continue;
    const std::uint64_t mode = loader.snapshot.files[known->second.file]->flags.bits & O_ACCMODE;
    held[0] |= mode != O_WRONLY;
    held[1] |= mode != O_RDONLY;
  }
  if (held[0] == held[1]) return;
  loader.diag.Warning(ends.where, "nobody in the dump can " +
                                      std::string(held[0] ? "write to " : "read from ") + name +
                                      ": its other end comes back closed. If it came from outside, "
                                      "list \"" +
                                      PipeKey(pipe_id) + "\" in " +
                                      std::string(kRuntimeDescriptors) + " beside the images");
}

void FileLoaderOf<Fifo>::LoadObjects(Loader& loader) { contents_.Load("FIFO_DATA", loader); }

Result FileLoaderOf<Fifo>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                   Loader& loader, ConvertedFile* file) {
  if (!entry.has_fifo()) return MissingMessage(at, kType, loader.diag);
  const auto& from = entry.fifo();
  file->field = "fifo";
  file->id = from.id();
  std::string& read_at = fifos_[from.pipe_id()];
  const auto known = loader.files.find(from.regf_id());
  if (known == loader.files.end() || known->second.type != pb::FD_REG) {
    return loader.diag.Fail(at.Where("fifo.regf_id"), "no file " + std::to_string(from.regf_id()) +
                                                          " of type REG before this entry");
  }
  Fifo body{FifoId{from.pipe_id()}, {}, {}, {}};
  const FileIndex index = known->second.file;
  if (index < 0) {
    file->unsupported = "FIFO of file " + std::to_string(from.regf_id());
    file->body = std::move(body);
    return Result::kOk;
  }
  const File& path = *loader.snapshot.files[index];
  const RegularFile& regular = *As<RegularFile>(path);
  if (regular.mode && !S_ISFIFO(*regular.mode)) {
    return loader.diag.Fail(at.Where("fifo.regf_id"),
                            "file " + std::to_string(from.regf_id()) + " is no FIFO");
  }
  body.path = regular.path;
  body.unlinked = regular.unlinked;
  body.mount = regular.mount;
  const bool gone = loader.remaps.contains(from.regf_id());
  if (gone && path.flags.Has(O_NOFOLLOW)) {
    file->unsupported = "FIFO that is unlinked, and opened with O_NOFOLLOW";
  } else if (gone && !regular.unlinked) {
    loader.linked_fifos.emplace_back(entry.id(), from.regf_id());
  } else if (gone) {
    const Unlinked& it = *regular.unlinked;
    if (!S_ISFIFO(*loader.snapshot.unlinked.at(it.link_of.value_or(it.id.value)).mode)) {
      return loader.diag.Fail(at.Where("fifo.regf_id"),
                              "file " + std::to_string(from.regf_id()) + " is no FIFO");
    }
  }
  file->body = std::move(body);
  file->flags = path.flags.bits;
  if (path.flags.Has(O_PATH)) file->unsupported = "FIFO that is open as a path only";
  if (file->unsupported.empty() && Reads(file->flags)) read_at = at.Where();
  // Who owns the description stands with the path.
  for (auto late = loader.snapshot.late.rbegin();
       late != loader.snapshot.late.rend() && late->file >= index; ++late) {
    if (late->file == index) file->late.push_back(late->state);
  }
  return Result::kOk;
}

void FileLoaderOf<Fifo>::Finish(Loader& loader) {
  for (const auto& [id, read_at] : fifos_) {
    auto content = contents_.Take(id);
    if (!content && !read_at.empty() && contents_.complete()) {
      MissingContent("FIFO_DATA", read_at, "FIFO " + std::to_string(id), loader);
    }
    if (content) loader.snapshot.fifos.emplace(FifoId{id}, std::move(*content));
  }
  contents_.ReportRest(loader);
}

}  // namespace crgen

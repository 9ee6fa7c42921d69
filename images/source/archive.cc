// SPDX-License-Identifier: Apache-2.0
#include "images/source/archive.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "images/image_table.h"
#include "images/runtime_descriptors.h"
#include "images/source/archive_reader.h"
#include "images/source/scoped_fd.h"
#include "model/dump_run.h"
#include "model/ids.h"

namespace crgen {
namespace {

constexpr std::string_view kParent = "parent/";
/// Of files that are not held: what tells of which kind they are.
constexpr std::size_t kHead = 2 * sizeof(std::uint32_t);

/// Of pages that are not kept: the parts that begin as an ELF file does.
class ElfParts {
 public:
  static constexpr std::size_t kPart = 4 * kPageSize;  ///< as long as any vdso

  /// The next bytes of the file. `*budget`: how many more may be kept.
  void Add(std::uint64_t offset, std::string_view bytes, std::uint64_t* budget) {
    if (!parts_.empty() && offset == end_) {
      std::string& last = parts_.rbegin()->second;
      last += bytes.substr(0, kPart - last.size());
    }
    end_ = offset + bytes.size();
    for (std::uint64_t page = (offset + kPageSize - 1) / kPageSize * kPageSize; page < end_;
         page += kPageSize) {
      const std::string_view rest = bytes.substr(page - offset);
      const bool in_last = !parts_.empty() && page < parts_.rbegin()->first + kPart;
      if (in_last || !rest.starts_with(ELFMAG) || *budget < kPart) continue;
      parts_.emplace(page, rest.substr(0, kPart));
      *budget -= kPart;
    }
  }

  /// Fills `out` from `offset`; false: that is not kept.
  bool Read(std::uint64_t offset, std::span<char> out) const {
    const auto after = parts_.upper_bound(offset);
    if (after == parts_.begin()) return false;
    const auto& [start, bytes] = *std::prev(after);
    if (offset - start > bytes.size() || out.size() > bytes.size() - (offset - start)) return false;
    bytes.copy(out.data(), out.size(), offset - start);
    return true;
  }

 private:
  std::map<std::uint64_t, std::string> parts_;  // by where they start; only the last one grows
  std::uint64_t end_ = 0;                       // of what was added
};

/// A file of an image folder.
struct ArchivedImage {
  std::uint64_t size = 0;
  std::string content;  ///< its first bytes, or all
  ElfParts elf;
  std::optional<Digest> digest;
  bool extracted = false;
};

/// SHA-256 of a file that comes in ascending pieces, with holes between them.
class SumOfPieces {
 public:
  void Add(std::uint64_t offset, std::string_view bytes) {
    Pad(offset);
    sum_.Add(bytes);
    end_ += bytes.size();
  }
  Digest Finish(std::uint64_t size) {
    Pad(size);
    return sum_.Finish();
  }

 private:
  void Pad(std::uint64_t to) {
    static constexpr char kZeros[kPageSize] = {};
    while (end_ < to) {
      const std::uint64_t part = std::min<std::uint64_t>(to - end_, sizeof kZeros);
      sum_.Add({kZeros, static_cast<std::size_t>(part)});
      end_ += part;
    }
  }

  Sha256 sum_;
  std::uint64_t end_ = 0;
};

std::string_view FileName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// "checkpoint/" of "checkpoint/parent/core-1.img": the folder of the set that is not a parent.
std::string_view SetFolder(std::string_view path) {
  path.remove_suffix(FileName(path).size());
  while (path == kParent || path.ends_with("/parent/")) path.remove_suffix(kParent.size());
  return path;
}

/// Framed images are read whole; the rest is as large as the memory of the tree.
bool IsHeld(std::string_view path, const ImageKind* kind) {
  if (kind == nullptr) return FileName(path) == kRuntimeDescriptors;
  return kind->payload != Payload::kWholeFile;
}

/// Whether a plan may name bytes of it.
bool IsReadByRestores(const ImageKind& kind) {
  return kind.treatment == Treatment::kPlanned &&
         (kind.payload != Payload::kNone || kind.name == "TTY_DATA");
}

/// All sets of an archive, by names such as "parent/core-1.img".
class ArchivedSets {
 public:
  ArchivedSets(std::string name, ScopedFd fd, std::string bytes, bool digests)
      : fd_(std::move(fd)),
        bytes_(std::move(bytes)),
        input_{std::move(name), fd_.get(), bytes_},
        digests_(digests) {}

  Result Load(NewFolder* extract, Diagnostics& diag);
  const std::map<std::string, ArchivedImage>& images() const { return images_; }
  Result ReadAt(const std::string& name, std::uint64_t offset, std::span<char> out,
                Diagnostics& diag);

 private:
  Result Take(const ArchiveEntry& entry, ArchiveReader& reader, NewFolder* extract,
              Diagnostics& diag);
  Result TakeContent(const ArchiveEntry& entry, const ImageKind* kind, ArchiveReader& reader,
                     NewFolder* extract, Diagnostics& diag);
  Result HoldPages(Diagnostics& diag);

  const ScopedFd fd_;
  const std::string bytes_;
  const ArchiveInput input_;
  const bool digests_;
  std::map<std::string, ArchivedImage> images_;
  std::string folder_;  // where the images are in the archive
  bool folder_known_ = false;
  std::uint64_t held_ = 0;  // bytes of framed images
  std::uint64_t elf_budget_ = archive_bound::kElf;
  bool has_pages_ = false;
  std::unique_ptr<ImageSource> extracted_;
};

Result ArchivedSets::Load(NewFolder* extract, Diagnostics& diag) {
  ArchiveReader reader(input_);
  if (Failed(reader.Open(diag))) return Result::kError;
  for (std::optional<ArchiveEntry> entry;;) {
    if (Failed(reader.Next(&entry, diag))) return Result::kError;
    if (!entry) break;
    const bool wanted =
        entry->name.ends_with(".img") || FileName(entry->name) == kRuntimeDescriptors;
    if (wanted && Failed(Take(*entry, reader, extract, diag))) return Result::kError;
  }
  if (!folder_known_) return diag.Fail(input_.name, "has no images of CRIU in it");
  std::map<std::string, ArchivedImage> images;
  for (auto& [name, image] : images_) {
    if (SetFolder(name) == folder_) images[name.substr(folder_.size())] = std::move(image);
  }
  images_ = std::move(images);
  if (extract != nullptr) extracted_ = OpenFolder(extract->path(), diag);
  return extract == nullptr || extracted_ != nullptr ? Result::kOk : Result::kError;
}

Result ArchivedSets::Take(const ArchiveEntry& entry, ArchiveReader& reader, NewFolder* extract,
                          Diagnostics& diag) {
  std::uint64_t number = 0;
  const ImageKind* kind = FindImageKind(FileName(entry.name), &number);
  const bool held = IsHeld(entry.name, kind);
  if (kind != nullptr) {
    const std::string_view folder = SetFolder(entry.name);
    if (!std::exchange(folder_known_, true)) folder_ = folder;
    if (folder != folder_) {
      return diag.Fail(reader.Where(entry.name), "is an image in a second folder; the first is \"" +
                                                     folder_ + "\", expected one");
    }
  }
  if (held && entry.size > archive_bound::kHeld - held_) {
    return diag.Fail(reader.Where(entry.name), "has " + std::to_string(entry.size) +
                                                   " bytes, expected at most " +
                                                   std::to_string(archive_bound::kHeld) +
                                                   " in all images but those of pages");
  }
  if (held) held_ += entry.size;
  return TakeContent(entry, kind, reader, extract, diag);
}

Result ArchivedSets::TakeContent(const ArchiveEntry& entry, const ImageKind* kind,
                                 ArchiveReader& reader, NewFolder* extract, Diagnostics& diag) {
  const std::size_t most = IsHeld(entry.name, kind) ? entry.size : kHead;
  ArchivedImage& image = images_[entry.name];
  image.size = entry.size;
  const bool inventory = folder_known_ && entry.name == folder_ + kInventory;
  image.extracted = extract != nullptr && kind != nullptr && (IsReadByRestores(*kind) || inventory);
  const std::string name = image.extracted ? entry.name.substr(folder_.size()) : std::string();
  if (image.extracted && Failed(extract->Begin(name, diag))) return Result::kError;
  std::uint64_t holes = 0;
  const auto pad = [&](std::uint64_t end) {
    end = std::min<std::uint64_t>(end, most);
    if (end <= image.content.size()) return Result::kOk;
    holes += end - image.content.size();
    if (holes > archive_bound::kHoles) {
      return diag.Fail(reader.Where(entry.name), "has more than " +
                                                     std::to_string(archive_bound::kHoles) +
                                                     " bytes of holes, which no image has");
    }
    image.content.resize(end);
    return Result::kOk;
  };
  const bool is_read = kind != nullptr && IsReadByRestores(*kind);
  std::optional<SumOfPieces> sum;
  if (digests_ && is_read) sum.emplace();
  const bool seeks_elf = is_read && most < entry.size && !image.extracted;
  const auto take = [&](std::uint64_t offset, std::string_view bytes) {
    if (sum) sum->Add(offset, bytes);
    if (seeks_elf) image.elf.Add(offset, bytes, &elf_budget_);
    if (image.extracted && Failed(extract->Write(offset, bytes, diag))) return Result::kError;
    if (offset >= most) return Result::kOk;
    if (Failed(pad(offset))) return Result::kError;
    image.content += bytes.substr(0, most - image.content.size());
    return Result::kOk;
  };
  if (Failed(reader.Read(take, diag)) || Failed(pad(entry.size))) return Result::kError;
  if (sum) image.digest = sum->Finish(entry.size);
  return image.extracted ? extract->End(entry.size, diag) : Result::kOk;
}

Result ArchivedSets::ReadAt(const std::string& name, std::uint64_t offset, std::span<char> out,
                            Diagnostics& diag) {
  const auto found = images_.find(name);
  if (found == images_.end()) return diag.Fail(name, "is missing");
  const ArchivedImage& image = found->second;
  if (offset > image.size || out.size() > image.size - offset) {
    return diag.Fail(name, "ends before byte " + std::to_string(offset + out.size()));
  }
  if (offset + out.size() > image.content.size()) {
    if (image.extracted) return extracted_->ReadAt(name, offset, out, diag);
    if (image.elf.Read(offset, out)) return Result::kOk;
    if (!std::exchange(has_pages_, true) && Failed(HoldPages(diag))) return Result::kError;
    if (image.content.size() != image.size) return diag.Fail(name, "could not be read before");
  }
  std::memcpy(out.data(), image.content.data() + offset, out.size());
  return Result::kOk;
}

/// The archive once more, for all that was left.
Result ArchivedSets::HoldPages(Diagnostics& diag) {
  std::uint64_t total = 0;
  for (const auto& [name, image] : images_) total += image.size - image.content.size();
  if (total > archive_bound::kPages) {
    return diag.Fail(input_.name, "has " + std::to_string(total) +
                                      " bytes of pages, some of which have to be compared, "
                                      "expected at most " +
                                      std::to_string(archive_bound::kPages) +
                                      "; --extract DIR compares them there");
  }
  ArchiveReader reader(input_);
  if (Failed(reader.Open(diag))) return Result::kError;
  for (std::optional<ArchiveEntry> entry;;) {
    if (Failed(reader.Next(&entry, diag))) return Result::kError;
    if (!entry) return Result::kOk;
    if (!entry->name.starts_with(folder_)) continue;
    const auto found = images_.find(entry->name.substr(folder_.size()));
    if (found == images_.end() || found->second.content.size() == found->second.size) continue;
    ArchivedImage& image = found->second;
    if (image.size != entry->size) {
      return diag.Fail(reader.Where(entry->name), "has changed while it was read");
    }
    image.content.assign(image.size, '\0');
    const auto take = [&](std::uint64_t offset, std::string_view bytes) {
      bytes.copy(image.content.data() + offset, bytes.size());
      return Result::kOk;
    };
    if (Failed(reader.Read(take, diag))) return Result::kError;
  }
}

/// One set of those in an archive.
class ArchiveSource : public ImageSource {
 public:
  /// `prefix`: "", or "parent/" as often as it is somebody's parent.
  ArchiveSource(std::shared_ptr<ArchivedSets> sets, std::string prefix)
      : sets_(std::move(sets)), prefix_(std::move(prefix)) {}

  Result List(std::vector<std::string>* names, Diagnostics&) override {
    const auto& images = sets_->images();
    for (auto at = images.lower_bound(prefix_);
         at != images.end() && at->first.starts_with(prefix_); ++at) {
      const std::string name = at->first.substr(prefix_.size());
      if (name.find('/') == name.npos) names->push_back(name);
    }
    return Result::kOk;
  }
  Result Read(const std::string& name, std::string* content, Diagnostics& diag) override {
    const auto found = sets_->images().find(prefix_ + name);
    if (found == sets_->images().end()) return diag.Fail(name, "is missing");
    if (found->second.content.size() != found->second.size) {
      return diag.Fail(name, "is no framed image, and not held whole");
    }
    *content = found->second.content;
    return Result::kOk;
  }
  Result Size(const std::string& name, std::uint64_t* size, Diagnostics& diag) override {
    const auto found = sets_->images().find(prefix_ + name);
    if (found == sets_->images().end()) return diag.Fail(name, "is missing");
    *size = found->second.size;
    return Result::kOk;
  }
  Result ReadAt(const std::string& name, std::uint64_t offset, std::span<char> out,
                Diagnostics& diag) override {
    return sets_->ReadAt(prefix_ + name, offset, out, diag);
  }
  std::unique_ptr<ImageSource> Parent() override {
    const std::string prefix = prefix_ + std::string(kParent);
    const auto first = sets_->images().lower_bound(prefix);
    if (first == sets_->images().end() || !first->first.starts_with(prefix)) return nullptr;
    return std::make_unique<ArchiveSource>(sets_, prefix);
  }
  Result DigestOf(const std::string& name, Digest* digest, Diagnostics& diag) override {
    const auto found = sets_->images().find(prefix_ + name);
    if (found == sets_->images().end()) return diag.Fail(name, "is missing");
    if (!found->second.digest) return diag.Fail(name, "is none that a restore reads");
    *digest = *found->second.digest;
    return Result::kOk;
  }

 private:
  std::shared_ptr<ArchivedSets> sets_;
  std::string prefix_;
};

std::unique_ptr<ImageSource> Open(std::string name, ScopedFd fd, std::string bytes,
                                  NewFolder* extract, Diagnostics& diag, bool digests) {
  auto sets =
      std::make_shared<ArchivedSets>(std::move(name), std::move(fd), std::move(bytes), digests);
  if (Failed(sets->Load(extract, diag))) return nullptr;
  return std::make_unique<ArchiveSource>(std::move(sets), "");
}

}  // namespace

std::unique_ptr<ImageSource> OpenArchive(const std::string& path, NewFolder* extract,
                                         Diagnostics& diag, bool digests) {
  // O_NONBLOCK: a FIFO must not hang us before it is refused.
  ScopedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info;
  if (fd.get() < 0 || fstat(fd.get(), &info) != 0) {
    diag.Error(path, std::strerror(errno));
    return nullptr;
  }
  if (!S_ISREG(info.st_mode)) {
    diag.Error(path,
               "is neither a folder nor a regular file, expected a dump or an archive of one");
    return nullptr;
  }
  return Open(path, std::move(fd), "", extract, diag, digests);
}

std::unique_ptr<ImageSource> OpenArchiveBytes(std::string bytes, NewFolder* extract,
                                              Diagnostics& diag, bool digests) {
  return Open("archive", ScopedFd(), std::move(bytes), extract, diag, digests);
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "images/source/archive_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "model/file_kind.h"

namespace crgen {
namespace {

constexpr std::size_t kBlock = 256 << 10;
/// So much of a name that is too long is shown.
constexpr std::size_t kShown = 64;

/// `name` without empty parts and "."; empty and `*wrong`: what is wrong with it.
std::string PlainName(std::string_view name, std::string* wrong) {
  if (name.starts_with('/')) *wrong = "has an absolute name";
  std::string plain;
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('/'), name.size());
    const std::string_view part = name.substr(0, end);
    name.remove_prefix(std::min(end + 1, name.size()));
    if (part == "..") *wrong = "has a name that leads out of its folder";
    if (part.empty() || part == ".") continue;
    if (!plain.empty()) plain += '/';
    plain += part;
  }
  return plain;
}

}  // namespace

ArchiveReader::~ArchiveReader() {
  if (archive_ != nullptr) archive_read_free(archive_);
}

std::string ArchiveReader::Where(std::string_view entry) const {
  std::string shown(entry.substr(0, archive_bound::kName));
  if (entry.size() > shown.size()) shown = std::string(entry.substr(0, kShown)) + "…";
  return input_.name + ": " + shown;
}

Result ArchiveReader::Damaged(Diagnostics& diag) const {
  const char* error = archive_error_string(archive_);
  const std::string why = error == nullptr ? "unknown" : error;
  const bool cut = why.starts_with("Truncated");
  return diag.Fail(current_.empty() ? input_.name : Where(current_),
                   (cut             ? "is cut short, or damaged: "
                    : entries_ == 0 ? "is no archive (.tar, .tar.gz, .tar.zst, .tar.xz): "
                                    : "is damaged: ") +
                       why);
}

Result ArchiveReader::Open(Diagnostics& diag) {
  archive_ = archive_read_new();
  if (archive_ == nullptr) throw std::bad_alloc();
  archive_read_support_filter_gzip(archive_);
  archive_read_support_filter_zstd(archive_);
  archive_read_support_filter_xz(archive_);
  archive_read_support_format_tar(archive_);
  // Names are bytes, whatever the locale.
  archive_read_set_format_option(archive_, "tar", "hdrcharset", "BINARY");
  int opened = ARCHIVE_FATAL;
  if (input_.fd < 0) {
    opened = archive_read_open_memory(archive_, input_.bytes.data(), input_.bytes.size());
  } else if (lseek(input_.fd, 0, SEEK_SET) == 0) {
    opened = archive_read_open_fd(archive_, input_.fd, kBlock);
  } else {
    return diag.Fail(input_.name, std::strerror(errno));
  }
  if (opened != ARCHIVE_OK) return Damaged(diag);
  // The last of the filters is the file itself.
  const int filters = archive_filter_count(archive_) - 1;
  if (filters > 1) {
    return diag.Fail(input_.name,
                     "is compressed " + std::to_string(filters) + " times, expected once");
  }
  compressed_ = filters == 1;
  return Result::kOk;
}

Result ArchiveReader::Next(std::optional<ArchiveEntry>* entry, Diagnostics& diag) {
  entry->reset();
  for (;;) {
    if (Failed(SkipContent(diag))) return Result::kError;
    current_.clear();
    archive_entry* header = nullptr;
    const int got = archive_read_next_header(archive_, &header);
    if (got == ARCHIVE_EOF) return Result::kOk;
    if (got != ARCHIVE_OK && got != ARCHIVE_WARN) return Damaged(diag);
    const bool is_file = archive_entry_filetype(header) == AE_IFREG;
    ++entries_;
    if (Failed(TakeName(archive_entry_pathname(header), is_file, diag)) ||
        Failed(CheckKind(header, diag)) || Failed(CheckExpansion(diag))) {
      return Result::kError;
    }
    if (entries_ > archive_bound::kEntries) {
      return diag.Fail(Where(current_), "is entry " + std::to_string(entries_) +
                                            ", expected at most " +
                                            std::to_string(archive_bound::kEntries));
    }
    if (!is_file) continue;
    if (Failed(TakeSize(header, diag))) return Result::kError;
    content_left_ = true;
    *entry = {current_, size_};
    return Result::kOk;
  }
}

Result ArchiveReader::TakeName(const char* name, bool is_file, Diagnostics& diag) {
  if (name == nullptr) {
    current_ = "entry " + std::to_string(entries_);
    return diag.Fail(Where(current_), "has no name that can be read");
  }
  std::string wrong;
  std::string_view text = name;
  if (text.size() > archive_bound::kName) {
    wrong = "has a name of " + std::to_string(text.size()) + " bytes, expected at most " +
            std::to_string(archive_bound::kName);
  }
  current_ = wrong.empty() ? PlainName(text, &wrong) : "";
  if (wrong.empty() && is_file && current_.empty()) wrong = "has no name";
  if (!wrong.empty()) return diag.Fail(Where(text), wrong);
  if (!is_file) return Result::kOk;
  name_bytes_ += current_.size();
  if (name_bytes_ > archive_bound::kNameBytes) {
    return diag.Fail(Where(current_), "all names together have more than " +
                                          std::to_string(archive_bound::kNameBytes) + " bytes");
  }
  if (!names_.insert(current_).second) return diag.Fail(Where(current_), "stands there twice");
  return Result::kOk;
}

Result ArchiveReader::CheckKind(archive_entry* header, Diagnostics& diag) const {
  const auto kind = archive_entry_filetype(header);
  const bool is_link = archive_entry_hardlink(header) != nullptr;
  if (!is_link && (kind == AE_IFREG || kind == AE_IFDIR)) return Result::kOk;
  Diagnostic refused{Severity::kError, Where(current_),
                     std::string("is ") + (is_link ? "a hard link" : FileKindName(kind)) +
                         ", expected files and folders"};
  if (current_ == "parent" || current_.ends_with("/parent")) {
    refused.what += "; tar --dereference packs what the link of an incremental dump leads to";
  }
  diag.Add(std::move(refused));
  return Result::kError;
}

Result ArchiveReader::TakeSize(archive_entry* header, Diagnostics& diag) {
  const std::int64_t size = archive_entry_size(header);
  if (archive_entry_size_is_set(header) == 0 || size < 0) {
    return diag.Fail(Where(current_), "does not say how large it is");
  }
  size_ = static_cast<std::uint64_t>(size);
  total_ += std::min(size_, archive_bound::kSize + 1);
  if (total_ <= archive_bound::kSize) return Result::kOk;
  return diag.Fail(Where(current_), "has " + std::to_string(size_) + " bytes, expected at most " +
                                        std::to_string(archive_bound::kSize) + " in all files");
}

Result ArchiveReader::CheckExpansion(Diagnostics& diag) const {
  const auto in = static_cast<std::uint64_t>(archive_filter_bytes(archive_, -1));
  const auto out = static_cast<std::uint64_t>(archive_filter_bytes(archive_, 0));
  if (!compressed_ || out <= archive_bound::kExpansionFree ||
      out / archive_bound::kExpansion <= in) {
    return Result::kOk;
  }
  return diag.Fail(Where(current_), std::to_string(out) + " bytes so far came out of " +
                                        std::to_string(in) + ", expected at most " +
                                        std::to_string(archive_bound::kExpansion) +
                                        " times as many (unpack it yourself, if you trust it)");
}

Result ArchiveReader::Read(const Take& take, Diagnostics& diag) {
  content_left_ = false;
  for (std::uint64_t end = 0;;) {
    const void* bytes = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int got = archive_read_data_block(archive_, &bytes, &size, &offset);
    if (got == ARCHIVE_EOF) return Result::kOk;
    if (got != ARCHIVE_OK && got != ARCHIVE_WARN) return Damaged(diag);
    if (Failed(CheckExpansion(diag))) return Result::kError;
    const auto at = static_cast<std::uint64_t>(offset);
    if (at < end || at > size_ || size > size_ - at) {
      return diag.Fail(Where(current_), "has bytes at " + std::to_string(at) +
                                            " that do not follow on, or not in its " +
                                            std::to_string(size_) + " bytes");
    }
    end = at + size;
    if (size != 0 && Failed(take(at, {static_cast<const char*>(bytes), size}))) {
      return Result::kError;
    }
  }
}

/// Of a file that is not compressed, libarchive steps over it. Else it would expand all of it
/// before anybody could look.
Result ArchiveReader::SkipContent(Diagnostics& diag) {
  if (!content_left_ || !compressed_) return Result::kOk;
  return Read([](std::uint64_t, std::string_view) { return Result::kOk; }, diag);
}

}  // namespace crgen

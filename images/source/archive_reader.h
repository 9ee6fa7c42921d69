// SPDX-License-Identifier: Apache-2.0
// The entries of an archive of a checkpoint, one after another: tar(5), as it is or compressed by
// gzip, zstd or xz. An archive comes from anybody: what no checkpoint has is refused, by its name.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "model/diagnostics.h"

struct archive;
struct archive_entry;

namespace crgen {

/// What an archive may have. Who has more of something unpacks it and gives the folder.
namespace archive_bound {
inline constexpr std::uint64_t kEntries = std::uint64_t{1} << 19;
inline constexpr std::uint64_t kNameBytes = std::uint64_t{64} << 20;  ///< of all names
inline constexpr std::size_t kName = 4095;                            ///< PATH_MAX, limits.h
inline constexpr std::uint64_t kSize = std::uint64_t{1} << 40;  ///< of all files, holes included
/// So much may come out of few bytes; beyond it, not more than kExpansion times as much as went in.
inline constexpr std::uint64_t kExpansionFree = std::uint64_t{256} << 20;
inline constexpr std::uint64_t kExpansion = 500;
}  // namespace archive_bound

/// Where the bytes of an archive are: a regular file, read from its start, or memory (tests,
/// fuzzing). Both must outlive whoever reads.
struct ArchiveInput {
  std::string name;  ///< for findings
  int fd = -1;
  std::string_view bytes = {};  ///< without a file
};

/// A regular file of an archive.
struct ArchiveEntry {
  std::string name;  ///< relative, without empty parts, "." and ".."
  std::uint64_t size = 0;
};

class ArchiveReader {
 public:
  explicit ArchiveReader(const ArchiveInput& input) : input_(input) {}
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  /// kError (reported): there is no such archive there.
  Result Open(Diagnostics& diag);

  /// The next file; none: the end. Folders are stepped over. kError (reported): the archive is
  /// damaged; an entry is a link, a device or the like; a name leads out of the archive, or stands
  /// twice; a bound is passed.
  Result Next(std::optional<ArchiveEntry>* entry, Diagnostics& diag);

  /// The content of the entry that Next() gave last, in pieces that ascend and do not overlap;
  /// between them are holes. Ends with what `take` returns if that is not kOk.
  using Take = std::function<Result(std::uint64_t offset, std::string_view bytes)>;
  Result Read(const Take& take, Diagnostics& diag);

  /// What `entry` is called in findings.
  std::string Where(std::string_view entry) const;

 private:
  Result Damaged(Diagnostics& diag) const;
  Result CheckExpansion(Diagnostics& diag) const;
  Result CheckKind(archive_entry* header, Diagnostics& diag) const;
  Result TakeName(const char* name, bool is_file, Diagnostics& diag);
  Result TakeSize(archive_entry* header, Diagnostics& diag);
  Result SkipContent(Diagnostics& diag);

  const ArchiveInput& input_;
  archive* archive_ = nullptr;
  std::string current_;        // name of the entry
  std::uint64_t size_ = 0;     // its size
  bool content_left_ = false;  // which nobody has read
  bool compressed_ = false;
  std::unordered_set<std::string> names_;  // of files
  std::uint64_t entries_ = 0;
  std::uint64_t name_bytes_ = 0;
  std::uint64_t total_ = 0;  // bytes of all files
};

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Where images come from: a folder, or memory (tests, fuzzing).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/diagnostics.h"
#include "model/digest.h"

namespace crgen {

/// The files of one image set. Names are plain file names, without a folder. Several threads may
/// call Read(), or DigestOf(), at once.
class ImageSource {
 public:
  virtual ~ImageSource() = default;

  /// All file names, in any order.
  virtual Result List(std::vector<std::string>* names, Diagnostics& diag) = 0;

  /// The whole file. Replaces `*content`, whose capacity is reused.
  virtual Result Read(const std::string& name, std::string* content, Diagnostics& diag) = 0;

  /// Bytes in the file.
  virtual Result Size(const std::string& name, std::uint64_t* size, Diagnostics& diag) = 0;

  /// Exactly `out.size()` bytes from `offset` on. Keeps the last files open for further calls.
  virtual Result ReadAt(const std::string& name, std::uint64_t offset, std::span<char> out,
                        Diagnostics& diag) = 0;

  /// How many bytes from `offset` on are in a hole of the file, and read as 0. 0: none, or nobody
  /// knows.
  virtual std::uint64_t HoleAt(const std::string& name, std::uint64_t offset);

  /// The set behind the link `parent` of an incremental dump; nullptr if there is none, or if it is
  /// one of the sets that led there.
  virtual std::unique_ptr<ImageSource> Parent() = 0;

  /// SHA-256 of the whole file, which is read piece by piece.
  virtual Result DigestOf(const std::string& name, Digest* digest, Diagnostics& diag);
};

/// A folder on disk. nullptr: `path` is not a folder that can be read (reported).
std::unique_ptr<ImageSource> OpenFolder(const std::string& path, Diagnostics& diag);

/// Files by name, in memory. A file whose name begins with `parent/` belongs to the parent set.
std::unique_ptr<ImageSource> OpenMemory(std::map<std::string, std::string> files);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// The framing of an image: magics, entry lengths, raw bytes. Knows nothing of messages.
//
//   head magic (u32) | kind magic (u32) | entry | entry | …
//   entry = length (u32) | message of that length
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "images/image_table.h"
#include "model/diagnostics.h"

namespace crgen {

/// Walks the entries of one image in memory.
class ImageReader {
 public:
  /// `name` and `content` must outlive the reader.
  ImageReader(std::string_view name, std::string_view content) : name_(name), content_(content) {}

  /// Checks the magics of `kind`. inventory.img has no head magic, stats-* have their own.
  Result ReadMagic(const ImageKind& kind, Diagnostics& diag);

  bool AtEnd() const { return offset_ == content_.size(); }

  /// The next entry's bytes. REQUIRES: !AtEnd().
  Result Next(std::string_view* entry, Diagnostics& diag);

  /// Steps over raw bytes behind the entry that Next() gave last.
  Result Skip(std::uint64_t bytes, Diagnostics& diag);

  /// The same, and `*raw` is what they are: valid as long as the content.
  Result Take(std::uint64_t bytes, std::string_view* raw, Diagnostics& diag);

  /// Where the next bytes are in the file.
  std::uint64_t offset() const { return offset_; }

  /// "files.img[2]": the entry that Next() gave last.
  std::string Where() const;
  /// "files.img[2].reg.name".
  std::string Where(std::string_view field) const;

  /// Entries given by Next() so far.
  std::uint64_t count() const { return count_; }

 private:
  /// `what()` says what is read.
  template <typename What>
  Result ReadWord(What&& what, std::uint32_t* word, Diagnostics& diag);

  std::string_view name_;
  std::string_view content_;
  std::size_t offset_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace crgen

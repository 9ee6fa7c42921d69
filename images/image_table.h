// SPDX-License-Identifier: Apache-2.0
// The one table of images: every kind of file that a dump may hold, how it is framed, and what
// becomes of its entries.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace crgen {

/// What becomes of the entries of an image.
enum class Treatment : std::uint8_t {
  kPlanned,      ///< in the program (or refused entry by entry, by name)
  kNotNeeded,    ///< a restore does not need it; the row says why
  kUnsupported,  ///< no command says it yet; every entry is reported
};

/// Raw bytes that follow an entry; the entry says how many.
enum class Payload : std::uint8_t {
  kNone,
  kFollows,    ///< the entry is followed by as many raw bytes as it says
  kUnlisted,   ///< likewise, but only a reader of that kind could tell how many
  kWholeFile,  ///< no framing at all, as large as the memory or the files of the tree
  kSaved,      ///< no framing at all: what a program of the system has saved
};

struct ImageKind {
  std::string_view name;       ///< CRIU's name of the magic
  std::string_view pattern;    ///< file name; `#` is a decimal number, `%` a hexadecimal one
  std::uint32_t magic;         ///< 0: a raw file
  std::string_view entry;      ///< message of the first entry
  std::string_view following;  ///< message of the others; empty: there is exactly one entry
  Payload payload;
  Treatment treatment;
  std::string_view note;  ///< kPlanned: where it goes; kNotNeeded: why; kUnsupported: what it is
};

inline constexpr std::uint32_t kCommonMagic = 0x54564319;   ///< IMG_COMMON_MAGIC
inline constexpr std::uint32_t kServiceMagic = 0x55105940;  ///< IMG_SERVICE_MAGIC

std::span<const ImageKind> ImageKinds();

/// The row whose pattern `file_name` matches, and the number in it (0 if it has none); nullptr:
/// a file that is no image.
const ImageKind* FindImageKind(std::string_view file_name, std::uint64_t* number);

/// The row with that CRIU name. REQUIRES: there is one.
const ImageKind& ImageKindNamed(std::string_view name);

/// The table as a page for readers, in Markdown.
std::string ImageReference();

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#include "images/image_reader.h"

#include <cstring>

#include "model/flags.h"

namespace crgen {

template <typename What>
Result ImageReader::ReadWord(What&& what, std::uint32_t* word, Diagnostics& diag) {
  if (content_.size() - offset_ < sizeof *word) {
    return diag.Fail(
        std::string(name_) + " @" + HexText(offset_),
        what() + " wants 4 bytes, " + std::to_string(content_.size() - offset_) + " are left");
  }
  std::memcpy(word, content_.data() + offset_, sizeof *word);
  offset_ += sizeof *word;
  return Result::kOk;
}

Result ImageReader::ReadMagic(const ImageKind& kind, Diagnostics& diag) {
  std::uint32_t magic = 0;
  if (kind.name != "INVENTORY") {
    const bool service = kind.name == "STATS" || kind.name == "IRMAP_CACHE";
    const std::uint32_t expected = service ? kServiceMagic : kCommonMagic;
    if (Failed(ReadWord([] { return std::string("head magic"); }, &magic, diag)))
      return Result::kError;
    if (magic != expected) {
      return diag.Fail(std::string(name_) + " @0x0",
                       "head magic is " + HexText(magic) + ", expected " + HexText(expected));
    }
  }
  const std::size_t at = offset_;
  if (Failed(ReadWord([] { return std::string("magic"); }, &magic, diag))) return Result::kError;
  if (magic != kind.magic) {
    return diag.Fail(std::string(name_) + " @" + HexText(at),
                     "magic is " + HexText(magic) + ", expected " + HexText(kind.magic) + " (" +
                         std::string(kind.name) + ")");
  }
  return Result::kOk;
}

Result ImageReader::Next(std::string_view* entry, Diagnostics& diag) {
  const std::size_t at = offset_;
  std::uint32_t length = 0;
  const auto what = [&] { return "length of entry " + std::to_string(count_); };
  if (Failed(ReadWord(what, &length, diag))) {
    return Result::kError;
  }
  if (length > content_.size() - offset_) {
    return diag.Fail(std::string(name_) + " @" + HexText(at),
                     "entry " + std::to_string(count_) + " wants " + std::to_string(length) +
                         " bytes, " + std::to_string(content_.size() - offset_) + " are left");
  }
  *entry = content_.substr(offset_, length);
  offset_ += length;
  ++count_;
  return Result::kOk;
}

Result ImageReader::Skip(std::uint64_t bytes, Diagnostics& diag) {
  if (bytes > content_.size() - offset_) {
    return diag.Fail(Where(), "wants " + std::to_string(bytes) + " bytes behind it, " +
                                  std::to_string(content_.size() - offset_) + " are left");
  }
  offset_ += bytes;
  return Result::kOk;
}

Result ImageReader::Take(std::uint64_t bytes, std::string_view* raw, Diagnostics& diag) {
  const std::size_t at = offset_;
  if (Failed(Skip(bytes, diag))) return Result::kError;
  *raw = content_.substr(at, bytes);
  return Result::kOk;
}

std::string ImageReader::Where() const {
  return std::string(name_) + "[" + std::to_string(count_ == 0 ? 0 : count_ - 1) + "]";
}

std::string ImageReader::Where(std::string_view field) const {
  return Where() + "." + std::string(field);
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Where in a dump something stands, and what is commonly wrong with values there.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "images/image_reader.h"
#include "model/diagnostics.h"
#include "model/flags.h"

namespace crgen {

/// The bits that have no name among the flags of that kind.
template <typename Kind>
std::uint64_t UnknownBits(std::uint64_t bits) {
  for (const FlagName& row : Kind::Names()) bits &= ~row.mask;
  return bits;
}

/// Whether the number has a name of that kind.
template <typename Kind>
bool IsNamed(std::uint64_t value) {
  return std::any_of(Kind::Names().begin(), Kind::Names().end(),
                     [&](const FlagName& row) { return row.value == value; });
}

/// Reports at one place and below it. The text of the place is made on error only: most dumps are
/// right, and have hundreds of thousands of threads.
class Place {
 public:
  /// `index` is that of `part`, if it is a list.
  Place(const std::string& where, Diagnostics& diag, std::string_view part = "", int index = -1)
      : where_(&where), diag_(diag), part_(part), index_(index) {}
  /// `part` of the entry that `reader` gave last.
  Place(const ImageReader& reader, Diagnostics& diag, std::string_view part)
      : reader_(&reader), diag_(diag), part_(part) {}

  Place At(std::string_view part, int index = -1) const {
    Place inner = *this;
    inner.part_ = part;
    inner.index_ = index;
    return inner;
  }

  void Error(std::string_view field, const std::string& what) const {
    diag_.Error(Where(field), what);
  }
  void Unsupported(std::string_view field, const std::string& what) const {
    diag_.Unsupported(Where(field), what);
  }
  void Warning(std::string_view field, const std::string& what) const {
    diag_.Warning(Where(field), what);
  }
  /// What the rest means another thing without.
  void Essential(std::string_view field, const std::string& what) const {
    diag_.Essential(Where(field), what);
  }
  /// `value` has to be at most `most`.
  void AtMost(std::string_view field, std::uint64_t value, std::uint64_t most) const {
    if (value > most) {
      Error(field, std::to_string(value) + ", expected at most " + std::to_string(most));
    }
  }
  template <typename Kind>
  void KnownBits(std::string_view field, std::uint64_t bits) const {
    const std::uint64_t unknown = UnknownBits<Kind>(bits);
    if (unknown != 0) Unsupported(field, "bits " + HexText(unknown) + ", which have no name");
  }
  /// Likewise where the bits decide about rights.
  template <typename Kind>
  void KnownRights(std::string_view field, std::uint64_t bits) const {
    const std::uint64_t unknown = UnknownBits<Kind>(bits);
    if (unknown != 0) Essential(field, "bits " + HexText(unknown) + ", which have no name");
  }

  std::string Where(std::string_view field) const {
    const std::string entry = where_ != nullptr ? *where_ : reader_->Where() + ".";
    return entry + std::string(part_) + (index_ < 0 ? "" : "[" + std::to_string(index_) + "]") +
           std::string(field);
  }

 private:
  const std::string* where_ = nullptr;
  const ImageReader* reader_ = nullptr;
  Diagnostics& diag_;
  std::string_view part_;
  int index_ = -1;
};

}  // namespace crgen

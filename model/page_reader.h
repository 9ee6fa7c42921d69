// SPDX-License-Identifier: Apache-2.0
// How the bytes of pages are had, for whoever compares them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "model/diagnostics.h"
#include "model/ids.h"

namespace crgen {

/// May be empty, as a std::function.
class PageReader {
 public:
  /// Fills `out` from byte `offset` of the page image `image` (a name of Snapshot::page_images).
  /// Errors: the image cannot be read, or ends before.
  using Read = std::function<Result(const std::string& image, std::uint64_t offset,
                                    std::span<char> out, Diagnostics& diag)>;
  /// How many bytes of `image` from `offset` on are known to be 0 without being read: the rest of a
  /// hole. Whoever cannot tell says 0.
  using Hole = std::function<std::uint64_t(const std::string& image, std::uint64_t offset)>;

  PageReader() = default;
  template <typename Function>
  requires std::is_constructible_v<Read, Function&&> &&
      (!std::is_same_v<std::decay_t<Function>, PageReader>)PageReader(
          Function&& read)  // NOLINT(google-explicit-constructor): as std::function has it
      : read_(std::forward<Function>(read)) {}
  PageReader(Read read, Hole hole) : read_(std::move(read)), hole_(std::move(hole)) {}

  explicit operator bool() const { return static_cast<bool>(read_); }
  Result operator()(const std::string& image, std::uint64_t offset, std::span<char> out,
                    Diagnostics& diag) const {
    return read_(image, offset, out, diag);
  }
  std::uint64_t HoleAt(const std::string& image, std::uint64_t offset) const {
    return hole_ ? hole_(image, offset) : 0;
  }

 private:
  Read read_;
  Hole hole_;
};

/// Where pages begin.
struct ImagePages {
  const PageReader& read;
  const std::string& image;
  std::uint64_t offset;
};

/// Of `bytes` bytes at each of `places`, those that all of them have in holes, in whole pages: they
/// need not be read to be known as equal, and as 0. Work on sparse images follows their data.
inline std::uint64_t CommonHole(std::uint64_t bytes, std::initializer_list<ImagePages> places) {
  for (const ImagePages& place : places) {
    bytes = std::min(bytes, place.read.HoleAt(place.image, place.offset));
  }
  return bytes / kPageSize * kPageSize;
}

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace crgen {

/// Bytes of an image that are no pages.
struct ImageBytes {
  std::string image;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  friend bool operator==(const ImageBytes&, const ImageBytes&) = default;
};

/// Where bytes of an image begin.
struct ImageSpan {
  std::string image;
  std::uint64_t offset = 0;
  friend bool operator==(const ImageSpan&, const ImageSpan&) = default;
};

/// What stands at `at` in a file or segment; between are holes.
struct ContentRun {
  std::uint64_t at = 0;  ///< bytes
  ImageSpan source;
  std::uint64_t bytes = 0;
  friend bool operator==(const ContentRun&, const ContentRun&) = default;
};

}  // namespace crgen

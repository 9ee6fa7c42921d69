// SPDX-License-Identifier: Apache-2.0
// Bytes that programs leave in images.
#pragma once

#include "dsl/describe.h"
#include "model/image_bytes.h"

namespace crgen {

template <>
struct Describe<ImageBytes> {
  static constexpr auto kFields =
      std::tuple{Required("image", &ImageBytes::image, "file name, relative to the dump"),
                 Required("offset", &ImageBytes::offset, "bytes"),
                 Required("bytes", &ImageBytes::bytes, "how many")};
};

template <>
struct Describe<ImageSpan> {
  static constexpr auto kFields = std::tuple{
      Required("image", &ImageSpan::image, "relative to the dump, never absolute, never with `..`"),
      Required("offset", &ImageSpan::offset, "bytes")};
};

template <>
struct Describe<ContentRun> {
  static constexpr auto kFields =
      std::tuple{Required("at", &ContentRun::at, "bytes; what no entry covers is a hole"),
                 Required("source", &ContentRun::source, "where they lie"),
                 Required("bytes", &ContentRun::bytes, "how many")};
};

}  // namespace crgen

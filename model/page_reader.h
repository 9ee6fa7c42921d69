// SPDX-License-Identifier: Apache-2.0
// How the bytes of pages are had, for whoever compares them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "model/diagnostics.h"

namespace crgen {

/// Fills `out` from byte `offset` of the page image `image` (a name of Snapshot::page_images).
/// Errors: the image cannot be read, or ends before.
using PageReader = std::function<Result(const std::string& image, std::uint64_t offset,
                                        std::span<char> out, Diagnostics& diag)>;

}  // namespace crgen

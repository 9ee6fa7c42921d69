// SPDX-License-Identifier: Apache-2.0
// A JSON array too large for a document: its elements one by one, each with its line.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string_view>

#include "dsl/byte_reader.h"
#include "model/diagnostics.h"

namespace crgen {

/// Bounds on what a text may hold, so that a hostile one is refused before it fills the memory.
struct JsonLimits {
  int depth = 32;  ///< nesting inside one element
  /// One element: the first command names all images of a dump, with their digests, of hundreds of
  /// thousands of processes.
  std::uint64_t element_bytes = 32 << 20;
  std::uint64_t elements = std::uint64_t{1} << 31;
};

/// Parses `read`, which must be one JSON array, and calls `element(value, line)` for each of its
/// elements (lines count from 1), in order. A syntax error, invalid UTF-8, a member that stands
/// twice in one object, or more than `limits` allows is reported as "name:line: …" and ends it.
/// Memory: one element.
Result StreamJsonArray(const ByteReader& read, std::string_view name, const JsonLimits& limits,
                       const std::function<void(nlohmann::json& value, std::size_t line)>& element,
                       Diagnostics& diag);

}  // namespace crgen

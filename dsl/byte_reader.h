// SPDX-License-Identifier: Apache-2.0
// Text as a stream of bytes.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>

namespace crgen {

/// Gives the next bytes of a text: fills `out` from the front, returns how many; 0 at its end.
/// Errors of the system are the caller's to remember.
using ByteReader = std::function<std::size_t(std::span<char> out)>;

/// All of `text`, which must outlive the reader.
ByteReader ReadFrom(std::string_view text);

}  // namespace crgen

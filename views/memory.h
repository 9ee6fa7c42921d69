// SPDX-License-Identifier: Apache-2.0
// The bytes in the memory of a process of a dump.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "views/memory_search.h"
#include "views/view.h"

namespace crgen {

struct MemoryQuery {
  AddressRange range = {0, ~std::uint64_t{0}};
  const BytePattern* pattern = nullptr;  ///< what is looked for; null: bytes as they are
  bool exact = false;                    ///< show bytes that match, not their text
  bool strings = false;                  ///< instead: text in them
  std::size_t limit = 0;                 ///< of matches; 0: none
};

/// Where text goes, whole lines of it.
using TextSink = std::function<Result(std::string_view text, Diagnostics& diag)>;

/// Writes what `query` asks for of `process`, for people: matches or strings with their address
/// and region, or hexadecimal digits. Looked at are pages that the dump or its parents have.
/// Errors: those of the sink; a page that cannot be read. Cost: linear in the pages; memory: a
/// piece of them.
Result ShowBytes(const LookedAt& dump, ProcessIndex process, const MemoryQuery& query,
                 const ViewOptions& options, const TextSink& sink, Diagnostics& diag);

/// The same as one JSON object (docs/looking.md).
Result WriteBytesJson(const LookedAt& dump, ProcessIndex process, const MemoryQuery& query,
                      const TextSink& sink, Diagnostics& diag);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// One process of a dump as an ELF core file: core(5), as a debugger opens it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "views/view.h"

namespace crgen {

/// Where a core file goes, from its start to its end.
struct CoreSink {
  std::function<Result(std::string_view bytes, Diagnostics& diag)> write;
  std::function<Result(std::uint64_t zeros, Diagnostics& diag)> skip;  ///< so many zero bytes
};

/// Why there is no core file of `process`: it is a zombie, has no registers in the dump, or runs
/// 32-bit code. Nothing: there is one.
std::optional<std::string> WithoutCore(const Snapshot& snapshot, ProcessIndex process);

/// The core file of `process`: the notes that Linux writes (fs/binfmt_elf.c), each region, with
/// the pages that the dump or its parents have. What nobody has written is zero, and skipped; what
/// is the mapped file's is left to the file. REQUIRES: WithoutCore() gives nothing.
/// Errors: those of the sink; a page that cannot be read. Memory: linear in the number of regions.
Result WriteCore(const LookedAt& dump, ProcessIndex process, const CoreSink& sink,
                 Diagnostics& diag);

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/files/unlinked.h"
#include "model/flags.h"
#include "model/ids.h"
#include "model/image_bytes.h"
#include "model/rare.h"
#include "model/values.h"

namespace crgen {

/// What is in a pipe or FIFO; stands at the first opening of the object.
struct PipeContent {
  std::optional<std::uint64_t> capacity;  ///< bytes; absent: the kernel's default
  std::optional<ImageBytes> data;         ///< queued
  friend bool operator==(const PipeContent&, const PipeContent&) = default;
};

/// pipe_entry: one end of a pipe(2), or both (O_RDWR, opened through /proc/PID/fd).
struct Pipe {
  static constexpr std::string_view kType = "PIPE";
  using Object = PipeContent;
  PipeId pipe_id;
  std::optional<std::uint64_t> capacity;
  std::optional<ImageBytes> data;
  friend bool operator==(const Pipe&, const Pipe&) = default;
};

/// fifo_entry: an opening of a FIFO.
struct Fifo {
  static constexpr std::string_view kType = "FIFO";
  using Object = PipeContent;
  FifoId pipe_id;
  Text path;
  std::optional<std::uint64_t> capacity;
  std::optional<ImageBytes> data;
  Rare<Unlinked> unlinked = {};    ///< it has no name any more, and is made anew
  Rare<std::uint64_t> mount = {};  ///< as RegularFile::mount
  Rare<Text> opened_by = {};       ///< a hard link that the dumper has left
  friend bool operator==(const Fifo&, const Fifo&) = default;
};

/// Whether a description of a pipe was made by open(2), through /proc/PID/fd of a process that has
/// an end: pipe(2) gives neither flag.
inline bool IsReopenedEnd(OpenFlags flags) {
  return (flags.bits & kLargeFile) != 0 || (flags.bits & O_ACCMODE) == O_RDWR;
}

}  // namespace crgen

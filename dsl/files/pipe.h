// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "dsl/files/unlinked.h"
#include "dsl/image_bytes.h"
#include "model/files/pipe.h"

namespace crgen {

template <>
struct Describe<Pipe> {
  static constexpr auto kFields =
      std::tuple{Required("pipe_id", &Pipe::pipe_id, "the pipe; its first OPEN_FILE makes it"),
                 Optional("capacity", &Pipe::capacity, "where it is made: bytes, F_SETPIPE_SZ"),
                 Optional("data", &Pipe::data, "where it is made: what is queued")};
};

template <>
struct Describe<Fifo> {
  static constexpr auto kFields = std::tuple{
      Required("pipe_id", &Fifo::pipe_id, "what is between all that have the FIFO open"),
      Required("path", &Fifo::path, "absolute"),
      Optional("capacity", &Fifo::capacity, "at its first OPEN_FILE: bytes, F_SETPIPE_SZ"),
      Optional("data", &Fifo::data, "at its first OPEN_FILE: what is queued"),
      Optional("unlinked", &Fifo::unlinked, "it has no name any more; as of a REG"),
      Optional("opened_by", &Fifo::opened_by, "a hard link that the dumper left; as of a REG"),
      Optional("mount", &Fifo::mount, "the id of the mount that it is in; as of a REG")};
};

}  // namespace crgen

// SPDX-License-Identifier: Apache-2.0
// Options of sockets as a list of setsockopt(2).
#pragma once

#include <vector>

#include "model/socket_options.h"
#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

/// The list that grows, in the arena.
class SocketOptionWriter {
 public:
  explicit SocketOptionWriter(Arena& arena) : arena_(arena) {}

  void Add(int level, int name, int value);
  void AddBytes(int level, int name, const void* bytes, std::size_t size);
  /// Those that are set. `with_buffers`: sizes of the buffers too; sizes are set as half of what
  /// they become.
  void AddAll(const SocketOptions& options, bool with_buffers);
  SocketOptionsOp Finish(Fd fd);

 private:
  void AddFilter(const std::vector<Hex>& filter);

  Arena& arena_;
  std::vector<SocketOptionOp> options_;
};

}  // namespace crgen::restorer

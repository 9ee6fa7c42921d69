// SPDX-License-Identifier: Apache-2.0
// Whoever looks at a program while it is emitted, from another thread.
#pragma once

#include <cstddef>
#include <mutex>

namespace crgen {

class ProgramFollower {
 public:
  virtual ~ProgramFollower() = default;
  /// The first `count` commands are there and stay as they are.
  virtual void Follow(std::size_t count) = 0;
  /// While the lock is held, nobody looks at the commands, which may move in memory.
  virtual std::unique_lock<std::mutex> Pause() = 0;
  /// The program is complete.
  virtual void Complete() = 0;
};

}  // namespace crgen

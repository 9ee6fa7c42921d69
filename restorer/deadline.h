// SPDX-License-Identifier: Apache-2.0
// Every wait of the supervisor has an end.
#pragma once

#include <chrono>

namespace crgen::restorer {

/// A moment after which waiting is given up.
class Deadline {
 public:
  /// `seconds` from now; 0: never.
  explicit Deadline(unsigned seconds) : seconds_(seconds) { Renew(); }

  void Renew() { last_ = Clock::now(); }
  bool Passed() const {
    return seconds_ != 0 && Clock::now() - last_ > std::chrono::seconds(seconds_);
  }
  unsigned seconds() const { return seconds_; }

 private:
  using Clock = std::chrono::steady_clock;
  unsigned seconds_;
  Clock::time_point last_;
};

/// While it lives, calls that wait are interrupted (EINTR) a few times a second: by SIGALRM, which
/// neither a child nor an execve(2) inherits.
class Ticks {
 public:
  Ticks();
  ~Ticks();
  Ticks(const Ticks&) = delete;
  Ticks& operator=(const Ticks&) = delete;
};

}  // namespace crgen::restorer

// SPDX-License-Identifier: Apache-2.0
// A process outside of the confinement (confine.h), for the little that this one has to have done.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace crgen {

/// Is born before Confine(), and then answers questions. What it is asked comes from a process that
/// hostile bytes may have taken over: `answer` must not be able to do harm whatever it is asked.
class Outside {
 public:
  using Answer = std::function<std::string(std::string_view question)>;
  using AtFirst = std::function<void(int answers)>;
  Outside() = default;
  /// Asks it to end, and waits until it has.
  ~Outside() { End(); }
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;

  /// `at_end`: what it does when this process has ended, whatever ended it, or End() is called;
  /// signals that a terminal sends do not keep it from that. `at_first`: what it does before it
  /// answers for the first time, with the descriptor to which answers are written. False: errno
  /// says why there is none.
  bool Begin(const Answer& answer, const std::function<void()>& at_end = {}, AtFirst at_first = {});
  /// None: it has ended.
  std::optional<std::string> Ask(std::string_view question);
  /// After it, `at_end` has been done. May be called by a handler of a signal.
  void End();

 private:
  pid_t process_ = 0;
  int questions_ = -1, answers_ = -1;
};

}  // namespace crgen

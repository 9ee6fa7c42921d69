// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "model/flags.h"

namespace crgen {

/// timerfd_entry: timerfd_create(2).
struct Timerfd {
  static constexpr std::string_view kType = "TIMERFD";
  Clock clock;
  friend bool operator==(const Timerfd&, const Timerfd&) = default;
};

struct TimeSpan {
  std::uint64_t sec = 0;
  std::uint64_t nsec = 0;
  bool IsZero() const { return sec == 0 && nsec == 0; }
  friend bool operator==(const TimeSpan&, const TimeSpan&) = default;
};

/// Late state of a TIMERFD: timerfd_settime(2), TFD_IOC_SET_TICKS.
struct TimerfdSetting {
  TimerfdFlags settime_flags;  ///< TFD_TIMER_ABSTIME: how it was armed; `value` is time left anyway
  std::uint64_t ticks = 0;     ///< expirations that nobody has read
  TimeSpan interval;
  TimeSpan value;  ///< time left; zero: disarmed, or a repeating one that has expired unread
  friend bool operator==(const TimerfdSetting&, const TimerfdSetting&) = default;
};

}  // namespace crgen

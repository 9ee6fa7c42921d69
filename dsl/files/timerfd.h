// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "model/files/timerfd.h"

namespace crgen {

template <>
struct Describe<Timerfd> {
  static constexpr auto kFields =
      std::tuple{Required("clock", &Timerfd::clock, "timerfd_create(2)")};
};

template <>
struct Describe<TimeSpan> {
  static constexpr auto kFields = std::tuple{Required("sec", &TimeSpan::sec, "seconds"),
                                             Required("nsec", &TimeSpan::nsec, "0 to 999999999")};
};

template <>
struct Describe<TimerfdSetting> {
  static constexpr auto kFields = std::tuple{
      Required("value", &TimerfdSetting::value,
               "time left; zero: disarmed, or expired where it has `interval` and `ticks`"),
      Optional("interval", &TimerfdSetting::interval, "absent: it expires once"),
      Optional("settime_flags", &TimerfdSetting::settime_flags,
               "how it was armed: TFD_TIMER_ABSTIME; `value` is time left anyway"),
      Optional("ticks", &TimerfdSetting::ticks, "expirations that nobody has read")};
};

}  // namespace crgen

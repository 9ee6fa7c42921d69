// SPDX-License-Identifier: Apache-2.0
#include "checker/files/timerfd.h"

#include <sys/timerfd.h>
#include <time.h>

#include <limits>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr std::uint64_t kNsecPerSec = 1'000'000'000;

bool IsTime(const TimeSpan& time) {
  return time.nsec < kNsecPerSec &&
         time.sec <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
}

}  // namespace

std::optional<Refusal> FileRules<Timerfd>::Check(const File& file, const Timerfd& timerfd) const {
  if (auto refused = RefusedAnonymousFlags(file.flags)) return refused;
  switch (timerfd.clock.value) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_BOOTTIME_ALARM:
      return std::nullopt;
    default:
      return Refusal{"EINVAL", "no timerfd has the clock " + ValueText(timerfd.clock)};
  }
}

std::optional<Refusal> LateRules<TimerfdSetting>::Check(const Kernel&,
                                                        const Description& description,
                                                        const TimerfdSetting& setting) {
  if (auto refused = RefusedForType<Timerfd>(description)) return refused;
  if (!IsTime(setting.value) || !IsTime(setting.interval)) {
    return Refusal{"EINVAL", "nsec is 0 to 999999999, sec below 2^63"};
  }
  constexpr std::uint64_t kKnown = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  if ((setting.settime_flags.bits & ~kKnown) != 0) {
    return Refusal{"EINVAL", "settime_flags " + ValueText(setting.settime_flags)};
  }
  return std::nullopt;
}

}  // namespace crgen::check
